"""What a page says about a run in trouble, and what its owner and others can do about it."""

import time

import pytest

from core.actor import Actor
from core.config.train_config import TrainConfig
from core.errors import RightsError
from core.room.people import PeopleStore, new_token
from core.runs.attempts import Attempts, write_attempts
from core.runs.failures import MEMORY, memory_sentence
from core.runs.run import Run, RunState
from core.runs.run_files import STALLED
from core.runs.run_store import RunStore
from core.scheduling.run_queue import QueueView, Turn, write_queue
from core.settings import Settings
from core.storage import write_json
from pages.components.shared import door, frame
from pages.components.shared.snapshots import runs_snapshot
from tests.core.runs.test_run import held
from tests.pages.test_pages import Open, texts


@pytest.fixture
def ada(settings: Settings) -> Actor:
    return PeopleStore(settings).name(new_token(), "Ada").actor


@pytest.fixture
def bert(settings: Settings) -> Actor:
    return PeopleStore(settings).name(new_token(), "Bert").actor


@pytest.fixture
def run(
    raced: Settings, small_config: TrainConfig, ada: Actor, monkeypatch: pytest.MonkeyPatch, open_page: Open
) -> Run:
    """A queued run of Ada's; no scheduler will ever come."""
    monkeypatch.setattr("core.scheduling.scheduler.ensure_scheduler", lambda _: None)
    monkeypatch.setattr(frame, "ensure_scheduler", lambda _: None)
    monkeypatch.setattr("pages.components.train.run_actions.ensure_scheduler", lambda _: None)
    runs_snapshot.forget_runs()
    frame._names.forget()
    return RunStore(raced).create(small_config, by=ada)


def come_as(monkeypatch: pytest.MonkeyPatch, actor: Actor) -> None:
    monkeypatch.setattr(door, "actor", lambda _: actor)


def labels(app: object) -> set[str]:
    return {item.label for item in app.button}  # type: ignore[attr-defined]


def fail_for_memory(run: Run) -> None:
    run.write_result(RunState.FAILED, memory_sentence(run.config()), 1.0, cause=MEMORY)


def test_a_waiting_run_shows_its_turn_and_its_expected_start(raced: Settings, run: Run, open_page: Open) -> None:
    write_queue(raced, QueueView((Turn(run.id, 2, time.time() + 125),)))
    app = open_page("pages/train.py", run=run.id)
    assert not app.exception
    assert "Waiting: 2 runs before this one · starts in about 2 min" in str(app.get("progress")[0].proto)
    assert "by Ada" in texts(app)


@pytest.mark.parametrize(("held_by", "said"), [("paused", "presenter has paused"), ("disk", "disk is full")])
def test_a_waiting_run_shows_what_holds_the_queue(
    raced: Settings, run: Run, open_page: Open, held_by: str, said: str
) -> None:
    write_queue(raced, QueueView((Turn(run.id, 0, None),), held_by))
    assert said in str(open_page("pages/train.py", run=run.id).get("progress")[0].proto)


def test_a_worker_without_progress_is_reported(raced: Settings, run: Run, open_page: Open) -> None:
    write_json(run.folder / "started.json", {"pid": 1, "born": 0.0, "time": time.time()})
    write_json(run.folder / STALLED, {"since": time.time() - 20})
    with held(run.lock_path):
        app = open_page("pages/train.py", run=run.id)
    assert "No progress for 2" in str(app.get("progress")[0].proto)
    assert "Stop" in labels(app)


def test_an_interrupted_run_resumes_by_itself_until_it_was_tried_often_enough(
    raced: Settings, run: Run, open_page: Open
) -> None:
    write_json(run.folder / "started.json", {"pid": 1, "born": 0.0, "time": time.time()})
    assert "resumes by itself in a moment" in open_page("pages/train.py", run=run.id).warning[0].value
    write_attempts(run.folder, Attempts(2, time.time()))
    runs_snapshot.forget_runs()
    app = open_page("pages/train.py", run=run.id)
    assert "Saved work is safe" in app.warning[0].value
    app.button(key=f"resume-{run.id}").click().run()
    assert not app.exception
    assert run.state() is RunState.QUEUED


def test_a_run_that_ran_out_of_memory_offers_half_the_batch(raced: Settings, run: Run, open_page: Open) -> None:
    fail_for_memory(run)
    app = open_page("pages/train.py", run=run.id)
    assert "train again with half the batch size \\(4 instead of 8" in app.error[0].value
    app.button(key=f"half-{run.id}").click().run()
    assert not app.exception
    newest = RunStore(raced).all()[0]
    assert newest.id != run.id
    assert newest.config().batch_size == 4
    assert newest.config().model_copy(update={"batch_size": 8}) == run.config()


def test_its_owner_renames_and_deletes_a_run(
    raced: Settings, run: Run, ada: Actor, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_memory(run)
    come_as(monkeypatch, ada)
    app = open_page("pages/train.py", run=run.id)
    app.text_input(key=f"title-{run.id}").set_value("my <b>run</b>")
    app.button(key=f"rename-{run.id}").click().run()
    assert not app.exception
    assert "my \\<b\\>run" in texts(app)
    app.button(key=f"delete-{run.id}").click().run()
    assert run.folder.exists(), "it asks first"
    app.button(key=f"delete-now-{run.id}").click().run()
    assert not app.exception
    assert not run.folder.exists()


def test_others_see_a_run_and_cannot_change_it(
    raced: Settings, run: Run, bert: Actor, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_as(monkeypatch, bert)
    app = open_page("pages/train.py", run=run.id)
    assert "Only Ada and the presenter can stop, rename or delete this run." in texts(app)
    assert labels(app) & {"Stop", "Rename", "Delete …", "Start again"} == set()
    fail_for_memory(run)
    runs_snapshot.forget_runs()
    app = open_page("pages/train.py", run=run.id)
    assert labels(app) == {"Start again", "Use its settings"}
    with pytest.raises(RightsError):
        RunStore(raced).delete(run.id, by=bert)


def test_a_full_disk_is_reported_on_every_page_and_nothing_starts(
    raced: Settings, run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEMYPETS_MIN_FREE_MB", "1000000")
    frame._full.forget()
    for path in ("pages/home.py", "pages/explore.py", "pages/train.py", "pages/compare.py", "pages/predict.py"):
        assert "The disk is nearly full" in open_page(path).warning[0].value
    app = open_page("pages/train.py")
    app.button(key="start").click().run()
    assert not app.exception
    assert "The disk is too full" in app.error[0].value


def test_a_dataset_is_renamed_and_deleted_by_its_owner_only(
    raced: Settings, run: Run, bert: Actor, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    app.text_input(key="title-drawn-drawn").set_value("Cats & dogs")
    app.button(key="rename-drawn").click().run()
    assert not app.exception
    app.button(key="delete-drawn").click().run()
    assert "in use by 1 queued or running run" in app.error[0].value
    RunStore(raced).request_stop(run.id)
    come_as(monkeypatch, bert)
    app = open_page("pages/explore.py", dataset="drawn")
    assert labels(app) & {"Rename", "Delete this dataset"} == set()
    assert "Only the presenter can rename or delete this dataset." in texts(app)


def test_a_click_on_stop_ends_a_waiting_run(raced: Settings, run: Run, open_page: Open) -> None:
    app = open_page("pages/train.py", run=run.id)
    app.button(key=f"stop-{run.id}").click().run()
    assert not app.exception
    assert run.state() is RunState.STOPPED
    assert "stopped" in texts(app)


def test_a_stopped_run_starts_again_as_a_new_one_with_the_same_settings(
    raced: Settings, run: Run, open_page: Open
) -> None:
    RunStore(raced).request_stop(run.id)
    app = open_page("pages/train.py", run=run.id)
    app.button(key=f"again-{run.id}").click().run()
    assert not app.exception
    newest = RunStore(raced).all()[0]
    assert newest.id != run.id
    assert app.query_params["run"] == newest.id
    assert newest.config() == run.config()
    assert run.state() is RunState.STOPPED


def test_a_run_whose_turn_it_is_counts_as_running(raced: Settings, run: Run, open_page: Open) -> None:
    write_queue(raced, QueueView((Turn(run.id, 0, time.time()),)))
    shown = texts(open_page("pages/train.py", run=run.id))
    assert "running]" in shown
    assert "queued]" not in shown


def test_a_stopped_run_that_is_being_evaluated_says_so(raced: Settings, run: Run, open_page: Open) -> None:
    run.write_result(RunState.STOPPED, "Stopped after 2 of 5 epochs.", 3.0)
    with held(run.lock_path):
        app = open_page("pages/train.py", run=run.id)
        assert "Evaluating on the test split" in str(app.get("progress")[0].proto)
        assert "Evaluate" not in labels(app)
