"""From a TrainConfig to a test result: preparation, the training loop, evaluation, time estimates."""
