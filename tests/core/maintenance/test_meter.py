"""How far a check is, and how long it will take."""

import pytest

from core.maintenance import meter as meters


def test_the_time_that_is_left_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "REPORT_SECONDS", 0.0)
    heard: list[meters.BytesDone] = []
    meter = meters.Meter(100, heard.append)
    meter.add(10)
    assert heard == []  # within a second, nobody wants to know
    meter._started -= 2
    meter.add(40)
    (progress,) = heard
    assert (progress.done, progress.total) == (50, 100)
    assert progress.eta_seconds == pytest.approx(2, rel=0.1)
