"""Runs on revisions of one dataset: compared on the pictures that all of them held out, with the newest labels."""

import numpy as np
import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import ComparisonError, ConfigError
from core.races.common_pictures import read_tables
from core.races.presets import plan_revisions
from core.races.race import find_race
from core.races.race_actions import start_race
from core.races.run_comparison import compare_race, compare_runs
from core.revisions.corrections import drop, relabel, rename_class
from core.revisions.revision import revise
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step
from tests.core.revisions.near_copies import near_copies
from tests.support.finished_runs import configure, finish


def make(settings: Settings, dataset: Dataset) -> Dataset:
    return DatasetStore(settings).get(run_step(revise(settings, dataset)))


def race(settings: Settings, before: Dataset, after: Dataset, seeds: int = 1) -> tuple[str, list[Run]]:
    plan, arms = plan_revisions(configure(before.id, "scratch"), before.id, after.id, seeds=seeds)
    race_id, runs = start_race(settings, plan, arms)
    for run, arm in zip(runs, arms, strict=True):
        finish(run, before if arm.name == "Before" else after, 0.6 if arm.name == "Before" else 0.9)
    return race_id, runs


def held_out(dataset: Dataset) -> list[int]:
    return [row.index for row in dataset.rows_of("test")]


def test_before_and_after_are_compared_on_the_common_test_pictures(settings: Settings, drawn: Dataset) -> None:
    places = held_out(drawn)
    drop(drawn, places[:2])
    relabel(drawn, places[2:4], drawn.classes[1])
    after = make(settings, drawn)
    race_id, _ = race(settings, drawn, after, seeds=2)
    found = compare_race(settings, find_race(RunStore(settings).summaries(), race_id))
    assert found.comparison is not None
    assert [arm.name for arm in found.comparison.arms] == ["Before", "After"]
    assert found.comparison.arms[0].n == len(places) - 2
    [caveat] = [item for item in found.comparison.caveats if item.kind == "revisions"]
    assert f"compared are the {len(places) - 2} pictures that both held out" in caveat.sentence
    assert "labels of revision 2" in caveat.sentence
    assert not any(item.kind == "other-pictures" for item in found.comparison.caveats)


def test_labels_are_those_of_the_newest_revision(settings: Settings, drawn: Dataset) -> None:
    place = next(row.index for row in drawn.rows_of("test") if row.label == 0)
    relabel(drawn, [place], drawn.classes[1])
    after = make(settings, drawn)
    _, runs = race(settings, drawn, after)
    for tables in (read_tables(settings, runs).tables, read_tables(settings, runs[::-1]).tables):
        for table in tables:
            row = table.image_ids.index(drawn.rows[place].pixel_hash)
            assert table.classes[table.labels[row]] == drawn.classes[1]


def test_probabilities_follow_renamed_and_merged_classes(settings: Settings, drawn: Dataset) -> None:
    first, second = drawn.classes
    relabel(drawn, [row.index for row in drawn.rows if row.label == 0][::2], "fox")
    rename_class(drawn, second, "hound")
    after = make(settings, drawn)
    rename_class(after, "fox", first)
    last = make(settings, after)
    assert last.classes == (first, "hound")
    runs = [race(settings, drawn, item)[1][1 if item is not drawn else 0] for item in (after, last)]
    before = race(settings, drawn, last)[1][0]
    old, middle, new = read_tables(settings, [before, *runs]).tables
    assert old.classes == middle.classes == new.classes == (first, "hound")
    raw = before.predictions()
    column = raw.classes.index(second)
    assert np.allclose(old.probabilities[:, 1], raw.probabilities[:, column])
    merged = runs[0].predictions()
    both = [merged.classes.index(name) for name in (first, "fox")]
    assert np.allclose(middle.probabilities[:, 0], merged.probabilities[:, both].sum(axis=1))


def test_runs_of_one_dataset_are_read_as_they_are(settings: Settings, drawn: Dataset) -> None:
    drop(drawn, [held_out(drawn)[0]])
    after = make(settings, drawn)
    _, (first, second) = race(settings, drawn, after)
    assert read_tables(settings, [first]).caveat is None
    assert read_tables(settings, [second, second]).tables[0].n == len(after.rows_of("test"))


def test_a_deleted_revision_cannot_be_compared(settings: Settings, drawn: Dataset) -> None:
    drop(drawn, [held_out(drawn)[0]])
    after = make(settings, drawn)
    _, (first, second) = race(settings, drawn, after)
    DatasetStore(settings).delete(after.id)
    with pytest.raises(ComparisonError, match="are not the same pictures"):
        compare_runs(settings, first, second)


def test_arms_on_unrelated_datasets_make_no_race(settings: Settings, drawn: Dataset) -> None:
    other = near_copies(settings, drawn)
    plan, arms = plan_revisions(configure("drawn", "scratch"), "drawn", other.id)
    with pytest.raises(ConfigError, match="share one dataset"):
        start_race(settings, plan, arms)
