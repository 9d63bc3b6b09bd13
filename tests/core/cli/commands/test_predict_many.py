"""`python -m core predict RUN FOLDER` as a person calls it."""

import csv
import json
from pathlib import Path

import pytest

from core.batches.batch_job import run_batch
from core.batches.batch_store import BatchStore
from core.cli.main import main
from core.datasets.drawn_sample import draw_sample
from core.runs.run_store import RunStore
from core.settings import Settings


@pytest.fixture
def run_id(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run; batches are predicted in this process, which has torch already."""
    monkeypatch.setattr(BatchStore, "_launch", lambda store, batch: run_batch(store.settings, batch))
    return RunStore(raced).all()[0].id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name, data in [*draw_sample(3, size_px=64), ("=odd.jpg", b"not a picture")]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_folder_becomes_a_table_and_sorted_folders_only_with_yes(
    run_id: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, target = tmp_path / "out.csv", tmp_path / "sorted"
    words = ["predict", run_id, str(folder), "--sort-into", str(target)]

    assert main([*words, "--csv", str(table)]) == 0

    out = capsys.readouterr().out
    assert out.startswith("6 pictures, 1 file without an answer.")
    assert "Would copy 6 pictures" in out
    assert "repeat with --yes" in out
    assert not target.exists()
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert rows[0]["file"] == "'=odd.jpg"
    assert all(float(row["p cat"]) + float(row["p dog"]) == pytest.approx(1, abs=1e-5) for row in rows[1:])

    assert main([*words, "--yes", "--json"]) == 0

    out, err = capsys.readouterr()
    value = json.loads(out)
    assert "the same answers are used" in err
    assert (value["files"], value["sorted"]["done"]) == (7, True)
    assert sum(value["counts"].values()) + value["several_classes"] + value["not_sure"] == 6
    assert sum(value["sorted"]["counts"].values()) + value["sorted"]["not_sure"] == 6
    assert [item["file"] for item in value["problems"]] == ["=odd.jpg"]
    assert len([path for path in target.rglob("*") if path.is_file()]) == 6
    assert main(["predict", run_id, str(folder), "--csv", str(table)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_named_files_get_a_table_too(run_id: str, folder: Path, tmp_path: Path, capsys) -> None:
    pictures = [str(path) for path in sorted(folder.rglob("*.jpg"))]
    assert main(["predict", run_id, *pictures, str(folder / "gone.jpg"), "--csv", str(tmp_path / "out.csv")]) == 0
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert text.count("\n") == 9
    assert "gone.jpg cannot be read" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--move"], "--move goes with --sort-into"),
        (["--yes"], "--yes goes with --sort-into"),
        (["other.jpg"], "name it alone"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run_id: str, folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["predict", run_id, str(folder), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_an_interrupted_batch_resumes_by_the_same_command(
    run_id: str, folder: Path, raced: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = BatchStore(raced)
    with monkeypatch.context() as patch:
        patch.setattr(BatchStore, "_launch", lambda *_: None)
        batch = store.start(run_id, folder)
    (batch.folder / "cancel").touch()
    run_batch(raced, batch)
    assert batch.status().state == "cancelled"
    assert main(["predict", run_id, str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "it resumes" in err
    assert "6 pictures" in out
    assert [item.id for item in store.all()] == [batch.id]


def test_ctrl_c_cancels_the_batch_and_says_how_it_resumes(
    run_id: str, folder: Path, raced: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    monkeypatch.setattr("core.cli.commands.batch_answers.sleep", press)
    assert main(["predict", run_id, str(folder)]) == 1
    assert "the same command resumes" in capsys.readouterr().err
    (batch,) = BatchStore(raced).all()
    assert batch.cancelled
