"""Datasets of the Hugging Face Hub, from a server of this test that speaks for it."""

import dataclasses
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads import hub
from core.datasets.downloads.hub import is_wanted
from core.datasets.downloads.origin import import_from
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, ExtraMissingError
from core.settings import Settings
from core.steps import run_step
from tests.support.images import class_files, encoded, photo
from tests.support.small_hub import SHA, serve_dataset
from tests.support.small_sets import packed
from tests.support.web_server import WebServer

NAME = "ada/pets"


def bring(settings: Settings, address: str = f"hf://{NAME}", **chosen: Any) -> Dataset:
    plan = SplitPlan.parse("60/20/20")
    return DatasetStore(settings).get(
        run_step(import_from(settings, address, name="pets", plan=plan, seed=0, **chosen))
    )


def refused(settings: Settings, address: str = f"hf://{NAME}") -> str:
    with pytest.raises(DatasetError) as caught:
        bring(settings, address)
    return str(caught.value)


def parquet(seeds: range) -> bytes:
    """A table as `datasets` writes it, with two classes."""
    rows = [{"bytes": encoded(photo(seed)), "path": f"{seed}.jpg"} for seed in seeds]
    names = '{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'
    table = pa.table({"image": rows, "label": pa.array([seed % 2 for seed in seeds])}).replace_schema_metadata(
        {"huggingface": names}
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def folder(start: int = 0) -> dict[str, bytes]:
    files = {f"train/{name}": data for name, data in class_files({"cat": 8, "dog": 8}, start)}
    files |= {f"test/{name}": data for name, data in class_files({"cat": 4, "dog": 4}, start + 50)}
    return {"README.md": b"---\nlicense: mit\n---\n", ".gitattributes": b"* lfs", "load.py": b"import os", **files}


def test_an_image_folder_is_imported_with_its_splits(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(web, NAME, folder(), monkeypatch)
    dataset = bring(settings)
    assert dataset.classes == ("cat", "dog")
    assert Counter(row.split for row in dataset.rows)["test"] == 8
    assert dataset.summary.source == NAME
    assert dataset.report().rejected == []
    asked = {path for path, _ in web.asked}
    assert not any(path.endswith((".py", ".md", ".gitattributes")) for path in asked)
    assert list(settings.imports_dir.iterdir()) == []


def test_parquet_is_imported_with_its_splits(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "data/train-00000-of-00001.parquet": parquet(range(20)),
        "data/test-00000-of-00001.parquet": parquet(range(50, 60)),
    }
    serve_dataset(web, NAME, files, monkeypatch)
    dataset = bring(settings)
    assert dataset.classes == ("cat", "dog")
    assert Counter(row.split for row in dataset.rows)["test"] == 10


def test_one_folder_of_a_dataset_by_the_address_of_its_page(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"small/{name}": data for name, data in folder().items()} | {"large/train/cat/1.png": b"x" * 10_000}
    serve_dataset(web, NAME, files, monkeypatch, revision="v1.0")
    dataset = bring(settings, f"https://huggingface.co/datasets/{NAME}/tree/v1.0/small")
    assert len(dataset.rows) == 24
    assert not any("large" in path for path, _ in web.asked)


def test_a_zip_of_a_dataset_is_opened(settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    both = {
        "a.zip": packed(dict(class_files({"cat": 8, "dog": 8}))),
        "b.zip": packed(dict(class_files({"owl": 8, "rat": 8}))),
    }
    serve_dataset(web, NAME, both, monkeypatch)
    assert "holds several archives (a.zip, b.zip): import one of them, such as hf://ada/pets/a.zip." in refused(
        settings
    )
    assert bring(settings, f"hf://{NAME}/b.zip").classes == ("owl", "rat")


def test_what_arrived_before_the_connection_broke_is_not_asked_for_again(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(web, NAME, folder(), monkeypatch)
    missing = f"/datasets/{NAME}/resolve/{SHA}/train/dog/7.png"
    data = web.files.pop(missing)
    assert "refused train/dog/7.png (answered 404)" in refused(settings)
    web.files[missing] = data
    web.asked.clear()
    assert len(bring(settings).rows) == 24
    assert len(web.asked) < 24


def test_a_file_with_another_hash_is_refused(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(web, NAME, folder(), monkeypatch)
    web.files[f"/datasets/{NAME}/resolve/{SHA}/train/dog/7.png"] = encoded(photo(1000), "PNG")
    assert "is not the file that was published" in refused(settings)
    assert DatasetStore(settings).ids() == []


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "RepoNotFound", "There is no public dataset ada/pets on Hugging Face"),
        (401, "RepoNotFound", "There is no public dataset ada/pets on Hugging Face"),
        (404, "", "There is no public dataset ada/pets on Hugging Face"),
        (403, "GatedRepo", "wants your consent: accept its terms at http://127.0.0.1:"),
        (404, "RevisionNotFound", "has no revision"),
        (400, "", "answered with an error (400)"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch, status: int, code: str, words: str
) -> None:
    serve_dataset(web, NAME, folder(), monkeypatch)
    web.refusals[f"/api/datasets/{NAME}"] = (status, {"X-Error-Code": code} if code else {})
    sentence = refused(settings)
    assert words in sentence
    assert "\n" not in sentence
    assert list(settings.imports_dir.glob("*/*/*")) == []


def test_without_a_network_one_sentence_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert refused(settings).startswith("Hugging Face cannot be reached (")


def test_a_dataset_of_texts_or_of_too_much_is_refused_before_its_download(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(web, NAME, {"README.md": b"x", "model.bin": b"x"}, monkeypatch)
    assert "holds no pictures, tables or zips" in refused(settings)
    serve_dataset(web, NAME, folder(), monkeypatch)
    small = dataclasses.replace(settings, max_dataset_bytes=10_000)
    assert "and at most 0 MB are taken" in refused(small)
    few = dataclasses.replace(settings, max_images=10)
    assert "has 24 files, and at most 10 are taken" in refused(few)
    assert all(path.startswith("/api/") for path, _ in web.asked)


def test_without_the_package_the_command_that_installs_it_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissingError, match=r"pip install -r requirements-hub\.txt"):
        bring(settings)


def test_who_is_signed_in_is_shown_to_the_hub(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(web, NAME, folder(), monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "hf_of_ada")
    bring(settings)
    file = f"/datasets/{NAME}/resolve/{SHA}/train/dog/7.png"
    assert web.headers[file]["Authorization"] == "Bearer hf_of_ada"


@pytest.mark.parametrize(
    "name", ["../../etc/cat.png", "/etc/cat.png", "a\\..\\cat.png", "C:/cat.png", "a\x00.png", ".git/cat.png", "run.py"]
)
def test_a_name_that_is_no_plain_path_is_never_written(name: str) -> None:
    assert not is_wanted(name)
    assert is_wanted("train/小猫/cat 1.PNG")


def test_requirements_name_the_package() -> None:
    root = Path(__file__).parents[4]
    assert "huggingface_hub" in (root / "requirements-hub.txt").read_text(encoding="utf-8")
    assert "-r requirements-hub.txt" in (root / "requirements-dev.txt").read_text(encoding="utf-8")
