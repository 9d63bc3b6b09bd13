"""What the name of a column speaks of: labels, splits, files."""

import re
from collections.abc import Sequence

LABEL_WORDS = (
    "label",
    "class",
    "category",
    "categories",
    "breed",
    "species",
    "target",
    "y",
    "variety",
    "diagnosis",
    "dx",
)
SPLIT_COLUMNS = {"split", "set", "fold", "subset", "partition", "data_set", "dataset", "usage", "phase"}


def is_label_name(column: str) -> bool:
    """Whether a column's name speaks of labels: `label`, `breed_name`, `true_class`."""
    return rank_column(column, LABEL_WORDS) < len(LABEL_WORDS)


def is_split_name(column: str) -> bool:
    """Whether a column's name speaks of splits: `split`, `data set`, `partition`."""
    return plain_column(column) in SPLIT_COLUMNS


def rank_column(column: str, words: Sequence[str]) -> int:
    """Place of the first word that is the column's name, or a part of it; the number of words where none is."""
    plain = plain_column(column)
    parts = {plain, *(part for part in plain.split("_") if len(part) > 1)}
    parts |= {part.removesuffix(end) for part in parts for end in ("s", "es")}
    return next((place for place, word in enumerate(words) if word in parts), len(words))


def plain_column(column: str) -> str:
    """Its words in small letters, joined by `_`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.sub(r"[\W_]+", "_", spaced).strip("_").casefold()
