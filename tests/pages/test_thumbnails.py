"""The small pictures of datasets, as browsers ask for them."""

import io

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from core.datasets.dataset import Dataset
from core.settings import Settings
from pages.server.guard import Guard
from pages.server.thumbnail_files import PATH, ROUTES, address_of
from tests.support.tested_runs import make_dataset


@pytest.fixture
def dataset(settings: Settings) -> Dataset:
    return make_dataset(settings, ["cat", "dog"], 6)


def test_a_small_picture_is_sent_as_it_lies_on_the_disk_and_asked_for_once(dataset: Dataset) -> None:
    row = dataset.rows[0]
    answer = TestClient(Starlette(routes=ROUTES)).get(f"/{address_of(dataset, row)}")
    assert answer.content == dataset.thumbnail_path(row).read_bytes()
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, immutable, max-age=31536000"


def test_a_picture_that_is_gone_has_no_address_and_its_old_one_is_refused(dataset: Dataset) -> None:
    row = dataset.rows[0]
    old = address_of(dataset, row)
    dataset.thumbnail_path(row).unlink()
    assert not address_of(dataset, row)
    assert TestClient(Starlette(routes=ROUTES)).get(f"/{old}").status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "many/{digest}.png",
        "many/{upper}.jpg",
        "many/..%2F..%2Fdataset.json.jpg",
        "..%2Fdatasets%2Fmany/{digest}.jpg",
        ".../{digest}.jpg",
        "none/{digest}.jpg",
        "many/.jpg",
    ],
)
def test_no_other_name_becomes_a_path(dataset: Dataset, name: str) -> None:
    digest = dataset.rows[0].sha256
    answer = TestClient(Starlette(routes=ROUTES)).get(PATH + name.format(digest=digest, upper=digest.upper() + "A"))
    assert answer.status_code == 404
    assert str(dataset.folder) not in answer.text


def test_small_pictures_are_behind_the_door_of_a_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    client = TestClient(Starlette(routes=ROUTES, middleware=[Middleware(Guard)]), base_url="http://localhost")
    assert client.get(f"/{address_of(dataset, dataset.rows[0])}").status_code == 403
