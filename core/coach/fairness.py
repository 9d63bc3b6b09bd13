"""Review a comparison or a race: is it fair, is the difference beyond chance, and what did the better arm cost?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.coach.coach_finding import MAX_SHOWN, CoachFinding, Level, order_findings
from core.config.train_config import SCRATCH_FIELDS, TrainConfig
from core.formatting import capitalise, format_count, format_duration, format_p, format_points, join_names
from core.statistics.caveats import ArmFacts, Caveat, find_caveats
from core.statistics.comparison import Comparison, Side
from core.statistics.metrics import Interval

COSTLY = 2.0  # times the seconds: from here on the price is pointed out
MAX_NAMED = 4
# in what the arms of a fair race may differ: it defines them
OWN = frozenset(
    {
        "dataset", "model", "strategy", "freeze_point", "head", "head_epochs", "epochs", "max_images", "max_seconds",
        "learning_rate", "find_rate", "backbone_factor", "stored_views", "precision", "seed", "note", *SCRATCH_FIELDS,
    }
)  # fmt: skip
RANKS = (
    "other-pictures", "cut-short", "few-epochs", "unequal-budget", "open", "unequal-views", "unequal-settings",
    "seen-before", "costly-winner", "fair",
)  # fmt: skip
# kind of caveat -> level, title, what to do about it, lesson
REMEDIES: Mapping[str, tuple[Level, str, str, str]] = {
    "other-pictures": (
        "alarm",
        "The arms did not see the same pictures",
        "Train all of them on the same dataset: a difference may come from the pictures.",
        "fair-comparison",
    ),
    "cut-short": (
        "warning",
        "An arm ended early",
        "Train it again to the end.",
        "fair-comparison",
    ),
    "few-epochs": (
        "warning",
        "An arm saw few pictures",
        "Choose a longer time for both, or train while this machine has less to do.",
        "fair-comparison",
    ),
    "unequal-budget": (
        "warning",
        "The arms did not have the same budget",
        "Give all of them {epochs}, or the same seconds of training.",
        "fair-comparison",
    ),
    "unequal-views": (
        "note",
        "The arms did not see the same augmentation",
        "Race again with Augmentation: Same for all (Train, under Experiment).",
        "fair-comparison",
    ),
    "seen-before": (
        "note",
        "The pretrained network knows these classes already",
        "Try pictures of something that ImageNet has no class for, such as leaves, stains or your own things.",
        "transfer-learning",
    ),
}


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
        *(_of_caveat(caveat, arms) for caveat in find_caveats(arms)),
        _find_unequal_settings(arms),
        _find_open(outcome),
        _find_costly(arms, outcome),
    ]
    kept = [finding for finding in found if finding is not None]
    if any(finding.kind == "other-pictures" for finding in kept):
        kept = kept[:1]
    return order_findings(kept, RANKS, limit)


def _of_caveat(caveat: Caveat, arms: Sequence[ArmFacts]) -> CoachFinding | None:
    """A caveat with what to do about it; None where the verdict says all there is."""
    if caveat.kind not in REMEDIES:
        return None
    level, title, advice, lesson = REMEDIES[caveat.kind]
    change = {"epochs": max(arm.epochs for arm in arms)} if caveat.kind == "unequal-budget" else {}
    advice = advice.format(epochs=format_count(change.get("epochs", 0), "epoch"))
    return CoachFinding(caveat.kind, level, title, caveat.sentence, advice, change, lesson)


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
        "No clear difference",
        f"{capitalise(lead)} (95 % interval {format_points(low)} to {format_points(high)} points, "
        f"{format_p(outcome.p_value)}, n = {outcome.n:,}): chance alone can explain it.",
        "Add pictures, or train with more seeds, before you rely on this result.",
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


def _names(arms: Sequence[ArmFacts]) -> str:
    return capitalise(join_names(list(dict.fromkeys(item.name for item in arms))))
