"""Every name that the program gives to a file or folder under the data root: one place for check, repair and carry.

What is not here is reported, unless it is a small JSON file that parses: later versions may keep more of them.
"""

import re

# the data root
DATASETS, RUNS, IMPORTS, CACHE, LOGS, PEOPLE, ROOM = "datasets", "runs", "imports", "cache", "logs", "people", "room"
SET_ASIDE = "set-aside"  # what `--repair` took away: never looked at again
ROOT_FOLDERS = {DATASETS, RUNS, IMPORTS, CACHE, LOGS, PEOPLE, ROOM, SET_ASIDE}

# a dataset
DATASET_FILES = ("dataset.json", "pictures.csv", "report.json")
IMAGE = re.compile(r"images/([0-9a-f]{2})/\1[0-9a-f]{62}\.(jpg|mpo|png|gif|bmp|webp|tif|avif)")
THUMBNAIL = re.compile(r"thumbs/([0-9a-f]{2})/\1[0-9a-f]{62}\.jpg")

# a run
CHECKPOINTS = "checkpoints"
BEST_WEIGHTS, BEST_FACTS, SNAPSHOT = "best.safetensors", "best.json", "last.safetensors"
CHECKPOINT_FILES = (BEST_WEIGHTS, BEST_FACTS, SNAPSHOT)
STARTED, ATTEMPTS, STALLED = "started.json", "attempts.json", "stalled.json"
PREDICTIONS, VALIDATION = "predictions.csv", "validation.csv"
RUN_RECORDS = ("config.json", "meta.json", STARTED, "result.json", "events.jsonl", PREDICTIONS, VALIDATION)
RUN_FILES = (*RUN_RECORDS, ATTEMPTS, STALLED, "stop", "worker.log")  # beside locks and other small JSON files

# an import
IMPORT_FILES = ("request.json", "progress.json", "result.json", "upload.zip", "importer.log")

# names that begin with a dot are never complete
DATASET_DRAFT, RUN_DRAFT, DELETED, UPLOAD = ".importing-", ".draft-", ".deleted-", ".upload-"
DRAFT_LOCK = "import.lock"  # held by whoever fills a draft
TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{8}\.tmp", re.DOTALL)  # by `storage.atomic_open`, with the process's id

SMALL_BYTES = 2**20  # an unknown JSON file up to this size is nobody's fault


def is_lock(name: str) -> bool:
    """Whether a file exists to be locked: its content means nothing."""
    return name.endswith(".lock")


def shown(name: str) -> str:
    """A name as it may be printed: whatever the disk holds, one line without invisible characters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
