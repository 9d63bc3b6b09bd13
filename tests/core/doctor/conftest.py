"""Drawn cats and dogs, one with the wrong label."""

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
from core.settings import Settings
from core.steps import run_step

BACKBONE = "petnet"


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
