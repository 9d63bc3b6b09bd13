"""From a TrainConfig to a trained network, as a stream of events."""
