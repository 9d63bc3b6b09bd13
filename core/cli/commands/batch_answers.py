"""What `predict` does with a folder, a zip, or many files: a batch that is followed, a table, sorted folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import IO, Any

from core.batches.batch import ARCHIVE_ENDINGS, Batch
from core.batches.batch_rows import printable, read_rows, read_table, write_csv
from core.batches.batch_store import BatchStore
from core.batches.sorted_folders import NOT_SURE, SortedFolders, sort_batch
from core.cli.shared.command import Outcome
from core.cli.shared.output_file import choose_output, open_output
from core.cli.shared.status_line import format_progress, print_status, show_step, status_line
from core.cli.shared.waiting import WATCH_SECONDS
from core.errors import BatchError, ConfigError
from core.formatting import format_count
from core.novelty.conformal import DEFAULT_PROMISE
from core.settings import Settings

SHOWN = 20  # problems


@dataclass(frozen=True)
class Wanted:
    """What shall become of the answers.

    Attributes:
        promise: at most this share of known pictures is called strange.
        csv: file to write.
        sort_into: folder of class folders.
        sure: it is done, not only described.
    """

    promise: float = DEFAULT_PROMISE
    csv: str | None = None
    force: bool = False
    sort_into: str | None = None
    move: bool = False
    sure: bool = False

    def check(self) -> None:
        """Refuse options that need another one.

        Raises:
            ConfigError: one sentence for each.
        """
        if not self.sort_into and (self.move or self.sure):
            name = "--move" if self.move else "--yes"
            raise ConfigError({"sort_into": f"{name} goes with --sort-into: name the folder to sort into."})

    @property
    def anything(self) -> bool:
        """Whether more is wanted than answers on the screen."""
        return bool(self.csv or self.sort_into)


def is_batch(files: Sequence[str], wanted: Wanted) -> bool:
    """Whether these files are predicted as a batch.

    Raises:
        ConfigError: a folder or zip is named together with others.
    """
    large = [name for name in files if Path(name).is_dir() or name.lower().endswith(ARCHIVE_ENDINGS)]
    if large and len(files) > 1:
        raise ConfigError({"files": f"{large[0]} is a folder or zip: name it alone."})
    return bool(large) or wanted.anything


def predict_many(settings: Settings, run: str, files: Sequence[str], wanted: Wanted) -> Outcome:
    """Predict a batch, continue one that was interrupted, or use one that is there; then write what was asked for."""
    target = None
    if wanted.csv is not None:
        target = choose_output(wanted.csv, BatchError, force=wanted.force, example="predictions.csv")
    store = BatchStore(settings)
    batch = _begin(store, run, files, wanted.promise)
    _follow(store, batch)
    request, table = batch.request(), read_table(batch.rows_path, batch.request())
    counts = dict(zip(request.classes, map(int, table.count_classes(len(request.classes))), strict=True))
    value: dict[str, Any] = {
        "batch": batch.id,
        "run": request.run,
        "files": len(table.files),
        "counts": counts,
        "several_classes": len(table.may_be),
        "not_sure": int(table.strange.sum()),
        "problems": [{"file": table.files[place], "problem": text} for place, text in table.problems.items()],
        "rows": str(batch.rows_path),
    }
    answered = len(table.files) - len(table.problems)
    lines = [f"{format_count(answered, 'picture')}, {format_count(len(table.problems), 'file')} without an answer."]
    lines += [f"  {printable(name)}: {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1])]
    if table.may_be:
        lines.append(f"  not sure, may be of more than one class: {len(table.may_be):,}")
    if strange := int(table.strange.sum()):
        lines.append(f"  not sure, unlike anything it was trained on: {strange:,}")
    lines += [f"  {text}" for text in list(table.problems.values())[:SHOWN]]
    if len(table.problems) > SHOWN:
        lines.append(f"  and {len(table.problems) - SHOWN:,} more in the table")
    if target is not None:
        with open_output(target, BatchError) as file:
            _write_table(file, batch)
        value["csv"] = str(target)
        lines.append(f"The table: {target}")
    if wanted.sort_into is not None:
        found = _sort(settings, batch, Path(wanted.sort_into).expanduser(), wanted)
        value["sorted"] = {
            "folder": wanted.sort_into,
            "done": wanted.sure,
            "counts": found.counts,
            "not_sure": found.strange,
            "already": found.already,
            "unanswered": found.unanswered,
            "problems": [{"file": name, "problem": text} for name, text in found.problems],
        }
        lines += _describe_sorted(found, wanted)
    return Outcome(value, "\n".join(lines))


def _begin(store: BatchStore, run: str, files: Sequence[str], promise: float) -> Batch:
    path = Path(files[0]).expanduser()
    if len(files) > 1 or not (path.is_dir() or path.name.lower().endswith(ARCHIVE_ENDINGS)):
        return store.start_files(run, files, promise=promise)
    earlier = store.find_earlier(run, path, promise)
    if earlier is None:
        return store.start(run, path, promise=promise)
    status = earlier.status()
    if status.resumable:
        store.resume(earlier)
        print_status("This batch was interrupted: it resumes.")
    elif status.state == "finished":
        print_status("These files have not changed since they were predicted: the same answers are used.")
    return earlier


def _follow(store: BatchStore, batch: Batch) -> None:
    """Wait for the end of a batch.

    Raises:
        BatchError: it failed, or was interrupted or cancelled elsewhere.
    """
    try:
        with status_line() as show:
            while (status := batch.status()).state == "running":
                show(format_progress(status.text, status.done, status.total, status.eta_seconds))
                sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        store.cancel(batch)
        raise BatchError("Cancelled; what was predicted is kept: the same command resumes.") from None
    if status.state != "finished":
        raise BatchError(status.text if status.state == "failed" else f"{status.text} The same command resumes it.")


def _write_table(file: IO[bytes], batch: Batch) -> None:
    request = batch.request()
    for text in write_csv(read_rows(batch.rows_path), request.classes, request.promise):
        file.write(text.encode("utf-8", "backslashreplace"))


def _sort(settings: Settings, batch: Batch, target: Path, wanted: Wanted) -> SortedFolders:
    steps = sort_batch(settings, batch, target, move=wanted.move, dry=not wanted.sure)
    return show_step(steps, lambda step: format_progress("sorting", *step))


def _describe_sorted(found: SortedFolders, wanted: Wanted) -> list[str]:
    deed = "move" if wanted.move else "copy"
    done = {"copy": "copied", "move": "moved"}[deed]
    number = format_count(sum(found.counts.values()) + found.strange - found.already, "picture")
    folders = format_count(len(found.counts) + bool(found.strange), "folder")
    lines = [
        f"{done.capitalize()} {number} into {folders} of {wanted.sort_into}."
        if wanted.sure
        else f"Would {deed} {number} into {folders} of {wanted.sort_into}. Nothing was done: repeat with --yes."
    ]
    if found.strange:
        lines.append(f"{format_count(found.strange, 'picture')} unlike anything it was trained on: folder {NOT_SURE}.")
    if found.already:
        lines.append(f"{format_count(found.already, 'picture')} were there already.")
    if found.unanswered:
        lines.append(f"{format_count(found.unanswered, 'file')} without an answer stay where they are.")
    lines += [f"  {text}" for _, text in found.problems[:SHOWN]]
    if len(found.problems) > SHOWN:
        lines.append(f"  and {len(found.problems) - SHOWN:,} more problems")
    return lines
