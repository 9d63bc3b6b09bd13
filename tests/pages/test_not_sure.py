"""The Predict page and strange pictures: unlike anything, one of several classes, or not known yet."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config.train_config import TrainConfig
from core.jobs.workers.worker import Worker
from core.novelty.not_sure import Nearest, NotSure
from core.predict.predictor import Predictor
from core.predict.predictor_answers import Prediction
from core.runs.run import Run
from core.runs.run_files import NOVELTY
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.shared import frame
from tests.core.predict.test_strange_pictures import flag
from tests.support.images import encoded, photo
from tests.support.in_process_predictor import InProcessClient
from tests.support.tested_runs import make_dataset

Open = Callable[..., AppTest]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A head on petnet, with 20 validation pictures."""
    monkeypatch.setattr(frame, "predictor", InProcessClient)
    dataset = make_dataset(settings, ("cat", "dog"), 60, plan="40/33/27")
    assert len(dataset.rows_of("val")) >= 19
    found = RunStore(settings).create(TrainConfig(dataset=dataset.id, model="petnet", strategy="head", epochs=1))
    assert Worker(settings, found).work().value == "finished"
    return found


def shown(app: AppTest) -> str:
    parts = [*app.html, *app.caption, *app.markdown]
    return " ".join(element.value for element in parts)


def upload(app: AppTest, data: bytes) -> AppTest:
    app.file_uploader(key="predict-files").set_value([("mine.png", data, "image/png")])
    return app.run(timeout=90)


def test_a_strange_picture_is_called_so_with_the_pictures_that_it_resembles(run: Run, open_page: Open) -> None:
    app = upload(open_page("pages/predict.py"), flag())
    assert not app.exception
    assert "This looks unlike anything it was trained on" in shown(app)
    assert "At most 1 in 20 known pictures looks so strange" in shown(app)
    assert "that it resembles most" in shown(app)
    assert shown(app).count("<figure") == 3
    assert "every picture with one of its classes" not in shown(app)
    assert "100.0" not in shown(app)
    assert app.dataframe[0].value["Strange"].tolist() == [True]
    assert list(app.dataframe[0].value)[:3] == ["Picture", "Class", "Probability"], "the answer fits on a phone"
    app.select_slider(key="predict-promise-choice").set_value(0.01).run(timeout=90)
    assert not app.exception
    assert "1 in 100 needs 99 validation pictures, and this run has" in shown(app)
    assert "unlike anything" not in shown(app)


def test_an_answer_that_may_be_of_two_classes_names_both(
    run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = NotSure(0.5, 60, ((0.05, ("dog", "cat")), (0.2, ("dog",))), (Nearest(0, "cat", 0.1),))
    original = Predictor.predict

    def predict(*arguments: object) -> list[Prediction]:
        return [replace(item, label="dog", probability=0.7, not_sure=found) for item in original(*arguments)]  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "predict", predict)
    app = upload(open_page("pages/predict.py"), encoded(photo(1), "PNG"))
    assert "Not sure: <b>dog or cat</b>" in shown(app)
    assert "dog is the most probable, 70 %" in shown(app)
    app.select_slider(key="predict-promise-choice").set_value(0.2).run(timeout=90)
    assert "This is a <b>dog</b>" in shown(app)


def test_a_run_of_an_earlier_version_is_taught_by_a_button(run: Run, open_page: Open) -> None:
    (run.folder / NOVELTY).unlink()
    app = upload(open_page("pages/predict.py"), flag())
    assert "unlike anything" not in shown(app)
    assert "every picture with one of its classes" in shown(app)
    app.button(key=f"predict-know-{run.id}").click().run(timeout=90)
    assert not app.exception
    assert (run.folder / NOVELTY).exists()
    assert "This looks unlike anything it was trained on" in shown(app)


def test_too_few_validation_pictures_are_explained(settings: Settings, open_page: Open, run: Run) -> None:
    from core.novelty.novelty import read_novelty, write_novelty

    known = read_novelty(run.folder / NOVELTY, ("cat", "dog"))
    assert known is not None
    few = np.arange(10)
    write_novelty(
        run.folder / NOVELTY,
        replace(
            known,
            val_labels=known.val_labels[few],
            val_probabilities=known.val_probabilities[few],
            val_scores=known.val_scores[few],
        ),
    )
    app = upload(open_page("pages/predict.py"), flag())
    assert "Strange pictures cannot be noticed: 1 in 20 needs 19 validation pictures, and this run has 10." in shown(
        app
    )
    assert "unlike anything" not in shown(app)
