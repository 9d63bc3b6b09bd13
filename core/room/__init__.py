"""One deployment with its people: nicknames, the passcode, addresses, what the presenter decided for everyone."""
