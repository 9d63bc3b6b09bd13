"""Explanations through the predictor's protocol; the tests of the pages go through its process."""

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.events import Progress
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.maintenance.check import check
from core.maintenance.repair import repair
from core.predict import predictor_server
from core.predict.explanations.explanation_cache import FORMAT, ExplanationCache, file_stem
from core.predict.predictor_server import send
from core.runs.run import Run
from core.runs.run_files import BEST
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.verification import REMOVE, Kind
from tests.support.drawn_dataset import import_drawn
from tests.support.in_process_predictor import InProcessClient


def an_image(settings: Settings) -> tuple[str, bytes]:
    dataset = DatasetStore(settings).get("drawn")
    row = dataset.rows_of("test")[0]
    return row.name, dataset.read_image(row)


def absent(*_: object) -> Iterator[Progress]:
    """A step that finds nothing."""
    yield from ()


def ignore(step: Progress) -> None:
    """No progress wanted."""


def kept(settings: Settings) -> list[Path]:
    return sorted((settings.cache_dir / "explanations").glob("*.json"))


def newest(settings: Settings) -> Run:
    return RunStore(settings).all()[0]


def test_every_explanation_is_answered(raced: Settings) -> None:
    client, run = InProcessClient(raced), newest(raced)
    name, data = an_image(raced)
    (prediction,) = client.predict(run.id, [(name, data)])

    found = client.explain(run.id, name, data, [None, "cat", "dog"], ["grad_cam", "occlusion"])
    assert found.top == tuple((label, pytest.approx(share, abs=1e-6)) for label, share in prediction.top)
    assert {item.label for item in found.maps if item.method == "grad_cam"} == {"cat", "dog"}
    assert found.maps[0].label == prediction.label, "the answer comes first"
    assert [item.label for item in found.maps if item.method == "occlusion"] == ["dog"]
    side = newest(raced).config().entry().preprocessing.crop_px
    seen = np.asarray(Image.open(BytesIO(found.input_png)))
    assert seen.shape == (224, 224, 3)
    assert seen.shape[0] % side == 0
    for item in found.maps:
        assert Image.open(BytesIO(item.heatmap)).size == (224, 224)
        assert item.description
    # the heatmap lies on exactly the pixels that a prediction uses
    from core.datasets.pictures.decoder import Limits
    from core.stores.pixels import square_pixels

    spec = run.config().entry().preprocessing
    margin = (spec.resize_px - spec.crop_px) // 2
    square = square_pixels(data, name, Limits.from_settings(raced), spec)[margin:-margin, margin:-margin]
    assert np.array_equal(seen[:: 224 // side, :: 224 // side], square[:side, :side])

    # the test pictures, and how well their neighbours tell their class
    images = client.projection(run.id)
    table = run.predictions()
    assert sorted(images.indices) == sorted(table.indices.tolist())
    assert dict(zip(images.indices, images.labels, strict=True)) == dict(
        zip(table.indices.tolist(), table.labels.tolist(), strict=True)
    )
    assert images.split == "test"
    assert len(images.pca) == images.total == table.n
    assert images.width == 8
    assert 0 < sum(images.shares) <= 1.0001
    assert 0 <= images.knn_correct <= table.n

    movement = client.weight_change(run.id)
    assert movement.blocks[-1].name == "head"
    assert all((block.relative or 0) > 0 for block in movement.blocks)

    filters = client.filters(run.id)
    assert filters.start is not None
    assert Image.open(BytesIO(filters.trained)).format == "PNG"

    # answers of a finished run never change: they are cached once
    files = kept(raced)
    assert sorted(json.loads(path.read_text())["recipe"]["what"] for path in files) == ["filters", "map", "movement"]
    stamps = [path.stat().st_ino for path in files]
    assert client.projection(run.id) == images
    assert client.weight_change(run.id) == movement
    assert client.filters(run.id) == filters
    assert [path.stat().st_ino for path in kept(raced)] == stamps

    # what cannot be answered is one sentence
    for wrong, sentence in (
        (lambda: client.explain(run.id, name, data, ["horse"]), "has no class 'horse'"),
        (lambda: client.explain(run.id, name, b"no picture"), name),
        (lambda: client.explain(run.id, name, data, []), "choose fewer"),
        (lambda: client.explain(run.id, name, data, [None], ["guess"]), "choose fewer"),  # type: ignore[list-item]
        (lambda: client.projection("nobody"), "There is no run"),
        (lambda: client.weight_change("../x"), "There is no run"),
    ):
        with pytest.raises(TuneMyPetsError, match=sentence.replace("(", r"\(")):
            wrong()


def test_a_slow_answer_reports_progress(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_server, "STEP_SECONDS", 0.0)
    client, run = InProcessClient(raced), newest(raced)
    steps: list[Progress] = []
    images = client.projection(run.id, on_progress=steps.append)
    assert [step.done for step in steps] == [4, 8], "four pictures after four pictures"
    assert {step.total for step in steps} == {len(images.indices)}
    assert steps[-1].eta_seconds == 0
    steps.clear()
    client.projection(run.id, on_progress=steps.append)
    assert not steps, "cached answers need no progress"
    name, data = an_image(raced)
    client.explain(run.id, name, data, [None], ["occlusion"], steps.append)
    assert [step.done for step in steps] == list(range(1, steps[0].total + 1))
    assert steps[0].total == 8, "the picture, and 7 by 7 hidden squares, eight at once"


def test_where_hiding_changes_nothing_the_heatmap_is_empty(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    client, run = InProcessClient(raced), newest(raced)
    name, data = an_image(raced)
    rng = np.random.default_rng(0)
    for size, words in ((0.004, "hiding any single part makes no real difference"), (0.4, "of the heat is")):
        grid = (size * rng.random((32, 32)) ** 4).astype(np.float32)
        monkeypatch.setattr("core.predict.explainer.occlusion", lambda *_, grid=grid: grid)
        (item,) = client.explain(run.id, name, data, [None], ["occlusion"]).maps
        assert words in item.description
        assert item.strength == pytest.approx(float(grid.max()))


def test_a_client_that_leaves_does_not_stop_the_work(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_server, "STEP_SECONDS", 0.0)
    client, run = InProcessClient(raced), newest(raced)
    mine, other = Pipe()
    talking = threading.Thread(target=client.server.handle, args=(other,))
    talking.start()
    send(mine, {"ask": "projection", "run": run.id, "tsne": False}, [])
    mine.close()
    talking.join(30)
    assert not talking.is_alive()
    assert len(kept(raced)) == 1, "the next one finds it"


def test_t_sne_runs_on_request_from_the_cached_components(
    settings: Settings, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openTSNE", reason="pip install -r requirements-explain.txt")
    from core.jobs.workers.worker import Worker

    import_drawn(settings, split="40/20/40")
    run = RunStore(settings).create(small_config)
    assert Worker(settings, run).work().value == "finished"
    client = InProcessClient(settings)
    plain = client.projection(run.id)
    assert plain.tsne is None
    monkeypatch.setattr(client.server.explainer, "_project", None)  # features are not computed again
    laid_out = client.projection(run.id, tsne=True)
    assert laid_out.tsne is not None
    assert len(laid_out.tsne) == len(plain.indices) >= 10
    assert dataclasses.replace(laid_out, tsne=None) == plain
    assert [json.loads(path.read_text())["recipe"]["what"] for path in kept(settings)].count("t-SNE") == 1
    monkeypatch.setattr("core.predict.explainer.run_tsne", None)
    assert client.projection(run.id, tsne=True) == laid_out, "cached too"


def test_the_features_of_a_frozen_network_come_from_its_evaluation(settings: Settings, drawn: object) -> None:
    import torch

    from core.config.train_config import TrainConfig
    from core.jobs.workers.worker import Worker
    from core.predict.explanations import image_features
    from core.predict.predictor import Predictor
    from core.stores.hardware import Hardware

    config = TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=1, precision="fp32")
    run = RunStore(settings).create(config)
    assert Worker(settings, run).work().value == "finished"
    hardware: Hardware = Predictor(settings).hardware
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_features, "_compute", None)  # stored features are not computed again
        stored = run_step(image_features.read_features(settings, run, hardware, StopSignal()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_features, "_read_stored", absent)
        computed = run_step(image_features.read_features(settings, run, hardware, StopSignal()))
        patch.setattr(image_features, "_pixel_store", absent)
        decoded = run_step(image_features.read_features(settings, run, hardware, StopSignal()))
    assert stored.rows == computed.rows
    assert np.allclose(stored.values, computed.values, atol=1e-4)
    assert np.array_equal(computed.values, decoded.values)
    # and they are what the head reads: with it they give the run's own test result
    from core.checkpoints.checkpoint import load_network

    network, _ = load_network(run.checkpoints, BEST)
    with torch.inference_mode():
        found = network.probabilities(network.head(torch.from_numpy(stored.values))).numpy()
    assert np.abs(found - run.predictions().probabilities).max() < 1e-5


def test_a_request_from_thirty_is_computed_once(settings: Settings) -> None:
    answers, made, found = ExplanationCache(settings), [], []

    def make() -> dict[str, int]:
        made.append(1)
        time.sleep(0.2)
        return {"is": 42}

    threads = [
        threading.Thread(target=lambda: found.append(answers.get({"what": "x"}, make, keep=True))) for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [{"is": 42}] * 30
    assert len(made) == 1
    answers.get({"what": "other"}, make, keep=False)
    assert len(kept(settings)) == 1, "what may change is not cached"
    # a damaged file, or one that answers another request, is computed again
    (path,) = kept(settings)
    path.write_bytes(path.read_bytes()[:20])
    assert answers.get({"what": "x"}, make, keep=True) == {"is": 42}
    path.write_text(json.dumps({"recipe": {"format": FORMAT, "what": "y"}, "answer": {"is": 1}}))
    assert answers.get({"what": "x"}, make, keep=True) == {"is": 42}


def test_the_cache_drops_its_oldest_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses
    import os

    small = dataclasses.replace(settings, cache_bytes=30_000)
    answers = ExplanationCache(small)
    for number in range(5):
        answers.get({"what": "x", "run": str(number)}, lambda: {"text": "y" * 9_000}, keep=True)
        for path in kept(small):
            os.utime(path, (path.stat().st_mtime - 10, path.stat().st_mtime - 10))
    there = {json.loads(path.read_text())["recipe"]["run"] for path in kept(small)}
    assert there == {"2", "3", "4"}


def test_a_check_finds_cached_answers_that_are_damaged_or_of_deleted_runs(raced: Settings) -> None:
    run = newest(raced)
    answers = ExplanationCache(raced)
    for what in ("map", "movement", "filters"):
        answers.get({"what": what, "run": run.id}, lambda: {"is": 1}, keep=True)
    assert not list(check(raced))
    good, damaged, swapped = kept(raced)
    damaged.write_bytes(b"{")
    swapped.write_bytes(good.read_bytes())
    gone = {"format": FORMAT, "what": "map", "run": "20200101-000000-abcdef"}
    orphan = raced.cache_dir / "explanations" / f"{file_stem(gone)}.json"
    orphan.write_text(json.dumps({"recipe": gone, "answer": {}}))
    found = {Path(item.thing).name: (item.kind, item.repair) for item in check(raced)}
    assert found == {
        damaged.name: (Kind.DAMAGED, REMOVE),
        swapped.name: (Kind.DAMAGED, REMOVE),
        orphan.name: (Kind.ORPHANED, REMOVE),
    }
    repair(raced)
    assert kept(raced) == [good]
    assert not list(check(raced))
