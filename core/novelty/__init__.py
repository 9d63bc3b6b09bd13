"""Strange pictures: unlike what a network was trained on, or of more than one class, at a promised rate. No torch."""
