"""Ways that are timed take turns, and none begins that may end too late."""

import pytest
import torch

from core.estimates import timing
from core.estimates.timing import Limit, time_ways
from core.steps import StopSignal

CPU = torch.device("cpu")


def test_a_way_that_takes_twice_as_long_on_one_image_never_gets_many(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: clock[0])
    tried: list[tuple[str, int]] = []

    def work(way: str, count: int) -> None:
        tried.append((way, count))
        clock[0] += count * (0.05 if way == "slow" else 0.002)

    found = time_ways(work, ("quick", "slow"), CPU, Limit(60.0, StopSignal()), 16)
    assert tried[:4] == [("quick", 1), ("quick", 1), ("slow", 1), ("slow", 1)]
    assert tried[4:] == [("quick", 16)] * timing.REPETITIONS
    assert found["slow"] > 10 * found["quick"]


def test_nothing_begins_that_may_last_longer_than_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: clock[0])

    def work(way: str, count: int) -> None:
        clock[0] += 0.2 * count

    found = time_ways(work, ("quick", "slow"), CPU, Limit(0.75, StopSignal()), 16)
    assert clock[0] == pytest.approx(0.4)
    assert set(found) == {"quick"}  # 0.35 s are left, and another way may take twice as long as this one
