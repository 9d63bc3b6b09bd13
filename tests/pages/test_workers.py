"""Several workers on Train: when the form asks for them, what is started, what the estimate and the run's page show."""

import dataclasses
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.config.events import Described
from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.nodes import Cluster, Node, write_cluster
from core.runs.run_store import RunStore
from core.settings import Settings
from core.stores.measurements import Measurements
from pages.components.train.form import start_bar
from tests.pages.test_pages import texts
from tests.support.finished_runs import HARDWARE, log

Open = Callable[..., AppTest]
FIELD = "train-workers"


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started stays queued."""
    monkeypatch.setattr(start_bar, "ensure_scheduler", lambda *_: None)
    monkeypatch.setattr("pages.components.shared.frame.ensure_scheduler", lambda *_: None)


@pytest.fixture
def clustered(settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A cluster of two machines that are alike."""
    assert drawn.id == "drawn"
    monkeypatch.setenv("TUNEMYPETS_CLUSTER", "auto")
    nodes = tuple(Node(name, name, settings.threads, speed=30.0, home=name == "laptop") for name in ("laptop", "other"))
    write_cluster(settings, Cluster("auto", time.time() + 15, "", nodes))
    return dataclasses.replace(settings, cluster="auto")


def open_full(open_page: Open) -> AppTest:
    """The form with a whole network, trained alone."""
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-mode").set_value("single").run()
    return app.segmented_control(key="train-strategy").set_value("full").run()


def asks(app: AppTest) -> bool:
    return FIELD in {item.key for item in app.number_input}


def test_at_home_the_form_does_not_ask_for_workers(drawn: Dataset, open_page: Open) -> None:
    assert not asks(open_full(open_page))


def test_on_a_cluster_it_asks_starts_what_was_asked_for_and_estimates_it(clustered: Settings, open_page: Open) -> None:
    config = TrainConfig(dataset="drawn", strategy="full")
    what = describe_network(config, plan_stages(config, config.entry()))
    figures = {"input": 1.0, "step_fp32": 40.0}
    Measurements(clustered).keep(what, {"threads": clustered.threads}, figures)
    app = open_full(open_page)
    assert asks(app)
    assert "on the cluster" in texts(app)
    app.number_input(key=FIELD).set_value(2).run()
    assert "on 2 machines of the cluster, if nothing else runs there" in texts(app)
    app.button(key="start").click().run()
    assert not app.exception
    (run,) = RunStore(clustered).all()
    assert run.config().workers == 2


def test_a_head_has_no_workers_whatever_was_entered_before(clustered: Settings, open_page: Open) -> None:
    app = open_full(open_page)
    app.number_input(key=FIELD).set_value(2).run()
    app.segmented_control(key="train-strategy").set_value("head").run()
    assert not asks(app)
    app.button(key="start").click().run()
    assert not app.exception
    assert RunStore(clustered).all()[0].config().workers == 1


def test_too_many_workers_are_marked_at_their_field(clustered: Settings, open_page: Open) -> None:
    app = open_full(open_page)
    app.number_input(key=FIELD).set_value(64).run()
    assert any("choose a batch size of at least" in item.value for item in app.error)
    assert app.button(key="start").label == "First mend: Workers"
    assert next(box for box in app.expander if box.label.startswith("Learning")).icon == ":material/error:"


def test_workers_of_an_earlier_run_are_seen_at_home_too(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    for name, value in (("mode", "single"), ("strategy", "full"), ("workers", 2)):  # as a form that was filled in
        app.session_state[f"train-{name}"] = value
    app.run()
    assert asks(app)
    app.button(key="start").click().run()
    assert not app.exception
    assert RunStore(settings).all()[0].config().workers == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_the_page_of_a_run_names_its_workers_and_what_differs(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, open_page: Open, workers: int
) -> None:
    run = RunStore(settings).create(small_config.variant(workers=workers))
    note = {"workers": 2, "workers_note": "dropout draws for each part"} if workers > 1 else {}
    hardware = {**HARDWARE, "precision_reason": "chosen", **note}
    pictures = {split: len(drawn.rows_of(split)) for split in ("train", "val", "test")}
    log(run, [Described(928, 928, [], hardware, pictures, [], "none")])
    app = open_page("pages/train.py", run=run.id)
    app.session_state[f"details-{run.id}"] = True
    app.run()
    assert not app.exception
    assert "**Device**" in texts(app)
    assert ("**Workers**: 2; dropout draws for each part" in texts(app)) is (workers > 1)
