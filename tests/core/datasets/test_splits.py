"""Splits: stratified, decided by content, copies together."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.splits import Item, SplitPlan, assign, group_copies
from core.errors import ConfigError


def item(number: int, label: int = 0, like: int | None = None) -> Item:
    """An item with hashes of its own, or with the perceptual hash of another."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    look = digest if like is None else hashlib.sha256(str(like).encode()).hexdigest()
    return Item(digest, look, label)


@given(counts=st.lists(st.integers(20, 120), min_size=2, max_size=5), seed=st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_every_class_is_split_in_the_wanted_proportions(counts: list[int], seed: int) -> None:
    items = [item(1000 * label + n, label) for label, count in enumerate(counts) for n in range(count)]
    splits = assign(items, SplitPlan().shares(), seed)
    for label, count in enumerate(counts):
        found = Counter(split for one, split in zip(items, splits, strict=True) if one.label == label)
        assert abs(found["val"] - 0.15 * count) <= 1
        assert abs(found["test"] - 0.15 * count) <= 1


@given(order=st.permutations(range(40)), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_order_plays_no_part(order: list[int], seed: int) -> None:
    items = [item(n, n % 2) for n in range(40)]
    straight = assign(items, SplitPlan().shares(), seed)
    shuffled = assign([items[place] for place in order], SplitPlan().shares(), seed)
    assert [straight[place] for place in order] == shuffled


@given(copies=st.lists(st.integers(0, 25), min_size=1, max_size=30), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_copies_never_straddle(copies: list[int], seed: int) -> None:
    items = [item(n, n % 2) for n in range(26)]
    items += [item(1000 + place, like % 2, like=like) for place, like in enumerate(copies)]
    splits = assign(items, SplitPlan().shares(), seed)
    by_look: dict[str, set[str]] = {}
    for one, split in zip(items, splits, strict=True):
        by_look.setdefault(one.perceptual_hash, set()).add(split)
    assert all(len(found) == 1 for found in by_look.values())


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    items = [item(n) for n in range(100)]
    shares = SplitPlan().shares()
    assert assign(items, shares, 1) == assign(items, shares, 1) != assign(items, shares, 2)


def test_a_split_of_nothing_stays_empty() -> None:
    splits = assign([item(n) for n in range(50)], SplitPlan.parse("80/20/0").shares(), 0)
    assert Counter(splits) == {"train": 40, "val": 10}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_tiny_classes_are_trained_first_and_tested_when_there_are_three(count: int) -> None:
    found = Counter(assign([item(n) for n in range(count)], SplitPlan().shares(), 0))
    assert found["train"] >= 1
    if count >= 3:
        assert found["val"] >= 1
        assert found["test"] >= 1


@pytest.mark.parametrize("bits", [0, 3, 6])
def test_hashes_within_six_bits_are_one_group(bits: int) -> None:
    base = int(hashlib.sha256(b"a").hexdigest(), 16)
    near = base
    for bit in range(bits):
        near ^= 1 << (bit * 40)
    groups = group_copies([f"{base:064x}", f"{near:064x}", hashlib.sha256(b"b").hexdigest()])
    assert groups[0] == groups[1] != groups[2]


def test_hashes_nine_bits_apart_are_not_copies() -> None:
    base = int(hashlib.sha256(b"a").hexdigest(), 16)
    far = base ^ sum(1 << (bit * 25) for bit in range(9))
    groups = group_copies([f"{base:064x}", f"{far:064x}"])
    assert groups[0] != groups[1]


@pytest.mark.parametrize("text", ["70/30", "a/b/c", "50/50/50", "0/50/50", "100/0/0", "-10/60/50", ""])
def test_an_unusable_plan_gets_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="add up to 100"):
        SplitPlan.parse(text)
