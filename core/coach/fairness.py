"""Readings of a comparison or a race: is it fair, is the difference shown, and what did the better one cost?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from core.coach.imagenet_classes import seen_in_imagenet
from core.coach.reading import Reading, order_readings
from core.config.train_config import SCRATCH_FIELDS, TrainConfig
from core.formatting import capitalise, format_p
from core.statistics.comparison import Comparison, Side
from core.statistics.metrics import Interval, format_points

NEARLY = 0.02  # budgets that differ by less are called equal: a last batch, a last second
NEARLY_SECONDS = 0.15  # clocks are less exact than counts
COSTLY = 2.0  # times the seconds, before somebody is asked whether it was worth it
MAX_NAMED = 4
# what two arms of a fair race may differ in: it is what they are
OWN = frozenset(
    {
        "dataset", "model", "strategy", "freeze_point", "head", "head_epochs", "epochs", "max_images", "max_seconds",
        "learning_rate", "find_rate", "backbone_factor", "stored_views", "precision", "seed", "note", *SCRATCH_FIELDS,
    }
)  # fmt: skip
RANKS = ("other-pictures", "unequal-budget", "unequal-settings", "seen-before", "open", "costly-winner", "fair")


@dataclass(frozen=True)
class Entrant:
    """One arm of a comparison.

    Attributes:
        fingerprint: of the dataset, splits included.
        seeds: with which it was trained, one run each.
        epochs: completed, in the middle run.
        images_seen: training pictures, repeats included; None if not known.
        seconds: from the start of a run to its end; None if not known.
    """

    name: str
    config: TrainConfig
    classes: tuple[str, ...]
    fingerprint: str
    seeds: tuple[int, ...]
    epochs: int
    images_seen: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What was shown about two entrants on the same pictures.

    Attributes:
        a, b: their names.
        difference: accuracy of b minus that of a, a fraction.
        interval: of this difference.
        p_value: that decided, corrected where several pairs were compared.
        better: the one shown to be better; None while chance can explain the difference.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    n: int
    p_value: float
    better: Side | None

    @classmethod
    def of(cls, found: Comparison, a: str, b: str) -> "Outcome":
        """Of two runs, under the names of their entrants."""
        return cls(a, b, found.difference, found.interval, found.n, found.p_value, found.better)


def read_race(entrants: Sequence[Entrant], outcome: Outcome | None = None, most: int | None = 3) -> tuple[Reading, ...]:
    """What is to be said about a comparison, the most important first.

    Args:
        outcome: of the two entrants that were judged; None where there were more, which the verdict tells.
    """
    if len(entrants) < 2:
        return ()
    found = [
        _find_other_images(entrants),
        _find_unequal_budget(entrants),
        _find_unequal_settings(entrants),
        _find_seen_before(entrants),
        _find_open(outcome),
        _find_costly(entrants, outcome),
    ]
    kept = [reading for reading in found if reading is not None]
    if any(reading.kind == "other-pictures" for reading in kept):
        kept = kept[:1]
    return tuple(order_readings(kept, RANKS, most))


def _find_other_images(entrants: Sequence[Entrant]) -> Reading | None:
    if len({item.fingerprint for item in entrants}) == 1:
        return None
    return Reading(
        "other-pictures",
        "alarm",
        "They did not see the same pictures",
        f"{_names(entrants)} were trained on different datasets or splits: a difference may come from the pictures.",
        "Train both on the same dataset.",
        lesson="fair-comparison",
    )


def _find_unequal_budget(entrants: Sequence[Entrant]) -> Reading | None:
    """Equal in none of epochs, pictures seen and seconds: whoever had more may win by that."""
    for one, other in combinations(entrants, 2):
        if one.epochs == other.epochs or _near(one.images_seen, other.images_seen, NEARLY):
            continue
        if _near(one.seconds, other.seconds, NEARLY_SECONDS):
            continue
        epochs = max(one.epochs, other.epochs)
        return Reading(
            "unequal-budget",
            "warning",
            "They did not have the same budget",
            f"{one.name} had {_budget(one)}; {other.name} had {_budget(other)}. They are equal in none of the three.",
            f"Give both {epochs} epochs, or the same seconds of training.",
            {"epochs": epochs},
            "fair-comparison",
        )
    return None


def _find_unequal_settings(entrants: Sequence[Entrant]) -> Reading | None:
    """What is the same in a fair race differs: seeds, augmentation, batch size …"""
    fields = TrainConfig.model_fields
    differing = [
        (fields[name].title or name).lower()
        for name in fields
        if name not in OWN and len({getattr(item.config, name) for item in entrants}) > 1
    ]
    if len({item.seeds for item in entrants}) > 1:
        differing.insert(0, "seeds")
    if not differing:
        return None
    more = f" and {len(differing) - MAX_NAMED} more" if len(differing) > MAX_NAMED else ""
    return Reading(
        "unequal-settings",
        "note",
        "More differs than network and strategy",
        f"{_names(entrants)} also differ in {', '.join(differing[:MAX_NAMED])}{more}.",
        "Change one thing at a time: then you know what made the difference.",
        lesson="fair-comparison",
    )


def _find_seen_before(entrants: Sequence[Entrant]) -> Reading | None:
    """Classes that the pretrained weights were made with: a flattering test of transfer learning."""
    pretrained = [item for item in entrants if item.config.pretrained]
    if not pretrained or len(pretrained) == len(entrants):
        return None
    first = pretrained[0]
    seen = seen_in_imagenet(first.classes)
    if 2 * len(seen) < len(first.classes):
        return None
    alone = len(pretrained) == 1
    shown = ", ".join(f"{name} ({kind})" for name, kind in list(seen.items())[:MAX_NAMED])
    more = f" and {len(seen) - MAX_NAMED} more" if len(seen) > MAX_NAMED else ""
    return Reading(
        "seen-before",
        "note",
        "The pretrained network knows these classes already",
        f"{len(seen)} of {len(first.classes)} classes are among ImageNet’s 1,000, by name: {shown}{more}. "
        f"{_names(pretrained)} {'starts' if alone else 'start'} from weights that go back to ImageNet, so this "
        f"comparison flatters {'it' if alone else 'them'}.",
        "Try pictures of something that ImageNet has no class for, such as leaves, stains or your own things.",
        lesson="transfer-learning",
    )


def _find_open(outcome: Outcome | None) -> Reading | None:
    if outcome is None or outcome.better is not None:
        return None
    leader, other, low, high = outcome.b, outcome.a, outcome.interval.low, outcome.interval.high
    if outcome.difference < 0:
        leader, other, low, high = other, leader, -high, -low
    told = f"{leader} is {format_points(abs(outcome.difference))} points ahead of {other}"
    if outcome.difference == 0:
        told = f"{leader} and {other} are right equally often"
    return Reading(
        "open",
        "note",
        "Which one is better is open",
        f"{capitalise(told)} (95 % interval {format_points(low)} to {format_points(high)} points, "
        f"{format_p(outcome.p_value)}, n = {outcome.n:,}): chance alone could make it.",
        "More test pictures or more seeds would tell; do not choose by this figure.",
        lesson="confidence-intervals",
    )


def _find_costly(entrants: Sequence[Entrant], outcome: Outcome | None) -> Reading | None:
    if outcome is None or outcome.better is None:
        return None
    by_name = {item.name: item for item in entrants}
    names = (outcome.b, outcome.a) if outcome.better == "b" else (outcome.a, outcome.b)
    winner, loser = (by_name.get(name) for name in names)
    if (
        winner is None
        or loser is None
        or not winner.seconds
        or not loser.seconds
        or winner.seconds < COSTLY * loser.seconds
    ):
        return None
    return Reading(
        "costly-winner",
        "note",
        "The better one costs more",
        f"{winner.name} is {format_points(abs(outcome.difference))} points better and took "
        f"{winner.seconds:,.0f} s, {winner.seconds / loser.seconds:.1f} times as long as {loser.name} "
        f"({loser.seconds:,.0f} s).",
        f"Give {loser.name} the same seconds of training and compare again.",
        lesson="fair-comparison",
    )


def _near(one: float | None, other: float | None, share: float) -> bool:
    return one is not None and other is not None and abs(one - other) <= share * max(one, other)


def _budget(item: Entrant) -> str:
    parts = [f"{item.epochs} epochs" if item.epochs != 1 else "1 epoch"]
    if item.images_seen is not None:
        parts.append(f"{item.images_seen:,} pictures seen")
    if item.seconds is not None:
        parts.append(f"{item.seconds:,.0f} s")
    return ", ".join(parts)


def _names(entrants: Sequence[Entrant]) -> str:
    names = list(dict.fromkeys(item.name for item in entrants))
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
