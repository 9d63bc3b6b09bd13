"""`correct`, `revise` and `race --before`: from a wrong label to the comparison that shows what it cost."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_findings import findings_path, write_findings
from core.revisions.corrections import corrected
from core.settings import Settings
from tests.core.doctor.conftest import FINDINGS


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) in (1, 2)
    return capsys.readouterr().err


def test_corrections_are_noted_undone_and_made(
    settings: Settings, drawn: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = drawn.classes
    first, second = drawn.rows[0], drawn.rows[1]
    answer(capsys, "correct", "drawn", first.name, second.sha256[:16], "--to", two)
    answer(capsys, "correct", "drawn", second.name, "--drop")
    answer(capsys, "correct", "drawn", "--rename", f"{one}=feline")
    assert len(answer(capsys, "correct", "drawn", "--undo")["corrections"]) == 2
    assert main(["correct", "drawn"]) == 0
    assert f"  2 pictures to {two}" in capsys.readouterr().out.splitlines()
    made = answer(capsys, "revise", "drawn")
    assert made["dataset"] == "drawn-r2"
    assert made["images"] == len(drawn.rows) - 1
    labels = {row.sha256: made["classes"][row.label] for row in DatasetStore(settings).get("drawn-r2").rows}
    assert labels[first.sha256] == two
    assert second.sha256 not in labels


def test_a_table_corrects_many(drawn: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "wrong.csv"
    table.write_text(f"picture,label\n{drawn.rows[0].name},fox\n{drawn.rows[1].name},\n", encoding="utf-8")
    assert len(answer(capsys, "correct", "drawn", "--from", str(table))["corrections"]) == 2
    assert corrected(drawn).labels[:2] == ("fox", None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["zebra.png", "--to", "cat"], "'zebra.png' fits no picture of drawn"),
        (["--to", "cat"], "Name pictures with --to or --drop"),
        (["--drop", "--undo"], "--drop and --undo are given: choose one"),
        (["--rename", "cat"], "write OLD=NEW"),
        (["--from", "nothing.csv"], "nothing.csv cannot be read as corrections"),
        (["--undo"], "There is no correction of drawn to undo"),
        (["--add", "zebras"], "There is no dataset 'zebras'"),
    ],
)
def test_a_wrong_correction_is_one_sentence(
    drawn: Dataset, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert sentence in refusal(capsys, "correct", "drawn", *options)
    assert corrected(drawn).standing == ()


def test_nothing_is_corrected_where_one_row_of_a_table_is_wrong(
    drawn: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "wrong.csv"
    table.write_text(f"picture,label\n{drawn.rows[0].name},fox\nzebra.png,fox\n", encoding="utf-8")
    assert "'zebra.png' fits no picture" in refusal(capsys, "correct", "drawn", "--from", str(table))
    assert corrected(drawn).standing == ()


@pytest.mark.slow
def test_before_and_after_are_trained_and_compared(
    settings: Settings, drawn: Dataset, ended_processes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, "correct", "drawn", drawn.rows[0].name, "--drop")
    answer(capsys, "revise", "drawn")
    small = [
        "--model",
        "scratch_cnn",
        "--strategy",
        "scratch",
        "--epochs",
        "1",
        "--image-size",
        "32",
        "--filters",
        "4,8",
    ]
    found = answer(capsys, "race", "drawn-r2", "--before", "drawn", *small)
    assert [arm["name"] for arm in found["comparison"]["arms"]] == ["Before", "After"]
    assert "different revisions" in str(found["comparison"]["caveats"])


def test_a_race_of_revisions_takes_no_arms(drawn: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--before trains the same settings twice" in refusal(
        capsys, "race", "drawn", "--before", "drawn", "--arms", "scratch,head"
    )


def test_near_copies_that_the_doctor_found_are_kept_in_one_split(
    settings: Settings, drawn: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "run `python -m core doctor drawn` first" in refusal(capsys, "revise", "drawn", "--near-copies")
    pair = [next(row.index for row in drawn.rows_of(split) if not row.label) for split in ("train", "test")]
    path = findings_path(settings, drawn, "petnet")
    path.parent.mkdir(parents=True)
    write_findings(path, drawn, dataclasses.replace(FINDINGS, chains=(tuple(pair),)))
    made = answer(capsys, "revise", "drawn", "--near-copies")
    rows = {row.pixel_hash: row.split for row in DatasetStore(settings).get(made["dataset"]).rows}
    assert len({rows[drawn.rows[index].pixel_hash] for index in pair}) == 1
    write_findings(path, drawn, dataclasses.replace(FINDINGS, chains=()))
    assert "in one split already" in refusal(capsys, "revise", "drawn", "--near-copies")
