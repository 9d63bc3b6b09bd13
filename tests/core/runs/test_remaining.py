"""How long runs and races still take, as everyone shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.events import BatchDone, Event, Message, PhaseStarted, Progress
from core.runs.history import RunHistory
from core.runs.remaining import expect_last_end, seconds_until

PHASES = st.sampled_from(["preparing", "training", "testing"])
SECONDS = st.none() | st.floats(0, 1e5)
MOMENTS = st.floats(0, 1e6)


def batch(eta_seconds: float | None) -> BatchDone:
    return BatchDone(1, 2, 3, 4, 0.5, 0.5, 0.1, 10.0, 7.0, eta_seconds, 0.4)


def after(*events: Event, moment: float = 100.0) -> float | None:
    history = RunHistory()
    for event in events:
        history.add(moment, event)
    return history.expected_end


EVENTS = st.one_of(
    st.builds(PhaseStarted, PHASES, st.just("")),
    st.builds(Progress, PHASES, st.just(""), st.just(1), st.just(2), SECONDS),
    st.builds(batch, SECONDS),
    st.just(Message("info", "")),
)


@given(st.lists(st.tuples(MOMENTS, EVENTS)), MOMENTS)
def test_no_run_is_ever_said_to_end_in_the_past(log: list[tuple[float, Event]], now: float) -> None:
    history = RunHistory()
    for moment, event in log:
        history.add(moment, event)
    left = seconds_until(history.expected_end, now)
    assert left is None or left >= 0


@given(st.lists(SECONDS, min_size=1), MOMENTS)
def test_a_race_takes_as_long_as_its_longest_run_and_is_unknown_while_one_of_them_is(
    ends: list[float | None], now: float
) -> None:
    whole = seconds_until(expect_last_end(ends), now)
    each = [seconds_until(end, now) for end in ends]
    known = [seconds for seconds in each if seconds is not None]
    assert whole == (max(known) if len(known) == len(each) else None)


def test_a_race_without_active_runs_has_nothing_left() -> None:
    assert expect_last_end([]) is None


@pytest.mark.parametrize("phase", ["preparing", "training"])
def test_nothing_is_expected_while_a_run_prepares_or_begins_again(phase: str) -> None:
    assert after(PhaseStarted("preparing", ""), Progress("preparing", "Reading pictures", 1, 9, 8.0)) is None
    assert after(batch(20.0), PhaseStarted(phase, "")) is None  # type: ignore[arg-type]


def test_the_newest_word_of_the_training_counts() -> None:
    assert after(batch(20.0), Message("info", "")) == 120.0
    assert after(batch(20.0), batch(11.0)) == 111.0
    assert after(batch(20.0), batch(None)) is None
    assert after(batch(20.0), Progress("training", "Validating", 1, 2, None)) == 120.0
    assert after(Progress("training", "5 pictures per class, seed 0", 1, 9, 30.0)) == 130.0


def test_the_estimate_of_a_training_holds_while_it_is_evaluated_unless_that_takes_longer() -> None:
    testing = PhaseStarted("testing", "")
    assert after(batch(20.0), testing) == 120.0
    assert after(batch(20.0), testing, Progress("testing", "Testing", 1, 2, 5.0)) == 120.0
    assert after(batch(20.0), testing, Progress("testing", "Testing", 1, 2, 50.0)) == 150.0
    assert after(testing, Progress("testing", "Testing", 1, 2, 50.0)) == 150.0
