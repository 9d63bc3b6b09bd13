"""Stratified, seeded splits that the content decides: names and order play no part, and copies never straddle.

Pictures whose 256-bit perceptual hashes differ in at most six bits count as copies of each other and stay together.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import ConfigError

SPLITS = ("train", "val", "test")
COPY_BITS = 6
BANDS = 8  # of 32 bits: hashes that differ in fewer than eight bits share at least one band
LARGEST_BUCKET = 400


@dataclass(frozen=True)
class SplitPlan:
    """Per cent of train, validation and test; they add up to 100."""

    train: int = 70
    val: int = 15
    test: int = 15

    @classmethod
    def parse(cls, text: str) -> "SplitPlan":
        """Read `70/15/15`.

        Raises:
            ConfigError: one sentence.
        """
        try:
            parts = [int(part) for part in text.split("/")]
        except ValueError:
            parts = []
        if len(parts) != 3 or sum(parts) != 100 or min(parts) < 0 or parts[0] == 0 or parts[1] == 0:
            raise ConfigError(
                {"split": f"The split {text[:40]!r} cannot be used: write three per cents that add up to 100, such as "
                 "70/15/15 or 80/20/0; train and validation must be above 0."}
            )  # fmt: skip
        return cls(*parts)

    def text(self) -> str:
        """As `70/15/15`."""
        return f"{self.train}/{self.val}/{self.test}"

    def shares(self) -> dict[str, float]:
        return {"train": self.train / 100, "val": self.val / 100, "test": self.test / 100}


@dataclass(frozen=True)
class Item:
    """What a split is decided from."""

    pixel_hash: str
    perceptual_hash: str
    label: int


def assign(items: Sequence[Item], shares: dict[str, float], seed: int) -> list[str]:
    """A split for every item.

    Within each class, groups of copies are ordered by a hash of (seed, content) and dealt out by quota.

    Args:
        shares: fraction of each split; they add up to 1.
    Returns:
        `train`, `val` or `test` for every item, in order.
    """
    groups = group_copies([item.perceptual_hash for item in items])
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[group].append(place)
    by_label: dict[int, list[tuple[str, list[int]]]] = defaultdict(list)
    for places in members.values():
        content = min(items[place].pixel_hash for place in places)
        # a group that holds several classes is dealt with its most frequent one
        label = min(Counter(items[place].label for place in places).items(), key=lambda pair: (-pair[1], pair[0]))[0]
        by_label[label].append((hashlib.sha256(f"{seed}:{content}".encode()).hexdigest(), places))
    chosen = [""] * len(items)
    for dealt in by_label.values():
        _deal(sorted(dealt), shares, chosen)
    return chosen


def _deal(groups: Sequence[tuple[str, list[int]]], shares: dict[str, float], chosen: list[str]) -> None:
    total = sum(len(places) for _, places in groups)
    wanted = _quotas(total, shares)
    # the smallest splits are filled first, so that a class with few pictures is still tested
    order = sorted(
        (split for split in SPLITS if wanted[split]),
        key=lambda split: (split == "train", wanted[split], split),
    )
    rest = list(groups)
    for split in order[:-1]:
        filled = 0
        while rest and filled < wanted[split]:
            room = wanted[split] - filled
            place = next((i for i, (_, places) in enumerate(rest) if len(places) <= room), None)
            if place is None:
                break
            _, places = rest.pop(place)
            filled += len(places)
            for picture in places:
                chosen[picture] = split
    for _, places in rest:
        for picture in places:
            chosen[picture] = order[-1]


def _quotas(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Largest remainders; every wanted split gets a picture where there are enough, train first."""
    exact = {split: total * shares.get(split, 0.0) for split in SPLITS}
    counts = {split: math.floor(value + 1e-9) for split, value in exact.items()}
    missing = total - sum(counts.values())
    for split in sorted(SPLITS, key=lambda split: (counts[split] - exact[split], SPLITS.index(split)))[:missing]:
        counts[split] += 1
    wanted = [split for split in SPLITS if shares.get(split, 0.0) > 0]
    for split in wanted:
        donor = max(wanted, key=lambda name: counts[name])
        if counts[split] == 0 and counts[donor] > 1:
            counts[donor] -= 1
            counts[split] += 1
    return counts


def group_copies(hashes: Sequence[str]) -> list[int]:
    """A group number for every perceptual hash; copies share theirs."""
    distinct = {text: place for place, text in enumerate(dict.fromkeys(hashes))}
    parents = list(range(len(distinct)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    if distinct:
        bits = np.frombuffer(bytes.fromhex("".join(distinct)), dtype=np.uint8).reshape(len(distinct), -1)
        words = bits.view(np.uint32) if bits.shape[1] % 4 == 0 else bits
        for band in range(words.shape[1]):
            column = words[:, band]
            order = np.argsort(column, kind="stable")
            edges = np.flatnonzero(np.diff(column[order])) + 1
            for bucket in np.split(order, edges):
                # a band that hundreds share is a flat corner of many pictures, and tells nothing about copies
                if not 1 < len(bucket) <= LARGEST_BUCKET:
                    continue
                for place, first in enumerate(bucket[:-1]):
                    others = bucket[place + 1 :]
                    distance = np.bitwise_count(bits[others] ^ bits[first]).sum(axis=1)
                    for other in others[distance <= COPY_BITS]:
                        parents[root(int(other))] = root(int(first))
    return [root(distinct[text]) for text in hashes]
