"""The folded parts of a result: confusion, classes, confidence, cost, and why networks answer as they do."""
