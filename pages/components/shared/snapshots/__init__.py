"""What all sessions see: read from the disk once for everyone."""
