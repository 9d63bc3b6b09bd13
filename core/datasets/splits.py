"""Stratified, seeded splits that the content decides: names and order play no part, and copies never straddle.

Pictures whose 256-bit perceptual hashes differ in at most six bits count as copies of each other and stay together.
"""

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

SPLITS = ("train", "val", "test")
COPY_BITS = 6
BANDS = 8  # of 32 bits: hashes that differ in fewer than eight bits share at least one band
FLAT_BITS = 12  # a hash with fewer set (or unset) bits is that of a flat or smooth image, and identifies nothing
BLOCK_ROWS = 1024


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
    for place_in_order, split in enumerate(order[:-1]):
        filled = 0
        while rest and filled < wanted[split]:
            room = wanted[split] - filled
            place = next((i for i, (_, places) in enumerate(rest) if len(places) <= room), None)
            if place is None and filled == 0 and len(rest) >= len(order) - place_in_order:
                # better a few too many than none: as long as every later split gets a group, too
                place = min(range(len(rest)), key=lambda i: len(rest[i][1]))
            if place is None:
                break
            _, places = rest.pop(place)
            filled += len(places)
            for image in places:
                chosen[image] = split
    for _, places in rest:
        for image in places:
            chosen[image] = order[-1]


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
    """A group number for every perceptual hash; copies share theirs.

    Hashes of flat or smooth pictures (a wall, a gradient) resemble each other whatever the picture: each of those is
    a group of its own.

    Args:
        hashes: 64 hex digits each.
    Source of the banding: pigeonhole; at most six differing bits leave one of eight bands equal.
    """
    if not hashes:
        return []
    bits = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), -1)
    count = np.bitwise_count(bits).sum(axis=1)
    distinctive = np.flatnonzero((count >= FLAT_BITS) & (count <= bits.shape[1] * 8 - FLAT_BITS))
    groups = np.arange(len(hashes))
    if len(distinctive):
        distinct, inverse = np.unique(bits[distinctive], axis=0, return_inverse=True)
        found = _group_distinct(distinct)
        firsts = np.full(len(distinct), len(hashes))
        np.minimum.at(firsts, found[inverse.ravel()], distinctive)
        groups[distinctive] = firsts[found[inverse.ravel()]]
    return [int(group) for group in groups]


def _group_distinct(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Group numbers of (N, 32) different hashes."""
    groups = np.arange(len(bits))
    words = np.ascontiguousarray(bits).view(np.uint32)  # (N, 8): one column a band
    for band in range(words.shape[1]):
        order = np.argsort(words[:, band], kind="stable")
        edges = np.flatnonzero(np.diff(words[order, band])) + 1
        for bucket in np.split(order, edges):
            if len(bucket) > 1:
                _join_near(bits, bucket, groups)
    return groups


def _join_near(bits: npt.NDArray[np.uint8], bucket: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]) -> None:
    """Give one number to all hashes of a bucket that are near each other, and to what already went with them."""
    # as +1 and -1, a product counts equal bits less different ones: thousands of hashes are compared in one call
    signs = np.unpackbits(bits[bucket], axis=1).astype(np.float32) * 2 - 1  # (B, 256)
    nearest = signs.shape[1] - 2 * COPY_BITS
    waiting = np.arange(len(bucket))
    anchor = -1
    while len(waiting):
        rows, waiting = waiting[:BLOCK_ROWS], waiting[BLOCK_ROWS:]
        near = signs[rows] @ signs.T >= nearest
        known = groups[bucket]
        for row in np.flatnonzero((near & (known[rows, None] != known)).any(axis=1)):
            mine = groups[bucket[near[row]]]
            if (mine != mine[0]).any():
                groups[np.isin(groups, mine)] = mine.min()
        if anchor < 0:
            _, first, sizes = np.unique(groups[bucket], return_index=True, return_counts=True)
            anchor = int(bucket[first[sizes.argmax()]])
        # a long burst is in one group by now: what is there needs no comparing among itself, and whoever is not yet
        # there is still to be compared with all of it (the anchor stays the same, or two such groups could miss)
        waiting = waiting[groups[bucket[waiting]] != groups[anchor]]


def fingerprint(images: Iterable[tuple[str, str, str]]) -> str:
    """sha256 over (pixel hash, class, split) of every image, whatever their names and order."""
    lines = sorted(json.dumps(image) for image in images)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
