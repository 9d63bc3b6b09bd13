"""`import`, `catalogue`, `imports` and `cancel-import`, with downloads from a server of this test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.datasets.dataset_store import DatasetStore
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.settings import PROJECT_ROOT, Settings
from tests.core.cli.test_main import core, core_json, refused
from tests.support.images import class_files
from tests.support.processes import wait_for
from tests.support.small_hub import serve_dataset
from tests.support.small_sets import EACH, serve_set
from tests.support.web_server import WebServer, serve


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        yield server


def test_the_catalogue_is_listed_with_sizes_and_licences() -> None:
    found = {item["name"]: item for item in core_json("catalogue")}
    assert found["oxford-pets-cat-dog"]["classes"] == 2
    assert found["eurosat"]["licence"] == "MIT"
    lines = core("catalogue").stdout.splitlines()
    assert lines[0].startswith("oxford-pets-cat-dog   811 MB   7,349 pictures    2 classes")
    assert "import catalogue:NAME" in lines[-1]


def test_a_ready_made_set_is_imported_by_its_name(home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_set(web, "oxford-pets-cat-dog", monkeypatch)
    value = core_json("import", "catalogue:oxford-pets-cat-dog")
    assert (value["dataset"], value["classes"]) == ("oxford-pets-cat-dog", ["cat", "dog"])
    assert value["splits"]["test"] == 3 * EACH
    assert refused("import", "catalogue:oxford-pets-cat-dog") == [
        "There is a dataset called oxford-pets-cat-dog already: choose another name."
    ]
    assert refused("import", "catalogue:pets")[0].startswith("There is no ready-made set 'pets': choose one of ")


def test_a_dataset_of_the_hub_is_imported_by_its_address(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_dataset(web, "ada/pets", dict(class_files({"cat": 8, "dog": 8})), monkeypatch)
    done = core("import", "hf://ada/pets", "--name", "from the hub")
    assert "Imported 16 pictures of 2 classes as from-the-hub" in done.stdout
    assert "Downloading ada/pets" in done.stderr
    assert DatasetStore(settings).ids() == ["from-the-hub"]


def test_running_imports_are_listed_and_cancelled(
    home: Path, web: WebServer, ended_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert core("imports").stdout == "No import is running.\n"
    web.files["/eurosat/EuroSAT.zip"], web.seconds = bytes(2**24), 0.05
    monkeypatch.setenv("TUNEMYPETS_SETS_URL", web.url)
    jobs = ImportJobs(Settings.from_environment())
    job = jobs.start(ImportRequest("catalogue:eurosat", "land", "60/20/20", 0))
    wait_for(lambda: jobs.status(job).unit == "MB")
    (found,) = core_json("imports")
    assert (found["import"], found["text"], found["unit"]) == (job, "Downloading EuroSAT", "MB")
    assert f"Cancelled the import {job}" in core("cancel-import", job).stdout
    wait_for(lambda: jobs.status(job).state == "cancelled", 10)
    assert "nothing to cancel" in refused("cancel-import", job)[0]
    assert "There is no import" in refused("cancel-import", "nothing")[0]


@pytest.mark.slow
def test_ctrl_c_ends_a_download_and_leaves_nothing(
    settings: Settings, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.files["/eurosat/EuroSAT.zip"], web.seconds = bytes(2**24), 0.05
    environment = {**os.environ, "TUNEMYPETS_SETS_URL": web.url}
    command = [sys.executable, "-m", "core", "import", "catalogue:eurosat"]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: bool(list(settings.imports_dir.glob("downloads/*/*.part"))))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The import was cancelled, and nothing of it was kept." in errors
    assert "Traceback" not in errors
    assert list(settings.imports_dir.rglob("*")) == []
    assert DatasetStore(settings).ids() == []
    assert json.loads(core("datasets", "--json").stdout) == []
