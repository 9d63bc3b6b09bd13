"""One batch on disk: what is predicted, by which run, and how far it is. Imports no torch.

batches/<id>/
  request.json   run, folder or archive, owner, classes, the checkpoint's stamp
  upload.zip     what a browser sent, where one did
  files.jsonl    the files of a folder as it was at the start: [name, bytes, time]
  rows.jsonl     the table, appended as it is made (`batch_rows.py`)
  progress.json  replaced several times a second
  cancel         a cancellation was requested
  result.json    how it ended, written last
  batch.lock     held by the process that predicts: the only sign of life
  batch.log      tracebacks
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.actor import LOCAL_OWNER
from core.config.events import Progress
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import Source, SourceEntry
from core.errors import BatchError
from core.locks import is_held
from core.novelty.conformal import DEFAULT_PROMISE
from core.settings import Settings
from core.storage import atomic_open, read_json
from core.verification import age_seconds

REQUEST, UPLOAD, FILES, ROWS = "request.json", "upload.zip", "files.jsonl", "rows.jsonl"
PROGRESS, CANCEL, RESULT, LOCK, LOG = "progress.json", "cancel", "result.json", "batch.lock", "batch.log"
ARCHIVE_ENDINGS = (".zip", ".tm")
START_SECONDS = 20.0  # that a process may take to hold the lock, on a busy machine

State = Literal["running", "finished", "failed", "interrupted", "cancelled"]
Listed = tuple[str, int, int]  # name, bytes, time of the last change in nanoseconds


@dataclass(frozen=True)
class BatchRequest:
    """What to predict.

    Attributes:
        kind: `folder`, all that lies below `path`; `files`, names relative to `path`; `archive`, a zip.
        title: what people call it.
        classes: of the run.
        weights: stamp of the run's checkpoint, which a later training replaces.
        stamp: size and time of an archive.
        created: seconds since 1970.
        promise: at most this share of known pictures is called strange.
        key: in the address of its files, so that only who sees the batch can guess it.
    """

    run: str
    kind: Literal["folder", "files", "archive"]
    path: str
    title: str
    classes: tuple[str, ...]
    weights: tuple[int, ...]
    stamp: tuple[int, ...] = ()
    owner: str = LOCAL_OWNER
    created: float = 0.0
    promise: float = DEFAULT_PROMISE
    key: str = ""

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "BatchRequest":
        """The request of a parsed file."""
        lists = {name: tuple(record[name]) for name in ("classes", "weights", "stamp")}
        return cls(**{**record, **lists})


@dataclass(frozen=True)
class BatchStatus:
    """Where a batch stands.

    Attributes:
        text: one sentence where it has ended, else what it is doing.
        done, total: files.
        problems: files without an answer, as far as that is known.
    """

    state: State
    text: str
    done: int = 0
    total: int = 0
    eta_seconds: float | None = None
    problems: int = 0

    @property
    def resumable(self) -> bool:
        """Whether it may be resumed."""
        return self.state in ("failed", "interrupted", "cancelled")


class Batch:
    """The folder of one batch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def rows_path(self) -> Path:
        return self.folder / ROWS

    @property
    def lock_path(self) -> Path:
        return self.folder / LOCK

    @property
    def active(self) -> bool:
        """Whether a process works on it."""
        return is_held(self.lock_path)

    @property
    def cancelled(self) -> bool:
        """Whether a cancellation was requested."""
        return (self.folder / CANCEL).exists()

    def request(self) -> BatchRequest:
        """What it predicts.

        Raises:
            BatchError: it is damaged, or gone.
        """
        try:
            return BatchRequest.from_record(read_json(self.folder / REQUEST))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BatchError("This batch is gone or damaged: predict the pictures again.") from error

    def status(self) -> BatchStatus:
        """Where it stands."""
        held = self.active
        try:
            return BatchStatus(**read_json(self.folder / RESULT))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError):
            return BatchStatus("failed", "The result of this batch is damaged: resume it.")
        starting = age_seconds(self.folder / REQUEST) < START_SECONDS
        held = held or self.active  # it may have begun between the two looks
        try:
            progress = Progress(**read_json(self.folder / PROGRESS))
        except (OSError, ValueError, TypeError):
            progress = None
        if not held and (progress is not None or not starting):
            done, total = (progress.done, progress.total) if progress else (0, 0)
            return BatchStatus("interrupted", "It was interrupted; what was predicted is kept.", done, total)
        if progress is None:
            return BatchStatus("running", "Starting")
        return BatchStatus("running", progress.text, progress.done, progress.total, progress.eta_seconds)

    def open(self, settings: Settings, request: BatchRequest) -> Source:
        """What holds the pictures; to be closed.

        Raises:
            BatchError: it is gone, or another archive has taken its place.
            DatasetError: the archive cannot be used.
        """
        path = Path(request.path)
        if request.kind != "archive":
            if not path.is_dir():
                raise BatchError(f"The folder {request.title} is not there: put it back, or predict another one.")
            return FolderSource(path)
        if request.stamp and request.stamp != stamp_archive(path):
            raise BatchError(f"{request.title} is gone or was changed: predict it again as a new batch.")
        return open_source(
            path,
            request.title,
            settings.max_images,
            max_bytes=settings.max_dataset_bytes,
            scratch=settings.cache_dir,
        )

    def entries(self, source: Source, request: BatchRequest) -> Sequence[SourceEntry]:
        """Every file, in the order of the rows.

        Raises:
            BatchError: the list of a folder's files is damaged.
        """
        if request.kind == "archive":
            return source.entries()
        return [SourceEntry(name, size) for name, size, _ in self.listed()]

    def listed(self) -> list[Listed]:
        """The files of a folder as it was at the start.

        Raises:
            BatchError: the list is damaged.
        """
        try:
            with (self.folder / FILES).open(encoding="ascii") as file:
                return [(str(name), int(size), int(time)) for name, size, time in map(json.loads, file)]
        except (OSError, ValueError, TypeError) as error:
            raise BatchError("The list of files of this batch is damaged: predict the folder again.") from error

    def write_listed(self, files: Iterable[Listed]) -> None:
        """Keep the files of a folder; ASCII keeps names of any bytes."""
        with atomic_open(self.folder / FILES, "w") as file:
            file.writelines(f"{json.dumps(item)}\n" for item in files)


def stamp_archive(path: Path) -> tuple[int, ...]:
    """Differs when an archive was changed; empty where it is gone."""
    try:
        facts = path.stat()
    except OSError:
        return ()
    return facts.st_size, facts.st_mtime_ns


def list_folder(path: Path) -> list[Listed]:
    """Every file below a folder that is not junk, in a fixed order."""
    return [_look(path, entry.name) for entry in FolderSource(path).entries()]


def list_files(names: Iterable[str], base: Path) -> list[Listed]:
    """Named files, there or not."""
    return [_look(base, name) for name in names]


def _look(base: Path, name: str) -> Listed:
    try:
        facts = (base / name).stat()
    except (OSError, ValueError):
        return name, 0, 0
    return name, facts.st_size, facts.st_mtime_ns
