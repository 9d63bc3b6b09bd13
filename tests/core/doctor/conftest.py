"""Drawn cats and dogs, one with the wrong label; and findings in forty pictures."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.doctor.doctor_findings import (
    CopyPair,
    CueLevel,
    Estimate,
    Findings,
    Levels,
    Neighbour,
    QualityFinding,
    Suspicion,
    Trial,
)
from core.settings import Settings
from core.steps import run_step

BACKBONE = "petnet"
FINDINGS = Findings(
    format=2,
    backbone="petnet",
    pictures=40,
    agreeing=38,
    suspicions=(
        Suspicion(3, 0, 1, 0.04, 0.96, (Neighbour(21, 0.8), Neighbour(22, 0.7), Neighbour(23, 0.6))),
        Suspicion(30, 1, 0, 0.3, 0.7, (Neighbour(4, 0.5),)),
    ),
    suspicious=2,
    unexamined=(),
    trial=Trial(planted=2, copies=15, listed=2, hits=24, recalled=28),
    estimate=Estimate(wrong=1, low=0, high=4, first=2, wrong_first=1, low_first=0, high_first=2),
    copies=(CopyPair(5, 25, 0.97), CopyPair(6, 7, 0.96)),
    copies_found=2,
    chains=((5, 25), (6, 7)),
    qualities=(QualityFinding(9, "dark"),),
    usual={"tiny": 30},
    levels=Levels(16, 15, (CueLevel("file-size", 12, 8, True), CueLevel("light", 9, 8, False))),
    made=1.0,
    seconds=3.5,
)


@pytest.fixture(scope="session")
def mislabelled_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `mixed`: 25 drawn cats, 25 dogs, and a cat among the dogs."""
    root = tmp_path_factory.mktemp("mixed") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    files = list(draw_sample(count_per_class=26, size_px=96))
    place = next(place for place, (name, _) in enumerate(files) if name.startswith("cat/"))
    files[place] = ("dog/wrong.jpg", files[place][1])
    source = MemorySource("mixed", files, drawn=True)
    run_step(import_dataset(settings, source, name="mixed", plan=SplitPlan.parse("60/20/20"), seed=0))
    return root


@pytest.fixture
def mixed(mislabelled_template: Path, settings: Settings) -> Dataset:
    """This test's own copy of the dataset with a wrong label."""
    shutil.copytree(mislabelled_template, settings.home, dirs_exist_ok=True)
    return DatasetStore(settings).get("mixed")
