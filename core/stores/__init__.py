"""What is computed once and kept: decoded pixels, activations of frozen parts, measurements of this machine."""
