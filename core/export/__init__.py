"""Files that other programs open, each checked against the run that it came from before anyone gets it.

`formats` lists what there is, `exports` keeps what was made and starts what is missing, and `export_job` is the process
that makes one. Each writer is a module of its own; `export_check` asks the finished file for its answers.
"""
