"""Which of the images that were read become the dataset: copies, contradictions, splits, order, identity."""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.datasets.dataset import ImportReport, thumbnail_of
from core.datasets.layouts.placing import Placed
from core.datasets.splits import SPLITS, Item, SplitPlan, assign, group_copies
from core.errors import DatasetError
from core.formatting import SPLIT_NAMES, readable

MAX_NOTED = 20


@dataclass(frozen=True)
class ReadImage:
    """A picture that was decoded and stored."""

    placed: Placed
    path: str
    width: int
    height: int
    bytes: int
    sha256: str
    pixel_hash: str
    perceptual_hash: str
    notes: tuple[str, ...]


def leave_out_copies(read: list[ReadImage], report: ImportReport, folder: Path) -> list[ReadImage]:
    """Keep one of each picture; set aside those that are in several classes."""
    groups: dict[str, list[ReadImage]] = defaultdict(list)
    for item in read:
        groups[item.pixel_hash].append(item)
    kept = []
    for group in groups.values():
        if len({item.placed.label for item in group}) > 1:
            report.contradictory.append(
                [(item.placed.name, item.placed.label, thumbnail_of(item.sha256)) for item in group]
            )
            continue
        # a copy that lies in test as well as in train must not stay in train
        group.sort(key=lambda item: -SPLITS.index(item.placed.split or "train"))
        kept.append(group[0])
        report.duplicates.extend((item.placed.name, group[0].placed.name) for item in group[1:])
    used = {item.path for item in kept}
    aside = {item.pixel_hash for item in read} - {item.pixel_hash for item in kept}
    for item in read:
        if item.path not in used:
            with contextlib.suppress(FileNotFoundError):
                (folder / item.path).unlink()
            if item.pixel_hash not in aside:
                with contextlib.suppress(FileNotFoundError):
                    (folder / thumbnail_of(item.sha256)).unlink()
    return sorted(kept, key=lambda item: (natural_key(item.placed.label), natural_key(item.placed.name)))


def choose_splits(
    kept: list[ReadImage], classes: list[str], plan: SplitPlan, seed: int, given: bool, report: ImportReport
) -> list[str]:
    """A split for every picture: the given ones, completed, or those of the plan.

    Raises:
        DatasetError: if no picture is left for training or validation.
    """
    places_of = {name: place for place, name in enumerate(classes)}
    items = [Item(item.pixel_hash, item.perceptual_hash, places_of[item.placed.label]) for item in kept]
    if not given:
        splits = assign(items, plan.shares(), seed)
        if "val" not in splits:
            raise DatasetError(
                f"{len(kept)} different pictures are too few to keep some for validation: add more of each class."
            )
        return splits
    splits = [item.placed.split or "train" for item in kept]
    report.notes.append("The folders train, val and test were kept as the splits.")
    groups = group_copies([item.perceptual_hash for item in kept])
    if "val" not in splits:
        share = plan.val / (plan.train + plan.val)
        places = [place for place, split in enumerate(splits) if split == "train"]
        carved = assign([items[place] for place in places], {"train": 1 - share, "val": share}, seed)
        for place, split in zip(places, carved, strict=True):
            splits[place] = split
        report.notes.append(
            f"There was no validation folder: {carved.count('val')} training pictures became the validation split."
        )
    if "test" not in splits:
        report.notes.append("There was no test folder: results are on the validation split, and are marked as such.")
    for split in ("train", "val"):
        if split not in splits:
            raise DatasetError(
                f"No readable picture is in the {split} folder: add some, or import without split folders."
            )
    in_train = {group for group, split in zip(groups, splits, strict=True) if split == "train"}
    for split in ("val", "test"):
        alike = sum(found == split and group in in_train for group, found in zip(groups, splits, strict=True))
        if alike:
            report.notes.append(
                f"{alike} {SPLIT_NAMES[split]} pictures look like copies of training pictures: the given "
                "folders were kept, so results on them flatter."
            )
    return splits


def note_missing_classes(placed: list[Placed], classes: list[str], report: ImportReport) -> None:
    """Note in the report which class folders have no usable image."""
    missing = sorted({item.label for item in placed if item.problem is None} - set(classes), key=natural_key)
    report.notes.extend(f"The class {label!r} has no usable picture and was left out." for label in missing)


def note_empty_folders(folders: Sequence[str], report: ImportReport) -> None:
    """Note in the report which folders have no file at all: they may be meant as classes."""
    for name in folders[:MAX_NOTED]:
        report.notes.append(f"The folder {readable(name)!r} is empty and makes no class.")
    if len(folders) > MAX_NOTED:
        report.notes.append(f"{len(folders) - MAX_NOTED:,} more folders are empty.")


def too_few_sentence(classes: list[str], report: ImportReport, where: str) -> str:
    """Why a source whose files were all read cannot be a dataset: the commonest reason, with its number of files."""
    count = "no class has" if not classes else f"only the class {classes[0]!r} has"
    start = f"After reading, {count} usable pictures {where}, and two classes are needed"
    if not report.rejected:
        return f"{start}: all were set aside as contradictory."
    reasons = Counter(text.removeprefix(name).strip() for name, text in report.rejected)
    reason, files = reasons.most_common(1)[0]
    name = next(name for name, text in report.rejected if text.removeprefix(name).strip() == reason)
    if files == 1:
        return f"{start}; for example: {name} {reason}"
    return f"{start}. Of {files:,} files such as {name}, each {reason}"


def count_images(kept: list[ReadImage], splits: list[str]) -> dict[str, dict[str, int]]:
    """Class name -> split -> number of pictures."""
    counted = Counter(zip((item.placed.label for item in kept), splits, strict=True))
    out: dict[str, dict[str, int]] = {}
    for (label, split), count in counted.items():
        out.setdefault(label, {})[split] = count
    return out


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key: picture 2 before picture 10, whatever the case."""
    return [
        (0, int(part), "") if part[0] in "0123456789" else (1, 0, part.casefold())
        for part in re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    ] + [(2, 0, text)]
