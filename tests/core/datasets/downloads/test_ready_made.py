"""Ready-made sets: torchvision's addresses and hashes, and small archives in their published form."""

import dataclasses
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from PIL import Image
from torchvision import datasets as published

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.origin import import_from
from core.datasets.downloads.ready_made import SETS, find_set, mirrored
from core.datasets.importing import ImportProgress
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, QuotaError
from core.settings import Settings
from core.steps import run_step
from tests.support.images import photo
from tests.support.small_sets import EACH, MAKERS, serve_set
from tests.support.web_server import WebServer


def files_of(name: str) -> list[tuple[str, str]]:
    """Address and md5 of the files of a set."""
    return [(file.url, file.digest.removeprefix("md5:")) for file in find_set(name).files]


def begin(name: str, title: str = "set") -> Generator[ImportProgress, None, str]:
    settings = Settings.from_environment()
    return import_from(settings, f"catalogue:{name}", name=title, plan=SplitPlan.parse("70/15/15"), seed=0)


def bring(name: str, title: str = "set") -> Dataset:
    return DatasetStore(Settings.from_environment()).get(run_step(begin(name, title)))


def counts(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(row.split for row in dataset.rows))


def test_addresses_and_hashes_are_torchvisions() -> None:
    assert files_of("oxford-pets-breeds") == list(published.OxfordIIITPet._RESOURCES)
    assert files_of("oxford-pets-cat-dog") == files_of("oxford-pets-breeds")
    flowers = published.Flowers102
    assert files_of("flowers102") == [
        (flowers._download_url_prefix + file, md5) for file, md5 in flowers._file_dict.values()
    ]
    assert files_of("imagenette") == [published.Imagenette._ARCHIVES["160px"]]
    fashion = published.FashionMNIST
    assert files_of("fashion-mnist") == [(fashion.mirrors[0] + file, md5) for file, md5 in fashion.resources]
    for name, loader in (("eurosat", published.EuroSAT), ("gtsrb", published.GTSRB)):
        constants = set(loader.download.__code__.co_consts) | {
            const for value in loader.download.__code__.co_consts if isinstance(value, tuple) for const in value
        }
        for url, md5 in files_of(name):
            assert md5 in constants
            assert any(isinstance(text, str) and url.startswith(text[:40]) for text in constants), url
    ((address, _),) = files_of("cifar10")
    assert address.rpartition("/")[0] == published.CIFAR10.url.rpartition("/")[0]


def test_every_card_can_be_drawn() -> None:
    assert {item.name for item in SETS} == set(MAKERS)
    for item in SETS:
        assert item.bytes > 10**6
        assert item.needed_bytes > 2 * item.bytes
        assert item.text.endswith(".")
        assert item.licence
        assert item.page.startswith("https://")


def test_an_unknown_set_is_named_with_those_there_are() -> None:
    with pytest.raises(DatasetError, match=r"no ready-made set 'cats': choose one of oxford-pets-cat-dog, "):
        find_set("cats")


def test_cats_and_dogs_come_with_the_official_splits(
    home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_set(web, "oxford-pets-cat-dog", monkeypatch)
    dataset = bring("oxford-pets-cat-dog")
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.rows) == 6 * EACH
    assert counts(dataset)["test"] == 3 * EACH
    assert counts(dataset)["val"] > 0
    assert dataset.summary.source == "Oxford pets: cat or dog"
    report = dataset.report()
    assert report.rejected == []
    assert all("no validation folder" in note for note in report.notes)
    assert [path.name for path in home.joinpath("imports").iterdir()] == []
    web.asked.clear()
    with pytest.raises(DatasetError, match="There is a dataset called set already"):
        bring("oxford-pets-cat-dog")
    assert web.asked == [], "the name is looked at before the download"


def test_breeds_are_words(home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_set(web, "oxford-pets-breeds", monkeypatch)
    assert bring("oxford-pets-breeds").classes == ("Abyssinian", "American bulldog", "Sphynx")


def test_flowers_have_their_names_and_three_splits(home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_set(web, "flowers102", monkeypatch)
    dataset = bring("flowers102")
    assert dataset.classes == ("blackberry lily", "pink primrose", "pink-yellow dahlia")
    assert counts(dataset) == dict.fromkeys(("train", "val", "test"), 3 * EACH)
    assert dataset.report().notes == []


def test_the_second_split_of_imagenette_is_the_test(
    home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_set(web, "imagenette", monkeypatch)
    dataset = bring("imagenette")
    assert dataset.classes == ("cassette player", "English springer", "tench")
    assert counts(dataset)["test"] == 3 * EACH
    assert dataset.report().notes[0].startswith("What the set calls validation is the test split here")
    assert dataset.report().rejected == []


def test_the_pixels_of_cifar_become_pictures(home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_set(web, "cifar10", monkeypatch)
    dataset = bring("cifar10")
    assert len(dataset.classes) == 10
    assert counts(dataset)["test"] == 10
    assert len(dataset.rows) == 60
    row = next(row for row in dataset.rows if row.split == "test" and dataset.classes[row.label] == "cat")
    with Image.open(dataset.image_path(row)) as image:
        assert image.tobytes() == photo(503, (32, 32)).tobytes()


def test_land_use_is_split_by_the_plan(home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_set(web, "eurosat", monkeypatch)
    dataset = bring("eurosat")
    assert dataset.classes == ("Annual crop", "Sea lake")
    assert dataset.summary.split_plan == "70/15/15"


def test_clothes_are_grey_pictures_with_their_names(
    home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_set(web, "fashion-mnist", monkeypatch)
    dataset = bring("fashion-mnist")
    assert {"T-shirt or top", "ankle boot"} <= set(dataset.classes)
    assert counts(dataset)["test"] == 20
    assert {(row.width, row.height) for row in dataset.rows} == {(28, 28)}


def test_traffic_signs_have_words_and_their_test_pictures(
    home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_set(web, "gtsrb", monkeypatch)
    dataset = bring("gtsrb")
    assert dataset.classes == ("end of no passing for trucks", "speed limit 20", "stop")
    assert counts(dataset) == {"test": 3 * EACH, "train": 3 * (EACH - 2), "val": 3 * 2}
    assert {row.name.partition("_")[0][-5:] for row in dataset.rows if row.split == "val"} == {"00004"}
    assert dataset.report().rejected == []


def test_a_cut_off_download_of_several_files_resumes(
    home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "oxford-pets-cat-dog", monkeypatch)
    images = f"/{item.key}/images.tar.gz"
    web.refusals[images] = (404, {})
    web.seconds = 0.01
    with pytest.raises(DatasetError, match="answered 404"):
        bring(item.name)
    folder = home / "imports" / "downloads" / item.key
    web.refusals.clear()
    web.asked.clear()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.tar.gz.part").write_bytes(web.files[images][:5000])
    assert len(bring(item.name).rows) == 6 * EACH
    assert (images, "bytes=5000-") in web.asked
    assert not folder.exists()


def test_a_file_that_is_not_the_published_one_is_refused_and_nothing_is_imported(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "eurosat", monkeypatch)
    web.files[f"/{item.key}/EuroSAT.zip"] = b"PK not this one"
    with pytest.raises(DatasetError, match=r"EuroSAT\.zip from 127.* is not the file that was published"):
        bring(item.name)
    assert DatasetStore(settings).ids() == []
    assert list(settings.imports_dir.iterdir()) == []


def test_an_import_that_is_closed_early_leaves_nothing(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "eurosat", monkeypatch)
    web.seconds = 0.02
    steps = begin(item.name)
    progress = next(steps)
    assert isinstance(progress, ImportProgress)
    assert (progress.phase, progress.unit) == ("Downloading EuroSAT", "MB")
    steps.close()
    assert list(settings.imports_dir.iterdir()) == []
    assert not settings.datasets_dir.exists() or list(settings.datasets_dir.iterdir()) == []


def test_two_imports_do_not_fill_one_folder(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "eurosat", monkeypatch)
    web.seconds = 0.02
    steps = begin(item.name)
    next(steps)
    with pytest.raises(DatasetError, match="Another import downloads EuroSAT right now"):
        bring(item.name, "other")
    steps.close()


def test_a_disk_with_too_little_room_is_seen_before_the_download(
    home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "eurosat", monkeypatch)
    settings = dataclasses.replace(Settings.from_environment(), min_free_bytes=2**50)
    steps = import_from(settings, f"catalogue:{item.name}", name="land", plan=SplitPlan.parse("70/15/15"), seed=0)
    with pytest.raises(QuotaError, match="The disk is too full"):
        next(steps)
    assert web.asked == []


def test_a_mirror_replaces_the_servers(settings: Settings) -> None:
    item = find_set("gtsrb")
    assert mirrored(settings, item) == item.files
    at_mirror = mirrored(dataclasses.replace(settings, sets_url="http://10.0.0.2/sets/"), item)
    assert at_mirror[0].url == "http://10.0.0.2/sets/gtsrb/GTSRB-Training_fixed.zip"
    assert at_mirror[0].digest == item.files[0].digest
