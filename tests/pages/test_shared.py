"""Values that all sessions share, and how often pages refresh."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pages.components.shared.refresh_rate import GONE_SECONDS, WATCHERS_PER_SECOND, Watchers
from pages.components.shared.snapshots.shared_cache import SharedCache


def test_thirty_viewers_at_once_cause_one_reading() -> None:
    made = []

    def read() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    shared: SharedCache[str, int] = SharedCache(60.0)
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: shared.get("run", read), range(30)))
    assert answers == [1] * 30
    assert len(made) == 1


def test_no_session_waits_while_another_reads_a_slightly_newer_value() -> None:
    shared: SharedCache[str, str] = SharedCache(0.2)
    assert shared.get("run", lambda: "old") == "old"
    time.sleep(0.25)
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly() -> str:
        reading.set()
        assert go_on.wait(10)
        return "new"

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(shared.get, "run", read_slowly)
        assert reading.wait(10)
        assert shared.get("run", lambda: "never asked") == "old"
        go_on.set()
        assert slow.result(10) == "new"
    assert shared.get("run", lambda: "never asked") == "new"


def test_after_a_change_no_session_gets_an_older_value() -> None:
    shared: SharedCache[str, str] = SharedCache(60.0)
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly() -> str:
        reading.set()
        assert go_on.wait(10)
        return "before the change"

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(shared.get, "run", read_slowly)
        assert reading.wait(10)
        shared.forget()
        go_on.set()
        assert slow.result(10) == "before the change"
    assert shared.get("run", lambda: "after the change") == "after the change"


def test_an_error_goes_to_the_caller_and_is_not_cached() -> None:
    shared: SharedCache[str, str] = SharedCache(60.0)

    def fail() -> str:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        shared.get("run", fail)
    assert shared.get("run", lambda: "there again") == "there again"


def test_the_value_unused_for_longest_is_dropped_first() -> None:
    shared: SharedCache[int, str] = SharedCache(None, max_entries=2)
    for key in (1, 2, 1, 3):  # 2 is the oldest when 3 comes
        shared.get(key, lambda: "first")
    assert [shared.get(key, lambda: "again") for key in (1, 3, 2)] == ["first", "first", "again"]


def test_pages_of_a_small_room_ask_every_second_and_those_of_a_crowd_less_often() -> None:
    watchers = Watchers()
    for number in range(WATCHERS_PER_SECOND):
        watchers.note(f"page {number}")
        watchers.note(f"page {number}")  # who looks twice is one watcher
    assert watchers.interval() == 1.0
    watchers.note("one more")
    assert watchers.interval() == 2.0


def test_pages_do_not_go_to_and_fro_between_two_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("pages.components.shared.refresh_rate.time.monotonic", lambda: now[0])
    watchers = Watchers()
    for number in range(WATCHERS_PER_SECOND + 1):
        watchers.note(f"page {number}")
    assert watchers.interval(1.0) == 2.0
    now[0] += 2 * GONE_SECONDS
    for number in range(WATCHERS_PER_SECOND - 1):
        watchers.note(f"page {number}")
    assert watchers.interval(2.0) == 2.0, "two pages fewer are no reason to redraw all pages"
    now[0] += 2 * GONE_SECONDS
    for number in range(WATCHERS_PER_SECOND // 2):
        watchers.note(f"page {number}")
    assert watchers.interval(2.0) == 1.0


def test_only_the_value_that_was_bad_is_dropped() -> None:
    shared: SharedCache[str, list[int]] = SharedCache(None)
    bad = shared.get("a", lambda: [1])
    shared.drop("a", bad)
    good = shared.get("a", lambda: [2])
    assert good == [2]
    shared.drop("a", bad)  # somebody who still holds the bad one does not take the good one away
    assert shared.get("a", lambda: [3]) is good
    shared.drop("nobody", bad)
