"""Progress on stderr: one line that replaces itself on a terminal, and several lines elsewhere."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from core.cli.shared import console
from core.config.events import Progress
from core.formatting import format_bytes, format_estimate
from core.jobs.shared_job import JobState
from core.steps import run_step

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """Gives a function that shows a line, if it differs from the last one; at the end the line is wiped."""
    shown = ""

    def show(line: str) -> None:
        nonlocal shown
        if line != shown:
            shown = line
            _replace(line)

    try:
        yield show
    finally:
        _replace("")


def show_step(step: Generator[Item, None, Result], describe: Callable[[Item], str]) -> Result:
    """Run a step to its end, with its progress in the status line.

    Args:
        describe: an item of it as a line; an empty one changes nothing.
    """
    with status_line() as show:
        return run_step(step, lambda item: show(line) if (line := describe(item)) else None)


def describe_progress(item: Progress) -> str:
    """A step of long work as a line."""
    return format_progress(item.text, item.done, item.total, item.eta_seconds)


def describe_job(state: JobState[Any]) -> str:
    """How far a computation is, as a line; empty while that is unknown."""
    if state.progress is None:
        return ""
    line = describe_progress(state.progress)
    if state.progress.eta_seconds is None and state.estimate:
        return f"{line}, {format_estimate(state.estimate)} in all"
    return line


def format_progress(text: str, done: int, total: int, seconds_left: float | None = None, unit: str = "") -> str:
    """What is being done and how far it is, such as `Decoding 1,200/5,000 pictures, about 20 s left`."""
    count = f" {done:,}/{total:,}{f' {unit}' if unit else ''}" if total > 1 else ""
    return f"{text}{count}{format_left(seconds_left)}"


def format_bytes_done(text: str, done: int, total: int, seconds_left: float | None) -> str:
    """The same for bytes, such as `checked 1.2 MB of 23 MB, about 20 s left`."""
    return f"{text} {format_bytes(done)} of {format_bytes(total)}{format_left(seconds_left)}"


def format_left(seconds: float | None) -> str:
    """The time left, at the end of a line; empty for None."""
    return "" if seconds is None else f", {format_estimate(seconds)} left"


def print_status(text: str) -> None:
    """A line that stays."""
    if text:
        console.write_note(text)


def _replace(line: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        console.write_note(f"\r\x1b[2K{line}", end="")
    else:
        print_status(line)
