"""Stratified, seeded splits that the content decides: names and order play no part, and copies never straddle.

Pictures of one class that look alike (core/datasets/copies.py), or are versions of one picture by their names, are a
group, and so are those that belong together by what the source says (core/datasets/layouts/groups.py). A group is in
one split. Where likeness would leave a class without validation or test pictures, as when a camera stood still, its
largest group is loosened: only what is nearer to each other stays together. Given groups are not loosened; where those
of the widest level (people) are too few to fill the splits, those of the next level (bursts) are kept.
"""

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.copies import ALIKE, Look, Looks, Places, find_alike, group_alike
from core.errors import ConfigError

SPLITS = ("train", "val", "test")
COPIES = 12  # so many pictures that look alike may be copies of one photo; more are a scene
LOOSER = 7
LOOSEST = ALIKE / LOOSER**2  # nearer than this are only pictures saved again
TOO_FEW = 1 / 3  # of a split's quota: below it, a class is hardly validated or tested


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
    """What a split is decided from.

    Attributes:
        look: of `copies.take_look`.
        source: equal for versions of one picture of a class; empty where that is not known.
        group: equal for pictures that belong together, of any class; levels by `/`, the widest first.
    """

    pixel_hash: str
    look: Look
    label: int
    source: str = ""
    group: str = ""


@dataclass(frozen=True)
class Groups:
    """Which pictures stay together.

    Attributes:
        numbers: (N,) equal for those that do.
        loosened: places of pictures that look alike and may be in several splits all the same.
        level: how many levels of the given groups were kept, 0 for none.
    """

    numbers: Places
    loosened: Places
    level: int = 0

    def members(self) -> list[Places]:
        """The places of each group's pictures."""
        order = np.argsort(self.numbers, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.numbers[order])) + 1)


@dataclass(frozen=True)
class Assignment:
    """A split for every picture, in order, and how they were grouped."""

    splits: list[str]
    groups: Groups


def assign(items: Sequence[Item], shares: Mapping[str, float], seed: int) -> Assignment:
    """A split for every item.

    Within each class, groups are ordered by a hash of (seed, content) and dealt out by quota. A group that holds
    several classes is dealt with the rarest of them.

    Args:
        shares: fraction of each split; they add up to 1.
    """
    for level in range(1, _levels(items) + 1):
        for alike in (True, False):  # pictures of two people that look alike must not make one group of all
            groups = group_items(items, shares, level, alike=alike)
            chosen = _deal_all(items, groups, shares, seed)
            if is_filled(chosen, shares):
                return Assignment(chosen, groups)
    groups = group_items(items, shares)
    chosen = _deal_all(items, groups, shares, seed)
    if shares.get("val") and "val" not in chosen:  # better copies in two splits than no dataset
        groups = Groups(np.arange(len(items)), np.arange(len(items)))
        chosen = _deal_all(items, groups, shares, seed)
    return Assignment(chosen, groups)


def group_items(items: Sequence[Item], shares: Mapping[str, float], level: int = 0, *, alike: bool = True) -> Groups:
    """Group items that look alike, are versions of one picture, or belong together.

    A chain does not cross classes: only small groups (at most COPIES pictures together) are joined across them, the
    nearest first.

    Args:
        level: of the given groups; 0 to pay no attention to them.
        alike: group what looks alike, too.
    """
    order = sorted(range(len(items)), key=lambda place: items[place].pixel_hash)
    found = _group_ordered([items[place] for place in order], shares, level, alike)
    numbers = np.empty_like(found.numbers)
    numbers[order] = found.numbers
    return Groups(numbers, np.array(order, dtype=np.intp)[found.loosened], level)


def _group_ordered(items: Sequence[Item], shares: Mapping[str, float], level: int, alike: bool) -> Groups:
    names = ["/".join(item.group.split("/")[:level]) for item in items]
    numbers = _number_sources(items, names)
    loosened = [np.empty(0, dtype=np.intp)]
    if alike:
        looks = Looks.of([item.look for item in items])
        for places in _places_by_label(items).values():
            numbers[places], loose = _group_class(looks.part(places), numbers[places], shares)
            loosened.append(places[loose])
        groups = Groups(numbers, np.concatenate(loosened))
        _join_classes(looks, groups)
    _join_named(numbers, names)
    return Groups(numbers, np.concatenate(loosened))


def _levels(items: Sequence[Item]) -> int:
    """How many levels the given groups have at most."""
    return max((item.group.count("/") + 1 for item in items if item.group), default=0)


def is_filled(chosen: Sequence[str], shares: Mapping[str, float]) -> bool:
    """Whether validation and test got a fair part of their quotas."""
    wanted, found = quotas(len(chosen), shares), Counter(chosen)
    return all(found[split] >= TOO_FEW * wanted[split] for split in SPLITS)


def _join_named(numbers: Places, names: Sequence[str]) -> None:
    """Join groups that hold pictures of one given group, of any class."""
    firsts: dict[str, int] = {}
    for place, name in enumerate(names):
        if name and (first := firsts.setdefault(name, place)) != place and numbers[place] != numbers[first]:
            numbers[numbers == numbers[place]] = numbers[first]


def quotas(total: int, shares: Mapping[str, float]) -> dict[str, int]:
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


def fingerprint(images: Iterable[tuple[str, str, str]]) -> str:
    """sha256 over (pixel hash, class, split) of every image, whatever their names and order."""
    lines = sorted(json.dumps(image) for image in images)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _number_sources(items: Sequence[Item], names: Sequence[str]) -> Places:
    """A group for every item: its own, or that of the first of its class with its source or given group."""
    firsts: dict[tuple[int, str], int] = {}
    numbers = np.array([
        firsts.setdefault((item.label, item.source), place) if item.source else place
        for place, item in enumerate(items)
    ], dtype=np.intp)  # fmt: skip
    for places in _places_by_label(items).values():
        part = numbers[places]
        _join_named(part, [names[place] for place in places])
        numbers[places] = part
    return numbers


def _places_by_label(items: Sequence[Item]) -> dict[int, Places]:
    labels = np.array([item.label for item in items], dtype=np.intp)
    return {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def _group_class(looks: Looks, named: Places, shares: Mapping[str, float]) -> tuple[Places, Places]:
    """Group numbers of one class's pictures, and the places of those that were loosened."""
    numbers = group_alike(looks, named)
    loosened = np.zeros(len(numbers), dtype=bool)
    radii = dict.fromkeys(numbers.tolist(), ALIKE)
    while True:
        found, sizes = np.unique(numbers, return_counts=True)
        if _is_enough(sizes.tolist(), shares):
            break
        large = {
            int(number): int(size) for number, size in zip(found, sizes, strict=True)
            if size > COPIES and radii[int(number)] > 0
        }  # fmt: skip
        if not large:
            break
        for number in [number for number, size in large.items() if size == max(large.values())]:
            places = np.flatnonzero(numbers == number)
            radius = radii[number] / LOOSER if radii[number] > LOOSEST else 0.0
            numbers[places] = group_alike(looks.part(places), named[places], radius) if radius else named[places]
            radii.update(dict.fromkeys(numbers[places].tolist(), radius))
            loosened[places] = len(set(numbers[places].tolist())) > 1
    return numbers, np.flatnonzero(loosened)


def _is_enough(sizes: list[int], shares: Mapping[str, float]) -> bool:
    """Whether groups of these sizes fill validation and test, at least in part."""
    wanted = quotas(sum(sizes), shares)
    sizes = sorted(sizes)
    filled = Counter[str]()
    for size, split in zip(sizes, _deal(sizes, shares), strict=True):
        filled[split] += size
    return all(filled[split] >= TOO_FEW * wanted[split] for split in SPLITS)


def _join_classes(looks: Looks, groups: Groups) -> None:
    """Join small groups of different classes that look alike: the same photo with different labels."""
    numbers = groups.numbers
    sizes = Counter(numbers.tolist())
    small = np.array([sizes[number] < COPIES for number in numbers.tolist()], dtype=bool)
    small[groups.loosened] = False
    places = np.flatnonzero(small)
    while len(places):
        pairs = sorted(find_alike(looks, places, places, numbers))
        joined = False
        for _, row, other in pairs:
            mine, yours = sorted((int(numbers[row]), int(numbers[other])))
            if mine != yours and sizes[mine] + sizes[yours] <= COPIES:
                numbers[numbers == yours] = mine
                sizes[mine] += sizes[yours]
                joined = True
        places = np.unique([row for _, row, _ in pairs]) if joined else places[:0]


def _deal_all(items: Sequence[Item], groups: Groups, shares: Mapping[str, float], seed: int) -> list[str]:
    frequent = Counter(item.label for item in items)
    by_label: dict[int, list[tuple[str, int, Places]]] = defaultdict(list)
    for places in groups.members():
        label = min({items[place].label for place in places}, key=lambda label: (frequent[label], label))
        content = min(items[place].pixel_hash for place in places)
        own = sum(items[place].label == label for place in places)
        by_label[label].append((hashlib.sha256(f"{seed}:{content}".encode()).hexdigest(), own, places))
    chosen = [""] * len(items)
    for dealt in by_label.values():
        dealt.sort(key=lambda entry: entry[0])
        for split, (_, _, places) in zip(_deal([own for _, own, _ in dealt], shares), dealt, strict=True):
            for place in places:
                chosen[place] = split
    return chosen


def _deal(sizes: Sequence[int], shares: Mapping[str, float]) -> list[str]:
    """A split for each group of a class, in order; what does not fit into validation and test is for training."""
    wanted = quotas(sum(sizes), shares)
    dealt = _fill(sizes, wanted, by_turns=False)
    filled = Counter[str]()
    for size, split in zip(sizes, dealt, strict=True):
        filled[split] += size
    # with few groups or large ones, each split gets one after the other, so that none takes all
    return dealt if filled == Counter(wanted) else _fill(sizes, wanted, by_turns=True)


def _fill(sizes: Sequence[int], wanted: Mapping[str, int], *, by_turns: bool) -> list[str]:
    # the smallest splits are filled first, so that a class with few pictures is still tested
    order = sorted((split for split in SPLITS[1:] if wanted[split]), key=lambda split: (wanted[split], split))
    if len(sizes) <= len(order):
        order = ["val"] if wanted["val"] else []  # two groups cannot be in three splits
    filled = dict.fromkeys(order, 0)
    dealt = ["train"] * len(sizes)
    rest = list(range(len(sizes)))
    while order and len(rest) > 1:
        split = min(order, key=lambda split: filled[split] / wanted[split]) if by_turns else order[0]
        room = wanted[split] - filled[split]
        place = next((i for i, number in enumerate(rest) if sizes[number] <= room), None)
        if place is None and filled[split] == 0 and len(rest) > sum(not filled[other] for other in order):
            # better a few too many than none: as long as every later split gets a group, too
            place = min(range(len(rest)), key=lambda i: sizes[rest[i]])
        if place is None:
            order.remove(split)
            continue
        number = rest.pop(place)
        dealt[number] = split
        filled[split] += sizes[number]
    return dealt
