"""The training form: what it starts, what it says of a bad value and where, and how it is filled in from elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.coach.coach_finding import CoachFinding
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.races.presets import MAX_EPOCHS
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.shared.results import coach_findings
from pages.components.train.form import length_choice, start_bar
from tests.pages.test_pages import texts
from tests.support.tested_runs import make_dataset

Open = Callable[..., AppTest]

CHOICES: list[dict[str, Any]] = [
    {},
    {"model": "scratch_cnn", "strategy": "scratch", "filters": (6, 12, 24), "kernel_size": 5, "activation": "mish",
     "dropout": 0.35, "dense_neurons": 48, "batch_norm": False, "image_size": 64, "epochs": 7, "batch_size": 12},
    {"model": "petnet", "strategy": "partial", "freeze_point": "stage2", "backbone_factor": 0.05, "epochs": 6,
     "learning_rate": 0.0004, "stored_views": 3, "seed": 11, "note": "a | b"},
    {"model": "petnet", "strategy": "gradual", "head_epochs": 3, "epochs": 9, "optimizer": "adamw",
     "weight_decay": 0.01, "schedule": "cosine", "patience": 2},
    {"model": "petnet", "strategy": "head", "max_seconds": 20.0, "epochs": 200, "find_rate": True,
     "label_smoothing": 0.1, "gradient_clip": 2.0, "precision": "fp32",
     "augment_crop": False, "augment_colour": True, "augment_strength": 0.9, "fit": "pad"},
]  # fmt: skip


@pytest.fixture
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started stays queued."""
    monkeypatch.setattr(start_bar, "ensure_scheduler", lambda *_: None)


def form() -> None:
    """What AppTest runs: the form alone; the session holds what was asked to be filled in."""
    import streamlit as st

    from core.settings import Settings
    from pages.components.shared import frame, prefilled_form
    from pages.components.train.form import train_form

    wanted = st.session_state.pop("wanted", None)
    if wanted is not None:
        prefilled_form.prefill(wanted, prefilled_form.SINGLE)
    settings = Settings.from_environment()
    st.session_state["read"] = train_form.fill_in(settings, frame.datasets(settings).summaries(), "drawn").config


@pytest.mark.parametrize("before", [0, 2, 4])
@pytest.mark.parametrize("chosen", range(len(CHOICES)))
def test_a_form_that_was_filled_in_reads_as_what_filled_it(
    drawn: Dataset, quiet: None, chosen: int, before: int
) -> None:
    app = AppTest.from_function(form, default_timeout=60)
    for place in (before, chosen):  # what stood there does not shine through
        config = TrainConfig.model_validate({"dataset": "drawn", **CHOICES[place]})
        app.session_state["wanted"] = config
        app.run()
        assert not app.exception
        assert app.session_state["read"] == config


@pytest.mark.parametrize("chosen", range(len(CHOICES)))
def test_a_reload_finds_the_form_as_it_was(drawn: Dataset, quiet: None, chosen: int) -> None:
    app = AppTest.from_function(form, default_timeout=60)
    app.session_state["wanted"] = TrainConfig.model_validate({"dataset": "drawn", **CHOICES[chosen]})
    app.run()
    again = AppTest.from_function(form, default_timeout=60)
    for name, value in app.query_params.items():
        again.query_params[name] = value
    again.run()
    assert not again.exception
    assert again.session_state["read"] == app.session_state["read"]
    assert again.session_state["train-mode"] == "single"
    assert again.session_state["train-length"] == app.session_state["train-length"]
    assert again.query_params == app.query_params


def test_an_address_holds_what_was_changed_and_nothing_of_an_untouched_form(drawn: Dataset, quiet: None) -> None:
    app = AppTest.from_function(form, default_timeout=60).run()
    assert not app.query_params
    app.segmented_control(key="train-length").set_value("medium").run()
    app.toggle(key="train-augment_flip").set_value(False).run()
    held = {"dataset": "drawn", "length": "medium", "augment_flip": "false"}
    assert dict(app.query_params) == held
    app.toggle(key="train-augment_flip").set_value(True).run()
    app.segmented_control(key="train-length").set_value("quick").run()
    assert dict(app.query_params) == {"dataset": "drawn"}


def test_what_is_wrong_in_an_address_is_left_out(drawn: Dataset, quiet: None) -> None:
    app = AppTest.from_function(form, default_timeout=60)
    wrong = {
        "augment_strength": "7",
        "model": "none",
        "optimizer": "x",
        "mode": "y",
        "length": "z",
        "freeze_point": "q",
    }
    for name, value in {**wrong, "batch_size": "8", "seed": "3"}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    untouched = AppTest.from_function(form, default_timeout=60).run().session_state["read"]
    assert app.session_state["read"] == untouched.variant(batch_size=8, seed=3)
    assert dict(app.query_params) == {"dataset": "drawn", "batch_size": "8", "seed": "3"}


def test_a_form_whose_dataset_is_gone_takes_another_one(drawn: Dataset, quiet: None) -> None:
    app = AppTest.from_function(form, default_timeout=60)
    app.session_state["wanted"] = TrainConfig(dataset="deleted")
    app.run()
    assert not app.exception
    assert app.session_state["read"].dataset == "drawn"


def test_an_untouched_form_starts_a_race_with_the_same_seconds_for_both_arms(
    settings: Settings, drawn: Dataset, open_page: Open, no_scheduler: None
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    assert app.segmented_control(key="train-mode").value == "race"
    assert app.segmented_control(key="train-length").value == "quick"
    assert "2,562 of 3,373,570 parameters are trainable" in texts(app)
    app.button(key="start").click().run()
    assert not app.exception

    runs = RunStore(settings).all()
    assert {run.meta().race for run in runs} == {app.query_params["race"]}
    assert {run.config().model for run in runs} == {"scratch_cnn", "efficientnet_lite0"}
    assert {(run.config().max_seconds, run.config().epochs) for run in runs} == {(30.0, MAX_EPOCHS)}


def test_one_network_is_started_alone_and_its_page_opens(
    settings: Settings, drawn: Dataset, open_page: Open, no_scheduler: None
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-mode").set_value("single").run()
    app.selectbox(key="train-model").set_value("petnet").run()
    app.segmented_control(key="train-length").set_value("custom").run()
    app.number_input(key="train-epochs").set_value(7).run()
    app.button(key="start").click().run()
    assert not app.exception

    (run,) = RunStore(settings).all()
    assert app.query_params["run"] == run.id
    assert run.config() == TrainConfig(dataset="drawn", model="petnet", epochs=7)


def test_the_length_says_what_the_fields_hold(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-length").set_value("medium").run()
    assert app.number_input(key="train-max_seconds").value == 120
    assert "2 min each" in texts(app)
    app.number_input(key="train-max_seconds").set_value(45.0).run()
    assert app.segmented_control(key="train-length").value == "custom"
    assert "45 s" in texts(app)
    app.segmented_control(key="train-length").set_value("thorough").run()
    assert app.number_input(key="train-max_seconds").value == 600


def test_a_quick_next_tap_that_brings_old_numbers_leaves_the_chosen_length(
    drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-length").set_value("medium").run()
    app.number_input(key="train-max_seconds").set_value(30.0)  # what the browser still holds
    app.segmented_control(key="train-strategy").set_value("partial").run()
    assert app.segmented_control(key="train-length").value == "medium"
    assert app.number_input(key="train-max_seconds").value == 120
    monkeypatch.setattr(length_choice, "SETTLED_SECONDS", 0.0)
    app.number_input(key="train-max_seconds").set_value(30.0).run()
    assert app.segmented_control(key="train-length").value == "quick"


def test_a_bad_value_is_marked_at_its_field_and_the_button_names_it(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.number_input(key="train-batch_size").set_value(1).run()
    assert "Batch size is 1: choose a whole number from 2 to 1024" in app.error[0].value.replace("\\", "")
    assert below(app, "train-batch_size") == app.error[0].value
    assert app.button(key="start").label == "First mend: Batch size"
    assert app.button(key="start").disabled
    assert next(box for box in app.expander if box.label.startswith("Learning")).icon == ":material/error:"

    app.number_input(key="train-seed").set_value(None).run()
    assert "Seed is empty: choose a whole number" in below(app, "train-seed").replace("\\", "")
    app.number_input(key="train-batch_size").set_value(8).run()
    app.number_input(key="train-seed").set_value(1).run()
    assert not app.error
    assert not app.button(key="start").disabled


def below(app: AppTest, key: str) -> str:
    """What stands right below a widget."""
    order = list(walk(app.main))
    place = next(place for place, item in enumerate(order) if getattr(item, "key", None) == key)
    return str(getattr(order[place + 1], "value", ""))


def walk(block: Any) -> Any:
    for child in block.children.values():
        if hasattr(child, "children"):
            yield from walk(child)
        else:
            yield child


def test_a_head_that_does_not_fit_the_classes_is_marked_before_anything_starts(
    settings: Settings, open_page: Open
) -> None:
    make_dataset(settings, ("a", "b", "c"), 30, "60/20/20", "three")
    app = open_page("pages/train.py", dataset="three")
    app.selectbox(key="train-head").set_value("sigmoid").run()
    assert "The sigmoid head is for two classes" in below(app, "train-head")
    assert app.button(key="start").disabled


def test_a_tap_on_a_block_freezes_up_to_it_and_a_second_one_frees_it(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.selectbox(key="train-model").set_value("petnet").run()
    words = [block.label.rpartition(" ")[2] for block in blocks(app)]
    assert words == [*["frozen"] * 6, "trainable"]

    app.button(key="block-2").click().run()
    assert app.segmented_control(key="train-strategy").value == "partial"
    assert [block.label.rpartition(" ")[2] for block in blocks(app)] == [*["frozen"] * 3, *["trainable"] * 4]
    app.button(key="block-2").click().run()
    assert [block.label.rpartition(" ")[2] for block in blocks(app)] == [*["frozen"] * 2, *["trainable"] * 5]
    app.button(key="block-1").click().run()
    app.button(key="block-0").click().run()
    assert app.segmented_control(key="train-strategy").value == "full"
    app.button(key="block-6").click().run()  # the head: everything before it is frozen
    assert app.segmented_control(key="train-strategy").value == "head"


def test_gradual_shows_what_is_frozen_at_first_and_keeps_its_stages(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.selectbox(key="train-model").set_value("petnet").run()
    app.segmented_control(key="train-strategy").set_value("gradual").run()
    app.button(key="block-1").click().run()
    assert not app.exception
    assert app.segmented_control(key="train-strategy").value == "gradual"
    labels = [block.label for block in blocks(app)]
    assert labels[1].endswith("k · frozen")
    assert labels[2].endswith("frozen, then trainable")


def blocks(app: AppTest) -> list[Any]:
    return [button for button in app.button if str(button.key).startswith("block-")]


def test_a_race_offers_no_arm_that_would_be_scratch_twice(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    assert "scratch" not in app.segmented_control(key="train-strategy").options
    assert not any("Small CNN" in option for option in app.selectbox(key="train-model").options)
    app.segmented_control(key="train-mode").set_value("single").run()
    app.selectbox(key="train-model").set_value("scratch_cnn").run()
    assert app.segmented_control(key="train-strategy").value == "scratch"
    assert all(block.disabled for block in blocks(app))
    app.segmented_control(key="train-mode").set_value("race").run()
    assert not app.exception
    assert app.segmented_control(key="train-strategy").value == "head"


def test_an_address_of_a_deleted_dataset_says_so(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="gone")
    assert "There is no dataset gone any more" in app.warning[0].value
    assert app.selectbox(key="train-dataset").value == "drawn"


def test_the_settings_of_a_run_and_what_the_coach_proposes_fill_the_form(
    raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(run for run in RunStore(raced).all() if run.config().strategy == "scratch")
    config = run.config()
    proposed = CoachFinding(
        "a", "note", "Still improving", "It fell.", "Try more epochs.", {"epochs": config.epochs * 2}
    )
    monkeypatch.setattr(coach_findings, "review_run", lambda _: (proposed,))
    coach_findings._findings.forget()

    app = open_page("pages/train.py", run=run.id)
    assert not app.exception
    app.button(key=f"settings-{run.id}").click().run()
    assert not app.exception
    assert "run" not in app.query_params
    assert app.number_input(key="train-epochs").value == config.epochs
    assert app.number_input(key="train-dense_neurons").value == config.dense_neurons

    app = open_page("pages/train.py", run=run.id)
    app.button(key=f"try-{run.id}-a").click().run()
    assert not app.exception
    assert app.number_input(key="train-epochs").value == 2 * config.epochs
    assert app.selectbox(key="train-model").value == "scratch_cnn"
    assert len(RunStore(raced).all()) == 2, "nothing was started"


def readings_without_settings() -> None:
    """What AppTest runs: a proposal without a run's settings."""
    from core.coach.coach_finding import CoachFinding
    from pages.components.shared.results.coach_findings import show_findings

    show_findings(
        [CoachFinding("a", "note", "Unequal", "One had more epochs.", "Give both 9.", {"epochs": 9})], key="a"
    )


def test_where_nothing_can_be_tried_nothing_is_offered() -> None:
    app = AppTest.from_function(readings_without_settings).run()
    assert not app.exception
    assert not app.button


def test_a_race_takes_over_what_ends_the_training_and_the_strategy_above(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-length").set_value("medium")
    app.segmented_control(key="train-strategy").set_value("partial").run()
    app.session_state["race"] = True
    app.run()
    assert not app.exception
    assert app.segmented_control(key="race-budget").value == "seconds"
    assert app.number_input(key="race-amount-seconds").value == 120
    assert app.multiselect(key="race-arms").value == ["scratch", "partial"]


def test_a_curve_trains_for_its_own_epochs_where_the_form_has_a_limit_in_seconds(
    drawn: Dataset, open_page: Open
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.session_state["curve"] = True
    app.run()
    assert not app.exception
    assert app.number_input(key="curve-epochs").value == 5


def test_while_the_form_of_an_experiment_is_open_its_own_start_is_the_only_primary_button(
    drawn: Dataset, open_page: Open
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    assert primary(app) == ["start"]
    for experiment in ("race", "curve", "sweep"):
        app.session_state[experiment] = True
        app.run()
        assert not app.exception
        assert primary(app) == [f"{experiment}-start"]
        app.session_state[experiment] = False
    assert primary(app.run()) == ["start"]


def primary(app: AppTest) -> list[str]:
    """The keys of the buttons that stand out."""
    return [str(button.key) for button in app.button if button.proto.type == "primary"]
