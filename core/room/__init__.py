"""One deployment with its people: nicknames, the passcode, addresses, the presenter's settings for everyone."""
