"""Which of the images that were read become the dataset: copies, contradictions, splits, order, identity."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.datasets.copies import ALIKE, Look, Looks
from core.datasets.dataset import ImportReport, thumbnail_of
from core.datasets.layouts.placing import Placed
from core.datasets.pictures.decoder import TOO_HIGH, TOO_WIDE
from core.datasets.pictures.picture_formats import INSTALL_HEIF
from core.datasets.split_notes import MAX_NOTED, note_divided, note_groups, note_level, note_missing, note_straddling
from core.datasets.splits import SPLITS, Groups, Item, SplitPlan, assign, group_items
from core.datasets.version_names import name_sources
from core.errors import DatasetError
from core.formatting import format_count, format_number, readable
from models.entry import GreyRanges

MAX_CROPPED = 0.05  # of the pictures: fewer need no note
FEW_RANGES = 9  # grey pictures of which none can be called unusual
OUTLYING = 4  # times the usual width: 64 shades are left


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
    look: Look
    notes: tuple[str, ...]
    greys: GreyRanges | None = None  # its own range, where it is grey of more than 8 bits


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
    _remove_others(read, kept, report, folder)
    return sorted(kept, key=lambda item: (natural_key(item.placed.label), natural_key(item.placed.name)))


def leave_out_unlearnable(kept: list[ReadImage], report: ImportReport, folder: Path) -> list[ReadImage]:
    """Leave out classes that have pictures in the given validation or test folders only.

    Raises:
        DatasetError: no training picture is left at all.
    """
    trained = {item.placed.label for item in kept if (item.placed.split or "train") == "train"}
    if not trained:
        reason = (
            "Every training picture is also in the validation or test folder, where such copies count: import the "
            "training folder alone."
            if report.duplicates
            else "No readable picture is in the training folder: add some, or import without split folders."
        )
        raise DatasetError(reason)
    others = Counter(item.placed.label for item in kept if item.placed.label not in trained)
    for label, count in others.items():
        report.notes.append(
            f"The class {label!r} has no usable training picture, so nothing can learn it: "
            f"{format_count(count, 'picture')} elsewhere left out."
        )
    left = [item for item in kept if item.placed.label in trained]
    _remove_others(kept, left, report, folder)
    return left


def _remove_others(read: list[ReadImage], kept: list[ReadImage], report: ImportReport, folder: Path) -> None:
    """Remove the files of what was read and not kept; contradictory pictures keep their thumbnails."""
    used = {item.path for item in kept}
    shown = {thumbnail for group in report.contradictory for _, _, thumbnail in group}
    for item in read:
        if item.path not in used:
            (folder / item.path).unlink(missing_ok=True)
            if thumbnail_of(item.sha256) not in shown:
                (folder / thumbnail_of(item.sha256)).unlink(missing_ok=True)


def choose_splits(
    kept: list[ReadImage], classes: list[str], plan: SplitPlan, seed: int, given: bool, report: ImportReport
) -> list[str]:
    """A split for every picture: the given ones, completed, or those of the plan.

    The report gets what is to be known of pictures that look alike: in several classes, in several splits, too many
    of them to fill validation and test.

    Raises:
        DatasetError: if no picture is left for training or validation.
    """
    places_of = {name: place for place, name in enumerate(classes)}
    sources = name_sources([(item.placed.label, item.placed.name) for item in kept])
    items = [
        Item(item.pixel_hash, item.look, places_of[item.placed.label], source, item.placed.group)
        for item, source in zip(kept, sources, strict=True)
    ]
    if given:
        splits = [item.placed.split or "train" for item in kept]
        _complete(splits, items, classes, plan, seed, report)
        groups = group_items(items, plan.shares())
        note_divided(items, splits, report)
    else:
        assignment = assign(items, plan.shares(), seed)
        splits, groups = assignment.splits, assignment.groups
        if "val" not in splits:
            raise DatasetError(
                f"{format_count(len(kept), 'different picture')} are too few to keep some for validation: add other "
                "pictures of each class; exact copies do not count."
            )
        note_groups(items, assignment, plan.shares(), classes, report)
        note_level(items, assignment, report)
    note_missing(items, splits, classes, report)
    _list_contradictory(kept, groups, given, report)
    note_straddling(items, splits, given, report)
    return splits


def _complete(
    splits: list[str], items: list[Item], classes: list[str], plan: SplitPlan, seed: int, report: ImportReport
) -> None:
    """Add a validation split to the given ones where there is none.

    Raises:
        DatasetError: if no picture is left for training or validation.
    """
    if "val" not in splits:
        share = plan.val / (plan.train + plan.val)
        shares = {"train": 1 - share, "val": share}
        places = [place for place, split in enumerate(splits) if split == "train"]
        in_train = [items[place] for place in places]
        assignment = assign(in_train, shares, seed)
        for place, split in zip(places, assignment.splits, strict=True):
            splits[place] = split
        report.notes.append(
            f"There was no validation folder: {assignment.splits.count('val')} training pictures became the "
            "validation split."
        )
        note_groups(in_train, assignment, shares, classes, report)
    if "test" not in splits:
        report.notes.append("There was no test folder: results are on the validation split, and are marked as such.")
    if "val" not in splits:
        raise DatasetError("No picture is left for validation: add some, or import without split folders.")


def _list_contradictory(kept: list[ReadImage], groups: Groups, given: bool, report: ImportReport) -> None:
    """List groups of several classes: nearly the same picture with different labels.

    Where they are alike only after a turn or in a mirror, the labels may be right: arrows, letters, hands.
    """
    upright = turned = 0
    for places in groups.members():
        members = [kept[place] for place in places]
        if len({item.placed.label for item in members}) > 1:
            report.contradictory_near.append(
                [(item.placed.name, item.placed.label, thumbnail_of(item.sha256)) for item in members]
            )
            if _are_alike_upright(members):
                upright += len(members)
            else:
                turned += len(members)
    where = "" if given else ", each group in one split"
    if upright:
        report.notes.append(
            f"{upright} pictures look almost like a picture of another class: they were kept{where}. Look at the list "
            "of near-copies for labels that are wrong."
        )
    if turned:
        report.notes.append(
            f"{turned} pictures look almost like a mirrored or turned picture of another class: they were kept{where}. "
            "If a mirror or a turn makes one class of another, turn random flips off when you train; otherwise look at "
            "the list of near-copies for labels that are wrong."
        )


def _are_alike_upright(members: Sequence[ReadImage]) -> bool:
    """Whether two pictures of different classes look alike as they are."""
    waves = Looks.of([item.look for item in members]).waves
    labels = np.array([item.placed.label for item in members])
    return bool(((waves @ waves.T >= 1 - ALIKE) & (labels[:, None] != labels)).any())


def note_missing_classes(placed: list[Placed], classes: list[str], report: ImportReport) -> None:
    """Note in the report which class folders have no usable image."""
    missing = sorted({item.label for item in placed if item.problem is None} - set(classes), key=natural_key)
    report.notes.extend(f"The class {label!r} has no usable picture and was left out." for label in missing)


def note_unread_photos(report: ImportReport) -> None:
    """Note in the report how many HEIC photos were left out, where the package that reads them is missing."""
    unread = sum(reason.endswith(f"{INSTALL_HEIF}.") for _, reason in report.rejected)
    if unread:
        report.notes.append(f"{format_count(unread, 'HEIC photo')} left out: {INSTALL_HEIF}.")


def note_cropped(kept: list[ReadImage], report: ImportReport) -> None:
    """Note in the report how many pictures lose their ends to the centre square."""
    cropped = sum(TOO_WIDE in item.notes or TOO_HIGH in item.notes for item in kept)
    if cropped > MAX_CROPPED * len(kept):
        report.notes.append(
            f"{cropped:,} of {format_count(len(kept), 'picture')} are more than twice as long as wide; networks see "
            "only their middle square: if the subject is at an end, choose pad or squeeze as fit when you train."
        )


def note_grey_ranges(read: list[ReadImage], report: ImportReport) -> None:
    """Note in the report what becomes black and white in deep grey, and which picture takes most of it for itself."""
    for kind in ("integers", "floats"):
        report.notes.extend(
            _describe_range([(item.placed.name, getattr(item.greys, kind)) for item in read if item.greys is not None])
        )


def _describe_range(found: list[tuple[str, tuple[float, float] | None]]) -> Iterator[str]:
    """What becomes black and white, and which picture takes most of that range for itself.

    Args:
        found: name and own range of each deep grey picture; None for one of the other kind.
    """
    ranges = {name: own for name, own in found if own is not None}
    if not ranges:
        return
    lows, highs = np.array(list(ranges.values())).T
    low, high = float(lows.min()), float(highs.max())
    yield (
        f"Grey pictures with more than 8 bits share one range: {format_number(low)} is black, "
        f"{format_number(high)} is white."
    )
    usual_low, usual_high = (
        float(np.quantile(lows, 0.1, method="nearest")),
        float(np.quantile(highs, 0.9, method="nearest")),
    )
    # halved: the width of a floating-point range may be more than a float holds
    if len(ranges) > FEW_RANGES and high / 2 - low / 2 > OUTLYING * (usual_high / 2 - usual_low / 2):
        name = max(ranges, key=lambda name: max(ranges[name][1] - usual_high, usual_low - ranges[name][0]))
        yield (
            f"Most of them lie between {format_number(usual_low)} and {format_number(usual_high)}, and so have few "
            f"shades left, because {name} goes from {format_number(ranges[name][0])} to "
            f"{format_number(ranges[name][1])}: if it has a faulty pixel or other units, leave it out and import again."
        )


def note_empty_folders(folders: Sequence[str], report: ImportReport) -> None:
    """Note in the report which folders have no file at all: they may be meant as classes."""
    for name in folders[:MAX_NOTED]:
        report.notes.append(f"The folder {readable(name)!r} is empty and makes no class.")
    if len(folders) > MAX_NOTED:
        report.notes.append(f"{len(folders) - MAX_NOTED:,} more folders are empty.")


def too_few_sentence(classes: list[str], report: ImportReport, where: str) -> str:
    """Why a source whose files were all read cannot be a dataset: the commonest reason, with its number of files."""
    count = "no class" if not classes else f"only the class {classes[0]!r}"
    start = f"Two classes are needed, and {count} {where} has pictures that can be used"
    if not report.rejected:
        return f"{start}: the same pictures are in several classes, so keep each in one."
    reasons = Counter(text.removeprefix(name).strip() for name, text in report.rejected)
    reason, files = reasons.most_common(1)[0]
    name = next(name for name, text in report.rejected if text.removeprefix(name).strip() == reason)
    return f"{start}: {name} {reason if files == 1 else f'(and {files - 1:,} like it) {reason}'}"


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
