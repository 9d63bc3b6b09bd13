"""The smallest training that is worth the name."""

SMALL_SCRATCH = {
    "dataset": "drawn",
    "model": "scratch_cnn",
    "strategy": "scratch",
    "filters": (4, 8),
    "dense_neurons": 8,
    "image_size": 32,
    "epochs": 2,
    "batch_size": 8,
    "precision": "fp32",
}
