"""Processes: the scheduler, the training worker, the import worker."""
