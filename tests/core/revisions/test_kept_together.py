"""Chains of near-copies in one split: as few pictures as possible move, and what was together stays together."""

import hashlib
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.splits import SPLITS, TOO_FEW, Item, SplitPlan, assign
from core.errors import DatasetError
from core.revisions.kept_together import Together, keep_together
from tests.core.datasets.test_splits import item, look

SHARES = SplitPlan().shares()


def pictures(count: int, group: str = "", classes: int = 2) -> list[Item]:
    """Pictures that do not look alike, in turn of each class; groups are named by `group` and ten pictures each."""
    return [
        Item(hashlib.sha256(f"{place}".encode()).hexdigest(), look(place), place % classes,
             group=group and f"{group}{place // 10}/{place // 5}")
        for place in range(count)
    ]  # fmt: skip


@cache
def two_hundred() -> tuple[list[Item], list[str]]:
    items = pictures(200)
    return items, assign(items, SHARES, 0).splits


def together(items: list[Item], splits: list[str], chains: list[list[int]]) -> Together:
    found = keep_together(items, splits, chains)
    assert found.moved == [place for place in range(len(items)) if found.splits[place] != splits[place]]
    return found


@given(
    count=st.integers(30, 90), classes=st.integers(1, 4), seed=st.integers(0, 2**31), given_splits=st.booleans(),
    grouped=st.booleans(), data=st.data(),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_chain_straddles_and_no_group_that_was_whole_is_divided(
    count: int, classes: int, seed: int, given_splits: bool, grouped: bool, data: st.DataObject
) -> None:
    items = pictures(count, "person " if grouped else "", classes)
    rng = np.random.default_rng(seed)
    splits = rng.choice(SPLITS, count, p=[0.6, 0.2, 0.2]).tolist() if given_splits else assign(items, SHARES, 0).splits
    pairs = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=count // 6))
    chains = [list(pair) for pair in pairs if pair[0] != pair[1]]
    try:
        found = together(items, splits, chains)
    except DatasetError:
        assert grouped  # a few people in one chain may be nearly all there are
        return
    assert all(len({found.splits[place] for place in chain}) == 1 for chain in chains)
    assert all(len({found.groups[place].split("/")[0] for place in chain}) == 1 for chain in chains)
    was, now = ({}, {})
    for place, one in enumerate(items):
        was.setdefault(one.group, set()).add(splits[place])
        now.setdefault(one.group, set()).add(found.splits[place])
    assert all(len(now[name]) == 1 for name in now if name and len(was[name]) == 1)
    before, after = Counter(splits), Counter(found.splits)
    assert all(after[split] >= TOO_FEW * before[split] for split in SPLITS)
    if not chains:
        assert found.moved == []


@given(pairs=st.integers(1, 30), seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_pairs_are_always_possible_move_one_picture_each_and_leave_the_sizes(pairs: int, seed: int) -> None:
    items, splits = two_hundred()
    order = np.random.default_rng(seed).permutation(200)[: 2 * pairs]
    chains = [[int(first), int(second)] for first, second in order.reshape(-1, 2)]
    found = together(items, splits, chains)
    apart = sum(splits[first] != splits[second] for first, second in chains)
    assert len(found.moved) == apart
    before, after = Counter(splits), Counter(found.splits)
    assert all(abs(before[split] - after[split]) <= max(3, pairs / 5) for split in SPLITS)
    assert found == keep_together(items, splits, chains)


def test_a_chain_takes_along_what_looks_alike_and_the_versions_of_its_pictures() -> None:
    items = [item(number) for number in range(40)]
    items += [item(100, like=0), item(101, source="cat/one"), item(102, source="cat/one")]
    splits = ["train"] * 28 + ["val"] * 6 + ["test"] * 6 + ["train", "test", "test"]
    found = together(items, splits, [[0, 39], [1, 41]])
    assert len({found.splits[place] for place in (0, 39, 40)}) == 1
    assert len({found.splits[place] for place in (1, 41, 42)}) == 1


def test_people_who_are_kept_apart_are_joined_by_their_near_copies_and_their_bursts_stay_named() -> None:
    items = pictures(200, "person ")
    splits = [SPLITS[place // 10 % 3] for place in range(200)]
    found = together(items, splits, [[3, 12]])
    assert len(set(found.splits[:20])) == 1
    assert found.moved in (list(range(10)), list(range(10, 20)))
    assert found.groups[3].startswith("near-")
    assert found.groups[3].endswith("/person 0/0")
    assert found.groups[3].split("/")[0] == found.groups[12].split("/")[0]
    assert found.groups[25] == "person 2/5"
    again = [
        Item(one.pixel_hash, one.look, one.label, group=name) for one, name in zip(items, found.groups, strict=True)
    ]
    assert keep_together(again, found.splits, [[3, 12]]) == Together(found.splits, found.groups, [])


def test_one_scene_that_holds_nearly_everything_is_refused() -> None:
    items = pictures(60)
    splits = assign(items, SHARES, 0).splits
    with pytest.raises(DatasetError, match="take pictures at another place or time"):
        keep_together(items, splits, [list(range(58))])
