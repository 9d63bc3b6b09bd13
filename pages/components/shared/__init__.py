"""What several pages use: the frame around each, and packages of charts, pictures, importing, results and snapshots."""
