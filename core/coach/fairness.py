"""Review a comparison or a race: is it fair, is the difference beyond chance, and what did the better arm cost?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from core.coach.coach_finding import MAX_SHOWN, CoachFinding, order_findings
from core.coach.imagenet_classes import seen_in_imagenet
from core.config.train_config import SCRATCH_FIELDS, TrainConfig
from core.formatting import capitalise, format_duration, format_p, format_points, join_names
from core.statistics.comparison import Comparison, Side
from core.statistics.metrics import Interval

NEARLY = 0.02  # budgets that differ by less are equal: a last batch, a last second
NEARLY_SECONDS = 0.15  # clocks are less exact than counts
COSTLY = 2.0  # times the seconds: from here on the price is pointed out
MAX_NAMED = 4
# in what the arms of a fair race may differ: it defines them
OWN = frozenset(
    {
        "dataset", "model", "strategy", "freeze_point", "head", "head_epochs", "epochs", "max_images", "max_seconds",
        "learning_rate", "find_rate", "backbone_factor", "stored_views", "precision", "seed", "note", *SCRATCH_FIELDS,
    }
)  # fmt: skip
RANKS = ("other-pictures", "unequal-budget", "unequal-settings", "seen-before", "open", "costly-winner", "fair")


@dataclass(frozen=True)
class ArmFacts:
    """One arm of a comparison.

    Attributes:
        fingerprint: of the dataset, splits included.
        seeds: with which it was trained, one run each.
        epochs: completed, in the median run.
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
class PairOutcome:
    """The comparison of two arms on the same pictures.

    Attributes:
        a, b: their names.
        difference: accuracy of b minus that of a, a fraction.
        interval: of this difference.
        p_value: of the test that decides, corrected where several pairs were compared.
        better: the arm shown to be better; None while chance can explain the difference.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    n: int
    p_value: float
    better: Side | None

    @classmethod
    def of(cls, found: Comparison, a: str, b: str) -> "PairOutcome":
        """The comparison of two runs, under the names of their arms."""
        return cls(a, b, found.difference, found.interval, found.n, found.p_value, found.better)


def review_comparison(
    arms: Sequence[ArmFacts], outcome: PairOutcome | None = None, limit: int | None = MAX_SHOWN
) -> tuple[CoachFinding, ...]:
    """The findings in a comparison, the most important first.

    Args:
        outcome: of the two arms that were compared; None where there were more: the verdict covers those.
        limit: at most so many findings; None for all.
    """
    if len(arms) < 2:
        return ()
    found = [
        _find_other_images(arms),
        _find_unequal_budget(arms),
        _find_unequal_settings(arms),
        _find_seen_before(arms),
        _find_open(outcome),
        _find_costly(arms, outcome),
    ]
    kept = [finding for finding in found if finding is not None]
    if any(finding.kind == "other-pictures" for finding in kept):
        kept = kept[:1]
    return order_findings(kept, RANKS, limit)


def _find_other_images(arms: Sequence[ArmFacts]) -> CoachFinding | None:
    if len({item.fingerprint for item in arms}) == 1:
        return None
    return CoachFinding(
        "other-pictures",
        "alarm",
        "The arms did not see the same pictures",
        f"{_names(arms)} were trained on different datasets or splits: a difference may come from the pictures.",
        "Train all of them on the same dataset.",
        lesson="fair-comparison",
    )


def _find_unequal_budget(arms: Sequence[ArmFacts]) -> CoachFinding | None:
    """Neither epochs nor pictures seen nor seconds are equal: the arm that had more may win by that alone."""
    for one, other in combinations(arms, 2):
        if one.epochs == other.epochs or _near(one.images_seen, other.images_seen, NEARLY):
            continue
        if _near(one.seconds, other.seconds, NEARLY_SECONDS):
            continue
        epochs = max(one.epochs, other.epochs)
        return CoachFinding(
            "unequal-budget",
            "warning",
            "The arms did not have the same budget",
            f"{capitalise(one.name)} had {_budget(one)}; {other.name} had {_budget(other)}. "
            "None of the three is equal.",
            f"Give both {epochs} epochs, or the same seconds of training.",
            {"epochs": epochs},
            "fair-comparison",
        )
    return None


def _find_unequal_settings(arms: Sequence[ArmFacts]) -> CoachFinding | None:
    """Settings differ that are equal in a fair race: seeds, augmentation, batch size …"""
    fields = TrainConfig.model_fields
    differing = [
        (fields[name].title or name).lower()
        for name in fields
        if name not in OWN and len({getattr(item.config, name) for item in arms}) > 1
    ]
    if len({item.seeds for item in arms}) > 1:
        differing.insert(0, "seeds")
    if not differing:
        return None
    more = f" and {len(differing) - MAX_NAMED} more" if len(differing) > MAX_NAMED else ""
    return CoachFinding(
        "unequal-settings",
        "note",
        "More differs than network and strategy",
        f"{_names(arms)} also differ in {', '.join(differing[:MAX_NAMED])}{more}.",
        "Change one thing at a time: then you know what made the difference.",
        lesson="fair-comparison",
    )


def _find_seen_before(arms: Sequence[ArmFacts]) -> CoachFinding | None:
    """The pretrained weights were made with these very classes: a flattering test of transfer learning."""
    pretrained = [item for item in arms if item.config.pretrained]
    if not pretrained or len(pretrained) == len(arms):
        return None
    first = pretrained[0]
    seen = seen_in_imagenet(first.classes)
    if 2 * len(seen) < len(first.classes):
        return None
    alone = len(pretrained) == 1
    shown = ", ".join(f"{name} ({kind})" for name, kind in list(seen.items())[:MAX_NAMED])
    more = f" and {len(seen) - MAX_NAMED} more" if len(seen) > MAX_NAMED else ""
    return CoachFinding(
        "seen-before",
        "note",
        "The pretrained network knows these classes already",
        f"By name, {len(seen)} of {len(first.classes)} classes are among ImageNet’s 1,000: {shown}{more}. "
        f"{_names(pretrained)} {'starts' if alone else 'start'} from weights that derive from ImageNet, so this "
        f"comparison flatters {'it' if alone else 'them'}.",
        "Try pictures of something that ImageNet has no class for, such as leaves, stains or your own things.",
        lesson="transfer-learning",
    )


def _find_open(outcome: PairOutcome | None) -> CoachFinding | None:
    if outcome is None or outcome.better is not None:
        return None
    leader, other, low, high = outcome.b, outcome.a, outcome.interval.low, outcome.interval.high
    if outcome.difference < 0:
        leader, other, low, high = other, leader, -high, -low
    lead = f"{leader} is {format_points(abs(outcome.difference))} points ahead of {other}"
    if outcome.difference == 0:
        lead = f"{leader} and {other} are right equally often"
    return CoachFinding(
        "open",
        "note",
        "No difference shown",
        f"{capitalise(lead)} (95 % interval {format_points(low)} to {format_points(high)} points, "
        f"{format_p(outcome.p_value)}, n = {outcome.n:,}): chance alone can explain it.",
        "Use more test pictures or more seeds; do not choose by this figure.",
        lesson="confidence-intervals",
    )


def _find_costly(arms: Sequence[ArmFacts], outcome: PairOutcome | None) -> CoachFinding | None:
    if outcome is None or outcome.better is None:
        return None
    by_name = {item.name: item for item in arms}
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
    return CoachFinding(
        "costly-winner",
        "note",
        "The better arm cost more",
        f"{capitalise(winner.name)} is {format_points(abs(outcome.difference))} points better and took "
        f"{format_duration(winner.seconds)}, {winner.seconds / loser.seconds:.1f} times as long as {loser.name} "
        f"({format_duration(loser.seconds)}).",
        f"Give {loser.name} the same seconds of training and compare again.",
        lesson="fair-comparison",
    )


def _near(one: float | None, other: float | None, share: float) -> bool:
    return one is not None and other is not None and abs(one - other) <= share * max(one, other)


def _budget(item: ArmFacts) -> str:
    parts = [f"{item.epochs} epochs" if item.epochs != 1 else "1 epoch"]
    if item.images_seen is not None:
        parts.append(f"{item.images_seen:,} pictures seen")
    if item.seconds is not None:
        parts.append(format_duration(item.seconds))
    return ", ".join(parts)


def _names(arms: Sequence[ArmFacts]) -> str:
    return capitalise(join_names(list(dict.fromkeys(item.name for item in arms))))
