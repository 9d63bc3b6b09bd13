"""A split that ignores groups: a network that knows the group then needs to know nothing else."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from core.config.train_config import parse_config
from core.datasets.dataset import Dataset
from core.datasets.dataset_check import verify_dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import DatasetError
from core.jobs.workers.worker import Worker
from core.races.leakage import find_leakage, start_leakage
from core.revisions.mixed_split import has_groups, mix_groups
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step
from tests.support.images import encoded, photo

PEOPLE, FRAMES = 24, 8


@pytest.fixture
def bursts(settings: Settings) -> Dataset:
    """Frames of people whose class is chance: only who knows the person can know it."""
    noise = np.random.default_rng(0)
    files = []
    for person in range(PEOPLE):
        scene = np.asarray(photo(person, (32, 32)), dtype=np.int16)
        for frame in range(FRAMES):
            pixels = np.clip(scene + noise.normal(0, 12, scene.shape), 0, 255).astype(np.uint8)
            label = "left" if person % 2 else "right"
            files.append((f"{label}/p{person}_{frame}.png", encoded(Image.fromarray(pixels), "PNG")))
    steps = import_dataset(
        settings, MemorySource("bursts", files), name="bursts", plan=SplitPlan(), seed=0, group_pattern=r"p\d+"
    )
    return DatasetStore(settings).get(run_step(steps))


def divided(dataset: Dataset) -> int:
    splits: dict[str, set[str]] = {}
    for row in dataset.rows:
        splits.setdefault(row.group, set()).add(row.split)
    return sum(len(found) > 1 for found in splits.values())


def test_a_mixed_split_divides_the_groups_and_keeps_every_number(settings: Settings, bursts: Dataset) -> None:
    mixed = DatasetStore(settings).get(run_step(mix_groups(settings, bursts)))
    assert divided(bursts) == 0
    assert divided(mixed) > PEOPLE / 2
    assert mixed.counts == bursts.counts
    assert Counter(row.sha256 for row in mixed.rows) == Counter(row.sha256 for row in bursts.rows)
    assert mixed.title == "bursts, groups ignored"
    assert list(verify_dataset(settings, mixed.folder)) == []
    assert "results on it flatter" in mixed.report().notes[-1]
    assert run_step(mix_groups(settings, bursts)) == mixed.id  # the second time it is there


def test_a_dataset_without_groups_has_nothing_to_ignore(settings: Settings, drawn: Dataset) -> None:
    assert not has_groups(drawn)
    with pytest.raises(DatasetError, match="No groups are known of drawn"):
        run_step(mix_groups(settings, drawn))


def test_ignoring_groups_flatters_a_network_that_learnt_who_is_who(settings: Settings, bursts: Dataset) -> None:
    run_step(mix_groups(settings, bursts))
    config = parse_config({
        "dataset": "bursts", "model": "scratch_cnn", "strategy": "scratch", "epochs": 25, "image_size": 32,
        "filters": (16, 32), "dense_neurons": 32, "learning_rate": 0.003, "batch_size": 16, "augment_crop": False,
        "augment_flip": False,
    })  # fmt: skip
    for run in start_leakage(settings, bursts, config):
        Worker(settings, run).work()
    found = find_leakage(RunStore(settings).summaries(), bursts)
    assert found is not None
    assert found.kept.state is found.ignored.state is RunState.FINISHED
    assert found.accuracies is not None
    assert found.difference is not None
    assert found.difference[1].low > 0.1
    assert found.accuracies[1].value > 0.9
    assert "points too many" in found.describe()


def test_runs_of_other_settings_are_no_pair(settings: Settings, bursts: Dataset) -> None:
    run_step(mix_groups(settings, bursts))
    first = parse_config({"dataset": "bursts", "model": "petnet"})
    store = RunStore(settings)
    store.create(first)
    store.create(first.variant(dataset="bursts-mixed", epochs=9))
    assert find_leakage(store.summaries(), bursts) is None
    store.create(first.variant(dataset="bursts-mixed"))
    found = find_leakage(store.summaries(), bursts)
    assert found is not None
    assert found.active
    assert found.describe() == ""
