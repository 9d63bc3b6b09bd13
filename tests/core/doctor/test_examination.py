"""Examinations: what they find, and what is kept; as processes they are in `tests/core/jobs/test_shared_job.py`."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.datasets.dataset import Dataset, ImportReport
from core.datasets.dataset_store import DatasetStore
from core.doctor import doctor_job
from core.doctor.doctor_findings import Findings, findings_path, read_findings, write_findings
from core.doctor.examination import (
    check_backbone,
    files_of,
    list_backbones,
    look,
)
from core.doctor.findings_in_words import (
    describe_balance,
    describe_known_copies,
    describe_labels,
    describe_levels,
    explained,
)
from core.errors import ConfigError, WeightsError
from core.maintenance.check import check
from core.settings import Settings
from core.steps import StopSignal, run_step
from tests.core.doctor.conftest import BACKBONE


@pytest.fixture(scope="session")
def found_once(mislabelled_template: Path) -> Findings:
    """What petnet finds in the dataset with a wrong label."""
    settings = dataclasses.replace(Settings.from_environment(), home=mislabelled_template, threads=1)
    dataset = DatasetStore(settings).get("mixed")
    return run_step(doctor_job.examine(settings, dataset, BACKBONE, StopSignal()))


def test_a_wrong_label_among_drawn_pictures_is_found_first(mixed: Dataset, found_once: Findings) -> None:
    first = found_once.suspicions[0]
    row = mixed.rows[first.index]
    assert row.name == "dog/wrong.jpg"
    assert (mixed.classes[first.given], mixed.classes[first.suggested]) == ("dog", "cat")
    assert len(first.neighbours) == 3
    assert found_once.pictures == len(mixed.rows) == found_once.agreeing + found_once.suspicious
    assert found_once.trial is not None
    assert found_once.levels is not None
    assert found_once.levels.features <= found_once.levels.held_out


def test_a_missing_picture_ends_it_with_a_sentence(settings: Settings, mixed: Dataset) -> None:
    shutil.rmtree(settings.cache_dir, ignore_errors=True)  # of an examination before this test
    mixed.image_path(mixed.rows[3]).unlink()
    files = files_of(settings, mixed, BACKBONE)
    files.result.parent.mkdir(parents=True)
    doctor_job.run_examination(settings, mixed, BACKBONE, "local")
    problem = look(settings, mixed, BACKBONE).problem
    assert problem is not None
    assert mixed.rows[3].name in problem
    assert problem.endswith("import the dataset again.")
    assert not files.result.exists()


def test_findings_survive_the_file_and_belong_to_pictures_not_to_places(
    settings: Settings, mixed: Dataset, found_once: Findings
) -> None:
    path = findings_path(settings, mixed, BACKBONE)
    path.parent.mkdir(parents=True)
    write_findings(path, mixed, found_once)
    assert read_findings(path, mixed) == found_once
    turned = tuple(dataclasses.replace(row, index=place) for place, row in enumerate(reversed(mixed.rows)))
    other = dataclasses.replace(mixed, rows=turned)  # the same pictures, imported in another order
    again = read_findings(path, other)
    assert again is not None
    assert other.rows[again.suspicions[0].index].name == "dog/wrong.jpg"


def test_findings_of_other_labels_are_not_shown(settings: Settings, mixed: Dataset, found_once: Findings) -> None:
    path = findings_path(settings, mixed, BACKBONE)
    path.parent.mkdir(parents=True)
    write_findings(path, mixed, found_once)
    assert look(settings, mixed, BACKBONE).result == found_once
    corrected = dataclasses.replace(mixed, summary=dataclasses.replace(mixed.summary, fingerprint="f" * 64))
    assert look(settings, corrected, BACKBONE).result is None
    assert look(settings, mixed, "mobilenet_v2").result is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value.update(pictures=3),
        lambda value: value["suspicions"][0].update(index=10_000),
        lambda value: value["suspicions"][0].update(given=9),
        lambda value: value.update(extra=1),
        lambda value: value.update(backbone="none"),
    ],
)
def test_damaged_findings_are_as_good_as_none(
    settings: Settings, mixed: Dataset, found_once: Findings, damage: Callable[[dict[str, Any]], None]
) -> None:
    path = findings_path(settings, mixed, BACKBONE)
    path.parent.mkdir(parents=True)
    write_findings(path, mixed, found_once)
    value = json.loads(path.read_text())
    damage(value)
    path.write_text(json.dumps(value))
    assert look(settings, mixed, BACKBONE).result is None


def test_fsck_names_what_is_damaged_orphaned_and_left_over(settings: Settings, mixed: Dataset) -> None:
    path = findings_path(settings, mixed, BACKBONE)
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.with_suffix(".stop").touch()
    (path.parent / f"{'0' * 24}-petnet.json").write_text("{}")
    (path.parent / "notes.txt").write_text("mine")
    problems = {(finding.kind, Path(finding.place).suffix) for finding in check(settings)}
    assert {kind for kind, _ in problems} == {"damaged", "orphaned", "left over"}
    assert {ending for _, ending in problems} == {".json", ".stop", ".txt"}


def test_a_backbone_is_one_whose_weights_are_here(settings: Settings) -> None:
    assert "petnet" in list_backbones()
    assert "mobilenet_v2" not in list_backbones()
    check_backbone("petnet")
    with pytest.raises(WeightsError, match="missing"):
        check_backbone("mobilenet_v2")
    for name in ("scratch_cnn", "nonsense"):
        with pytest.raises(ConfigError) as caught:
            check_backbone(name)
        assert "petnet" in caught.value.problems["backbone"]


def test_the_command_line_shows_the_wrong_label_and_its_json_names_pictures(
    settings: Settings, mixed: Dataset, found_once: Findings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = findings_path(settings, mixed, BACKBONE)
    path.parent.mkdir(parents=True)
    write_findings(path, mixed, found_once)
    assert main(["doctor", "mixed", "--backbone", BACKBONE]) == 0
    assert "dog/wrong.jpg: labelled dog, looks like cat" in capsys.readouterr().out
    assert main(["doctor", "mixed", "--backbone", BACKBONE, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["suspicions"][0]["name"] == "dog/wrong.jpg"
    assert value["suspicions"][0]["suggested"] == "cat"
    assert value["suspicions"][0]["neighbours"][0]["label"] == "cat"
    assert main(["doctor", "mixed", "--backbone", "nonsense"]) == 2
    assert "choose one of" in capsys.readouterr().err


def test_sentences_state_figures_with_their_intervals(mixed: Dataset, found_once: Findings) -> None:
    assert found_once.estimate is not None
    estimate = dataclasses.replace(found_once.estimate, wrong=4, low=2, high=9)
    assert describe_labels(dataclasses.replace(found_once, estimate=estimate)).startswith(
        "At most about 4 of 52 labels are wrong"
    )
    clean = dataclasses.replace(estimate, wrong=0, low=0, high=3)
    assert "at most about 3 of 52" in describe_labels(dataclasses.replace(found_once, estimate=clean))
    assert "too few pictures" in describe_labels(dataclasses.replace(found_once, estimate=None))
    assert "Classes are balanced" in describe_balance(mixed)
    assert found_once.levels is not None
    cue = dataclasses.replace(found_once.levels.cues[0], correct=8, baseline=5, found=True)
    levels = dataclasses.replace(found_once.levels, held_out=10, features=9, cues=(cue,))
    (sentence,) = describe_levels(dataclasses.replace(found_once, levels=levels))
    assert "alone 80.0 %" in sentence
    assert "up to 75 % of what a network gains" in sentence
    assert explained(9, 5, 5) == 1
    assert describe_known_copies(ImportReport()) == ""
    report = ImportReport(straddling={"test": 1}, contradictory_near=[[("a", "cat", "t"), ("b", "dog", "t")]])
    assert "2 pictures like one of another class and 1 picture like a training picture" in describe_known_copies(report)
