"""A sweep that has begun, without the processes that would continue it."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.dataset import Dataset
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots.sweep_snapshot import forget_sweeps
from tests.core.sweeps.desk import SweepDesk, begin, end_run, make_plan
from tests.pages.test_pages import texts


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler and no sweeper will ever come."""
    for place in ("core.sweeps.final_race", "pages.components.shared.frame", "pages.components.train.form.start_bar"):
        monkeypatch.setattr(f"{place}.ensure_scheduler", lambda _: None)
    for place in ("shared.frame", "train.sweeps.sweep_form", "train.sweeps.sweep_actions"):
        monkeypatch.setattr(f"pages.components.{place}.ensure_sweeper", lambda _: None)
    forget_sweeps()
    frame._names.forget()


@pytest.fixture
def desk(drawn: Dataset, settings: Settings) -> SweepDesk:
    """A sweep of six trials that has begun."""
    assert drawn.id == "drawn"
    return begin(settings, make_plan("dropout=0..0.5", "filters=[4,8]|[8,16]", "activation=relu,gelu", trials=6))


def end_trials(desk: SweepDesk, count: int) -> None:
    """End so many trials, each better than the one before."""
    for _ in range(count):
        desk.step()
        for run in desk.waiting()[:1]:
            end_run(run, 0.5 + 0.05 * (run.meta().trial or 0))
    desk.step()
    forget_sweeps()


def finish_sweep(desk: SweepDesk) -> None:
    end_trials(desk, 6)
    while desk.step():
        pass
    forget_sweeps()


def links(app: AppTest) -> list[str]:
    """Where links lead; a page that runs alone has plain ones."""
    return re.findall(r"\]\(/([^)]*)\)", texts(app))
