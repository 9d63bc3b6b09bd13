"""The promises on the Compare page: kept or not on the test pictures, and strangers of a chosen dataset."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.config.train_config import TrainConfig
from core.predict.predictor_answers import Strangers
from core.predict.predictor_client import PredictorClient
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.small_runs import SMALL_SCRATCH
from tests.support.tested_runs import finish, know_pictures, make_dataset

Open = Callable[..., AppTest]


def shown(app: AppTest) -> str:
    return " ".join(element.value for element in [*app.markdown, *app.caption]).replace("\\", "").replace("\u00a0", " ")


def test_promises_and_strangers_are_counted_with_intervals(
    settings: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(settings, ("cat", "dog"), 120, plan="30/40/30")
    make_dataset(settings, ("one", "two"), 12, name="others")
    store = RunStore(settings)
    runs = [store.create(TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": dataset.id})) for _ in range(2)]
    for run in runs:
        finish(run, dataset, 0.8)
    know_pictures(runs[0], dataset)
    asked = []

    def strangers(_: PredictorClient, run_id: str, dataset_id: str, on_progress: object = None) -> Strangers:
        asked.append(dataset_id)
        return Strangers((0.01, 0.01, 0.5, 0.04), (0.5, 0.99, 0.99, 0.99), 4)

    monkeypatch.setattr(PredictorClient, "strangers", strangers)
    app = open_page("pages/compare.py", runs=",".join(run.id for run in runs), view="confidence")
    app.segmented_control(key="confidence-view").set_value("Strangers").run()
    assert not app.exception
    assert "promised at most 5 %, and called" in shown(app)
    assert "let it learn" in shown(app), "the run that does not know its pictures says what to do"
    assert "strangers it noticed" not in shown(app)
    key = next(item.key for item in app.selectbox if item.label == "Strangers")
    app.selectbox(key=key).set_value("others").run()
    assert not app.exception
    assert asked == ["others"] * 2
    assert "Of 4 strangers it noticed 75.0 % (95 % interval 19.4 to 99.4)" in shown(app)


def test_without_a_second_dataset_the_page_says_what_to_do(settings: Settings, open_page: Open) -> None:
    dataset = make_dataset(settings, ("cat", "dog"), 60)
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": dataset.id}))
    finish(run, dataset, 0.8)
    know_pictures(run, dataset)
    app = open_page("pages/compare.py", runs=run.id, view="confidence")
    app.segmented_control(key="confidence-view").set_value("Strangers").run()
    assert not app.exception
    assert "Import a second dataset" in shown(app)
