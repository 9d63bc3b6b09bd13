"""Train a small backbone from unlabelled pictures and a pretrained teacher: `python -m tools.distill`."""
