"""What several pages use: the frame, snapshots shared by all sessions, charts, the gallery, notices, lessons."""
