"""Sweeps outside their own page: lists that leave their trials out, what links to them, what revives them."""

import json

import pytest

from core.cli.main import main
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots import runs_snapshot
from pages.components.shared.snapshots.sweep_snapshot import list_active_sweeps
from pages.server import asgi_app
from tests.core.sweeps.desk import SweepDesk
from tests.pages.sweeps.conftest import end_trials, finish_sweep, links
from tests.pages.test_pages import Open, texts
from tests.support.finished_runs import finish


def test_trials_are_in_no_list_and_their_sweep_is_one_row(
    desk: SweepDesk, drawn: Dataset, small_config: TrainConfig, open_page: Open
) -> None:
    other = RunStore(desk.settings).create(small_config)
    finish(other, drawn)
    finish_sweep(desk)
    assert len(RunStore(desk.settings).all()) == 1 + 6 + 6
    assert {item.meta.sweep for item in runs_snapshot.list_runs(desk.settings)} == {None}
    assert len(runs_snapshot.list_with_trials(desk.settings)) == 1 + 6 + 6
    assert not any(item.meta.sweep for item in runs_snapshot.list_usable(desk.settings))

    app = open_page("pages/home.py")
    app.session_state["recent"] = True
    app.run()
    assert not app.exception
    assert links(app).count(f"train?sweep={desk.folder.id}") == 1
    assert not any(f"run={run.id}" in link for run in desk.runs() for link in links(app))
    assert "6 trials · best validation 75.0 %" in texts(app)

    app = open_page("pages/compare.py", runs=other.id)
    assert not app.exception
    offered = str([str(item.proto) for item in (*app.multiselect, *app.selectbox)])
    assert not any(run.id[-6:] in offered for run in desk.runs())


def test_the_line_on_every_page_links_to_the_sweep_that_runs(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 1)
    app = open_page("pages/home.py")
    assert f"train?sweep={desk.folder.id}" in links(app)
    assert "[Sweep of dropout, filters and activation on drawn: 1 of 6 trials]" in texts(app)
    assert f"train?sweep={desk.folder.id}" not in links(open_page("pages/train.py", sweep=desk.folder.id))
    assert [item.id for item in list_active_sweeps(desk.settings)] == [desk.folder.id]


def test_the_page_of_a_trial_says_why_it_is_not_evaluated(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 1)
    run = desk.runs()[0]
    app = open_page("pages/train.py", run=run.id)
    assert not app.exception
    assert "Trial 0 of a sweep. It is not evaluated on the test split" in texts(app)
    assert f"train?sweep={desk.folder.id}" in links(app)
    assert f"evaluate-{run.id}" not in {button.key for button in app.button}


def test_runs_of_the_command_line_leave_trials_out_unless_asked(
    desk: SweepDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    end_trials(desk, 1)
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["runs", "--trials", "--json"]) == 0
    assert {item["sweep"] for item in json.loads(capsys.readouterr().out)} == {desk.folder.id}


def test_any_page_revives_the_sweeper(desk: SweepDesk, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    revived: list[Settings] = []
    monkeypatch.setattr(frame, "ensure_sweeper", revived.append)
    open_page("pages/train.py", sweep=desk.folder.id)
    assert revived


def test_the_start_of_the_app_revives_the_sweeper(desk: SweepDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    revived: list[Settings] = []
    monkeypatch.setattr(asgi_app, "ensure_sweeper", revived.append)
    monkeypatch.setattr(asgi_app, "ensure_scheduler", lambda _: None)
    asgi_app._wake_scheduler(desk.settings)
    assert revived == [desk.settings]
