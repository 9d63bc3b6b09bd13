"""`python -m core` as a person or a script sees it: JSON on stdout, sentences on stderr, exit statuses."""

import contextlib
import dataclasses
import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.jobs.workers.worker import Worker
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support.drawn_dataset import import_drawn
from tests.support.processes import wait_for
from tests.support.small_runs import SMALL_SCRATCH

SMALL = [
    *("--model", "scratch_cnn", "--strategy", "scratch", "--filters", "4,8", "--dense-neurons", "8"),
    *("--image-size", "32", "--batch-size", "8", "--precision", "fp32", "--no-augment-flip"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Printed:
    """What one command wrote."""

    stdout: str
    stderr: str


def core(*arguments: str, status: int = 0) -> Printed:
    """Run a command in this process: starting Python and torch for each takes longer than most of them."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        left_with = main(arguments)
    printed = Printed(output.getvalue(), errors.getvalue())
    assert left_with == status, printed.stderr
    assert "Traceback" not in printed.stderr
    return printed


def core_json(*arguments: str, status: int = 0) -> Any:
    """The one JSON value that is all of stdout."""
    return json.loads(core(*arguments, "--json", status=status).stdout)


def refused(*arguments: str, status: int = 1) -> list[str]:
    """The sentences of a command that could not be done; nothing may be on stdout."""
    done = core(*arguments, status=status)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `drawn` and two finished runs."""
    root = tmp_path_factory.mktemp("template") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    import_drawn(settings)
    for epochs in (2, 3):
        run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "epochs": epochs}))
        assert Worker(settings, run).work() is RunState.FINISHED
    return root


@pytest.fixture
def trained(template: Path, home: Path) -> Settings:
    """This test's own copy of the data root with two finished runs."""
    shutil.copytree(template, home)
    return Settings.from_environment()


def test_the_code_page_of_names_in_a_zip_can_be_chosen(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in draw_sample(count_per_class=5, size_px=64):
            archive.writestr(name.replace("cat", "--C").replace("dog", "--D"), data)
    russian = path.read_bytes().replace(b"--C", "Кот".encode("cp866")).replace(b"--D", "Пёс".encode("cp866"))
    path.write_bytes(russian)
    value = core_json("import", str(path), "--split", "60/20/20")
    assert value["classes"] == ["Кот", "Пёс"]
    assert any("read as code page 866 (Cyrillic)" in note for note in value["report"]["notes"])
    value = core_json("import", str(path), "--split", "60/20/20", "--names", "CP437", "--name", "other")
    assert value["classes"] == sorted("Кот Пёс".encode("cp866").decode("cp437").split())
    (sentence,) = refused("import", str(path), "--names", "klingon", status=2)
    assert "'klingon' is not a code page" in sentence


def test_a_folder_is_imported_and_listed(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "My Pets"
    for name, data in draw_sample(count_per_class=12, size_px=64):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "cat" / "broken.jpg").write_bytes(b"no picture")
    value = core_json("import", str(folder), "--split", "60/20/20")
    assert value["dataset"] == "my-pets"
    assert value["images"] == 24
    assert value["classes"] == ["cat", "dog"]
    assert value["rejected"] == 1
    assert core_json("sample", "--name", "drawn")["images"] == 240
    listed = core_json("datasets")
    assert {item["dataset"] for item in listed} == {"my-pets", "drawn"}
    assert {"dataset", "title", "images", "classes"} <= set(listed[0])
    (sentence,) = refused("import", str(folder))
    assert "my-pets" in sentence
    assert set(DatasetStore(settings).ids()) == {"my-pets", "drawn"}


def test_training_twice_with_one_seed_gives_the_same_numbers(
    settings: Settings, drawn: object, ended_processes: None
) -> None:
    detached = core_json("train", "drawn", *SMALL, "--epochs", "2", "--seed", "3", "--detach")
    assert detached["state"] in ("queued", "running")
    value = core_json("train", "drawn", *SMALL, "--epochs", "2", "--seed", "3")
    assert value["state"] == "finished"
    assert value["test_images"] == 8
    assert 0 <= value["test_accuracy"] <= 1
    assert value["seconds"] > 0

    shown = [core_json("show", run) for run in (detached["run"], value["run"])]
    measured = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")
    numbers = [[[epoch[name] for name in measured] for epoch in item["history"]] for item in shown]
    assert len(numbers[0]) == 2
    assert numbers[0] == numbers[1]
    for name in ("test_loss", "test_accuracy", "best_val_accuracy", "best_epoch"):
        assert shown[0][name] == shown[1][name]
    store = RunStore(settings)
    first, second = (store.get(item["run"]).predictions() for item in shown)
    assert first.probabilities.tolist() == second.probabilities.tolist()


def test_the_time_of_a_training_is_estimated_before_it_starts(settings: Settings, drawn: object) -> None:
    words = ("drawn", "--model", "petnet", "--strategy", "head", "--epochs", "2")
    first = core_json("estimate", *words)
    assert first["seconds"] == pytest.approx(sum(first["parts"].values()), abs=0.1)
    assert first["parts"]["frozen part"] > 0
    assert (settings.cache_dir / "measurements.json").exists()
    longer = core_json("estimate", *words[:-1], "200")
    assert longer["seconds"] > first["seconds"]
    assert "on this machine" in core("estimate", *words).stdout


def test_without_its_weights_no_time_is_estimated(drawn: object) -> None:
    assert "prefetch resnet18" in refused("estimate", "drawn", "--model", "resnet18")[-1]


def test_runs_are_listed_shown_and_compared(trained: Settings) -> None:
    listed = core_json("runs")
    assert [item["epochs"] for item in listed] == [3, 2]
    assert all({"run", "state", "test_accuracy", "test_images", "seconds"} <= set(item) for item in listed)
    newer, older = (item["run"] for item in listed)

    shown = core_json("show", older)
    assert shown["config"]["filters"] == [4, 8]
    assert shown["config"]["seed"] == 0
    assert len(shown["history"]) == 2
    assert all({"train_loss", "val_loss", "val_accuracy", "seconds"} <= set(epoch) for epoch in shown["history"])
    assert shown["test_accuracy"] == listed[1]["test_accuracy"]
    assert shown["test_images"] == 8
    assert shown["hardware"]["device"]

    compared = core_json("compare", older, newer)
    assert compared["n"] == 8
    assert compared["difference"] == pytest.approx(listed[0]["test_accuracy"] - listed[1]["test_accuracy"])
    low, high = compared["interval"]
    assert low <= compared["difference"] <= high
    assert 0 <= compared["p_value"] <= 1
    assert compared["verdict"].endswith(".")
    assert core("runs").stdout.splitlines()[0].startswith(newer)


def test_pictures_are_classified(trained: Settings, tmp_path: Path) -> None:
    run = RunStore(trained).all()[0]
    dataset = DatasetStore(trained).get("drawn")
    good = str(dataset.image_path(dataset.rows[0]))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    found = core_json("predict", run.id, good, str(bad))
    assert found[0]["file"] == good
    assert found[0]["label"] in ("cat", "dog")
    assert found[0]["probability"] == found[0]["top"][0][1]
    assert sum(probability for _, probability in found[0]["top"]) == pytest.approx(1)
    assert found[1]["label"] is None
    assert "bad.jpg" in found[1]["error"]

    only_bad = core("predict", run.id, str(bad), status=1)
    assert len(only_bad.stderr.splitlines()) == 1
    (sentence,) = refused("predict", run.id, good, "--top", "0", status=2)
    assert "--top" in sentence


@pytest.mark.slow
def test_a_run_is_stopped_and_evaluated(settings: Settings, drawn: object, ended_processes: None) -> None:
    run_id = core_json("train", "drawn", *SMALL, "--epochs", "1000", "--detach")["run"]
    run = RunStore(settings).get(run_id)
    wait_for(lambda: len(run.history().epochs) >= 1)
    (sentence,) = refused("evaluate", run_id)
    assert "running" in sentence
    assert core_json("stop", run_id) == {"run": run_id, "state": "stopped"}
    (sentence,) = refused("stop", run_id)
    assert "already stopped" in sentence
    evaluated = core_json("judge", run_id)  # its old name
    assert evaluated["state"] == "stopped"
    assert evaluated["test_images"] == 8
    (sentence,) = refused("evaluate", run_id)
    assert "evaluated already" in sentence


def test_what_is_not_there_is_one_sentence_and_status_1(trained: Settings, tmp_path: Path) -> None:
    run = RunStore(trained).all()[0].id
    for arguments in (
        ("show", "nobody"),
        ("stop", "../x"),
        ("evaluate", "nobody"),
        ("compare", run, "nobody"),
        ("predict", "nobody", "a.jpg"),
        ("import", str(tmp_path / "nowhere")),
        ("prefetch", "nonet"),
    ):
        (sentence,) = refused(*arguments)
        assert sentence.endswith("."), arguments


def test_the_module_is_a_command_with_sentences_on_stderr_and_an_exit_status(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core", "train", "nowhere", "--json"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert "There is no dataset 'nowhere'" in sentence


def test_wrong_values_are_one_sentence_per_field_and_status_2(trained: Settings) -> None:
    lines = refused("train", "drawn", "--epochs", "0", "--learning-rate", "fast", "--head", "round", status=2)
    assert sorted(line.split()[0] for line in lines) == ["epochs", "head", "learning_rate"]
    assert all(line.endswith(".") for line in lines)
    assert len(refused("import", str(PROJECT_ROOT), "--seed", "-1", status=2)) == 1
    unclear = ("train", "drawn", "--augment", "1")  # the beginning of several options
    for usage in ((), ("train",), ("party",), ("train", "drawn", "--no-such-field", "1"), unclear):
        assert "Usage:" in "\n".join(refused(*usage, status=2))
    assert len(RunStore(trained).all()) == 2


def test_prefetching_without_a_network_is_one_sentence(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TUNEMYPETS_WEIGHTS_URL", "http://127.0.0.1:9/")
    lines = refused("prefetch", "mobilenet_v2", "--json")
    assert len(lines) == 1
    assert lines[0].endswith(".")
    assert list((tmp_path).rglob("*.pth*")) == []


def test_a_wrong_setting_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEMYPETS_WORKERS", "many")
    (sentence,) = refused("runs")
    assert "TUNEMYPETS_WORKERS" in sentence
