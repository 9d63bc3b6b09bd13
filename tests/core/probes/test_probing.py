"""Probes: what they measure, and what is kept; as processes they are in `tests/core/jobs/test_shared_job.py`."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError, DatasetError, WeightsError
from core.maintenance.check import check
from core.probes import probe_job
from core.probes.ladder import Ladder, ladder_path, read_ladder, write_ladder
from core.probes.probing import check_network, files_of, look, wait_for_probes
from core.settings import Settings
from core.steps import StopSignal, run_step


@pytest.fixture(scope="session")
def measured(drawn_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    """The probes of petnet on the drawn pictures."""
    root = tmp_path_factory.mktemp("probed") / "workspace"
    shutil.copytree(drawn_template, root)
    settings = dataclasses.replace(Settings.from_environment(), home=root, threads=1)
    return run_step(probe_job.measure(settings, DatasetStore(settings).get("drawn"), "petnet", StopSignal()))


def test_every_block_has_a_probe_with_pretrained_and_with_random_weights(drawn: Dataset, measured: Ladder) -> None:
    assert tuple(item.block for item in measured.blocks) == measured.entry.freeze_points
    assert (measured.train, measured.val) == tuple(len(drawn.rows_of(split)) for split in ("train", "val"))
    assert [item.width for item in measured.blocks] == [32, 32, 64, 128, 256, 1280]
    assert measured.accuracy(measured.last).correct > measured.guessed
    assert measured.classes == len(drawn.classes)


def test_the_random_control_is_the_same_again(settings: Settings, drawn: Dataset, measured: Ladder) -> None:
    again = run_step(probe_job.measure(dataclasses.replace(settings, threads=1), drawn, "petnet", StopSignal()))
    assert again.blocks == measured.blocks


def test_a_missing_picture_ends_it_with_a_sentence(settings: Settings, drawn: Dataset) -> None:
    drawn.image_path(drawn.rows_of("train")[3]).unlink()
    files_of(settings, drawn, "petnet").result.parent.mkdir(parents=True)
    assert probe_job.run(settings, drawn, "petnet", "local") == 0
    problem = look(settings, drawn, "petnet").problem
    assert problem is not None
    assert drawn.rows_of("train")[3].name in problem
    assert look(settings, drawn, "petnet").result is None


def test_what_cannot_be_probed_is_refused_with_a_remedy(settings: Settings, drawn: Dataset) -> None:
    with pytest.raises(ConfigError) as caught:
        check_network(drawn, "scratch_cnn")
    assert "no pretrained weights to probe: choose a pretrained network" in caught.value.problems["network"]
    with pytest.raises(ConfigError) as caught:
        check_network(drawn, "nonsense")
    assert "petnet" in caught.value.problems["network"]
    with pytest.raises(WeightsError, match="python -m core prefetch mobilenet_v2"):
        check_network(drawn, "mobilenet_v2")
    rows = tuple(dataclasses.replace(row, split="train") for row in drawn.rows)
    with pytest.raises(DatasetError, match="no validation pictures"):
        check_network(dataclasses.replace(drawn, rows=rows), "petnet")


def test_a_ladder_survives_its_file_and_belongs_to_these_labels(
    settings: Settings, drawn: Dataset, measured: Ladder
) -> None:
    path = ladder_path(settings, drawn, "petnet")
    path.parent.mkdir(parents=True)
    write_ladder(path, measured)
    assert read_ladder(path) == measured
    corrected = dataclasses.replace(drawn, summary=dataclasses.replace(drawn.summary, fingerprint="f" * 64))
    assert look(settings, corrected, "petnet").result is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value.update(val=3000),
        lambda value: value.update(network="none"),
        lambda value: value.update(extra=1),
        lambda value: value["blocks"].pop(),
        lambda value: value["blocks"][0].update(right="zz"),
        lambda value: value.update(guessed=10_000),
    ],
)
def test_a_damaged_ladder_is_as_good_as_none_and_fsck_names_it(
    settings: Settings, drawn: Dataset, measured: Ladder, damage: Callable[[dict[str, Any]], None]
) -> None:
    path = ladder_path(settings, drawn, "petnet")
    path.parent.mkdir(parents=True)
    write_ladder(path, measured)
    value = json.loads(path.read_text())
    damage(value)
    path.write_text(json.dumps(value))
    assert look(settings, drawn, "petnet").result is None
    (path.parent / f"{'0' * 24}-petnet-0.json").write_text("{}")
    assert {finding.kind for finding in check(settings)} == {"damaged", "orphaned"}


def test_the_command_line_prints_sentences_and_json(
    settings: Settings, drawn: Dataset, measured: Ladder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ladder_path(settings, drawn, "petnet")
    path.parent.mkdir(parents=True)
    write_ladder(path, measured)
    assert run_step(wait_for_probes(settings, drawn, "petnet")) == measured
    assert main(["probe", "drawn", "--network", "petnet"]) == 0
    text = capsys.readouterr().out
    assert "A head alone should reach about" in text
    assert "random weights" in text
    assert main(["probe", "drawn", "--network", "petnet", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["blocks"][-1]["correct"] == measured.accuracy(measured.last).correct
    assert value["trained"] == []
    assert main(["probe", "drawn", "--network", "scratch_cnn"]) == 2
    assert "choose a pretrained network" in capsys.readouterr().err
