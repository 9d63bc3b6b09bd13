"""The training form filled in from a configuration: what was chosen, all of it, whatever stood there before."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.coach.coach_finding import CoachFinding
from core.config.train_config import TrainConfig
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.shared import coach_findings

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
     "head": "sigmoid", "label_smoothing": 0.1, "gradient_clip": 2.0, "precision": "fp32",
     "augment_crop": False, "augment_colour": True, "augment_strength": 0.9, "fit": "pad"},
]  # fmt: skip


def form() -> None:
    """What AppTest runs: the form alone; the session holds what was asked to be filled in."""
    import streamlit as st

    from core.settings import Settings
    from pages.components.shared import prefilled_form
    from pages.components.train import train_form

    wanted = st.session_state.pop("wanted", None)
    if wanted is not None:
        prefilled_form.prefill(wanted)
    st.session_state["read"] = train_form.fill_in(Settings.from_environment(), ["drawn", "other"], "drawn")


@pytest.mark.parametrize("before", [0, 2, 4])
@pytest.mark.parametrize("chosen", range(len(CHOICES)))
def test_a_form_that_was_filled_in_reads_as_what_filled_it(settings: Settings, chosen: int, before: int) -> None:
    app = AppTest.from_function(form, default_timeout=60)
    for place in (before, chosen):  # what stood there does not shine through
        config = TrainConfig.model_validate({"dataset": "other", **CHOICES[place]})
        app.session_state["wanted"] = config
        app.run()
        assert not app.exception
        read = app.session_state["read"]
        assert isinstance(read, TrainConfig)
        left_open = dict.fromkeys(("freeze_point", "stored_views", "head_epochs"))
        same = config.model_dump() | {n: getattr(read, n) for n in left_open if getattr(config, n) is None}
        assert read.model_dump() == same


def test_a_form_whose_dataset_is_gone_takes_another_one(settings: Settings) -> None:
    app = AppTest.from_function(form, default_timeout=60)
    app.session_state["wanted"] = TrainConfig(dataset="deleted")
    app.run()
    assert not app.exception
    assert app.session_state["read"].dataset == "drawn"


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
    app.button(key=f"again-{run.id}").click().run()
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
    from pages.components.shared.coach_findings import show_findings

    show_findings(
        [CoachFinding("a", "note", "Unequal", "One had more epochs.", "Give both 9.", {"epochs": 9})], key="a"
    )


def test_where_nothing_can_be_tried_nothing_is_offered() -> None:
    app = AppTest.from_function(readings_without_settings).run()
    assert not app.exception
    assert not app.button


def race_form_below() -> None:
    """What AppTest runs: the form filled in with a minute's training, and the race below it."""
    import streamlit as st

    from core.config.train_config import TrainConfig
    from core.settings import Settings
    from pages.components.shared import prefilled_form
    from pages.components.train import race_form, train_form

    settings = Settings.from_environment()
    if "filled" not in st.session_state:
        st.session_state["filled"] = True
        prefilled_form.prefill(
            TrainConfig(dataset="drawn", model="petnet", strategy="partial", epochs=1000, max_seconds=60)
        )
    chosen = train_form.fill_in(settings, ["drawn"], "drawn")
    assert isinstance(chosen, TrainConfig)
    st.session_state["race"] = True
    race_form.offer_race(settings, chosen)


def test_a_race_takes_over_what_ends_the_training_and_the_strategy_above(settings: Settings, drawn: object) -> None:
    app = AppTest.from_function(race_form_below, default_timeout=60).run()
    assert not app.exception
    assert any("Ends after 60 seconds of training at the latest" in caption.value for caption in app.caption)
    assert app.segmented_control(key="race-budget").value == "seconds"
    assert app.number_input(key="race-amount-seconds").value == 60
    assert app.multiselect(key="race-arms").value == ["scratch", "partial"]


def test_a_curve_warns_that_it_ignores_a_limit_in_seconds(settings: Settings, drawn: object, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.session_state["curve"] = True
    app.run()
    assert not any("does not hold" in warning.value for warning in app.warning)
    app.number_input(key="train-max_seconds").set_value(60.0).run()
    assert any("for all 5 epochs, whatever the limit above" in warning.value for warning in app.warning)
