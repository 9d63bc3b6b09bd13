"""The process of one run: how it starts, holds its run, computes, and logs what happens.

`preloader` forks a `worker`, which takes a `held_run` and has a `computation` train or evaluate it; `event_writer` logs
what that yields. `evaluation_job` starts a worker that only evaluates.
"""
