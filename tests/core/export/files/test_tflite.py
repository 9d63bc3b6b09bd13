"""TensorFlow Lite: the same answers as in torch, opened by the code of others, and refused where accuracy is lost."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import ExportError, ExtraMissingError
from core.export import export_job
from core.export.exports import Manifest, folder_of, look
from core.export.files.tflite_zip import SCORES_ONLY, write_rounded
from core.export.formats import FORMATS
from core.export.source.exported_run import ExportedRun, choose_pictures, open_source, read_crops
from core.export.source.written import Folder, Written
from core.export.tflite.tflite_graph import SIDE_PX, TfliteGraph, app_pictures, resize_matrix
from core.export.tflite.tflite_metadata import NAME, append_labels, describe_model
from core.jobs.workers.worker import Worker
from core.maintenance.check import check
from core.runs.run_files import EXPORTS
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from core.steps import run_step
from models.catalog import ScratchOptions
from models.entry import Preprocessing
from models.network import build
from tests.support.environment import skip_or_fail
from tests.support.small_runs import SMALL_SCRATCH
from tests.support.tested_runs import make_dataset

pytestmark = pytest.mark.tflite

FLOATS, BYTES = FORMATS["tflite"], FORMATS["tflite-int8"]


@dataclasses.dataclass(frozen=True)
class Made:
    """A finished export, unpacked as people have it."""

    source: ExportedRun
    manifest: Manifest
    folder: Path

    def pictures(self) -> list[Path]:
        """Some test pictures, as files."""
        files = []
        dataset = DatasetStore(self.source.settings).get(self.source.config.dataset)
        for index in self.source.tested.indices[:6]:
            row = dataset.rows[int(index)]
            files.append(self.folder / f"{row.index}{Path(row.path).suffix}")
            files[-1].write_bytes(dataset.read_image(row))
        return files


@pytest.fixture(scope="module")
def made(race_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The files of a small trained network; converting takes ten seconds, so that the tests share them."""
    need("tflite")
    root = tmp_path_factory.mktemp("lite")
    shutil.copytree(race_template, root / "workspace")
    settings = dataclasses.replace(Settings.from_environment(), home=root / "workspace")
    run = RunStore(settings).all()[0]
    (run.folder / EXPORTS).mkdir(exist_ok=True)
    export_job.export(settings, run, FLOATS)
    state = look(settings, run, FLOATS)
    assert state.result is not None, state.problem
    with zipfile.ZipFile(next(folder_of(run, FLOATS).glob("*.zip"))) as archive:
        archive.extractall(root / "home")
    return Made(open_source(settings, run), state.result, root / "home")


@pytest.fixture(scope="module")
def rounded(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Written, Path]:
    """The same in 8 bits, and where it lies; a dozen test pictures are too few to offer it to anyone."""
    need("tflite-int8")
    folder = tmp_path_factory.mktemp("bytes")
    return write_rounded(made.source, Folder(folder)), folder


def need(name: str) -> None:
    """Skip, or fail in CI, where the packages of a format are missing."""
    try:
        FORMATS[name].check_installed()
    except ExtraMissingError as error:
        skip_or_fail(str(error))


def asked_in_torch(source: ExportedRun, places: np.ndarray) -> np.ndarray:
    """The answers of the graph in torch: (N, classes)."""
    crops = run_step(read_crops(source, places, app_pictures(source.spec)))
    graph = TfliteGraph(source.network, source.spec).eval()
    with torch.inference_mode():
        return np.concatenate([graph(torch.from_numpy(crop[None]).float() / 127.5 - 1).numpy() for crop in crops])


def snippets() -> list[str]:
    """The Python code of docs/export.md about TensorFlow Lite, in its order."""
    text = (PROJECT_ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (part,) = re.findall(r"^## TensorFlow Lite$.*?(?=^## Pictures$)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```python\n(.*?)^```", part, re.MULTILINE | re.DOTALL)


def ask_snippet(code: str, folder: Path) -> tuple[str, float]:
    """Run code of the docs far from this project; it prints a class and its probability."""
    words = [sys.executable, "-I", "-c", code]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    said = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
    name, probability = said.splitlines()[-1].rsplit(" ", 1)
    return name, float(probability)


@pytest.mark.parametrize(
    "spec",
    [
        Preprocessing(256, 224),
        Preprocessing(160, 144),
        Preprocessing(256, 224, interpolation="bicubic"),
        Preprocessing(37, 32, version=1),
        Preprocessing(300, 288),
        Preprocessing(128, 128, fit="pad"),
    ],
    ids=lambda spec: f"{spec.resize_px}-{spec.crop_px}-{spec.interpolation}",
)
def test_a_matrix_down_and_across_resizes_as_torchvision_does(spec: Preprocessing) -> None:
    picture = torch.rand(3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(0))
    how = F.InterpolationMode(spec.interpolation)
    resized = F.resize(picture, [spec.resize_px, spec.resize_px], how, antialias=True)
    first, last = spec.margin_px, spec.margin_px + spec.crop_px

    matrix = resize_matrix(spec)

    assert torch.allclose(matrix @ picture @ matrix.T, resized[:, first:last, first:last], atol=1e-5)


@pytest.mark.parametrize(("head", "classes"), [("softmax", 3), ("sigmoid", 2)])
def test_the_graph_undoes_the_scaling_and_gives_a_probability_a_class(head: str, classes: int) -> None:
    options = ScratchOptions(filters=(4, 8), image_size=SIDE_PX, dense_neurons=8)
    network = build("scratch_cnn", classes, head=head, options=options, seed=0).eval()
    spec = Preprocessing(SIDE_PX, SIDE_PX)  # nothing to resize
    pixels = torch.randint(0, 256, (1, SIDE_PX, SIDE_PX, 3), generator=torch.Generator().manual_seed(0)).float()

    with torch.inference_mode():
        found = TfliteGraph(network, spec).eval()(pixels / 127.5 - 1)
        normalised = F.normalize(pixels.permute(0, 3, 1, 2) / 255, list(spec.mean), list(spec.std))
        expected = network.probabilities(network(normalised))

    assert found.shape == (1, classes)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_the_file_answers_as_torch_does_and_is_close_to_the_run(made: Made) -> None:
    conversion = made.manifest.conversion
    assert conversion is not None
    assert conversion.images == conversion.same == made.source.tested.n
    assert conversion.largest < 1e-5
    assert "The same network in torch answers its pictures within" in made.manifest.describe()
    assert made.manifest.check.run_accuracy.correct == made.source.tested.correct.sum()


@pytest.mark.slow
def test_its_labels_are_numbered_beside_it_and_plain_inside(made: Made) -> None:
    classes = made.source.classes
    assert set(made.folder.iterdir()) >= {
        made.folder / name for name in ("model_unquant.tflite", "labels.txt", "predict.py", "README.md")
    }
    lines = (made.folder / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{number} {name}" for number, name in enumerate(classes)]
    with zipfile.ZipFile(made.folder / "model_unquant.tflite") as inside:
        assert inside.read("labels.txt").decode().splitlines() == list(classes)


@pytest.mark.slow
def test_the_script_and_teachable_machines_way_agree_with_torch(made: Made) -> None:
    expected = asked_in_torch(made.source, np.arange(6))
    for picture, answer in zip(made.pictures(), expected, strict=True):
        name = made.source.classes[answer.argmax()]
        words = [sys.executable, "-I", str(made.folder / "predict.py"), str(picture)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        sure = "over 99 %" if answer.max() > 0.99 else f"{100 * answer.max():.0f} %"
        assert said == f"{picture}: {name} ({sure})\n"

    shutil.copy(picture, made.folder / "picture.jpg")
    found, probability = ask_snippet(snippets()[0], made.folder)
    assert found == name
    assert probability == pytest.approx(answer.max(), abs=0.1)  # its resizing is another one


@pytest.mark.slow
def test_mediapipe_opens_it_with_its_labels(made: Made) -> None:
    if find_spec("mediapipe") is None:
        skip_or_fail("This test wants mediapipe: run pip install -r requirements-dev.txt")
    answer = asked_in_torch(made.source, np.arange(1))[0]
    picture = Image.open(made.pictures()[0]).convert("RGB")
    picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR).save(made.folder / "picture.jpg", quality=95)
    name, probability = ask_snippet(snippets()[1], made.folder)
    assert name == made.source.classes[answer.argmax()]
    assert probability == pytest.approx(answer.max(), abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 2])
def test_mediapipe_refuses_a_second_output_so_that_files_have_scores_alone(tmp_path: Path, outputs: int) -> None:
    if find_spec("mediapipe") is None:
        skip_or_fail("This test wants mediapipe: run pip install -r requirements-dev.txt")
    from mediapipe.tasks.python.vision import ImageClassifier

    path = tmp_path / "model.tflite"
    path.write_bytes(write_mean(describe_model("It", "nothing"), outputs))
    append_labels(path, ("red", "green", "blue"))
    if outputs == 1:
        ImageClassifier.create_from_model_path(str(path)).close()
    else:
        with pytest.raises(ValueError, match="Mismatch between number of output tensors"):
            ImageClassifier.create_from_model_path(str(path))


def write_mean(metadata: bytes, outputs: int) -> bytes:
    """A model whose three scores are the mean colour of a picture, given once or twice."""
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated as schema

    def make(kind: Callable[[], Any], **values: Any) -> Any:
        made = kind()
        vars(made).update(values)
        return made

    numbers = [np.array([1, 2], np.int32).tobytes(), metadata]
    buffers = [schema.BufferT(), *(make(schema.BufferT, data=np.frombuffer(each, np.uint8)) for each in numbers)]
    shapes = {"image": [1, SIDE_PX, SIDE_PX, 3], "axes": [2], **{f"scores{place}": [1, 3] for place in range(outputs)}}
    tensors = [make(schema.TensorT, name=name, shape=shape, buffer=0) for name, shape in shapes.items()]
    tensors[1].type, tensors[1].buffer = schema.TensorType.INT32, 1
    operators = [
        make(
            schema.OperatorT,
            inputs=[0, 1],
            outputs=[2 + place],
            builtinOptionsType=schema.BuiltinOptions.ReducerOptions,
            builtinOptions=schema.ReducerOptionsT(),
        )
        for place in range(outputs)
    ]
    code = schema.BuiltinOperator.MEAN
    model = make(
        schema.ModelT,
        version=3,
        operatorCodes=[make(schema.OperatorCodeT, builtinCode=code, deprecatedBuiltinCode=code, version=1)],
        subgraphs=[
            make(
                schema.SubGraphT,
                tensors=tensors,
                inputs=[0],
                outputs=list(range(2, 2 + outputs)),
                operators=operators,
            )
        ],
        buffers=buffers,
        metadata=[make(schema.MetadataT, name=NAME, buffer=2)],
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.slow
def test_it_says_in_every_place_that_it_is_never_not_sure_and_what_is(made: Made) -> None:
    assert SCORES_ONLY in made.manifest.notes
    readme = (made.folder / "README.md").read_text(encoding="utf-8")
    assert SCORES_ONLY in readme
    assert "| input | 224 x 224 pixels, RGB |" in readme
    assert SCORES_ONLY.encode() in (made.folder / "model_unquant.tflite").read_bytes()
    assert all(FORMATS[name].title in SCORES_ONLY for name in ("phone", "pytorch", "onnx", "huggingface"))
    for kind in (FLOATS, BYTES):
        assert 'It is never "not sure": it gives class scores alone.' in kind.summary


def test_too_few_test_pictures_for_8_bits_are_refused_at_once(raced: Settings) -> None:
    run = RunStore(raced).all()[0]
    (run.folder / EXPORTS).mkdir()
    export_job.export(raced, run, BYTES)
    problem = look(raced, run, BYTES).problem
    assert problem is not None
    assert re.search(r"has \d+ test pictures, too few to show that rounding to 8 bits loses at most 3\.0", problem)


@pytest.mark.slow
def test_8_bits_take_and_give_bytes_and_answer_much_the_same(made: Made, rounded: tuple[Written, Path]) -> None:
    places = choose_pictures(made.source.tested)

    written, folder = rounded

    assert written.rounded
    assert written.spec is not None
    crops = run_step(read_crops(made.source, places, written.spec))
    found, floats = written.answers(crops), asked_in_torch(made.source, places)
    assert np.abs(found - floats).max() < 0.06
    assert np.abs(found.sum(axis=1) - 1).max() < 0.01
    assert (folder / "model.tflite").stat().st_size < (made.folder / "model_unquant.tflite").stat().st_size
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(folder / "model.tflite"))
    (put,), (get,) = model.get_input_details(), model.get_output_details()
    assert (put["dtype"], get["dtype"]) == (np.uint8, np.uint8)
    assert tuple(put["shape"]) == (1, SIDE_PX, SIDE_PX, 3)


@pytest.mark.slow
def test_8_bits_are_offered_where_enough_pictures_show_that_nothing_is_lost(settings: Settings) -> None:
    need("tflite-int8")
    dataset = make_dataset(settings, ("warm", "cold"), 500, plan="60/10/30")
    config = TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": dataset.id, "filters": (8, 16), "epochs": 6})
    run = RunStore(settings).create(config)
    assert Worker(settings, run).work().value == "finished"
    (run.folder / EXPORTS).mkdir()

    export_job.export(settings, run, BYTES)

    state = look(settings, run, BYTES)
    assert state.result is not None, state.problem
    assert state.result.check.interval.low >= -0.03
    assert [name.removeprefix("many-scratch_cnn-scratch-") for name in state.result.files] == [
        "tflite-int8.zip",
        "int8.tflite",
    ]
    with zipfile.ZipFile(next(folder_of(run, BYTES).glob("*.zip"))) as archive:
        assert sorted(archive.namelist()) == ["README.md", "labels.txt", "model.tflite", "predict.py"]
    assert list(check(settings)) == []


@pytest.mark.slow
def test_a_network_of_odd_options_is_converted_too(drawn: Dataset, settings: Settings) -> None:
    need("tflite")
    odd = {"activation": "mish", "kernel_size": 5, "batch_norm": False, "head": "sigmoid", "dataset": drawn.id}
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, **odd}))
    assert Worker(settings, run).work().value == "finished"
    (run.folder / EXPORTS).mkdir()
    export_job.export(settings, run, FLOATS)
    state = look(settings, run, FLOATS)
    assert state.result is not None, state.problem
    assert state.result.conversion is not None
    assert state.result.conversion.largest < 1e-5


@pytest.mark.slow
def test_the_robots_example_sees_what_the_file_sees(
    made: Made, rounded: tuple[Written, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written, folder = rounded
    assert written.spec is not None
    crops = run_step(read_crops(made.source, np.arange(6), written.spec))
    answers = written.answers(crops)
    monkeypatch.chdir(folder)
    example: dict[str, object] = {}
    exec(snippets()[2], example)
    look_at, watch = example["look"], example["watch"]
    assert callable(look_at)
    assert callable(watch)

    for crop, answer in zip(crops, answers, strict=True):
        name, probability = look_at(crop)
        assert name == made.source.classes[answer.argmax()]
        assert probability == pytest.approx(answer.max(), abs=1e-6)

    names: list[str] = []
    example["look"] = lambda frame: frame
    sure = [("a", 0.9), ("a", 0.9), ("b", 0.9), ("b", 0.9), ("b", 0.5), *[("b", 0.9)] * 3]
    watch(sure, names.append)
    assert names == ["b"]


def test_a_network_that_cannot_be_converted_is_refused(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.export.tflite import tflite_conversion

    monkeypatch.setattr(tflite_conversion.sys, "executable", shutil.which("false"))
    with pytest.raises(ExportError, match="TensorFlow Lite cannot hold the network of run"):
        tflite_conversion.convert_run(RunStore(raced).all()[0], raced.home / "model.tflite")
