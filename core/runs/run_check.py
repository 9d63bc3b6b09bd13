"""Whether a run on disk is whole: configuration, log, predictions and result, and whether they agree.

What `core.training` writes into it (weights, snapshots) is verified there, with the facts that `verify_run` returns. A
run whose lock is held is looked at while it trains: what a worker is about to finish is no problem.
"""

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset, load_dataset, load_summary
from core.errors import DatasetError, RunError
from core.runs.attempts import MAX_AUTOMATIC, Attempts, write_attempts
from core.runs.log_check import LogFacts, blank_lines, cut_line, read_log
from core.runs.run import Run, RunMeta, RunResult, RunState
from core.runs.run_files import (
    ATTEMPTS,
    BEST_SIDECAR,
    BEST_WEIGHTS,
    CHECKPOINTS,
    CONFIG,
    EVENTS,
    EXPORTS,
    META,
    NOVELTY,
    PREDICTIONS,
    RECORDS,
    RESULT,
    SNAPSHOT,
    STARTED,
    VALIDATION_PREDICTIONS,
)
from core.runs.summary import is_curve
from core.settings import Settings
from core.statistics.predictions import PredictionTable, read_predictions
from core.storage import is_id, write_json
from core.verification import (
    REMOVE,
    SET_ASIDE,
    Count,
    Damage,
    Kind,
    Problem,
    Repair,
    ignore,
    irregular,
    is_file,
    is_folder,
    read_object,
    read_text,
    reason,
    verify_names,
)

CHECKPOINT_FILES = (BEST_WEIGHTS, BEST_SIDECAR, SNAPSHOT)
FILES = (*RECORDS, NOVELTY, ATTEMPTS, "stop", "worker.log")  # besides locks and small JSON files


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run whose configuration can be read."""

    run: Run
    live: bool
    config: TrainConfig
    meta: RunMeta
    dataset: Dataset | None
    result: RunResult | None
    log: LogFacts

    def damaged(self, file: str, error: Exception) -> Problem:
        """A file without which the run is worth nothing."""
        return _damaged(self.run, file, error)


class KnownDatasets:
    """The datasets of a data root: each is read once for the many runs on it."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.datasets_dir
        self._load = lru_cache(maxsize=4)(self._read)

    def fingerprint(self, dataset_id: str) -> str | None:
        """That of a dataset that is there."""
        folder = self._folder / dataset_id
        if is_id(dataset_id) and is_file(folder / "dataset.json"):
            with suppress(DatasetError):
                return load_summary(folder).fingerprint
        return None

    def get(self, dataset_id: str, fingerprint: str) -> Dataset | None:
        """A dataset; None where it is gone, damaged, or another one by now."""
        return self._load(dataset_id, fingerprint) if self.fingerprint(dataset_id) == fingerprint else None

    def _read(self, dataset_id: str, fingerprint: str) -> Dataset | None:
        folder = self._folder / dataset_id
        if is_file(folder / "pictures.csv"):
            with suppress(DatasetError):
                found = load_dataset(folder)
                return found if found.fingerprint == fingerprint else None
        return None


def verify_run(
    run: Run, datasets: KnownDatasets, count: Count = ignore, *, live: bool = False
) -> Generator[Problem, None, RunFacts | None]:
    """Look at everything in a run's folder but its weights; returns the facts that they have to agree with.

    Args:
        live: its lock is held.
    """
    lock = run.lock_path
    yield from verify_names(run.folder, {*FILES, CHECKPOINTS, EXPORTS}, count, live=live, lock=lock)
    if is_folder(run.checkpoints):
        yield from verify_names(run.checkpoints, set(CHECKPOINT_FILES), count, live=live, lock=lock)
    if irregular(run.folder, set(FILES)) or irregular(run.checkpoints, set(CHECKPOINT_FILES)):
        return None
    file = "config.json"
    try:
        config = read_config(run, count)
        file = "meta.json"
        meta = read_meta(run, count)
    except (Damage, OSError) as error:
        yield _damaged(run, file, error)
        return None
    fingerprint = datasets.fingerprint(config.dataset)
    if fingerprint != meta.dataset_fingerprint:
        gone = "is gone" if fingerprint is None else "is another one now"
        text = f"The dataset {config.dataset} of this run {gone}: the run can predict, but not train again."
        yield Problem(Kind.ORPHANED, run.folder, text)
    result: RunResult | None = None
    try:
        result = _read_result(run, count)
    except (Damage, OSError) as error:
        yield _damaged(run, RESULT, error)
    dataset = datasets.get(config.dataset, meta.dataset_fingerprint)
    log = yield from _verify_log(run, meta, dataset, result, count, live=live)
    facts = RunFacts(run, live, config, meta, dataset, result, log)
    yield from _verify_marks(run, count)
    yield from _verify_which_checkpoints(facts)
    yield from _verify_predictions(facts, count)
    yield from _verify_validation(facts, count)
    return facts


def _damaged(run: Run, file: str, error: Exception) -> Problem:
    text = f"This file of the run {run.id} {reason(error)}: train the run again."
    return Problem(Kind.DAMAGED, run.folder / file, text, SET_ASIDE, run.folder, run.lock_path)


def read_config(run: Run, count: Count = ignore) -> TrainConfig:
    """A run's configuration.

    Raises:
        Damage: it is none.
        OSError: it cannot be read.
    """
    read_text(run.folder / CONFIG, count)
    try:
        return run.config()
    except (RunError, RecursionError) as error:
        raise Damage("is not a configuration") from error


def read_meta(run: Run, count: Count = ignore) -> RunMeta:
    """What was noted when a run was created.

    Raises:
        Damage: it is damaged.
        OSError: it cannot be read.
    """
    read_object(run.folder / META, count)
    try:
        return run.meta()
    except RunError as error:
        raise Damage("is damaged") from error


def _read_result(run: Run, count: Count) -> RunResult | None:
    """How a run ended; None while it has not."""
    try:
        read_object(run.folder / RESULT, count)
        result = run.read_result()
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Damage("is damaged" if isinstance(error, ValidationError) else str(error)) from error
    if result is not None and result.tested is not None and not 0 <= result.tested.correct <= result.tested.images:
        raise Damage("has more right answers than pictures")
    return result


def _verify_log(
    run: Run, meta: RunMeta, dataset: Dataset | None, result: RunResult | None, count: Count, *, live: bool
) -> Generator[Problem, None, LogFacts]:
    path = run.folder / EVENTS
    read = partial(read_log, images=len(dataset.rows) if dataset else None, classes=len(meta.classes))
    try:
        log = read(path, count)
    except OSError as error:
        yield _damaged(run, EVENTS, error)
        return LogFacts()
    if log.damaged:
        number = len(log.damaged)
        lines = "A line of this event log is" if number == 1 else f"{number} lines of this event log are"
        words = "keeps a copy in set-aside and blanks the damaged lines"
        blank = Repair(words, "copy", lambda path: blank_lines(path, read(path, ignore).damaged))
        yield Problem(Kind.DAMAGED, path, f"{lines} damaged.", blank, lock=run.lock_path)
    if log.torn and not live:
        cut = Repair("cuts the unfinished line off", act=cut_line)
        yield Problem(Kind.LEFT_OVER, path, "The last line of this event log is unfinished.", cut, lock=run.lock_path)
    if result is not None and not (log.damaged or log.torn):
        for what, found, noted in (
            ("epochs", len(log.epochs), result.epochs_done),
            ("points", len(log.points), result.points_done),
        ):
            if found < noted:
                text = f"This event log has {found} {what} and the result {noted}: its first or last lines are lost."
                yield Problem(Kind.DAMAGED, path, text)
    if log.points - set(meta.plan.each_point if meta.plan else ()):
        yield Problem(Kind.DAMAGED, path, "This event log has points that its learning curve does not have.")
    return log


def _verify_marks(run: Run, count: Count) -> Iterator[Problem]:
    """The files that mark a run as begun, and how often."""

    def rewrite_started(path: Path, moment: float) -> None:
        write_json(path, {"pid": 0, "time": moment})

    def rewrite_attempts(path: Path, moment: float) -> None:  # a damaged one counts as tried often enough
        write_attempts(path.parent, Attempts(MAX_AUTOMATIC, moment))

    for name, rewrite in ((STARTED, rewrite_started), (ATTEMPTS, rewrite_attempts)):
        path = run.folder / name
        try:
            read_object(path, count)
        except FileNotFoundError:
            continue
        except (Damage, OSError) as error:
            act = partial(rewrite, moment=path.lstat().st_mtime)
            repair = Repair("moves it to set-aside and writes it again", "move", act)
            yield Problem(Kind.DAMAGED, path, f"This file {reason(error)}.", repair, lock=run.lock_path)


def _verify_which_checkpoints(facts: RunFacts) -> Iterator[Problem]:
    """Which files of weights have to be there; their contents are looked at by those who write them."""
    run, result = facts.run, facts.result
    weights, sidecar, snapshot = (run.checkpoints / name for name in CHECKPOINT_FILES)
    if not facts.live and not is_file(sidecar):
        if is_file(weights) and not facts.log.kept:
            text = "The process that wrote these weights was killed before it described them."
            yield Problem(Kind.LEFT_OVER, weights, text, SET_ASIDE, lock=run.lock_path)
        elif facts.meta.sweep is None and (
            facts.log.kept or (result and result.state is RunState.FINISHED and not is_curve(facts.meta))
        ):  # a sweep keeps the weights of its best trial only
            yield facts.damaged(f"{CHECKPOINTS}/{BEST_SIDECAR}", FileNotFoundError())
    if not facts.live and result is not None and is_file(snapshot):
        text = "This run has ended and needs no snapshot to resume from."
        yield Problem(Kind.LEFT_OVER, snapshot, text, REMOVE, lock=run.lock_path)


def _verify_predictions(facts: RunFacts, count: Count) -> Iterator[Problem]:
    path = facts.run.folder / PREDICTIONS
    if not is_file(path):
        if facts.result is not None and facts.result.tested is not None and not facts.live:
            yield facts.damaged(PREDICTIONS, FileNotFoundError())
        return
    try:
        _compare_table(facts, _read_table(path, count), facts.result)
    except (Damage, OSError) as error:
        yield facts.damaged(PREDICTIONS, error)


def _verify_validation(facts: RunFacts, count: Count) -> Iterator[Problem]:
    """The run is worth as much without them: only what is fitted on them is lost."""
    path = facts.run.folder / VALIDATION_PREDICTIONS
    if not is_file(path):
        return
    try:
        table = _read_table(path, count)
        if table.split != "val":
            raise Damage("is not of the validation split")
        _compare_table(facts, table, None)
    except (Damage, OSError) as error:
        text = f"This file of predictions on the validation split {reason(error)}: the run can do without it."
        yield Problem(Kind.DAMAGED, path, text, SET_ASIDE, lock=facts.run.lock_path)


def _read_table(path: Path, count: Count) -> PredictionTable:
    count(path.stat().st_size)
    try:
        return read_predictions(path)
    except RunError as error:
        raise Damage("is damaged or cut off") from error


def _compare_table(facts: RunFacts, table: PredictionTable, result: RunResult | None) -> None:
    if table.classes != facts.meta.classes:
        raise Damage("has other classes than the run")
    tested = result.tested if result else None
    if tested is not None:
        counted = (table.split, table.n, int(table.correct.sum()))
        if counted != (tested.split, tested.images, tested.correct):
            raise Damage("does not fit the result of the run")
        if abs(tested.accuracy - tested.correct / tested.images) > 1e-9:
            raise Damage("does not fit the result of the run")
    if facts.dataset is None:
        return
    rows = facts.dataset.rows
    if sorted(table.indices.tolist()) != [row.index for row in facts.dataset.rows_of(table.split)]:
        raise Damage("is not of the dataset's pictures")
    for index, label, image in zip(table.indices.tolist(), table.labels.tolist(), table.image_ids, strict=True):
        if (rows[index].label, rows[index].pixel_hash) != (label, image):
            raise Damage("is not of the dataset's pictures")
    if not np.allclose(table.probabilities.sum(axis=1), 1, atol=0.01):
        raise Damage("has probabilities that do not add up to 1")
