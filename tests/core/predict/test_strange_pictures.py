"""A run knows strange pictures: from its evaluation, or, if it is of an earlier version, as soon as it is asked."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import RunError, TuneMyPetsError
from core.jobs.workers.worker import Worker
from core.novelty.novelty import read_novelty
from core.predict.predictor_client import PredictorClient
from core.runs.run import Run
from core.runs.run_files import NOVELTY
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.in_process_predictor import InProcessClient
from tests.support.tested_runs import make_dataset


@pytest.fixture
def run(settings: Settings, drawn: Dataset) -> Run:
    """A head on petnet, on drawn cats and dogs."""
    found = RunStore(settings).create(TrainConfig(dataset=drawn.id, model="petnet", strategy="head", epochs=2))
    assert Worker(settings, found).work().value == "finished"
    return found


@pytest.fixture
def client(settings: Settings) -> PredictorClient:
    return InProcessClient(settings)


def flag() -> bytes:
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[:32, :, 2], pixels[32:64], pixels[64:, :, 0] = 200, 255, 220
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def known_pictures(settings: Settings, run: Run) -> list[tuple[str, bytes]]:
    table, dataset = run.predictions(), DatasetStore(settings).get("drawn")
    return [(str(index), dataset.image_path(dataset.rows[index]).read_bytes()) for index in table.indices.tolist()]


def test_the_predictor_finds_the_test_pictures_as_strange_as_the_evaluation_did(
    settings: Settings, run: Run, client: PredictorClient
) -> None:
    novelty = read_novelty(run.folder / NOVELTY, run.meta().classes)
    assert novelty is not None
    expected = novelty.p_values(novelty.test_scores)
    found = [item.not_sure for item in client.predict(run.id, known_pictures(settings, run))]
    given = np.array([item.p_value for item in found if item is not None])
    assert len(given) == len(expected)
    assert given == pytest.approx(expected, abs=2.5 / (novelty.images + 1)), "rounding may move a tie by one place"
    assert {item.images for item in found if item is not None} == {novelty.images}


def test_a_flag_is_unlike_drawn_cats_and_dogs(run: Run, client: PredictorClient) -> None:
    (answer,) = client.predict(run.id, [("flag.png", flag())])
    assert answer.not_sure is not None
    assert answer.not_sure.p_value <= 2 / (answer.not_sure.images + 1)
    assert len(answer.not_sure.nearest) == 3


def test_an_earlier_run_learns_what_it_lacks(settings: Settings, run: Run, client: PredictorClient) -> None:
    before = read_novelty(run.folder / NOVELTY, run.meta().classes)
    (run.folder / NOVELTY).unlink()
    (answer,) = client.predict(run.id, [("flag.png", flag())])
    assert answer.label is not None
    assert answer.not_sure is None
    steps: list[object] = []
    client.know_pictures(run.id, steps.append)
    (answer,) = client.predict(run.id, [("flag.png", flag())])
    assert answer.not_sure is not None
    again = read_novelty(run.folder / NOVELTY, run.meta().classes)
    assert before is not None
    assert again is not None
    assert again.val_scores == pytest.approx(before.val_scores, abs=5e-3), "training may have been in bf16"


def test_a_damaged_file_is_made_again(run: Run, client: PredictorClient) -> None:
    path = run.folder / NOVELTY
    path.write_bytes(path.read_bytes()[:1000])
    (answer,) = client.predict(run.id, [("flag.png", flag())])
    assert answer.not_sure is None
    client.know_pictures(run.id)
    assert client.predict(run.id, [("flag.png", flag())])[0].not_sure is not None


def test_a_run_whose_pictures_are_gone_answers_without(settings: Settings, run: Run, client: PredictorClient) -> None:
    (run.folder / NOVELTY).unlink()
    DatasetStore(settings).delete("drawn")
    with pytest.raises(TuneMyPetsError):
        client.know_pictures(run.id)
    assert client.predict(run.id, [("flag.png", flag())])[0].label is not None


def test_strangers_of_another_dataset_are_measured_with_progress(
    settings: Settings, run: Run, client: PredictorClient
) -> None:
    other = make_dataset(settings, ("one", "two"), 30, name="patterns")
    found = client.strangers(run.id, other.id)
    assert found.total == len(found.p_values) == len(found.confidences) == 30
    novelty = read_novelty(run.folder / NOVELTY, run.meta().classes)
    assert novelty is not None
    assert np.mean(found.p_values) < novelty.p_values(novelty.test_scores).mean()
    assert all(0.5 <= share <= 1 for share in found.confidences)


def test_a_run_that_trains_is_not_looked_at(settings: Settings, drawn: Dataset) -> None:
    from core.predict.strange_pictures import know_pictures
    from core.steps import StopSignal, run_step

    queued = RunStore(settings).create(TrainConfig(dataset=drawn.id, model="petnet", strategy="head", epochs=2))
    with pytest.raises(RunError, match="still training"):
        run_step(know_pictures(settings, queued, StopSignal()))
