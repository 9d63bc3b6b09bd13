"""The status line of the command line, on a terminal and elsewhere."""

import io
from collections.abc import Generator
from contextlib import redirect_stderr

import pytest

from core.cli.shared.status_line import describe_job, format_progress, show_step, status_line
from core.config.events import Progress
from core.jobs.shared_job import JobState

WIPE = "\r\x1b[2K"


class Terminal(io.StringIO):
    """Stderr of someone who looks."""

    def isatty(self) -> bool:
        return True


def test_a_line_is_shown_when_it_changes_and_wiped_at_the_end() -> None:
    with redirect_stderr(Terminal()) as terminal, status_line() as show:
        for line in ("one", "one", "two"):
            show(line)
    assert terminal.getvalue() == f"{WIPE}one{WIPE}two{WIPE}"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_is_wiped_after_an_error_too(error: type[BaseException]) -> None:
    def step() -> Generator[str, None, None]:
        yield "half done"
        raise error

    with redirect_stderr(Terminal()) as terminal, pytest.raises(error):
        show_step(step(), str)
    assert terminal.getvalue() == f"{WIPE}half done{WIPE}"


def test_in_a_file_each_line_stays_and_nothing_is_wiped(capsys: pytest.CaptureFixture[str]) -> None:
    with status_line() as show:
        for line in ("one", "one", "two"):
            show(line)
    assert capsys.readouterr().err == "one\ntwo\n"


def test_a_step_shows_its_progress_and_returns_its_result() -> None:
    def step() -> Generator[int, None, str]:
        yield from (1, 2, 3)
        return "done"

    with redirect_stderr(Terminal()) as terminal:
        assert show_step(step(), lambda number: "" if number == 2 else f"{number} of 3") == "done"
    assert terminal.getvalue() == f"{WIPE}1 of 3{WIPE}3 of 3{WIPE}"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("Decoding", 1200, 5000, 21.0, "pictures"), "Decoding 1,200/5,000 pictures, about 20 s left"),
        (("Loading the network", 0, 1), "Loading the network"),
        (("Downloading", 3, 0), "Downloading"),
    ],
)
def test_a_line_has_what_is_known(given: tuple[str, int, int, float, str], line: str) -> None:
    assert format_progress(*given) == line


def test_a_job_shows_the_time_left_or_else_that_of_all_of_it() -> None:
    left = Progress("testing", "Fitting probes", 2, 6, 30.0)
    unknown = Progress("testing", "Fitting probes", 0, 6, None)
    assert describe_job(JobState(None, True, left, estimate=60.0)) == "Fitting probes 2/6, about 30 s left"
    assert describe_job(JobState(None, True, unknown, estimate=60.0)) == "Fitting probes 0/6, about 60 s in all"
    assert describe_job(JobState(None, True)) == ""
