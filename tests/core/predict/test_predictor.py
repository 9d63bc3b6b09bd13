"""Predictions give the probabilities of the test result, in process, from the predictor and from the command."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import RunError, TuneMyPetsError
from core.jobs.workers.worker import Worker
from core.locks import is_held
from core.predict.predictor_answers import Prediction
from core.predict.predictor_client import AugmentationChoice, PredictorClient
from core.predict.predictor_server import address_path, lock_path
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import processes_of, wait_for
from tests.support.small_runs import SMALL_SCRATCH


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a finished run on odd-sized pictures, so that resizing and cropping matter."""
    root = tmp_path_factory.mktemp("template") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    files = []
    for number, (name, data) in enumerate(draw_sample(count_per_class=20, size_px=96)):
        picture = Image.open(BytesIO(data)).resize((60 + 5 * (number % 9), 96))
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        files.append((name, buffer.getvalue()))
    source = MemorySource("drawn for a test", files, drawn=True)
    list(import_dataset(settings, source, name="drawn", plan=SplitPlan.parse("60/20/20"), seed=0))
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "image_size": 48}))
    assert Worker(settings, run).work().value == "finished"
    return root


@pytest.fixture
def run(template: Path, home: Path, settings: Settings) -> Run:
    """This test's own copy of the finished run."""
    shutil.copytree(template, home)
    return RunStore(settings).all()[0]


def images_of_the_test(settings: Settings, run: Run) -> tuple[list[Path], np.ndarray]:
    """Files of the test split, and the probabilities that the run stored for them."""
    table, dataset = run.predictions(), DatasetStore(settings).get("drawn")
    return [dataset.image_path(dataset.rows[index]) for index in table.indices.tolist()], table.probabilities


def assert_same(found: list[Prediction], run: Run, stored: np.ndarray) -> None:
    """Every class of every picture has the stored probability."""
    classes = run.meta().classes
    assert len(found) == len(stored)
    for prediction, expected in zip(found, stored, strict=True):
        assert prediction.error is None
        given = dict(prediction.top)
        assert np.abs(np.array([given[name] for name in classes]) - expected).max() < 1e-6
        assert prediction.label == classes[int(expected.argmax())]
        assert prediction.probability == max(given.values())


def ask(settings: Settings, run: Run, files: list[Path]) -> list[Prediction]:
    return PredictorClient(settings).predict(run.id, [(file.name, file.read_bytes()) for file in files])


def test_the_predictor_gives_the_probabilities_of_the_test(settings: Settings, run: Run) -> None:
    from core.predict.predictor import Predictor

    files, stored = images_of_the_test(settings, run)
    predictor = Predictor(settings)
    assert_same(predictor.predict(run, [(file.name, file) for file in files]), run, stored)
    assert_same(predictor.predict(run, [(file.name, file.read_bytes()) for file in files]), run, stored)
    assert len({round(float(row[0]), 6) for row in stored}) > 1, "a constant network would show nothing"


@pytest.mark.slow
def test_the_process_gives_the_probabilities_of_the_test_also_after_it_was_killed(
    settings: Settings, run: Run, ended_processes: None
) -> None:
    files, stored = images_of_the_test(settings, run)
    for _ in range(3):
        PredictorClient(settings).warm_up()
    assert_same(ask(settings, run, files), run, stored)
    wait_for(lambda: len(processes_of(settings.home, "core.predict.predictor_server")) == 1)
    (process,) = processes_of(settings.home, "core.predict.predictor_server")
    process.kill()
    assert_same(ask(settings, run, files[:2]), run, stored[:2])
    wait_for(lambda: len(processes_of(settings.home, "core.predict.predictor_server")) == 1)
    assert processes_of(settings.home, "core.predict.predictor_server")[0].pid != process.pid
    assert is_held(lock_path(settings))


def test_the_command_gives_the_probabilities_of_the_test(settings: Settings, run: Run) -> None:
    files, stored = images_of_the_test(settings, run)
    done = subprocess.run(
        [sys.executable, "-m", "core", "predict", run.id, *map(str, files), "--json", "--promise", "0.1"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        check=True,
    )
    found = [Prediction.from_json({"milliseconds": 0.0, **item}) for item in json.loads(done.stdout)]
    assert_same(found, run, stored)
    assert all(item.not_sure is not None and item.not_sure.nearest for item in found)
    assert {promise for item in found for promise, _ in (item.not_sure.sets if item.not_sure else ())} <= {0.1}


def test_the_process_answers_every_request(settings: Settings, run: Run, ended_processes: None) -> None:
    client = PredictorClient(settings)
    (file, other, *_), stored = images_of_the_test(settings, run)

    # an unreadable picture gets an error, the others an answer
    pictures = [("good.jpg", file.read_bytes()), ("bad.jpg", b"no picture"), ("last.jpg", other.read_bytes())]
    found = client.predict(run.id, pictures)
    assert [item.file for item in found] == ["good.jpg", "bad.jpg", "last.jpg"]
    assert found[1].label is None
    assert found[1].error is not None
    assert "bad.jpg" in found[1].error
    assert_same([found[0], found[2]], run, stored[:2])

    # fewer classes on request, no pictures no answers
    assert len(client.predict(run.id, pictures[:1], top=1)[0].top) == 1
    assert client.predict(run.id, []) == []

    # what cannot be answered is one sentence, and the process stays
    for unknown in ("nobody", "../x"):
        with pytest.raises(TuneMyPetsError, match="There is no run"):
            client.predict(unknown, pictures)
    with pytest.raises(TuneMyPetsError):
        client.views(b"no picture", "mobilenet_v2", AugmentationChoice(True, True, False, 0.5), count=2, seed=0)

    # views: the centre crop, then as many random ones as asked for, of the network's input size
    choice = AugmentationChoice(True, True, True, 1.0)
    described, views = client.views(file.read_bytes(), "mobilenet_v2", choice, count=3, seed=1)
    assert described
    sizes = [Image.open(BytesIO(view)) for view in views]
    assert [(picture.format, picture.size) for picture in sizes] == [("PNG", (224, 224))] * 4
    assert len(set(views)) == 4
    assert client.views(file.read_bytes(), "mobilenet_v2", choice, count=3, seed=1) == (described, views)
    assert client.views(file.read_bytes(), "mobilenet_v2", choice, count=3, seed=2)[1][0] == views[0]

    # the key is the owner's alone
    if os.name == "posix":
        assert address_path(settings).stat().st_mode & 0o777 == 0o600


def test_the_client_imports_no_torch() -> None:
    code = "import sys, core.predict.predictor_client; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=False).returncode == 0


def test_damaged_weights_are_refused_with_one_sentence(settings: Settings, run: Run) -> None:
    from core.predict.predictor import Predictor

    files, _ = images_of_the_test(settings, run)
    weights = run.checkpoints / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])
    with pytest.raises(RunError, match="train the run again"):
        Predictor(settings).predict(run, [("a.jpg", files[0])])
    shutil.rmtree(run.checkpoints)
    with pytest.raises(RunError):
        Predictor(settings).predict(run, [("a.jpg", files[0])])
