"""Revisions: what corrections make of a dataset, with the same files, splits and rights."""

import dataclasses
from pathlib import Path

import pytest

from core.actor import Actor
from core.datasets.dataset import CORRECTIONS, REVISION, Dataset
from core.datasets.dataset_check import verify_dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.drafts import DRAFT
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, RightsError
from core.maintenance.export_archive import export_room
from core.maintenance.import_archive import import_room
from core.quotas import room_usage
from core.revisions import revision
from core.revisions.corrections import add_pictures, corrected, drop, relabel, rename_class
from core.revisions.revision import read_revision, revise, revisions_of
from core.settings import Settings
from core.steps import run_step
from tests.core.revisions.near_copies import near_copies
from tests.support.images import class_files


def make(settings: Settings, dataset: Dataset) -> Dataset:
    return DatasetStore(settings).get(run_step(revise(settings, dataset)))


def by_hash(dataset: Dataset) -> dict[str, tuple[str, str]]:
    return {row.pixel_hash: (dataset.classes[row.label], row.split) for row in dataset.rows}


def test_a_revision_holds_the_corrections_and_nothing_else_changes(settings: Settings, drawn: Dataset) -> None:
    before = by_hash(drawn)
    relabel(drawn, [0, 1], drawn.classes[1])
    drop(drawn, [2])
    again = make(settings, drawn)
    wanted = dict(before)
    for place in (0, 1):
        wanted[drawn.rows[place].pixel_hash] = (drawn.classes[1], drawn.rows[place].split)
    del wanted[drawn.rows[2].pixel_hash]
    assert by_hash(again) == wanted
    assert by_hash(DatasetStore(settings).get("drawn")) == before
    assert again.fingerprint != drawn.fingerprint
    assert (again.id, again.title, again.root, again.summary.parent) == (
        "drawn-r2",
        "drawn, revision 2",
        "drawn",
        "drawn",
    )
    assert list(verify_dataset(settings, again.folder)) == []
    assert "Corrected: 2 pictures relabelled and 1 picture dropped." in again.report().notes
    facts = read_revision(again.folder)
    assert facts is not None
    assert [item.kind for item in facts.corrections] == ["relabel", "drop"]
    assert not (drawn.folder / CORRECTIONS).exists()


def test_a_revision_shares_the_files_and_outlives_the_first(settings: Settings, drawn: Dataset) -> None:
    used = room_usage(settings)
    drop(drawn, [0])
    again = make(settings, drawn)
    assert room_usage(settings) - used < 60_000  # tables only
    DatasetStore(settings).delete("drawn")
    assert list(verify_dataset(settings, again.folder)) == []
    assert again.read_image(again.rows[0])


def test_revisions_follow_each_other(settings: Settings, drawn: Dataset) -> None:
    drop(drawn, [0])
    second = make(settings, drawn)
    drop(second, [0])
    third = make(settings, second)
    drop(drawn, [5])
    other = make(settings, drawn)
    assert [item.id for item in revisions_of(DatasetStore(settings), "drawn")] == [
        "drawn",
        "drawn-r2",
        "drawn-r3",
        "drawn-r4",
    ]
    assert (third.title, third.summary.parent, other.summary.parent) == ("drawn, revision 3", "drawn-r2", "drawn")


def test_classes_are_renamed_and_merged(settings: Settings, drawn: Dataset) -> None:
    first, second = drawn.classes
    relabel(drawn, [row.index for row in drawn.rows if row.label == 0][::2], "fox")
    rename_class(drawn, first, "Felix")
    again = make(settings, drawn)
    assert set(again.classes) == {"Felix", "fox", second}
    assert sum(again.counts["Felix"].values()) + sum(again.counts["fox"].values()) == 20


@pytest.mark.parametrize("kind", ["nothing", "one class", "no training picture", "no validation picture", "as before"])
def test_what_cannot_be_trained_on_is_refused(settings: Settings, drawn: Dataset, kind: str) -> None:
    if kind == "one class":
        rename_class(drawn, drawn.classes[0], drawn.classes[1])
    elif kind == "no training picture":
        relabel(drawn, [next(row.index for row in drawn.rows if row.split == "test")], "zebra")
    elif kind == "no validation picture":
        drop(drawn, [row.index for row in drawn.rows if row.split == "val"])
    elif kind == "as before":
        relabel(drawn, [0], "zebra")
        relabel(drawn, [0], drawn.classes[0])
    sentences = {
        "nothing": "has no corrections",
        "one class": "would leave one class",
        "no training picture": "'zebra' would have no training picture",
        "no validation picture": "would leave no validation picture",
        "as before": "leave everything as it was",
    }
    with pytest.raises(DatasetError, match=sentences[kind]):
        make(settings, drawn)
    assert [path.name for path in settings.datasets_dir.iterdir() if not path.name.endswith(".lock")] == ["drawn"]


def test_pictures_of_another_dataset_are_added_without_copies(settings: Settings, drawn: Dataset) -> None:
    files = class_files({drawn.classes[0]: 12, "fox": 12}, start=500)
    copy = drawn.read_image(drawn.rows[0])
    source = MemorySource("more", [*files, (f"{drawn.classes[0]}/copy.png", copy)])
    other = DatasetStore(settings).get(
        run_step(import_dataset(settings, source, name="more", plan=SplitPlan(), seed=0))
    )
    add_pictures(drawn, other)
    rename_class(drawn, "fox", "wolf") if "fox" in corrected(drawn).classes else None
    again = make(settings, drawn)
    assert len(again.rows) == len(drawn.rows) + 24
    assert set(again.classes) == {*drawn.classes, "fox"}
    assert "24 pictures of more added; 1 copy left out." in again.report().notes
    assert list(verify_dataset(settings, again.folder)) == []


def test_an_added_near_copy_joins_the_split_of_its_original(settings: Settings, drawn: Dataset) -> None:
    add_pictures(drawn, near_copies(settings, drawn))
    again = make(settings, drawn)
    splits = {row.name: row.split for row in again.rows}
    copied = [row for row in drawn.rows if f"{drawn.classes[row.label]}/near-{row.index}.jpg" in splits]
    assert len(copied) > 20
    moved = [row for row in copied if splits[f"{drawn.classes[row.label]}/near-{row.index}.jpg"] != row.split]
    assert moved == []


def test_a_kill_before_the_corrections_were_forgotten_makes_no_second_one(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(drawn, [0])
    with monkeypatch.context() as patched:
        patched.setattr(revision, "forget", lambda _: None)
        first = make(settings, drawn)
    assert corrected(drawn).standing
    assert make(settings, drawn).id == first.id
    assert not corrected(drawn).standing


def test_nothing_is_left_where_it_fails(settings: Settings, drawn: Dataset) -> None:
    drop(drawn, [0])
    drawn.image_path(drawn.rows[5]).unlink()
    with pytest.raises(DatasetError, match="missing"):
        make(settings, drawn)
    assert not list(settings.datasets_dir.glob(f"{DRAFT}*"))
    assert corrected(drawn).standing


def test_only_the_owner_and_the_presenter_make_one(settings: Settings, drawn: Dataset) -> None:
    drop(drawn, [0])
    with pytest.raises(RightsError):
        run_step(revise(settings, drawn, by=Actor("p-ada", "Ada")))


def test_corrections_and_revisions_travel_with_a_room(settings: Settings, drawn: Dataset, tmp_path: Path) -> None:
    drop(drawn, [0])
    again = make(settings, drawn)
    relabel(again, [1], again.classes[1])
    export_room(settings, tmp_path / "room.zip")
    there = dataclasses.replace(settings, home=tmp_path / "elsewhere")
    import_room(there, tmp_path / "room.zip")
    arrived = DatasetStore(there).get(again.id)
    assert arrived.summary == again.summary
    assert len(corrected(arrived).standing) == 1
    facts = read_revision(arrived.folder)
    assert facts is not None
    assert facts.parent == "drawn"
    assert (arrived.folder / REVISION).exists()


def straddling(dataset: Dataset) -> list[int]:
    """A training, a validation and a test picture of one class."""
    label = dataset.rows[0].label
    return [
        next(row.index for row in dataset.rows_of(split) if row.label == label) for split in ("train", "val", "test")
    ]


def test_near_copies_come_into_one_split_and_into_one_group_with_corrections(
    settings: Settings, drawn: Dataset
) -> None:
    before, chain = by_hash(drawn), straddling(drawn)
    drop(drawn, [next(row.index for row in drawn.rows_of("train") if row.index not in chain)])
    again = DatasetStore(settings).get(run_step(revise(settings, drawn, chains=[chain, [0, 0]])))
    after = {row.pixel_hash: row for row in again.rows}
    assert len(after) == len(before) - 1
    found = [after[drawn.rows[index].pixel_hash] for index in chain]
    assert len({row.split for row in found}) == 1
    assert len({row.group for row in found}) == 1
    assert found[0].group.startswith("near-")
    moved = [key for key, row in after.items() if (again.classes[row.label], row.split) != before[key]]
    assert set(moved) < {drawn.rows[index].pixel_hash for index in chain}
    facts = read_revision(again.folder)
    assert facts is not None
    assert facts.moved == len(moved) == 2
    assert "Corrected: 1 picture dropped and 2 pictures moved to the split of near-copies." in again.report().notes
    assert list(verify_dataset(settings, again.folder)) == []


def test_near_copies_in_one_split_already_make_no_revision(settings: Settings, drawn: Dataset) -> None:
    first, second, *_ = (row.index for row in drawn.rows_of("train"))
    with pytest.raises(DatasetError, match="in one split already"):
        run_step(revise(settings, drawn, chains=[[first, second]]))
    assert DatasetStore(settings).ids() == ["drawn"]


def test_near_copies_of_dropped_pictures_and_of_a_whole_dataset_are_refused_whole(
    settings: Settings, drawn: Dataset
) -> None:
    with pytest.raises(DatasetError, match="take pictures at another place or time"):
        run_step(revise(settings, drawn, chains=[range(len(drawn.rows))]))
    train, val, _ = straddling(drawn)
    drop(drawn, [val])
    with pytest.raises(DatasetError, match="in one split already"):
        run_step(revise(settings, drawn, chains=[[train, val]]))
    assert len(corrected(drawn).standing) == 1
