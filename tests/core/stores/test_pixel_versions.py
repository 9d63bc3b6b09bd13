"""Pixels from file to network: torchvision's preprocessing for new runs, their own for earlier ones, one grey range."""

import dataclasses
import json
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from core.checkpoints.checkpoint import Checkpoint, load_network, read_sidecar, save_checkpoint
from core.checkpoints.preprocessing import describe_preprocessing, read_preprocessing
from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset, load_dataset
from core.datasets.dataset_check import verify_dataset
from core.datasets.pictures.decoder import TOO_WIDE, Limits, decode
from core.errors import DatasetError, RunError
from core.jobs.workers.worker import Worker
from core.predict.predictor import Predictor
from core.runs.run import Run
from core.runs.run_files import BEST, CHECKPOINTS
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.pixels import STORE_STEM, open_store, preprocessing_of, store_path
from models.catalog import CATALOG
from models.entry import GreyRanges
from models.network import build, build_pretrained
from models.weights import find
from tests.support.images import class_files, encoded, photo
from tests.support.small_runs import SMALL_SCRATCH
from tests.support.uploads import imported

SCRATCH = {**SMALL_SCRATCH, "dataset": "pets"}
HEAD = {"dataset": "pets", "model": "petnet", "strategy": "head", "epochs": 10, "batch_size": 8, "precision": "fp32"}


def deep_grey(low: int, seed: int) -> bytes:
    """A 16-bit picture whose brightness alone is its class."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8), dtype=np.uint8)
    texture = np.asarray(Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)) / 255
    return encoded(Image.fromarray((low + 8000 * texture).astype(np.uint16)), "PNG")


def deep_greys(settings: Settings) -> Dataset:
    files = [(f"cold/{seed}.png", deep_grey(8000, seed)) for seed in range(20)]
    files += [(f"hot/{seed}.png", deep_grey(40_000, 100 + seed)) for seed in range(20)]
    return imported(settings, files)


def mean_of(path: Path) -> float:
    with Image.open(path) as thumbnail:
        return float(np.asarray(thumbnail.convert("L")).mean())


def test_all_deep_grey_pictures_of_a_dataset_share_one_range_in_thumbnails_stores_and_hashes(
    settings: Settings,
) -> None:
    dataset = deep_greys(settings)
    greys = dataset.greys
    assert greys.floats is None
    assert greys.integers == (pytest.approx(8000, abs=200), pytest.approx(48_000, abs=200))
    assert any("share one range" in note for note in dataset.report().notes)
    assert {note for _, note in dataset.report().converted} == {"16-bit grey rescaled to 8 bits"}
    assert all("16-bit grey rescaled to 8 bits" in row.flags for row in dataset.rows)
    spec = preprocessing_of(TrainConfig.model_validate(SCRATCH), dataset)
    store = run_step(open_store(settings, dataset, spec, StopSignal()))
    for row in dataset.rows:
        dark = dataset.classes[row.label] == "cold"
        for mean in (mean_of(dataset.thumbnail_path(row)), store.take(np.array([row.index])).mean()):
            assert (mean < 60) == dark
            assert (mean > 195) == (not dark)
    assert list(verify_dataset(settings, dataset.folder, hostile=True)) == []


def test_a_thumbnail_that_is_drawn_again_keeps_the_range(settings: Settings) -> None:
    dataset = deep_greys(settings)
    path = dataset.thumbnail_path(dataset.rows[0])
    before = path.read_bytes()
    path.unlink()
    (problem,) = verify_dataset(settings, dataset.folder)
    assert problem.repair is not None
    assert problem.repair.act is not None
    problem.repair.act(path)
    assert path.read_bytes() == before


def test_an_uploaded_deep_grey_picture_is_read_with_the_range_of_the_run(settings: Settings) -> None:
    dataset = deep_greys(settings)
    run = trained(settings, HEAD)
    kept = read_sidecar(run.folder / CHECKPOINTS, BEST).preprocessing
    assert (kept.version, kept.greys) == (2, dataset.greys)
    uploads = [(f"{low}-{seed}.png", deep_grey(low, 500 + seed)) for low in (8000, 40_000) for seed in range(8)]
    answers = Predictor(settings).predict(run, uploads)
    assert [answer.label for answer in answers] == ["cold"] * 8 + ["hot"] * 8
    assert {answer.notes for answer in answers} == {("16-bit grey rescaled to 8 bits",)}
    table = run.predictions()
    assert table.correct.mean() == 1.0


def trained(settings: Settings, values: dict[str, object]) -> Run:
    run = RunStore(settings).create(TrainConfig.model_validate(values))
    assert Worker(settings, run).work().value == "finished"
    return run


@pytest.mark.parametrize("damage", [{"integers": [9, 3]}, {"integers": ["a", 3]}, {"integers": [0, 1e999]}, 7])
def test_a_damaged_range_is_reported(settings: Settings, damage: object) -> None:
    dataset = imported(settings, class_files({"cat": 5, "dog": 5}))
    path = dataset.folder / "dataset.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "grey_ranges": damage}), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        load_dataset(dataset.folder)


def test_a_dataset_of_before_has_no_range_and_opens(settings: Settings) -> None:
    dataset = deep_greys(settings)
    path = dataset.folder / "dataset.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["grey_ranges"]
    path.write_text(json.dumps(values), encoding="utf-8")
    assert load_dataset(dataset.folder).greys == GreyRanges()


def without_preprocessing(run: Run) -> None:
    """The sidecar as it was before runs noted a version."""
    path = run.folder / CHECKPOINTS / f"{BEST}.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["preprocessing"]
    path.write_text(json.dumps(values), encoding="utf-8")


def test_a_run_of_before_predicts_with_the_pixels_that_it_was_trained_with(settings: Settings) -> None:
    imported(settings, class_files({"cat": 8, "dog": 8}))
    run = trained(settings, {**SCRATCH, "epochs": 1})
    without_preprocessing(run)
    network, checkpoint = load_network(run.folder / CHECKPOINTS, BEST)
    assert checkpoint.preprocessing.version == 1
    for size in ((97, 150), (143, 90), (64, 48)):
        data = encoded(photo(5, size))
        answers = Predictor(settings).predict(run, [("a.jpg", data)])
        side = checkpoint.preprocessing.resize_px
        image = decode(data, Limits.from_settings(settings), "a.jpg", at_least_px=side, version=1).image
        width, height = image.size
        scale = side / min(width, height)  # as the geometry of version 1 was: rounded
        new = (max(side, round(width * scale)), max(side, round(height * scale)))
        left, top = (new[0] - side) // 2, (new[1] - side) // 2
        across, down = width / new[0], height / new[1]
        box = (left * across, top * down, min((left + side) * across, width), min((top + side) * down, height))
        square = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))[2:34, 2:34]
        spec = checkpoint.preprocessing
        pixels = (torch.tensor(square).permute(2, 0, 1)[None] / 255 - torch.tensor(spec.mean).view(3, 1, 1)) / (
            torch.tensor(spec.std).view(3, 1, 1)
        )
        with torch.inference_mode():
            wanted = network.probabilities(network(pixels))[0]
        assert dict(answers[0].top) == {
            label: pytest.approx(float(share), abs=1e-5)
            for label, share in zip(checkpoint.classes, wanted, strict=True)
        }


def test_stores_of_different_pixels_have_different_names(settings: Settings, drawn: Dataset) -> None:
    spec = CATALOG["petnet"].preprocessing
    specs = [spec, spec.fitted("pad"), spec.fitted("squeeze"), dataclasses.replace(spec, version=1)]
    stems = {store_path(settings, drawn, item).stem for item in specs}
    assert len(stems) == 4
    assert all(STORE_STEM.fullmatch(stem) for stem in stems), "what a check knows as stores"
    assert store_path(settings, drawn, specs[-1]).name == f"{drawn.fingerprint[:24]}-160-bilinear-2.npy"


def test_a_preprocessing_of_a_later_program_is_refused(small_config: TrainConfig) -> None:
    spec = dataclasses.replace(small_config.entry().preprocessing, greys=GreyRanges((3.0, 9.0)))
    kept = json.loads(json.dumps(describe_preprocessing(spec)))
    assert read_preprocessing(small_config, kept) == spec
    for damage in ({**kept, "version": 3}, {**kept, "version": 0}, {"version": 2}, [], "2"):
        with pytest.raises(ValueError, match=r".+"):
            read_preprocessing(small_config, damage)


def test_a_damaged_preprocessing_of_a_run_gets_a_sentence(settings: Settings, drawn: Dataset) -> None:
    run = trained(settings, {**SMALL_SCRATCH, "epochs": 1})
    path = run.folder / CHECKPOINTS / f"{BEST}.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "preprocessing": {"version": 99}}), encoding="utf-8")
    with pytest.raises(RunError, match="damaged: train the run again"):
        read_sidecar(path.parent, BEST)


@pytest.mark.parametrize("fit", ["pad", "squeeze"])
def test_a_subject_at_the_side_is_seen_where_the_run_does_not_crop(settings: Settings, fit: str) -> None:
    def wide(label: str, seed: int) -> bytes:
        image = Image.new("RGB", (256, 64), "grey")
        image.paste((255, 20, 20) if label == "red" else (20, 20, 255), (0, 0, 60, 64))
        return encoded(Image.blend(image, photo(seed, (256, 64)), 0.2))

    files = [(f"{label}/{seed}.jpg", wide(label, seed)) for label in ("red", "blue") for seed in range(20)]
    dataset = imported(settings, files)
    assert all(row.flags == (TOO_WIDE,) for row in dataset.rows)
    run = trained(settings, {**HEAD, "fit": fit})
    assert run.predictions().correct.mean() == 1.0
    (answer,) = Predictor(settings).predict(run, [("a.jpg", wide("red", 99))])
    assert answer.label == "red"
    assert TOO_WIDE not in answer.notes


def test_fit_is_a_choice_of_forms_and_command_lines() -> None:
    config = parse_config({**SCRATCH, "fit": "pad"})
    spec = config.entry().preprocessing
    assert (spec.fit, spec.resize_px, spec.crop_px) == ("pad", 32, 32)
    assert TrainConfig.model_validate(SCRATCH).fit == "crop"


LARGE = ("large.jpg", "phone.jpg")


def odd_pictures() -> dict[str, bytes]:
    """Pictures as people have them, in every way in which the decoder changes one."""
    turned, profile = Image.Exif(), photo(3, (130, 90))
    turned[0x0112] = 6
    palette = photo(4, (140, 100)).quantize(32)
    whole = encoded(photo(12, (320, 240)))
    transparent = photo(5, (150, 100)).convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize((150, 100)))
    return {
        "plain.jpg": encoded(photo(1, (331, 257))),
        "tall.jpg": encoded(photo(2, (199, 700))),
        "wide.png": encoded(photo(3, (701, 180)), "PNG"),
        "large.jpg": encoded(photo(4, (2000, 1501)), "JPEG", quality=92),
        "phone.jpg": encoded(photo(5, (4032, 3024)), "JPEG", quality=90),
        "turned.jpg": encoded(photo(6, (300, 201)), "JPEG", exif=turned),
        "grey.jpg": encoded(photo(7, (300, 201)).convert("L")),
        "cmyk.jpg": encoded(photo(8, (222, 301)).convert("CMYK")),
        "palette.png": encoded(palette, "PNG"),
        "transparent.png": encoded(transparent, "PNG"),
        "tiny.png": encoded(photo(9, (17, 23)), "PNG"),
        "progressive.jpg": encoded(photo(10, (400, 301)), "JPEG", progressive=True),
        "moving.gif": encoded(photo(11), "GIF", save_all=True, append_images=[photo(12)]),
        "scan.jp2": encoded(photo(13, (203, 150)), "JPEG2000"),
        "face.pgm": encoded(photo(14, (92, 112)).convert("L"), "PPM"),
        "page.tif": encoded(photo(15, (301, 222)), "TIFF"),
        "web.webp": encoded(photo(16, (222, 333)), "WEBP"),
        "new.avif": encoded(profile, "AVIF"),
        "no_end.jpg": whole[:-2],
        "one_bit.png": encoded(photo(17, (120, 90)).convert("1"), "PNG"),
    }


def upright_rgb(data: bytes) -> Image.Image:
    """Read by Pillow alone, as a careful torchvision user would."""
    with warnings.catch_warnings(action="ignore"):  # Pillow's, of damaged metadata
        image = ImageOps.exif_transpose(Image.open(BytesIO(data if data[:2] != b"\xff\xd8" else data + b"\xff\xd9")))
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


@pytest.fixture
def run_of(settings: Settings, drawn: Dataset, request: pytest.FixtureRequest) -> Callable[[str], Run]:
    def make(name: str) -> Run:
        config = TrainConfig.model_validate({"dataset": "drawn", "model": name, "strategy": "head"})
        run = RunStore(settings).create(config)
        weights_file = find(config.entry())
        network = (
            build_pretrained(name, 2, seed=1, weights_file=weights_file) if weights_file else build(name, 2, seed=1)
        )
        with torch.no_grad():
            network.head.get_submodule("linear").weight.mul_(5)  # so that differences of pixels show
        spec = preprocessing_of(config, drawn)
        save_checkpoint(run.checkpoints, BEST, network, Checkpoint(config, drawn.classes, 1, None, spec))
        return run

    return make


@pytest.mark.parametrize("name", ["mobilenet_v2", "petnet", "efficientnet_lite0"])
def test_predictions_on_odd_pictures_equal_torchvisions_own_preprocessing(
    settings: Settings, run_of: Callable[[str], Run], name: str
) -> None:
    run, spec = run_of(name), CATALOG[name].preprocessing
    steps = Compose([
        Resize(spec.resize_px, InterpolationMode(spec.interpolation)), CenterCrop(spec.crop_px), ToTensor(),
        Normalize(spec.mean, spec.std),
    ])  # fmt: skip
    network, checkpoint = load_network(run.checkpoints, BEST)
    pictures = odd_pictures()
    answers = Predictor(settings).predict(run, list(pictures.items()))
    for (file, data), answer in zip(pictures.items(), answers, strict=True):
        assert answer.error is None, file
        with torch.inference_mode():
            wanted = network.probabilities(network(steps(upright_rgb(data))[None]))[0]
        found = dict(answer.top)
        for label, share in zip(checkpoint.classes, wanted, strict=True):
            # a large JPEG is decoded smaller
            assert found[label] == pytest.approx(float(share), abs=1e-2 if file in LARGE else 1e-3), file


@pytest.mark.parametrize("name", ["mobilenet_v2", "petnet"])
def test_predictions_on_the_odd_files_equal_torchvisions_own_preprocessing(
    settings: Settings, run_of: Callable[[str], Run], shared_data: Path, shared_weights: Path, name: str
) -> None:
    run, spec = run_of(name), CATALOG[name].preprocessing
    steps = Compose([Resize(spec.resize_px), CenterCrop(spec.crop_px), ToTensor(), Normalize(spec.mean, spec.std)])
    network, checkpoint = load_network(run.checkpoints, BEST)
    files = [(path.name, path.read_bytes()) for path in sorted((shared_data / "odd_files").iterdir())]
    compared = 0
    for (file, data), answer in zip(files, Predictor(settings).predict(run, files), strict=True):
        if answer.error is not None or "16bit" in file:
            continue
        with torch.inference_mode():
            wanted = network.probabilities(network(steps(upright_rgb(data))[None]))[0]
        compared += 1
        for label, share in zip(checkpoint.classes, wanted, strict=True):
            assert dict(answer.top)[label] == pytest.approx(float(share), abs=1e-3), file
    assert compared >= 12
