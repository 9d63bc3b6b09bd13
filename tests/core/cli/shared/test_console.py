"""The real command line on consoles and pipes as people have them: cp1252, ASCII, `| head`, a full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.jobs.launchers import start_module
from core.jobs.workers.worker import Worker
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support import tested_runs
from tests.support.finished_runs import start_race
from tests.support.images import encoded, photo
from tests.support.small_runs import SMALL_SCRATCH

CLASSES = ("猫", "café", "🐱")
ENVIRONMENTS = ("cp1252", "ascii", "utf-8", "cp437")
NOT_UTF8 = os.fsdecode(b"caf\xe9")
unix = pytest.mark.skipif(os.name != "posix", reason="file names are bytes on Unix alone")


def core(*arguments: str, encoding: str = "cp1252", **options: object) -> "subprocess.CompletedProcess[bytes]":
    """Run a command in a process of its own, whose console has an encoding."""
    return subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        **{"capture_output": True, **options},  # type: ignore[call-overload]
    )


@pytest.fixture
def animals(settings: Settings) -> Dataset:
    """A dataset whose classes, title and files no console of cp1252 can write, and a race on it."""
    dataset = tested_runs.make_dataset(settings, CLASSES, 30, name="猫と犬 pets", size_px=32)
    runs = start_race(settings, dataset, seeds=(0,), title="猫 vs 犬")[1]
    for run in runs:
        tested_runs.finish(run, dataset, 0.7)
    return dataset


@pytest.mark.slow
def test_every_command_answers_in_any_encoding(settings: Settings, animals: Dataset, tmp_path: Path) -> None:
    first, second = sorted(run.id for run in RunStore(settings).all())
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": animals.id, "epochs": 1}))
    assert Worker(settings, run).work() is RunState.FINISHED
    trained = run.id
    race_id = str(RunStore(settings).get(first).meta().race)
    picture = tmp_path / "猫 🐱.png"
    picture.write_bytes(encoded(photo(1), "PNG"))
    report = tmp_path / "犬.html"
    commands: list[tuple[str, ...]] = [
        ("datasets",),
        ("runs",),
        ("show", first),
        ("show-race", race_id),
        ("coach", first),
        ("compare", first, second),
        ("queue",),
        ("report", race_id, "--force", "--output", str(report)),
        ("rename", race_id, "猫 und 犬"),
    ]
    for number, command in enumerate(commands):
        encoding = ENVIRONMENTS[number % len(ENVIRONMENTS)]
        shown = core(*command, encoding=encoding)
        assert (shown.returncode, shown.stderr) == (0, b""), command
        shown.stdout.decode(encoding)
        if number % 3 == 0:  # all are written in one place
            value = core(*command, "--json", encoding=encoding)
            assert value.returncode == 0
            assert json.loads(value.stdout.decode("ascii")) is not None
    assert report.read_text(encoding="utf-8").count("猫")
    encoding = ENVIRONMENTS[0]
    shown = core("predict", trained, str(picture), "--top", "3", encoding=encoding)
    assert shown.returncode == 0
    assert shown.stderr.startswith(b"Strange pictures cannot be noticed"), "there are few validation pictures"
    assert picture.name.encode(encoding, "backslashreplace") in shown.stdout
    answer = json.loads(core("predict", trained, str(picture), "--top", "3", "--json").stdout.decode("ascii"))[0]
    assert {label for label, _ in answer["top"]} == set(CLASSES)
    assert answer["file"] == str(picture)


def test_a_letter_that_the_console_lacks_is_escaped(animals: Dataset) -> None:
    assert b"caf\xe9, \\u732b, \\U0001f431" in core("datasets").stdout
    assert "café, 猫, 🐱".encode() in core("datasets", encoding="utf-8").stdout
    assert json.loads(core("datasets", "--json").stdout)[0]["classes"] == list(animals.classes)


@unix
def test_names_that_are_not_utf8_reach_the_answer(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / NOT_UTF8
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(8):
            (folder / label / f"{NOT_UTF8}-{number}.png").write_bytes(encoded(photo(number + 50 * ord(label)), "PNG"))
    (folder / "a" / f"{NOT_UTF8}.jpg").write_bytes(b"no picture")
    for encoding in ("utf-8", "cp1252"):
        done = core("import", str(folder), "--name", f"{encoding}-{NOT_UTF8}", "--json", encoding=encoding)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["images"] == 16
        assert b"Traceback" not in done.stderr
        missing = core("import", str(tmp_path / "none" / NOT_UTF8), encoding=encoding)
        assert missing.returncode == 1
        assert missing.stderr.rstrip().endswith(b"caf\\xe9 is not there: check the path.")
        unknown = core("show", NOT_UTF8, encoding=encoding)
        assert (unknown.returncode, unknown.stdout) == (1, b"")
        assert b"caf\\" in unknown.stderr
    dataset = DatasetStore(settings).summaries()[0].id
    noted = core("train", dataset, "--note", NOT_UTF8, "--detach")
    assert noted.returncode == 2
    assert noted.stderr.startswith(b"note is ")


@unix
@pytest.mark.parametrize("command", ["runs", "datasets --json", "--help"])
def test_a_reader_that_stops_early_ends_the_command_quietly(settings: Settings, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = core(*command.split(), capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == (1 if command == "--help" else 141)


@unix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("command", ["runs", "--help"])
def test_an_answer_that_cannot_be_written_is_reported(settings: Settings, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = core(command, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@unix
def test_work_goes_on_where_nobody_reads_its_progress(settings: Settings) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = core("sample", capture_output=False, stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    assert done.returncode == 0
    assert done.stdout.startswith(b"Imported ")


def test_the_log_of_a_process_is_utf8_whatever_the_console(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    (tmp_path / "speaks.py").write_text("print('café 猫 ' + chr(0xdce9))", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert start_module(settings, "speaks", [], tmp_path / "log").wait(60) == 0
    assert (tmp_path / "log").read_text(encoding="utf-8").strip() == "café 猫 \\udce9"
