"""Weights and what lies beside them, tampered with or damaged: one sentence, nothing is run, other runs answer on."""

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from streamlit.testing.v1 import AppTest

from core.checkpoints.snapshot import read_facts
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.jobs.workers.worker import Worker
from core.predict.predictor import Predictor
from core.runs.run import Run, RunState
from core.runs.run_files import SNAPSHOT
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from models.catalog import CATALOG
from tests.core.datasets.test_endurance import wants_peak_memory
from tests.support.images import encoded, photo
from tests.support.sentences import assert_plain
from tests.support.small_runs import SMALL_SCRATCH

pytestmark = pytest.mark.slow

IMAGE = encoded(photo(3))


class Harmful:
    """A pickle of this runs a command where it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


def with_header(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    return json.loads(whole[8 : 8 + size]), whole[8 + size :]


def long_header(path: Path) -> None:
    """38 MB of names of tensors without a number in them."""
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    path.write_bytes(with_header(json.dumps({f"tensor.number.{n}": empty for n in range(490_000)}).encode()))


def change_tensors(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return changed


def lie_about_shapes(shape: list[int]) -> Callable[[Path], None]:
    def lie(path: Path) -> None:
        header, data = header_of(path)
        name = next(name for name in header if name != "__metadata__")
        header[name]["shape"] = shape
        path.write_bytes(with_header(json.dumps(header).encode(), data))

    return lie


def lie_about_places(path: Path) -> None:
    header, data = header_of(path)
    name = next(name for name in header if name != "__metadata__")
    header[name]["data_offsets"] = [0, 10**12]
    path.write_bytes(with_header(json.dumps(header).encode(), data))


def first_of(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return next(value for value in tensors.values() if value.is_floating_point())


def fill(number: float) -> Callable[[dict[str, torch.Tensor]], None]:
    return lambda tensors: first_of(tensors).view(-1)[0].fill_(number)  # type: ignore[return-value]


def other_shape(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name, value in tensors.items() if value.ndim == 4)
    tensors[name] = torch.zeros(7, *tensors[name].shape[1:])


def one_less(tensors: dict[str, torch.Tensor]) -> None:
    tensors.pop(next(name for name in tensors if name.endswith(".weight")))


def one_more(tensors: dict[str, torch.Tensor]) -> None:
    tensors["blocks.extra.weight"] = torch.zeros(3)


WEIGHTS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "a web page": lambda path: path.write_bytes(b"<!DOCTYPE html><html>Log in</html>" * 9),
    "cut off in the header": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "cut off in the middle": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut off at the end": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer than it says": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "a header of 38 MB": long_header,
    "a header that is no JSON": lambda path: path.write_bytes(with_header(b"{" * 100)),
    "a deep header": lambda path: path.write_bytes(with_header(b"[" * 100_000)),
    "a lying shape": lie_about_shapes([10**6, 10**6]),
    "a negative shape": lie_about_shapes([-1]),
    "a lying place": lie_about_places,
    "NaN weights": change_tensors(fill(float("nan"))),
    "infinite weights": change_tensors(fill(float("inf"))),
    "another shape": change_tensors(other_shape),
    "a tensor less": change_tensors(one_less),
    "a tensor more": change_tensors(one_more),
}


def change_sidecar(**changes: object) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        values = json.loads(path.read_text(encoding="utf-8"))
        config = changes.get("config")
        both = {"config": {**values["config"], **config}} if isinstance(config, dict) else {}
        path.write_text(json.dumps({**values, **changes, **both}), encoding="utf-8")

    return changed


SIDECARS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "a list": lambda path: path.write_bytes(b"[]"),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "an unknown network": change_sidecar(config={"model": "resnet9000"}),
    "another network": change_sidecar(config={"model": "mobilenet_v2"}),
    "a size without measure": change_sidecar(config={"dense_neurons": 10**9}),
    "another width": change_sidecar(config={"filters": [1024] * 5}),
    "a field of another version": change_sidecar(config={"wheels": 4}),
    "no configuration": change_sidecar(config=None),
    "a class more": change_sidecar(classes=["cat", "dog", "cow"]),
    "no class": change_sidecar(classes=[]),
    "a number of classes": change_sidecar(classes=3),
    "an epoch that is none": change_sidecar(epoch="many"),
}


def assert_refused(settings: Settings, run: Run, other: Run, *words: str) -> None:
    """The damaged run gets a sentence, and the same predictor answers for the other one before and after."""
    predictor = Predictor(settings)
    (before,) = predictor.predict(other, [("a.jpg", IMAGE)])
    with pytest.raises(RunError) as caught:
        predictor.predict(run, [("a.jpg", IMAGE)])
    assert_plain(str(caught.value), *words, settings=settings)
    (after,) = predictor.predict(other, [("a.jpg", IMAGE)])
    assert before.top == after.top
    assert before.error is None


@pytest.mark.parametrize("damage", WEIGHTS)
def test_damaged_weights_are_refused_by_name_and_another_run_answers_on(
    settings: Settings, two_runs: tuple[Run, Run], damage: str
) -> None:
    run, other = two_runs
    WEIGHTS[damage](run.checkpoints / "best.safetensors")
    assert_refused(settings, run, other, "best.safetensors")


@pytest.mark.parametrize("damage", SIDECARS)
def test_a_damaged_sidecar_is_refused_by_name_and_another_run_answers_on(
    settings: Settings, two_runs: tuple[Run, Run], damage: str
) -> None:
    run, other = two_runs
    SIDECARS[damage](run.checkpoints / "best.json")
    # a network that does not fit its weights is told of the weights: which of the two was changed, nobody knows
    assert_refused(settings, run, other, "best.")


def test_the_unknown_network_of_a_checkpoint_is_named(settings: Settings, two_runs: tuple[Run, Run]) -> None:
    SIDECARS["an unknown network"](two_runs[0].checkpoints / "best.json")
    assert_refused(settings, *two_runs, "best.json", "'resnet9000'", "train the run again")


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
@pytest.mark.parametrize("name", ["best.safetensors", "best.json", SNAPSHOT])
def test_a_pickle_in_place_of_a_checkpoint_is_not_run(
    settings: Settings, two_runs: tuple[Run, Run], tmp_path: Path, write: Callable[..., None], name: str
) -> None:
    run, other = two_runs
    with (run.checkpoints / name).open("wb") as file:
        write(Harmful(tmp_path / "harm"), file)
    if name == SNAPSHOT:
        with pytest.raises(RunError) as caught:
            read_facts(run.checkpoints)
        assert_plain(str(caught.value), SNAPSHOT, settings=settings)
    else:
        assert_refused(settings, run, other, name)
    assert not (tmp_path / "harm").exists()


def test_a_pickle_among_cached_pixels_is_neither_run_nor_trained_on(
    settings: Settings, run: Run, tmp_path: Path
) -> None:
    cached = list((settings.cache_dir / "pixels").glob("*.npy"))
    assert cached
    for path in cached:
        with path.open("wb") as file:
            np.save(file, np.array([Harmful(tmp_path / "harm")], dtype=object), allow_pickle=True)
    again = RunStore(settings).create(run.config())
    assert Worker(settings, again).work() is RunState.FINISHED
    assert (again.predictions().probabilities == run.predictions().probabilities).all()
    assert not (tmp_path / "harm").exists()


def pretrained_run(settings: Settings) -> Run:
    values = {**SMALL_SCRATCH, "model": "mobilenet_v3_small", "strategy": "head", "epochs": 1}
    return RunStore(settings).create(TrainConfig.model_validate(values))


@pytest.mark.parametrize("damage", ["a pickle with a command", "cut off", "empty", "NaN", "another network", "a list"])
def test_damaged_pretrained_weights_fail_one_run_with_their_name_and_others_train(
    settings: Settings, drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    weights = CATALOG["mobilenet_v3_small"].weights
    assert weights is not None
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = tmp_path / "torch" / "hub" / "checkpoints" / weights.file_name
    path.parent.mkdir(parents=True)
    if damage == "a pickle with a command":
        torch.save({"weight": Harmful(tmp_path / "harm")}, path)
    elif damage == "cut off":
        torch.save({"weight": torch.zeros(100_000)}, path)
        path.write_bytes(path.read_bytes()[:-2000])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "a list":
        torch.save([1, 2], path)
    else:
        torch.save({"weight": torch.full((3,), float("nan") if damage == "NaN" else 1.0)}, path)
    run = pretrained_run(settings)
    Worker(settings, run).work()
    result = run.result()
    assert result is not None
    assert result.state is RunState.FAILED
    assert_plain(result.text, weights.file_name, settings=settings)
    assert not (tmp_path / "harm").exists()
    other = RunStore(settings).create(TrainConfig.model_validate(SMALL_SCRATCH))
    assert Worker(settings, other).work() is RunState.FINISHED


def test_a_run_without_network_and_weights_says_what_to_do_and_names_no_folder(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEMYPETS_WEIGHTS_URL", "http://127.0.0.1:9/nobody")
    run = pretrained_run(settings)
    Worker(settings, run).work()
    result = run.result()
    assert result is not None
    weights = CATALOG["mobilenet_v3_small"].weights
    assert weights is not None
    assert_plain(result.text, weights.file_name, "python -m core prefetch mobilenet_v3_small", settings=settings)


@wants_peak_memory
@pytest.mark.parametrize("name", ["best.safetensors", SNAPSHOT])
def test_a_header_of_38_mb_is_refused_before_it_is_parsed(settings: Settings, run: Run, name: str) -> None:
    """Parsed, it takes 8 seconds and 400 MB."""
    path = run.checkpoints / name
    long_header(path)
    assert path.stat().st_size > 38 * 10**6
    code = (
        "import sys, time; from pathlib import Path\n"
        "from core.checkpoints.checkpoint import *; from core.checkpoints.snapshot import *\n"
        "def peak(): import re; "
        "return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) * 1024\n"
        "before, started, folder = peak(), time.process_time(), Path(sys.argv[1])\n"
        "try: load_network(folder, 'best') if sys.argv[2] != SNAPSHOT else read_facts(folder)\n"
        "except RunError as error: print(error)\n"
        "print(time.process_time() - started, peak() - before)\n"
    )
    command = [sys.executable, "-c", code, str(run.checkpoints), name]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sentence, figures = done.stdout.splitlines()
    assert_plain(sentence, name, settings=settings)
    seconds, grown = figures.split()
    assert float(seconds) < 1
    assert int(grown) < 20 * 10**6


def test_weights_that_are_finite_and_too_large_get_a_sentence_for_each_picture(
    settings: Settings, two_runs: tuple[Run, Run]
) -> None:
    run, _ = two_runs
    path = run.checkpoints / "best.safetensors"
    tensors = load_file(path)
    save_file({k: v * 1e30 if v.is_floating_point() else v for k, v in tensors.items()}, path)
    found = Predictor(settings).predict(run, [("a.jpg", IMAGE), ("b.jpg", b"no picture")])
    assert [item.label for item in found] == [None, None]
    for item in found:
        assert_plain(str(item.error), item.file, settings=settings)


def test_the_prediction_page_explains_a_damaged_network_and_answers_with_the_other(
    settings: Settings, two_runs: tuple[Run, Run], open_page: Callable[..., AppTest]
) -> None:
    run, other = two_runs
    WEIGHTS["cut off in the middle"](run.checkpoints / "best.safetensors")
    app = open_page("pages/predict.py", run=f"{run.id},{other.id}")
    app.file_uploader(key="predict-files").set_value([("a.jpg", IMAGE, "image/jpeg"), ("b.jpg", IMAGE, "image/jpeg")])
    app.run(timeout=60)
    assert not app.exception
    (error,) = app.error
    assert_plain(re.sub(r"\\(.)", r"\1", error.value), "best.safetensors", settings=settings)
    assert list(app.dataframe[0].value["Run"]) == [other.id] * 2


def test_damaged_weights_cannot_be_tested_and_the_run_says_so(settings: Settings, run: Run) -> None:
    for name in ("predictions.csv", "result.json"):
        (run.folder / name).unlink()
    WEIGHTS["NaN weights"](run.checkpoints / "best.safetensors")
    Worker(settings, run).work(evaluate_only=True)
    result = run.result()
    assert result is not None
    assert_plain(result.text, "best.safetensors", settings=settings)
