"""What explains an answer: maps over a picture, the features of many, the weights and filters of a network.

`explainer` puts them together; the `explanation_cache` keeps those of finished runs.
"""
