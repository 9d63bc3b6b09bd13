"""What a person chooses: TrainConfig, its parsing, stages and budget; race plans; run events. No torch."""
