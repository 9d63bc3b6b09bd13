"""Titles that people give to runs and races later, in the metadata of the runs."""

import dataclasses
from collections.abc import Callable, Iterable

from core.config.race_plan import MAX_TITLE
from core.errors import RunError
from core.runs.run import Run, RunMeta
from core.runs.run_files import CONFIG, META
from core.runs.run_lock import plain_errors, remove_ghost
from core.storage import write_json


def rename(run: Run, title: str) -> None:
    """Give a run a title that replaces its note; an empty one removes it."""
    _rewrite_meta(run, lambda meta: dataclasses.replace(meta, title=_tidy(title)))


def rename_race(runs: Iterable[Run], title: str) -> None:
    """Give a race or learning curve a title, in each of its runs.

    Raises:
        RunError: if it was started before races had titles.
    """

    def retitled(meta: RunMeta) -> RunMeta:
        if meta.plan is None:
            raise RunError("These runs were started as a pair, not as a race with a title: rename each run.")
        return dataclasses.replace(meta, plan=dataclasses.replace(meta.plan, title=_tidy(title)))

    for run in runs:
        _rewrite_meta(run, retitled)


def _tidy(title: str) -> str:
    return " ".join("".join(c for c in title if c.isprintable() or c.isspace()).split())[:MAX_TITLE]


def _rewrite_meta(run: Run, change: Callable[[RunMeta], RunMeta]) -> None:
    """Replace the metadata of a run.

    Raises:
        RunError: if it was deleted, or its metadata cannot be read.
        QuotaError: if the disk is full.
    """
    gone = FileNotFoundError(run.folder)
    with plain_errors(run):
        try:
            meta = run.meta()
        except RunError:
            if not (run.folder / CONFIG).exists():  # it was just deleted, not damaged
                raise gone from None
            raise
        write_json(run.folder / META, dataclasses.asdict(change(meta)))
        if not (run.folder / CONFIG).exists():  # written into what the lock of a second deleter left
            (run.folder / META).unlink(missing_ok=True)
            remove_ghost(run)
            raise gone
