"""Import: from a source to a dataset folder that is complete or absent.

Every picture is decoded fully, in as many threads as the settings allow (Pillow works outside Python's lock); a
bounded number is in flight, so memory stays level whatever the size of the source.
"""

import contextlib
import csv
import hashlib
import json
import re
import secrets
import shutil
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from core.datasets.dataset import COLUMNS, FLAG_SEPARATOR, FORMAT, ImportReport, thumbnail_of
from core.datasets.images import EXTENSIONS, Limits, decode, perceptual_hash, pixel_hash, thumbnail_jpeg
from core.datasets.layout import Placed, read_layout, readable
from core.datasets.sources import Source, SourceEntry
from core.datasets.splits import SPLITS, Item, SplitPlan, assign, group_copies
from core.errors import DatasetError, PictureError
from core.locks import is_held
from core.settings import Settings
from core.storage import atomic_open, slug, sync_folder, write_json

PROGRESS_SECONDS = 0.25
SPACE_MARGIN = 1.3
TEMPORARY = ".importing-"
WAITING_BYTES = 192 * 2**20  # files that were read and not yet decoded


@dataclass(frozen=True)
class ImportProgress:
    """Pictures done, of how many; eta_seconds is None until it can be told."""

    phase: str
    done: int
    total: int
    eta_seconds: float | None


@dataclass(frozen=True)
class ImportFinished:
    """The dataset is there."""

    dataset_id: str


ImportEvent = ImportProgress | ImportFinished


@dataclass(frozen=True)
class _Read:
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


def import_dataset(
    settings: Settings, source: Source, *, name: str, plan: SplitPlan, seed: int
) -> Iterator[ImportEvent]:
    """Import a source as a dataset called `name`; a generator, whose last event is `ImportFinished`.

    Nothing is left behind when it fails, or is closed before its end.

    Raises:
        DatasetError: one sentence: the name is taken, there is no room, the layout or every picture is unusable.
    """
    dataset_id = slug(name)
    target = settings.datasets_dir / dataset_id
    _refuse_taken(target, dataset_id)
    settings.datasets_dir.mkdir(parents=True, exist_ok=True)
    _sweep(settings.datasets_dir)
    entries = source.entries()
    _check_size(settings, entries)
    layout = read_layout([entry.name for entry in entries])
    folder = settings.datasets_dir / f"{TEMPORARY}{secrets.token_hex(6)}"
    folder.mkdir()
    lock = FileLock(folder / "import.lock")
    lock.acquire()
    try:
        report = ImportReport(ignored=source.ignored, notes=layout.notes)
        read: list[_Read] = []
        for item in _read_all(settings, source, list(zip(entries, layout.placed, strict=True)), folder, report):
            if isinstance(item, ImportProgress):
                yield item
            else:
                read.append(item)
        yield ImportProgress("Deciding the splits", len(read), len(read), None)
        kept = _without_copies(read, report, folder)
        classes = sorted({item.placed.label for item in kept}, key=_natural)
        if len(classes) < 2:
            raise DatasetError(_too_few(classes, report))
        splits = _splits(kept, classes, plan, seed, layout.splits_given, report)
        _write(folder, kept, classes, splits)
        _note_missing_classes(layout.placed, classes, report)
        write_json(folder / "report.json", report.to_json())
        write_json(
            folder / "dataset.json",
            {
                "format": FORMAT,
                "title": readable(name.strip())[:80] or dataset_id,
                "classes": classes,
                "images": len(kept),
                "counts": _counts(kept, splits),
                "fingerprint": _fingerprint(kept, splits),
                "split": "kept" if layout.splits_given else plan.text(),
                "seed": seed,
                "created": datetime.now(UTC).isoformat(),
                "drawn": source.drawn,
                "source": readable(source.title),
            },
        )
        lock.release()
        (folder / "import.lock").unlink(missing_ok=True)
        _refuse_taken(target, dataset_id)
        try:
            folder.replace(target)
        except OSError:
            _refuse_taken(target, dataset_id)
            raise
        sync_folder(settings.datasets_dir)
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
    yield ImportFinished(dataset_id)


def _refuse_taken(target: Path, dataset_id: str) -> None:
    if target.exists():
        raise DatasetError(f"There is a dataset called {dataset_id} already: choose another name.")


def _check_size(settings: Settings, entries: Sequence[SourceEntry]) -> None:
    if not entries:
        raise DatasetError("There are no files here: choose the folder that holds the class folders.")
    if len(entries) > settings.max_pictures:
        raise DatasetError(
            f"There are {len(entries):,} files here, and at most {settings.max_pictures:,} are taken: import a part, "
            "or raise TUNEMYPETS_MAX_PICTURES."
        )
    claimed = sum(max(0, item.bytes_claimed) for item in entries)
    if claimed > settings.max_dataset_bytes:
        raise DatasetError(
            f"The pictures take {claimed / 1e9:.1f} GB, "
            f"and at most {settings.max_dataset_bytes / 1e9:.1f} GB are taken: "
            "import a part, or raise TUNEMYPETS_MAX_DATASET_MB."
        )
    free = shutil.disk_usage(settings.datasets_dir).free
    if claimed * SPACE_MARGIN > free:
        raise DatasetError(
            f"The pictures need about {claimed * SPACE_MARGIN / 1e9:.1f} GB, "
            f"and {free / 1e9:.1f} GB are free: make room."
        )


def _read_all(
    settings: Settings,
    source: Source,
    files: list[tuple[SourceEntry, Placed]],
    folder: Path,
    report: ImportReport,
) -> Iterator[ImportProgress | _Read]:
    """Decode and store every file, in order; rejected ones go into the report."""
    limits = Limits.from_settings(settings)
    started = last = time.monotonic()
    read_bytes = waiting_bytes = 0
    ahead: deque[tuple[Placed, int, Future[_Read | str]]] = deque()
    waiting = iter(files)
    done = 0
    with ThreadPoolExecutor(settings.threads) as pool:
        try:
            while True:
                while (
                    len(ahead) < 2 * settings.threads + 2
                    and (not ahead or waiting_bytes < WAITING_BYTES)
                    and (item := next(waiting, None)) is not None
                ):
                    entry, placed = item
                    # one thread reads the source (a zip allows no more), the others decode
                    count, future = _submit(pool, source, entry, placed, folder, limits)
                    ahead.append((placed, count, future))
                    waiting_bytes += count
                    read_bytes += count
                    # counted as read, rejected files included: an archive may lie about their sizes
                    if read_bytes > settings.max_dataset_bytes:
                        raise DatasetError(
                            f"The pictures take more than {settings.max_dataset_bytes / 1e9:.1f} GB: import a part, "
                            "or raise TUNEMYPETS_MAX_DATASET_MB."
                        )
                if not ahead:
                    return
                placed, count, future = ahead.popleft()
                outcome = future.result()
                waiting_bytes -= count
                done += 1
                if isinstance(outcome, str):
                    report.rejected.append((placed.name, outcome))
                else:
                    report.converted.extend((placed.name, note) for note in outcome.notes)
                    yield outcome
                now = time.monotonic()
                if now - last > PROGRESS_SECONDS or done == len(files):
                    last = now
                    yield ImportProgress(
                        "Reading pictures", done, len(files), (now - started) / done * (len(files) - done)
                    )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _submit(
    pool: ThreadPoolExecutor, source: Source, entry: SourceEntry, placed: Placed, folder: Path, limits: Limits
) -> "tuple[int, Future[_Read | str]]":
    """Read a file and have it decoded: its size in bytes, and what will come of it."""
    if placed.problem is not None:
        return 0, _ready(f"{placed.name} {placed.problem}")
    try:
        data = source.read(entry, limits.max_bytes)
    except PictureError as error:
        return 0, _ready(readable(str(error)))
    return len(data), pool.submit(_store, data, placed, folder, limits)


def _ready(reason: str) -> "Future[_Read | str]":
    future: Future[_Read | str] = Future()
    future.set_result(reason)
    return future


def _store(data: bytes, placed: Placed, folder: Path, limits: Limits) -> _Read | str:
    try:
        picture = decode(data, limits, placed.name)
    except PictureError as error:
        return str(error)
    digest = hashlib.sha256(data).hexdigest()
    path = f"images/{digest[:2]}/{digest}.{EXTENSIONS[picture.source_format]}"
    for place, content in ((path, data), (thumbnail_of(digest), thumbnail_jpeg(picture.image))):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    return _Read(
        placed,
        path,
        picture.width_px,
        picture.height_px,
        len(data),
        digest,
        pixel_hash(picture.image),
        perceptual_hash(picture.image),
        picture.notes,
    )


def _without_copies(read: list[_Read], report: ImportReport, folder: Path) -> list[_Read]:
    """Keep one of each picture; set aside those that stand in several classes."""
    groups: dict[str, list[_Read]] = defaultdict(list)
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
    return sorted(kept, key=lambda item: (_natural(item.placed.label), _natural(item.placed.name)))


def _splits(
    kept: list[_Read], classes: list[str], plan: SplitPlan, seed: int, given: bool, report: ImportReport
) -> list[str]:
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
        report.notes.append("There was no test folder: results are told on the validation split, and say so.")
    for split in ("train", "val"):
        if split not in splits:
            raise DatasetError(
                f"No readable picture is in the {split} folder: add some, or import without split folders."
            )
    in_train = {group for group, split in zip(groups, splits, strict=True) if split == "train"}
    for split, word in (("val", "validation"), ("test", "test")):
        alike = sum(found == split and group in in_train for group, found in zip(groups, splits, strict=True))
        if alike:
            report.notes.append(
                f"{alike} {word} pictures look like copies of training pictures: the given folders were kept, so "
                "results on them flatter."
            )
    return splits


def _write(folder: Path, kept: list[_Read], classes: list[str], splits: list[str]) -> None:
    places_of = {name: place for place, name in enumerate(classes)}
    with atomic_open(folder / "pictures.csv", "w") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for item, split in zip(kept, splits, strict=True):
            writer.writerow(
                (
                    item.path,
                    item.placed.name,
                    places_of[item.placed.label],
                    split,
                    item.width,
                    item.height,
                    item.bytes,
                    item.sha256,
                    item.pixel_hash,
                    item.perceptual_hash,
                    FLAG_SEPARATOR.join(item.notes),
                )
            )


def _note_missing_classes(placed: list[Placed], classes: list[str], report: ImportReport) -> None:
    missing = sorted({item.label for item in placed if item.problem is None} - set(classes), key=_natural)
    report.notes.extend(f"The class {label!r} has no usable picture and was left out." for label in missing)


def _too_few(classes: list[str], report: ImportReport) -> str:
    reason = report.rejected[0][1] if report.rejected else "all were set aside as contradictory."
    count = "no class has" if not classes else f"only the class {classes[0]!r} has"
    return f"After reading, {count} usable pictures, and two classes are needed; for example: {reason}"


def _counts(kept: list[_Read], splits: list[str]) -> dict[str, dict[str, int]]:
    counted = Counter(zip((item.placed.label for item in kept), splits, strict=True))
    out: dict[str, dict[str, int]] = {}
    for (label, split), count in counted.items():
        out.setdefault(label, {})[split] = count
    return out


def _fingerprint(kept: list[_Read], splits: list[str]) -> str:
    """sha256 over content, label and split of every picture, whatever their names and order."""
    lines = sorted(
        json.dumps([item.pixel_hash, item.placed.label, split]) for item, split in zip(kept, splits, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _sweep(folder: Path) -> None:
    """Remove what killed imports left: their lock is no longer held."""
    for path in folder.glob(f"{TEMPORARY}*"):
        old = time.time() - path.stat().st_mtime > 5  # a folder without a lock file may be a moment old
        if old and not is_held(path / "import.lock"):
            shutil.rmtree(path, ignore_errors=True)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key: picture 2 before picture 10, whatever the case."""
    return [
        (0, int(part), "") if part[0] in "0123456789" else (1, 0, part.casefold())
        for part in re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    ] + [(2, 0, text)]
