"""Splits: stratified, decided by content, copies together."""

import hashlib
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.splits import SPLITS, Item, SplitPlan, assign, group_items
from core.errors import ConfigError

SHARES = SplitPlan().shares()


@cache
def look(number: int, noise: float = 0.0, frame: int = 0) -> bytes:
    """A look of its own for every number; with noise, that of a frame of the same scene."""
    grid = np.random.default_rng(number).integers(0, 256, (16, 16))
    grid = grid + np.random.default_rng([number, frame]).normal(0, noise, (16, 16))
    return np.clip(grid, 0, 255).astype(np.uint8).tobytes()


def item(number: int, label: int = 0, like: int | None = None, source: str = "") -> Item:
    """An item with a content of its own, and its own look or that of another."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Item(digest, look(number if like is None else like), label, source)


def grouped(people: int, bursts: int, frames: int, classes: int = 2, noise: float = 0.0) -> list[Item]:
    """Pictures of several people, each with bursts of every class; with noise, a burst's pictures look alike."""
    items = []
    for person in range(people):
        for label in range(classes):
            for burst in range(bursts):
                scene = 1000 * person + 100 * label + burst
                for frame in range(frames):
                    seen = look(scene, noise, frame) if noise else look(100_000 + 10 * scene + frame)
                    digest = hashlib.sha256(f"{scene} {frame}".encode()).hexdigest()
                    items.append(Item(digest, seen, label, group=f"person {person}/{label}-{burst}"))
    return items


def divided(items: list[Item], splits: list[str], level: int) -> set[str]:
    """The groups of a level that are in several splits."""
    held: dict[str, set[str]] = {}
    for one, split in zip(items, splits, strict=True):
        held.setdefault("/".join(one.group.split("/")[:level]), set()).add(split)
    return {name for name, found in held.items() if len(found) > 1}


@given(
    people=st.integers(5, 9),
    bursts=st.integers(1, 3),
    frames=st.integers(2, 6),
    classes=st.integers(2, 4),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_pictures_of_one_person_are_in_one_split(
    people: int, bursts: int, frames: int, classes: int, seed: int
) -> None:
    items = grouped(people, bursts, frames, classes)
    splits = assign(items, SHARES, seed).splits
    assert divided(items, splits, 1) == set()
    assert set(splits) == set(SPLITS)


@given(bursts=st.integers(8, 14), frames=st.integers(2, 6), seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_bursts_stay_together_where_there_are_too_few_people(bursts: int, frames: int, seed: int) -> None:
    items = grouped(1, bursts, frames, noise=6.0)
    assignment = assign(items, SHARES, seed)
    assert assignment.groups.level == 2
    assert divided(items, assignment.splits, 2) == set()
    assert set(assignment.splits) == set(SPLITS)


def test_two_people_who_photograph_the_same_thing_are_kept_apart() -> None:
    items = [
        Item(hashlib.sha256(f"{n}".encode()).hexdigest(), look(n % 2, 6.0, n), n % 2, group=f"person {n // 12}")
        for n in range(120)
    ]
    splits = assign(items, SHARES, 0).splits
    assert divided(items, splits, 1) == set()
    assert set(splits) == set(SPLITS)


def test_a_group_of_all_pictures_is_divided() -> None:
    items = [Item(one.pixel_hash, one.look, one.label, group="all") for one in (item(n, n % 2) for n in range(60))]
    assignment = assign(items, SHARES, 0)
    assert assignment.groups.level == 0
    assert assignment.splits == assign([item(n, n % 2) for n in range(60)], SHARES, 0).splits


def test_copies_stay_together_across_groups() -> None:
    items = [
        Item(one.pixel_hash, one.look, one.label, group=f"g{n}")
        for n, one in enumerate([item(n, n % 2) for n in range(40)] + [item(100 + n, n % 2, like=n) for n in range(40)])
    ]
    splits = assign(items, SHARES, 5).splits
    assert all(splits[n] == splits[40 + n] for n in range(40))


def still_camera(count: int, label: int, scene: int = 0, noise: float = 8.0) -> list[Item]:
    """Frames that all look alike."""
    return [
        Item(hashlib.sha256(f"{scene} {label} {n}".encode()).hexdigest(), look(scene, noise, 1000 * label + n), label)
        for n in range(count)
    ]


def counts(items: list[Item], label: int, seed: int = 0) -> Counter[str]:
    splits = assign(items, SHARES, seed).splits
    return Counter(split for one, split in zip(items, splits, strict=True) if one.label == label)


@given(sizes=st.lists(st.integers(20, 120), min_size=2, max_size=5), seed=st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_every_class_is_split_in_the_wanted_proportions(sizes: list[int], seed: int) -> None:
    items = [item(1000 * label + n, label) for label, count in enumerate(sizes) for n in range(count)]
    splits = assign(items, SHARES, seed).splits
    for label, count in enumerate(sizes):
        found = Counter(split for one, split in zip(items, splits, strict=True) if one.label == label)
        assert abs(found["val"] - 0.15 * count) <= 1
        assert abs(found["test"] - 0.15 * count) <= 1


@given(order=st.permutations(range(60)), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_order_plays_no_part(order: list[int], seed: int) -> None:
    items = [item(n, n % 2) for n in range(20)] + [item(100 + n, n % 2, like=n) for n in range(10)]
    items += still_camera(30, 2, scene=999, noise=10)
    straight = assign(items, SHARES, seed).splits
    shuffled = assign([items[place] for place in order], SHARES, seed).splits
    assert [straight[place] for place in order] == shuffled


@given(copies=st.lists(st.integers(0, 25), min_size=1, max_size=30), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_copies_never_straddle(copies: list[int], seed: int) -> None:
    items = [item(n, n % 2) for n in range(26)]
    items += [item(1000 + place, like % 2, like=like) for place, like in enumerate(copies)]
    splits = assign(items, SHARES, seed).splits
    by_look: dict[bytes, list[str]] = {}
    for one, split in zip(items, splits, strict=True):
        by_look.setdefault(one.look, []).append(split)
    assert all(len(set(found)) == 1 for found in by_look.values() if len(found) <= 12)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_versions_by_name_and_copies_in_other_classes_never_straddle(classes: int) -> None:
    items = [item(n, n % classes, source=f"s{n // (5 * classes)}") for n in range(40 * classes)]
    splits = assign(items, SHARES, 3).splits
    for source in {one.source for one in items}:
        for label in range(classes):
            places = [n for n, one in enumerate(items) if (one.source, one.label) == (source, label)]
            assert len({splits[place] for place in places}) == 1
    items = [item(10 * n + label, label, like=n) for n in range(40) for label in range(classes)]
    splits = assign(items, SHARES, 3).splits
    assert all(len(set(splits[n : n + classes])) == 1 for n in range(0, len(items), classes))
    assert Counter(splits) == {"train": 28 * classes, "val": 6 * classes, "test": 6 * classes}


@pytest.mark.parametrize("noise", [0.3, 2.0, 8.0])
@pytest.mark.parametrize("others", [0, 2, 6])
def test_a_camera_that_stands_still_does_not_swallow_the_split(noise: float, others: int) -> None:
    items = [one for label in range(3) for one in still_camera(80, label, noise=noise)]
    items += [item(5000 + n, n % 3) for n in range(3 * others)]
    for label in range(3):
        found = counts(items, label)
        for split in ("val", "test"):
            assert abs(found[split] - 0.15 * (80 + others)) <= 1
    loosened = assign(items, SHARES, 0).groups.loosened
    assert len(loosened) == 240


def test_what_is_nearest_stays_together_when_a_scene_is_loosened() -> None:
    scenes = [look(0, 12.0, frame) for frame in range(40)]
    items = [
        Item(hashlib.sha256(f"{frame} {again}".encode()).hexdigest(), scene, 0)
        for frame, scene in enumerate(scenes)
        for again in range(3)
    ]
    assert len(set(group_items(items, {"train": 1.0}).numbers.tolist())) == 1
    splits = assign(items, SHARES, 0).splits
    assert all(len(set(splits[n : n + 3])) == 1 for n in range(0, len(items), 3))
    assert Counter(splits) == {"train": 84, "val": 18, "test": 18}


def test_a_burst_stays_together_where_the_rest_fills_validation_and_test() -> None:
    items = still_camera(60, 0) + [item(5000 + n) for n in range(40)]
    assignment = assign(items, SHARES, 0)
    assert set(assignment.splits[:60]) == {"train"}
    assert Counter(assignment.splits[60:]) == {"train": 10, "val": 15, "test": 15}
    assert len(assignment.groups.loosened) == 0


def test_a_few_pictures_that_all_look_alike_still_make_a_dataset() -> None:
    items = [one for label in range(2) for one in still_camera(4, label)]
    assert counts(items, 0) == counts(items, 1) == {"train": 2, "val": 1, "test": 1}


@given(sizes=st.lists(st.integers(1, 12), min_size=3, max_size=12), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_class_of_three_groups_is_trained_validated_and_tested(sizes: list[int], seed: int) -> None:
    items = [item(100 * group + n, 0, like=group) for group, size in enumerate(sizes) for n in range(size)]
    assert set(assign(items, SHARES, seed).splits) == set(SPLITS)


def test_the_rarer_class_has_its_share_of_what_it_shares_with_another() -> None:
    items = [item(n, 0) for n in range(200)] + [item(1000 + n, 1, like=n) for n in range(20)]
    assert counts(items, 1) == {"train": 14, "val": 3, "test": 3}


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    items = [item(n) for n in range(100)]
    first, again, other = (assign(items, SHARES, seed).splits for seed in (1, 1, 2))
    assert first == again != other


def test_a_split_of_nothing_stays_empty() -> None:
    splits = assign([item(n) for n in range(50)], SplitPlan.parse("80/20/0").shares(), 0).splits
    assert Counter(splits) == {"train": 40, "val": 10}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_tiny_classes_are_trained_first_and_tested_when_there_are_three(count: int) -> None:
    found = Counter(assign([item(n) for n in range(count)], SHARES, 0).splits)
    assert found["train"] >= 1
    if count >= 3:
        assert found["val"] >= 1
        assert found["test"] >= 1


@pytest.mark.parametrize("text", ["70/30", "a/b/c", "50/50/50", "0/50/50", "100/0/0", "-10/60/50", ""])
def test_an_unusable_plan_gets_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="add up to 100"):
        SplitPlan.parse(text)
