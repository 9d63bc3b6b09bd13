"""Sweeps: Optuna proposes settings, each trial is a run of the queue, and the best settings race against the base.

`sweep_store` keeps the files, `sweeper` is the process that asks Optuna and starts trials, `sweep` is what pages and
the command line read, `final_race` trains the best settings again and evaluates them.
"""
