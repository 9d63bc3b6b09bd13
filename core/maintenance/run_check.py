"""Whether a run is whole: configuration, log, checkpoints, predictions and result, and whether they agree.

A run whose lock is held is looked at while it goes on: what a worker is about to finish is no finding. One that changed
while it was looked at is looked at again.
"""

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from core.config.train_config import TrainConfig, load_config
from core.datasets.dataset import Dataset
from core.errors import ConfigError, RunError
from core.maintenance.data_root import RoomFolder, check_strangers, held, irregular, is_there, reason
from core.maintenance.events_check import Log, read_log
from core.maintenance.file_reading import is_file, is_folder, read_object, read_text
from core.maintenance.findings import Damage, Finding, Kind, Mending
from core.maintenance.path_names import (
    ATTEMPTS,
    BEST_FACTS,
    BEST_WEIGHTS,
    CHECKPOINT_FILES,
    CHECKPOINTS,
    PREDICTIONS,
    RUN_FILES,
    RUN_RECORDS,
    SNAPSHOT,
    STALLED,
    STARTED,
    VALIDATION,
)
from core.maintenance.weights_check import check_finite, check_shapes, read_header
from core.runs.run import Run, RunMeta, RunResult, RunState
from core.runs.summary import is_curve
from core.statistics.predictions import PredictionTable, read_predictions
from core.training.subsets import points_of

LOOKS = 4  # at a run that changes meanwhile
_META: TypeAdapter[RunMeta] = TypeAdapter(RunMeta)
_RESULT: TypeAdapter[RunResult] = TypeAdapter(RunResult)


@dataclass(frozen=True)
class _Looked:
    """What is known of the run that is looked at."""

    room: RoomFolder
    folder: Path
    live: bool
    config: TrainConfig
    meta: RunMeta
    dataset: Dataset | None

    @property
    def name(self) -> str:
        return self.room.name(self.folder)

    @property
    def lock(self) -> str:
        return f"{self.name}/worker.lock"

    def damaged(self, file: str, error: Exception) -> Finding:
        """A file without which the run is worth nothing."""
        return _damaged(self.room, self.folder, file, error)


def check_run(room: RoomFolder, folder: Path) -> Iterator[Finding]:
    """Look at everything in a run's folder."""
    found: list[Finding] = []
    for _ in range(LOOKS):
        before = _stamp(folder)
        found = list(_look(room, folder, live=held(folder / "worker.lock")))
        if not found or _stamp(folder) == before:
            break
    if is_there(folder):  # else it was deleted meanwhile
        yield from found


def _stamp(folder: Path) -> list[object]:
    """Changes when the run begins, goes on or ends."""
    stamp: list[object] = [held(folder / "worker.lock")]
    places = [name for name in RUN_RECORDS if name != "events.jsonl"]
    for place in (*places, "stop", CHECKPOINTS, *(f"{CHECKPOINTS}/{name}" for name in CHECKPOINT_FILES)):
        try:
            status = (folder / place).lstat()
            stamp.append((status.st_ino, status.st_mtime_ns, status.st_size))
        except OSError:
            stamp.append(None)
    return stamp


def _look(room: RoomFolder, folder: Path, *, live: bool) -> Iterator[Finding]:
    name = room.name(folder)
    lock = f"{name}/worker.lock"
    yield from check_strangers(room, folder, {*RUN_FILES, CHECKPOINTS} - {STALLED}, live=live, lock=lock)
    if is_folder(folder / CHECKPOINTS):
        yield from check_strangers(room, folder / CHECKPOINTS, set(CHECKPOINT_FILES), live=live, lock=lock)
    if irregular(folder, set(RUN_FILES)) or irregular(folder / CHECKPOINTS, set(CHECKPOINT_FILES)):
        return
    file = "config.json"
    try:
        config = read_config(room, folder)
        file = "meta.json"
        meta = read_meta(room, folder)
    except (Damage, OSError) as error:
        yield _damaged(room, folder, file, error)
        return
    run = _Looked(room, folder, live, config, meta, room.dataset(config.dataset, meta.dataset_fingerprint))
    fingerprint = room.fingerprint(config.dataset)
    if fingerprint != meta.dataset_fingerprint:
        gone = "is gone" if fingerprint is None else "is another one now"
        text = f"The dataset {config.dataset} of this run {gone}: it can predict, and cannot train again."
        yield Finding(Kind.ORPHANED, name, text)
    result: RunResult | None = None
    try:
        result = read_result(room, folder)
    except (Damage, OSError) as error:
        yield run.damaged("result.json", error)
    log = yield from _check_log(run, result)
    yield from _check_started(run)
    yield from _check_best(run, result, log)
    yield from _check_snapshot(run, result, log)
    yield from _check_predictions(run, result)
    yield from _check_validation(run)


def _damaged(room: RoomFolder, folder: Path, file: str, error: Exception) -> Finding:
    name = room.name(folder)
    text = f"This file of the run {folder.name} {reason(error)}: train the run again."
    return Finding(Kind.DAMAGED, f"{name}/{file}", text, Mending.SET_ASIDE, name, f"{name}/worker.lock")


def read_config(room: RoomFolder, folder: Path) -> TrainConfig:
    """A run's configuration.

    Raises:
        Damage: it is none.
        OSError: it cannot be read.
    """
    try:
        return load_config(read_text(folder / "config.json", room.meter))
    except (ConfigError, ValueError, RecursionError) as error:
        raise Damage("is not a configuration") from error


def read_meta(room: RoomFolder, folder: Path) -> RunMeta:
    """What was noted when a run was created.

    Raises:
        Damage: it is damaged.
        OSError: it cannot be read.
    """
    values = read_object(folder / "meta.json", room.meter)
    try:
        Run(folder).meta()
        return _META.validate_json(json.dumps(values), strict=True)
    except (RunError, ValidationError) as error:
        raise Damage("is damaged") from error


def read_result(room: RoomFolder, folder: Path) -> RunResult | None:
    """How a run ended; None while it has not.

    Raises:
        Damage: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        values = read_object(folder / "result.json", room.meter)
    except FileNotFoundError:
        return None
    try:
        result = _RESULT.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise Damage("is damaged") from error
    if result.state.active:
        raise Damage("tells of a run that has not ended")
    if result.tested is not None and not 0 <= result.tested.correct <= result.tested.images:
        raise Damage("tells of more right answers than pictures")
    return result


def _check_log(run: _Looked, result: RunResult | None) -> Generator[Finding, None, Log]:
    path, name = run.folder / "events.jsonl", f"{run.name}/events.jsonl"
    pictures = len(run.dataset.rows) if run.dataset else None
    try:
        log = read_log(path, run.room.meter, pictures=pictures, classes=len(run.meta.classes))
    except OSError as error:
        yield run.damaged("events.jsonl", error)
        return Log()
    if log.damaged:
        count = len(log.damaged)
        lines = "A line of this event log is" if count == 1 else f"{count} lines of this event log are"
        yield Finding(Kind.DAMAGED, name, f"{lines} damaged.", Mending.BLANK_LINES, lock=run.lock)
    if log.torn and not run.live:
        text = "The last line of this event log was not finished."
        yield Finding(Kind.LEFT_OVER, name, text, Mending.CUT_LINE, lock=run.lock)
    if result is not None and not (log.damaged or log.torn) and len(log.epochs) < result.epochs_done:
        told = f"tells of {len(log.epochs)} epochs, and the result of {result.epochs_done}"
        yield Finding(Kind.DAMAGED, name, f"This event log {told}: its first or last lines are lost.")
    if result is not None and not (log.damaged or log.torn) and len(log.points) < result.points_done:
        told = f"tells of {len(log.points)} points, and the result of {result.points_done}"
        yield Finding(Kind.DAMAGED, name, f"This event log {told}: its first or last lines are lost.")
    planned = set(points_of(run.meta.plan)) if run.meta.plan else set()
    if log.points - planned:
        yield Finding(Kind.DAMAGED, name, "This event log tells of points that its learning curve does not have.")
    return log


def _check_started(run: _Looked) -> Iterator[Finding]:
    for name in (STARTED, ATTEMPTS):
        try:
            read_object(run.folder / name, run.room.meter)
        except FileNotFoundError:
            continue
        except (Damage, OSError) as error:
            text = f"This file {reason(error)}."
            yield Finding(Kind.DAMAGED, f"{run.name}/{name}", text, Mending.REWRITE, lock=run.lock)


def _check_best(run: _Looked, result: RunResult | None, log: Log) -> Iterator[Finding]:
    weights, facts = f"{CHECKPOINTS}/{BEST_WEIGHTS}", f"{CHECKPOINTS}/{BEST_FACTS}"
    has_weights, has_facts = is_file(run.folder / weights), is_file(run.folder / facts)
    if run.live and not (has_weights and has_facts):
        return
    if not has_facts:
        if has_weights and not log.kept:
            text = "These weights have no description: whoever wrote them was killed in the middle."
            yield Finding(Kind.LEFT_OVER, f"{run.name}/{weights}", text, Mending.SET_ASIDE, lock=run.lock)
        elif log.kept or (result is not None and result.state is RunState.FINISHED and not is_curve(run.meta)):
            yield run.damaged(facts, FileNotFoundError())
        return
    file = facts
    try:
        told = read_object(run.folder / facts, run.room.meter)
        epoch = _read_facts(run, told)
        file = weights
        written = _check_weights(run, run.folder / weights)
    except (Damage, OSError) as error:
        yield run.damaged(file, error)
        return
    if written != epoch and not run.live:
        text = f"The weights beside this file are of epoch {written}, and it tells of epoch {epoch}."
        yield Finding(Kind.LEFT_OVER, f"{run.name}/{facts}", text, Mending.MATCH_WEIGHTS, lock=run.lock)


def _read_facts(run: _Looked, told: dict[str, Any]) -> int:
    """The epoch of which a checkpoint's description tells."""
    try:
        config, classes, epoch = load_config(told["config"]), tuple(told["classes"]), told["epoch"]
        accuracy = told["val_accuracy"]
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise Damage("is damaged") from error
    if type(epoch) is not int or not (accuracy is None or isinstance(accuracy, int | float)):
        raise Damage("is damaged")
    if config != run.config or classes != run.meta.classes:
        raise Damage("is of another run")
    return epoch


def _check_weights(run: _Looked, path: Path) -> int:
    """Read all weights; returns their epoch."""

    header = read_header(path)
    check_shapes(header.shapes, run.config, len(run.meta.classes), whole=True)
    check_finite(path, header, run.room.meter)
    epoch = header.metadata.get("epoch", "")
    if not epoch.isascii() or not epoch.isdecimal() or len(epoch) > 9:
        raise Damage("does not tell its epoch")
    return int(epoch)


def _check_snapshot(run: _Looked, result: RunResult | None, log: Log) -> Iterator[Finding]:
    path, name = run.folder / CHECKPOINTS / SNAPSHOT, f"{run.name}/{CHECKPOINTS}/{SNAPSHOT}"
    if not is_file(path):
        return
    if result is not None and not run.live:
        text = "This run is over, and needs no snapshot to go on from."
        yield Finding(Kind.LEFT_OVER, name, text, Mending.REMOVE, lock=run.lock)
        return
    try:
        _read_snapshot(run, path, log)
    except FileNotFoundError:
        return
    except (Damage, OSError) as error:
        text = f"This snapshot {reason(error)}: without it, the run starts again from its beginning."
        yield Finding(Kind.DAMAGED, name, text, Mending.REMOVE, lock=run.lock)


def _read_snapshot(run: _Looked, path: Path, log: Log) -> None:
    header = read_header(path)
    # torch is loaded: there are weights
    from core.training.snapshot import read_facts

    try:
        facts = read_facts(path.parent)
    except (RunError, RecursionError, AttributeError, OverflowError) as error:
        raise Damage("does not tell what it is of") from error
    if facts is None:
        return
    if (facts.config, facts.fingerprint) != (run.config, run.meta.dataset_fingerprint):
        raise Damage("is of another run")
    if not run.live and not 0 <= facts.events_bytes <= log.whole_bytes:
        raise Damage("tells of more events than the log has")
    learned = {
        key.removeprefix("network."): shape for key, shape in header.shapes.items() if key.startswith("network.")
    }
    check_shapes(learned, run.config, len(run.meta.classes), whole=False)
    check_finite(path, header, run.room.meter)


def _check_predictions(run: _Looked, result: RunResult | None) -> Iterator[Finding]:
    path = run.folder / PREDICTIONS
    if not is_file(path):
        if result is not None and result.tested is not None and not run.live:
            yield run.damaged(PREDICTIONS, FileNotFoundError())
        return
    try:
        run.room.meter.add(path.stat().st_size)
        table = _read_table(path)
        _compare_table(run, table, result)
    except (Damage, OSError) as error:
        yield run.damaged(PREDICTIONS, error)


def _check_validation(run: _Looked) -> Iterator[Finding]:
    """The run is worth as much without them: only what is fitted on them is lost."""
    path = run.folder / VALIDATION
    if not is_file(path):
        return
    try:
        run.room.meter.add(path.stat().st_size)
        table = _read_table(path)
        if table.split != "val":
            raise Damage("is not of the validation split")
        _compare_table(run, table, None)
    except (Damage, OSError) as error:
        text = f"These predictions on the validation pictures {reason(error)}: the run can do without them."
        yield Finding(Kind.DAMAGED, f"{run.name}/{VALIDATION}", text, Mending.SET_ASIDE, lock=run.lock)


def _read_table(path: Path) -> PredictionTable:
    try:
        return read_predictions(path)
    except RunError as error:
        raise Damage("is damaged or cut off") from error


def _compare_table(run: _Looked, table: PredictionTable, result: RunResult | None) -> None:
    if table.classes != run.meta.classes:
        raise Damage("has other classes than the run")
    tested = result.tested if result else None
    if tested is not None:
        counted = (table.split, table.n, int(table.correct.sum()))
        if counted != (tested.split, tested.images, tested.correct):
            raise Damage("does not fit the result of the run")
        if abs(tested.accuracy - tested.correct / tested.images) > 1e-9:
            raise Damage("does not fit the result of the run")
    if run.dataset is None:
        return
    rows = run.dataset.rows
    if sorted(table.indices.tolist()) != [row.index for row in run.dataset.rows_of(table.split)]:
        raise Damage("is not of the dataset's pictures")
    for index, label, picture in zip(table.indices.tolist(), table.labels.tolist(), table.image_ids, strict=True):
        if (rows[index].label, rows[index].pixel_hash) != (label, picture):
            raise Damage("is not of the dataset's pictures")
    if not np.allclose(table.probabilities.sum(axis=1), 1, atol=0.01):
        raise Damage("holds probabilities that do not add up")
