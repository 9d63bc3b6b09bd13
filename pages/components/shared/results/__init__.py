"""What came of trainings: verdicts, findings, lists of runs, what can be taken home."""
