"""The files in a run's folder, `runs/<id>/`."""

CONFIG = "config.json"  # the TrainConfig
META = "meta.json"  # when, by whom, which arm of which race; what the dataset was
STARTED = "started.json"  # the worker that took it; removed when the run is queued again
ATTEMPTS = "attempts.json"  # how often it was resumed after a crash
THREADS = "threads.json"  # processor threads that it began with: more or fewer would give other digits
NODE = "node.json"  # the node of a cluster that it was given to last
STALLED = "stalled.json"  # since when its worker has not moved
LOCK = "worker.lock"  # held while the worker lives
LOG = "worker.log"  # what the worker printed, tracebacks included
EVENTS = "events.jsonl"  # one JSON line for each event
STOP = "stop"  # a stop was requested
CHECKPOINTS = "checkpoints"  # a folder, with the three that follow
BEST = "best"  # the weights of the best epoch, and a sidecar:
BEST_WEIGHTS, BEST_SIDECAR = f"{BEST}.safetensors", f"{BEST}.json"
SNAPSHOT = "last.safetensors"  # while the run can be resumed
PREDICTIONS = "predictions.csv"  # every prediction on the test split
VALIDATION_PREDICTIONS = (
    "validation.csv"  # predictions of the same weights on the validation split; absent in older runs
)
NOVELTY = "novelty.safetensors"  # what known pictures look like to it (core/novelty); absent in older runs
EXPORTS = "exports"  # a folder: what was made of the run for other programs (core/export)
RESULT = "result.json"  # how it ended, written last

RECORDS = (CONFIG, META, STARTED, RESULT, EVENTS, PREDICTIONS, VALIDATION_PREDICTIONS)
