"""Import: from a source to a dataset folder that is complete or absent.

Every picture is read and decoded fully, in as many threads as the settings allow (Pillow works outside Python's
lock); a bounded number is in flight, so memory stays level whatever the size of the source.
"""

import hashlib
import shutil
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import BinaryIO

from core.actor import LOCAL_OWNER
from core.datasets.copies import perceptual_hash, take_look
from core.datasets.dataset import FORMAT, ImageRow, ImportReport, thumbnail_of, write_table
from core.datasets.drafts import open_draft, refuse_taken, sweep_drafts
from core.datasets.layouts.inside_parquet import open_pictures
from core.datasets.layouts.placing import Placed, read_layout
from core.datasets.layouts.unusable import WANTED
from core.datasets.pictures.decoder import Limits, decode, pixel_hash, write_thumbnail
from core.datasets.pictures.picture_formats import EXTENSIONS
from core.datasets.selection import (
    ReadImage,
    choose_splits,
    count_images,
    leave_out_copies,
    leave_out_unlearnable,
    natural_key,
    note_cropped,
    note_empty_folders,
    note_grey_ranges,
    note_missing_classes,
    note_unread_photos,
    too_few_sentence,
)
from core.datasets.sources.source import Source, SourceEntry
from core.datasets.splits import SplitPlan, fingerprint
from core.errors import DatasetError, ImageError
from core.formatting import format_bytes, format_limit, readable
from core.settings import Settings
from core.storage import slug, write_json
from models.entry import OWN_RANGES, GreyRanges

PROGRESS_SECONDS = 0.25
SPACE_MARGIN = 1.3
PIECE_FILES = 16  # small pictures are decoded faster than they are handed from thread to thread one by one
PIECE_BYTES = 2 * 2**20
WRITE_BYTES = 2**16
WAITING_BYTES = 192 * 2**20  # files in the hands of all threads together


@dataclass(frozen=True)
class ImportProgress:
    """Images done, of how many, or of `unit`; eta_seconds is None until it can be estimated."""

    phase: str
    done: int
    total: int
    eta_seconds: float | None
    unit: str = ""


File = tuple[SourceEntry, Placed]
Taken = tuple[Placed, int, ReadImage | str]


def import_dataset(
    settings: Settings,
    given: Source,
    *,
    name: str,
    plan: SplitPlan,
    seed: int,
    owner: str = LOCAL_OWNER,
    layout: str = "",
    label_column: str = "",
    group_pattern: str = "",
) -> Generator[ImportProgress, None, str]:
    """Import a source as a dataset called `name`; returns its id.

    Nothing is left behind when it fails, or is closed before its end.

    Args:
        given: closed at the end.
        owner: whose dataset it will be.
        layout: the key of the reading that a person chose (see `read_layout`).
        label_column: the column of a table that holds the labels.
        group_pattern: a regular expression that finds in a file's name what the picture belongs to.

    Raises:
        LayoutQuestionError: the files can be read in several ways.
        DatasetError: one sentence: the name is taken, there is no room, the layout or every picture is unusable.
    """
    dataset_id = slug(name, "dataset")
    target = settings.datasets_dir / dataset_id
    refuse_taken(target)
    settings.datasets_dir.mkdir(parents=True, exist_ok=True)
    sweep_drafts(settings.datasets_dir)
    with closing(open_pictures(settings, given, layout=layout, label_column=label_column)) as source:
        where = f"in {readable(source.title)}"
        _check_size(settings, source, where)
        found = read_layout(source, layout=layout, label_column=label_column, group_pattern=group_pattern)
        with open_draft(settings) as draft:
            folder = draft.folder
            report = ImportReport(ignored=source.ignored + found.ignored, notes=[*source.notes, *found.notes])
            read = yield from _read_all(settings, source, found.files, folder, report)
            read, greys = yield from _scale_alike(settings, read, folder, report)
            report.converted.extend((item.placed.name, note) for item in read for note in item.notes)
            yield ImportProgress("Deciding the splits", len(read), len(read), None)
            kept = leave_out_copies(read, report, folder)
            if found.splits_given:
                kept = leave_out_unlearnable(kept, report, folder)
            classes = sorted({item.placed.label for item in kept}, key=natural_key)
            if len(classes) < 2:
                raise DatasetError(too_few_sentence(classes, report, where))
            splits = choose_splits(kept, classes, plan, seed, found.splits_given, report)
            write_table(folder, _rows(kept, classes, splits))
            note_missing_classes([placed for _, placed in found.files], classes, report)
            note_empty_folders(source.empty_folders, report)
            note_cropped(kept, report)
            note_unread_photos(report)
            write_json(folder / "report.json", asdict(report))
            write_json(
                folder / "dataset.json",
                {
                    "format": FORMAT,
                    "title": readable(name.strip())[:80] or dataset_id,
                    "classes": classes,
                    "images": len(kept),
                    "counts": count_images(kept, splits),
                    "fingerprint": fingerprint(
                        (item.pixel_hash, item.placed.label, split) for item, split in zip(kept, splits, strict=True)
                    ),
                    "split": "kept" if found.splits_given else plan.text(),
                    "seed": seed,
                    "created": datetime.now(UTC).isoformat(),
                    "drawn": source.drawn,
                    "source": readable(source.title),
                    "owner": owner,
                    "grey_ranges": asdict(greys),
                },
            )
            draft.publish(target)
    return dataset_id


def check_name(settings: Settings, name: str) -> None:
    """Refuse a name that a dataset has already.

    Raises:
        DatasetError: it is taken.
    """
    refuse_taken(settings.datasets_dir / slug(name, "dataset"))


def _check_size(settings: Settings, source: Source, where: str) -> None:
    entries = source.entries()
    if not entries and source.notes:  # such as links that lead to nothing
        note = source.notes[0]
        raise DatasetError(f"There are no files {where} to import: {note[0].lower()}{note[1:]}")
    if not entries:
        raise DatasetError(f"There are no files {where}: {WANTED}")
    if len(entries) > settings.max_images:
        raise DatasetError(
            f"There are {len(entries):,} files {where}, and at most {settings.max_images:,} are taken: "
            "import a part, or raise TUNEMYPETS_MAX_PICTURES."
        )
    claimed = sum(max(0, item.bytes_claimed) for item in entries)
    if claimed > settings.max_dataset_bytes:
        raise DatasetError(
            f"The pictures {where} take {format_bytes(claimed)}, "
            f"and at most {format_limit(settings.max_dataset_bytes)} are taken: "
            "import a part, or raise TUNEMYPETS_MAX_DATASET_MB."
        )
    free = shutil.disk_usage(settings.datasets_dir).free
    if claimed * SPACE_MARGIN > free:
        raise DatasetError(
            f"The pictures {where} need about {format_bytes(claimed * SPACE_MARGIN)}, "
            f"and {format_bytes(free)} are free: make room."
        )


def _read_all(
    settings: Settings,
    source: Source,
    files: list[File],
    folder: Path,
    report: ImportReport,
) -> Generator[ImportProgress, None, list[ReadImage]]:
    """Decode and store every file, in order; rejected ones go into the report."""
    read: list[ReadImage] = []
    limits = Limits.from_settings(settings)
    started = last = time.monotonic()
    read_bytes = claimed_bytes = 0
    ahead: deque[tuple[int, Future[list[Taken]]]] = deque()
    waiting = iter(_pieces(files, limits.max_bytes))
    done = 0
    with ThreadPoolExecutor(settings.threads) as pool:
        try:
            while True:
                while (
                    len(ahead) < settings.threads + 2
                    and (not ahead or claimed_bytes < WAITING_BYTES)
                    and (piece := next(waiting, None)) is not None
                ):
                    claimed, part = piece
                    ahead.append((claimed, pool.submit(_take_all, source, part, folder, limits)))
                    claimed_bytes += claimed
                if not ahead:
                    return read
                claimed, future = ahead.popleft()
                for placed, count, outcome in future.result():
                    read_bytes += count
                    # counted as read, rejected files included: an archive may lie about their sizes
                    if read_bytes > settings.max_dataset_bytes:
                        raise DatasetError(
                            f"The pictures take more than {format_limit(settings.max_dataset_bytes)}: import a part, "
                            "or raise TUNEMYPETS_MAX_DATASET_MB."
                        )
                    done += 1
                    if isinstance(outcome, str):
                        report.rejected.append((placed.name, outcome))
                    else:
                        read.append(outcome)
                claimed_bytes -= claimed
                now = time.monotonic()
                if now - last > PROGRESS_SECONDS or done == len(files):
                    last = now
                    yield ImportProgress(
                        "Reading pictures", done, len(files), (now - started) / done * (len(files) - done)
                    )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _scale_alike(
    settings: Settings, read: list[ReadImage], folder: Path, report: ImportReport
) -> Generator[ImportProgress, None, tuple[list[ReadImage], GreyRanges]]:
    """Give all 16-bit grey pictures one range, known only now: how bright a picture is may be its class."""
    greys = reduce(GreyRanges.joined, (item.greys for item in read if item.greys), OWN_RANGES)
    places = [place for place, item in enumerate(read) if item.greys is not None]
    if not places:
        return read, greys
    limits = Limits.from_settings(settings)

    def store_again(place: int) -> ReadImage:
        return _store((folder / read[place].path).read_bytes(), read[place].placed, folder, limits, greys)

    scaled = list(read)
    with ThreadPoolExecutor(settings.threads) as pool:
        for done, (place, item) in enumerate(zip(places, pool.map(store_again, places), strict=True), start=1):
            scaled[place] = item
            if done % PIECE_FILES == 0 or done == len(places):
                yield ImportProgress("Scaling 16-bit pictures", done, len(places), None)
    note_grey_ranges(read, report)
    return scaled, greys


def _pieces(files: list[File], max_bytes: int) -> Iterator[tuple[int, list[File]]]:
    """Files in parts for one thread at a time, each with the bytes that it claims to have."""
    part: list[File] = []
    claimed = 0
    for entry, placed in files:
        part.append((entry, placed))
        claimed += min(max(0, entry.bytes_claimed), max_bytes)
        if len(part) == PIECE_FILES or claimed > PIECE_BYTES:
            yield claimed, part
            part, claimed = [], 0
    if part:
        yield claimed, part


def _take_all(source: Source, files: list[File], folder: Path, limits: Limits) -> list[Taken]:
    """Read, decode and store files: for each its size in bytes, and what came of it or why it was rejected."""
    return [(placed, *_take(source, entry, placed, folder, limits)) for entry, placed in files]


def _take(
    source: Source, entry: SourceEntry, placed: Placed, folder: Path, limits: Limits
) -> tuple[int, ReadImage | str]:
    """Read, decode and store a file: its size in bytes, and what came of it or why it was rejected."""
    if placed.problem is not None:
        return 0, f"{placed.name} {placed.problem}"
    try:
        data = source.read(entry, limits.max_bytes)
    except ImageError as error:
        return 0, readable(str(error))
    try:
        return len(data), _store(data, placed, folder, limits)
    except ImageError as error:
        return len(data), str(error)


def _store(data: bytes, placed: Placed, folder: Path, limits: Limits, greys: GreyRanges = OWN_RANGES) -> ReadImage:
    picture = decode(data, limits, placed.name, greys=greys)
    digest = hashlib.sha256(data).hexdigest()
    path = f"images/{digest[:2]}/{digest}.{EXTENSIONS[picture.source_format]}"
    with _created(folder, path) as file:
        file.write(data)
    with _created(folder, thumbnail_of(digest)) as file:
        write_thumbnail(picture.image, file)
    look = take_look(picture.image)
    return ReadImage(
        placed,
        path,
        picture.width_px,
        picture.height_px,
        len(data),
        digest,
        pixel_hash(picture.image),
        perceptual_hash(look),
        look,
        picture.notes,
        picture.greys,
    )


def _created(folder: Path, place: str) -> BinaryIO:
    """A new file to write to, in a folder that may not be there yet."""
    path = folder / place
    try:
        return path.open("wb", WRITE_BYTES)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb", WRITE_BYTES)


def _rows(kept: list[ReadImage], classes: list[str], splits: list[str]) -> Iterator[ImageRow]:
    places_of = {name: place for place, name in enumerate(classes)}
    for index, (item, split) in enumerate(zip(kept, splits, strict=True)):
        yield ImageRow(
            index, item.path, item.placed.name, places_of[item.placed.label], split, item.width, item.height,
            item.bytes, item.sha256, item.pixel_hash, item.perceptual_hash, item.notes, item.placed.group,
        )  # fmt: skip
