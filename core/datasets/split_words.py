"""The words for splits that people write into names and tables."""

import re

SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test", "tests": "test", "eval": "test", "evaluation": "test", "holdout": "test",
}  # fmt: skip
_NOISE = {"data", "dataset", "set", "split", "images", "image", "imgs", "img", "pictures", "photos", "folder", "labels"}
_WORD = re.compile(r"[^\W\d_]+")


def split_of(text: str) -> str | None:
    """The split that a text names and nothing else: `Train`, `training_set`, `01_valid`; else None."""
    found = {SPLIT_WORDS.get(_stripped(word)) for word in _words(text) if word not in _NOISE}
    return found.pop() if len(found) == 1 else None


def split_in_path(path: str) -> str | None:
    """The split that a path speaks of, its last part first: `data/train-00000-of-00002.parquet`, `test/0.parquet`."""
    for part in reversed(path.split("/")):
        found = {SPLIT_WORDS[word] for word in _words(part) if word in SPLIT_WORDS}
        if len(found) == 1:
            return found.pop()
    return None


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _stripped(word: str) -> str:
    """`trainset` as `train`."""
    return word.removesuffix("set") if word not in SPLIT_WORDS else word
