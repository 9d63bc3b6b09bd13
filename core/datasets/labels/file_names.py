"""Labels in file names: `cat.0.jpg`, `Abyssinian_12.jpg`, `n02085620_7.JPEG`."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from core.datasets.labels.words import name_key, split_name, word_set, words_of

# what stands before the last number, or before a long mark of hexadecimal digits
_NUMBERED = re.compile(r"(.*?[^\W\d_].*?)[ ._\-]*[(\[]?(?:\d+|[0-9a-f]{8,})[)\]]?", re.IGNORECASE | re.DOTALL)
CAMERA_WORDS = word_set(
    "img image images dsc dscn dscf dcim pxl photo photos pic picture pictures frame frames screenshot scan file "
    "sample mvimg whatsapp wa untitled download unnamed train training test testing val valid validation isic im "
    "video crop data"
)
MATCHED = 0.9  # of the pictures must have such a name
MEAN_COUNT = 2


def labels_in_names(names: Mapping[int, str]) -> dict[int, str]:
    """The label that each file name begins with; empty where the names do not look like that.

    At least nine in ten names must hold one, of at least two labels with two pictures each on average; words of
    cameras and splits are no labels.
    """
    found: dict[int, str] = {}
    for number, name in names.items():
        match = _NUMBERED.fullmatch(PurePosixPath(name).stem)
        label = match[1].strip(" ._-") if match else ""
        if label:
            found[number] = label
    counts = Counter(name_key(label) for label in found.values())
    kept = {
        number: label
        for number, label in found.items()
        if counts[name_key(label)] >= MEAN_COUNT and not _is_camera(label) and not split_name(label)
    }
    labels = {name_key(label) for label in kept.values()}
    if len(labels) < 2 or len(kept) < MATCHED * len(names) or len(kept) < MEAN_COUNT * len(labels):
        return {}
    return kept


def _is_camera(label: str) -> bool:
    """Whether the words of a label are those of cameras only: `Screenshot 2020-01`."""
    return {word for word in words_of(label) if not word.isdecimal()} <= CAMERA_WORDS
