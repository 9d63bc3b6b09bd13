"""The open room: its passcode, who was let in, what the presenter decided for everybody."""
