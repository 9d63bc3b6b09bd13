"""Files that other programs open, each checked against the run that it came from before anyone gets it.

`formats` lists what there is, `exports` keeps what was made and starts what is missing, and `export_job` is the process
that makes one: `source` reads the run, a writer in `files` makes what people take, and `source.export_check` holds its
answers against the run's. `tflite`, `phone` and `notebooks` hold what single writers need.
"""
