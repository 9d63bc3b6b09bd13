"""Revisions: a dataset with its corrections made, as a dataset of its own that shares the files of the first.

A revision has the same pictures in the same splits (but for near-copies that are to be kept together), under links to
the same files, so that it costs no space and each of both can be deleted. Runs keep the one they were trained on.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from core.actor import OPERATOR, Actor
from core.datasets.dataset import (
    FORMAT,
    REVISION,
    Dataset,
    DatasetSummary,
    ImageRow,
    ImportReport,
    load_summary,
    thumbnail_of,
    write_table,
)
from core.datasets.dataset_store import DatasetStore
from core.datasets.drafts import open_draft, sweep_drafts
from core.datasets.importing import ImportProgress
from core.datasets.selection import natural_key
from core.datasets.splits import fingerprint
from core.errors import DatasetError
from core.formatting import SPLIT_NAMES, format_count, join_names
from core.revisions.corrections import Corrected, Correction, corrected, forget
from core.revisions.kept_together import Chains
from core.revisions.placed import Placed, keep_near_copies, place_pictures
from core.settings import Settings
from core.storage import read_json, slug, write_json

PROGRESS_SECONDS = 0.25
MAX_TITLE = 80
MAX_NAMED = 4


@dataclass(frozen=True)
class RevisionFacts:
    """What a revision changed, from `revision.json`.

    Attributes:
        moved: pictures that are in another split, with their near-copies.
    """

    parent: str
    parent_fingerprint: str
    by: str
    corrections: tuple[Correction, ...]
    moved: int = 0


_FACTS = TypeAdapter(RevisionFacts)


def revise(
    settings: Settings, dataset: Dataset, *, chains: Chains = (), by: Actor = OPERATOR
) -> Generator[ImportProgress, None, str]:
    """Make the revision that holds the pending corrections of a dataset; returns its id.

    Nothing is left behind when it fails, or is closed before its end. The corrections are no longer pending afterwards.

    Args:
        chains: places of near-copies, each chain to be kept in one split (core/doctor finds them).
    Raises:
        DatasetError: there is nothing to correct, or too little would be left to train on.
        RightsError: the dataset belongs to another person.
    """
    by.check_may_change(dataset.summary.owner, f"The dataset {dataset.title}")
    store = DatasetStore(settings)
    wanted = corrected(dataset)
    if not (wanted.standing or chains):
        raise DatasetError(f"{dataset.title} has no corrections: give a picture another class, or drop one.")
    placed, notes = place_pictures(store, dataset, wanted)
    classes = sorted({item.label for item in placed}, key=natural_key)
    report, moved = _report(dataset, wanted), 0
    if chains:
        placed, moved = yield from keep_near_copies(placed, classes, dataset, chains, report, settings.threads)
    _check_enough(placed, classes)
    report.notes.extend([f"Corrected: {describe_corrections(wanted.standing, moved)}.", *notes])
    places_of = {name: place for place, name in enumerate(classes)}
    rows = [replace(item.row, index=n, label=places_of[item.label]) for n, item in enumerate(placed)]
    identity = fingerprint((row.pixel_hash, classes[row.label], row.split) for row in rows)
    if identity == dataset.fingerprint:
        raise DatasetError("The corrections leave everything as it was: undo them, or correct something else.")
    there = _find(store, dataset.root, identity)
    if there is not None:  # made before, and killed before the corrections were forgotten
        forget(dataset.folder)
        return there
    sweep_drafts(settings.datasets_dir)
    revision, target = _next(store, dataset)
    with open_draft(settings) as draft:
        yield from link_pictures(draft.folder, placed, dataset)
        write_table(draft.folder, rows)
        write_json(draft.folder / "report.json", asdict(report))
        facts = RevisionFacts(dataset.id, dataset.fingerprint, by.id, wanted.standing, moved)
        write_json(draft.folder / REVISION, asdict(facts))
        write_json(draft.folder / "dataset.json", {
            **summarise_rows(dataset, rows, classes, identity), "parent": dataset.id, "root": dataset.root,
            "revision": revision, "title": _title(store, dataset, revision),
        })  # fmt: skip
        draft.publish(target)
    forget(dataset.folder)
    return target.name


def read_revision(folder: Path) -> RevisionFacts | None:
    """What a revision changed; None for an imported dataset.

    Raises:
        DatasetError: the file is damaged.
    """
    try:
        return _FACTS.validate_python(read_json(folder / REVISION))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"The corrections in {folder.name} are damaged ({REVISION}).") from error


def revisions_of(store: DatasetStore, root: str) -> list[DatasetSummary]:
    """An imported dataset and its revisions that are there, oldest first."""
    family = [item for item in store.summaries() if (item.root or item.id) == root]
    return sorted(family, key=lambda item: (item.revision, item.created))


def describe_corrections(standing: Sequence[Correction], moved: int = 0) -> str:
    """Such as `12 pictures relabelled, 3 dropped, 1 class renamed`.

    Args:
        moved: pictures that a revision moved to the split of their near-copies.
    """
    rows: dict[int, str] = {}
    for item in standing:
        rows.update(dict.fromkeys(item.rows, item.kind))
    found = Counter(rows.values())
    parts = []
    if found["relabel"]:
        parts.append(f"{format_count(found['relabel'], 'picture')} relabelled")
    if found["drop"]:
        parts.append(f"{format_count(found['drop'], 'picture')} dropped")
    if renamed := sum(item.kind == "rename" for item in standing):
        parts.append(f"{renamed} {'class' if renamed == 1 else 'classes'} renamed")
    if added := sum(item.kind == "add" for item in standing):
        parts.append(f"{format_count(added, 'dataset')} added")
    if moved:
        parts.append(f"{format_count(moved, 'picture')} moved to the split of near-copies")
    return join_names(parts)


def _check_enough(placed: Sequence[Placed], classes: Sequence[str]) -> None:
    """Refuse a revision that nothing can be trained on.

    Raises:
        DatasetError: names what is missing.
    """
    if len(classes) < 2:
        raise DatasetError("The corrections would leave one class, and a classifier needs two: undo some.")
    trained = {item.label for item in placed if item.row.split == "train"}
    missing = [repr(name) for name in classes if name not in trained]
    if missing:
        raise DatasetError(
            f"{join_names(missing[:MAX_NAMED])} would have no training picture: give a training picture that class, "
            "too, or undo."
        )
    if not any(item.row.split == "val" for item in placed):
        raise DatasetError(f"The corrections would leave no {SPLIT_NAMES['val']} picture: undo some.")


def _find(store: DatasetStore, root: str, identity: str) -> str | None:
    family = revisions_of(store, root)
    return next((item.id for item in family if item.fingerprint == identity and item.parent), None)


def _next(store: DatasetStore, dataset: Dataset) -> tuple[int, Path]:
    """The number and folder of the next revision."""
    taken = {item.revision for item in revisions_of(store, dataset.root)} | {dataset.summary.revision}
    first = max(taken) + 1
    for number in count(first):
        target = store.folder / slug(f"{dataset.root[:56]}-r{number}")
        if not target.exists():
            return number, target
    raise AssertionError("unreachable")


def _title(store: DatasetStore, dataset: Dataset, revision: int) -> str:
    try:
        first = load_summary(store.folder / dataset.root).title
    except DatasetError:  # the first one was deleted
        first = dataset.title.rpartition(", revision ")[0] or dataset.title
    end = f", revision {revision}"
    return first[: MAX_TITLE - len(end)] + end


def link_pictures(folder: Path, placed: Sequence[Placed], dataset: Dataset) -> Iterator[ImportProgress]:
    """Link every picture and thumbnail into a draft; copies where the file system has no links."""
    started = last = time.monotonic()
    shown = {thumbnail for group in dataset.report().contradictory for _, _, thumbnail in group}
    for thumbnail in sorted(shown):
        _link(dataset.folder / thumbnail, folder / thumbnail)
    for done, item in enumerate(placed, start=1):
        _link(item.dataset.image_path(item.row), folder / item.row.path)
        _link(item.dataset.thumbnail_path(item.row), folder / thumbnail_of(item.row.sha256))
        now = time.monotonic()
        if now - last > PROGRESS_SECONDS:
            last = now
            yield ImportProgress("Linking pictures", done, len(placed), (now - started) / done * (len(placed) - done))


def _link(source: Path, target: Path) -> None:
    """One file under a second name.

    Raises:
        DatasetError: it is gone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return  # the same bytes under another name in the table
    except FileNotFoundError as error:
        raise DatasetError(
            f"A picture of {source.parents[2].name} is missing ({source.name[:16]}…): run `python -m core fsck`."
        ) from error
    except OSError:
        shutil.copyfile(source, target)


def _report(dataset: Dataset, wanted: Corrected) -> ImportReport:
    """The report of the first import, as far as it still holds."""
    report = dataset.report()
    labels = {row.name: label for row, label in zip(dataset.rows, wanted.labels, strict=True)}
    near = []
    for group in report.contradictory_near:
        left = [(name, label, thumbnail) for name, _, thumbnail in group if (label := labels.get(name)) is not None]
        if len({label for _, label, _ in left}) > 1:
            near.append(left)
    return replace(report, contradictory_near=near)


def summarise_rows(dataset: Dataset, rows: Sequence[ImageRow], classes: Sequence[str], identity: str) -> dict[str, Any]:
    """What `dataset.json` holds of a dataset with other rows, apart from its title."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        of_class = counts.setdefault(classes[row.label], {})
        of_class[row.split] = of_class.get(row.split, 0) + 1
    summary = dataset.summary
    return {
        "format": FORMAT,
        "classes": list(classes),
        "images": len(rows),
        "counts": counts,
        "fingerprint": identity,
        "split": summary.split_plan,
        "seed": summary.seed,
        "created": datetime.now(UTC).isoformat(),
        "drawn": summary.drawn,
        "source": summary.source,
        "owner": summary.owner,
        "grey_ranges": asdict(summary.grey_ranges),
    }
