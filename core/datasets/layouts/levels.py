"""Levels of folders: which of them may hold the names of classes."""

from collections import Counter
from collections.abc import Mapping

from core.datasets.labels.words import are_groups, name_key
from core.datasets.layouts.tree import Folder

MAX_LEVELS = 6
MAX_CLASSES = 1000
DEEP_SHARE = 0.2  # of the pictures must lie so deep that the names there may be classes


def chains_of(root: Folder) -> list[tuple[int, tuple[str, ...]]]:
    """The names of the folders above every picture, outermost first, below the root."""
    out: list[tuple[int, tuple[str, ...]]] = []

    def walk(folder: Folder, above: tuple[str, ...]) -> None:
        out.extend((number, above) for number in folder.pictures)
        for item in folder.folders.values():
            walk(item, (*above, item.name))

    walk(root, ())
    return out


def class_levels(chains: Mapping[int, tuple[str, ...]]) -> list[int]:
    """Levels of folders whose names may be classes; the first always is one."""
    levels = [1]
    for level in range(2, MAX_LEVELS):
        deep = [chain[level - 1] for chain in chains.values() if len(chain) >= level]
        counts = Counter(name_key(name) for name in deep)
        if len(deep) < DEEP_SHARE * len(chains):
            break
        if 2 <= len(counts) <= min(MAX_CLASSES, len(deep) / 2) and not are_groups(list(counts)):
            levels.append(level)
    return levels
