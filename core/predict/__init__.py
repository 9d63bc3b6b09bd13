"""Using a trained network: the predictor process, and what it answers.

`predictor` predicts with a run and `explainer` explains, both in the process of `predictor_server`; pages ask it by
`predictor_client`. `explanations` holds each kind of explanation.
"""
