"""A split that keeps chains of near-copies together: what is in several splits moves to one, all else stays.

Chains come from whoever has compared the pictures (core/doctor); here they join the given groups, the versions of one
picture by their names, and what looks alike. The sizes of the splits stay as far as whole groups allow.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.datasets.copies import Places
from core.datasets.splits import SPLITS, Item, group_items, is_filled
from core.errors import DatasetError

PREFIX = "near"
NAME_DIGITS = 12
TOO_MANY = (
    "The near-copies chain so many pictures that validation or test would be left with hardly any: take pictures at "
    "another place or time."
)

Chains = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Together:
    """A split of every picture, and the groups that it keeps.

    Attributes:
        groups: the given ones, below a name that is the same for a chain and the groups it joins.
        moved: places of pictures whose split changed.
    """

    splits: list[str]
    groups: list[str]
    moved: list[int]


def keep_together(items: Sequence[Item], splits: Sequence[str], chains: Chains) -> Together:
    """Move as few pictures as it takes for each chain to be in one split.

    Args:
        splits: of each item, now.
        chains: places of items.
    Raises:
        DatasetError: validation or test would be left with hardly any picture.
    """
    joined = _join(items, splits, chains)
    named = [replace(item, group=f"{number}") for item, number in zip(items, joined, strict=True)]
    shares = {split: count / len(items) for split, count in Counter(splits).items()}
    for alike in (True, False):  # a scene that looks alike must not make one group of all chains
        groups = group_items(named, shares, 1, alike=alike).members()
        found = _deal(items, splits, groups)
        if is_filled(found, shares):
            moved = [place for place, split in enumerate(found) if split != splits[place]]
            return Together(found, _name(items, joined, chains), moved)
    raise DatasetError(TOO_MANY)


def _join(items: Sequence[Item], splits: Sequence[str], chains: Chains) -> list[int]:
    """A number for every item, the same for chains and the given groups that they touch."""
    parents = list(range(len(items)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for places in _whole_groups(items, splits):
        for place in places:
            parents[root(place)] = root(places[0])
    for first, *others in chains:
        for place in others:
            parents[root(place)] = root(first)
    return [root(place) for place in range(len(items))]


def _whole_groups(items: Sequence[Item], splits: Sequence[str]) -> list[list[int]]:
    """The given groups, of any level, that are in one split each now."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        levels = item.group.split("/") if item.group else []
        for level in range(1, len(levels) + 1):
            members["/".join(levels[:level])].append(place)
    return [places for places in members.values() if len({splits[place] for place in places}) == 1]


def _deal(items: Sequence[Item], splits: Sequence[str], groups: Sequence[Places]) -> list[str]:
    """The splits, with each group that is in several in that one of them that lacks most: the largest groups first."""
    apart = [places for places in groups if len({splits[place] for place in places}) > 1]
    apart.sort(key=lambda places: (-len(places), min(items[place].pixel_hash for place in places)))
    found = list(splits)
    whole = Counter((item.label, split) for item, split in zip(items, splits, strict=True))
    missing = Counter((items[place].label, splits[place]) for places in apart for place in places)  # of each class
    in_all = Counter(splits[place] for places in apart for place in places)
    for places in apart:
        label, _ = Counter(items[place].label for place in places).most_common(1)[0]
        own = [split for split in SPLITS if any(splits[place] == split for place in places)]
        if own[0] == "train" and missing[label, "train"] >= whole[label, "train"]:
            own = own[:1]  # nothing else of the class is trained on yet
        chosen = max(own, key=lambda split: (missing[label, split], in_all[split]))
        for place in places:
            found[place] = chosen
            missing[items[place].label, chosen] -= 1
            in_all[chosen] -= 1
    return found


def _name(items: Sequence[Item], joined: Sequence[int], chains: Chains) -> list[str]:
    """The group of every item: its own, below the name of the chain that it belongs to."""
    contents: dict[int, str] = {}
    for item, number in zip(items, joined, strict=True):
        contents[number] = min(contents.get(number, item.pixel_hash), item.pixel_hash)
    chained = {joined[chain[0]] for chain in chains}
    found = []
    for item, number in zip(items, joined, strict=True):
        name = f"{PREFIX}-{contents[number][:NAME_DIGITS]}" if number in chained else ""
        wide, *_ = item.group.split("/")
        found.append("/".join(filter(None, (name if name != wide else "", item.group))))
    return found
