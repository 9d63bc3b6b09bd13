"""What an import report says of the splits: missing classes, groups kept together or divided, likely copies."""

from collections import Counter, defaultdict

import numpy as np

from core.datasets.copies import Looks, find_alike
from core.datasets.dataset import ImportReport
from core.datasets.splits import SPLITS, Assignment, Item, quotas
from core.formatting import SPLIT_NAMES, format_count, join_names

MAX_NOTED = 20
MAX_NAMED = 5
MISSED = 0.3  # of a quota: nearer to it, nobody needs a note


def note_missing(items: list[Item], splits: list[str], classes: list[str], report: ImportReport) -> None:
    """Note which classes a split has no picture of."""
    held = {(item.label, split) for item, split in zip(items, splits, strict=True)}
    lacking: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for place, name in enumerate(classes):
        if without := tuple(SPLIT_NAMES[key] for key in SPLITS[1:] if key in splits and (place, key) not in held):
            lacking[without].append(repr(name))
    for without, missing in lacking.items():
        names = join_names(missing[:MAX_NAMED])
        more = f" (and of {len(missing) - MAX_NAMED:,} more classes)" if len(missing) > MAX_NAMED else ""
        where = f"{' and '.join(without)} split{'s' if len(without) > 1 else ''}"
        report.notes.append(
            f"No picture of {names}{more} is in the {where}, so results there do not "
            f"cover {'it' if len(missing) == 1 else 'them'}: add pictures."
        )


def note_groups(
    items: list[Item], assignment: Assignment, shares: dict[str, float], classes: list[str], report: ImportReport
) -> None:
    """Note where pictures that look alike kept a class from its quotas, or had to be in several splits."""
    loosened = Counter(items[place].label for place in assignment.groups.loosened.tolist())
    largest = Counter[int]()
    for places in assignment.groups.members():
        for label, count in Counter(items[place].label for place in places).items():
            largest[label] = max(largest[label], count)
    found = Counter((item.label, split) for item, split in zip(items, assignment.splits, strict=True))
    spread = [f"{loosened[label]} pictures of {classes[label]!r}" for label in sorted(loosened) if loosened[label] > 1]
    if spread:
        more = f" (and of {len(spread) - MAX_NAMED:,} more classes)" if len(spread) > MAX_NAMED else ""
        report.notes.append(
            f"{join_names(spread[:MAX_NAMED])}{more} look alike, as from a camera that stands still. They are in all "
            "splits, and only the nearest ones stay together: take test pictures at another place or time."
        )
    notes = []
    for label in sorted({item.label for item in items}):
        if loosened[label] > 1:
            continue
        wanted = quotas(sum(found[label, split] for split in SPLITS), shares)
        missed = [
            split for split in SPLITS[1:]
            if abs(found[label, split] - wanted[split]) > max(1, MISSED * wanted[split])
            or (wanted[split] and not found[label, split])
        ]  # fmt: skip
        if missed and largest[label] > 1:
            counts = " and ".join(
                f"{found[label, split]} {SPLIT_NAMES[split]} pictures instead of {wanted[split]}" for split in missed
            )
            notes.append(
                f"{largest[label]} pictures of {classes[label]!r} look alike and stay together: the class has {counts}."
            )
    report.notes.extend(notes[:MAX_NOTED])
    if len(notes) > MAX_NOTED:
        report.notes.append(f"So it is with {len(notes) - MAX_NOTED:,} more classes.")


def note_level(items: list[Item], assignment: Assignment, report: ImportReport) -> None:
    """Note whether the given groups could be kept in one split each."""
    level, deepest = (
        assignment.groups.level,
        max((item.group.count("/") + 1 for item in items if item.group), default=0),
    )
    if not deepest:
        return
    widest = len({item.group.split("/")[0] for item in items if item.group})
    if not level:
        report.notes.append(
            f"{format_count(widest, 'group')} cannot fill three splits, so pictures of one group are in several: "
            "results on them flatter. Add pictures of more groups."
        )
    elif level > 1:
        report.notes.append(
            f"{format_count(widest, 'wide group')} (such as people) cannot fill three splits, so only the groups "
            "within them (such as bursts) are in one split each: results on them flatter. Add pictures of more groups."
        )


def note_divided(items: list[Item], splits: list[str], report: ImportReport) -> None:
    """Note how many groups the given splits divide."""
    held: dict[str, set[str]] = defaultdict(set)
    for item, split in zip(items, splits, strict=True):
        if item.group:
            held[item.group].add(split)
    divided = sum(len(found) > 1 for found in held.values())
    if divided:
        report.notes.append(
            f"{format_count(divided, 'group')} of pictures that belong together are in several of the given splits: "
            "results on them flatter."
        )


def note_straddling(items: list[Item], splits: list[str], given: bool, report: ImportReport) -> None:
    """Count the validation and test pictures that look like a training picture."""
    looks = Looks.of([item.look for item in items])
    kinds = np.array([SPLITS.index(split) for split in splits])
    in_train = np.flatnonzero(kinds == 0)
    for split in ("val", "test"):
        places = np.flatnonzero(kinds == SPLITS.index(split))
        if alike := len(find_alike(looks, places, in_train, kinds, any_will_do=True)):
            report.straddling[split] = alike
            why = "the given folders were kept, so" if given else "they are too many to keep apart, so"
            report.notes.append(
                f"{alike} {SPLIT_NAMES[split]} pictures look like copies of training pictures: {why} results on them "
                "flatter."
            )
