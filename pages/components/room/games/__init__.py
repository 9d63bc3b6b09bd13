"""What a room plays together: the scene on the wall, the presenter's buttons, and what phones show."""
