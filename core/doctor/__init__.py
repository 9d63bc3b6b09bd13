"""The data doctor: labels that look wrong, near-copies, pictures that are hard to see, cues that give classes away."""
