"""The coach: short readings of one run, each with the figures it rests on and one thing to try.

    python -m core coach RUN

The rules are in `curve_rules` and `result_rules`; here they are asked in turn, contradictions are settled, and the most
important come first. The coach says nothing rather than guess: a healthy run gets a word of praise and no more.
"""

from collections.abc import Callable, Mapping, Sequence

from core.coach import curve_rules, result_rules
from core.coach.reading import Reading, order_readings
from core.coach.run_facts import RunFacts
from core.formatting import format_number
from core.statistics.metrics import Accuracy, format_points

MAX_SHOWN = 3  # more than three pieces of advice are none

Rule = Callable[[RunFacts], Reading | None]
RULES: tuple[Rule, ...] = (
    curve_rules.find_divergence,
    curve_rules.find_high_rate,
    result_rules.find_one_answer,
    result_rules.find_guessing,
    curve_rules.find_low_rate,
    result_rules.find_ignored_class,
    curve_rules.find_unfinished,
    curve_rules.find_overfitting,
    curve_rules.find_underfitting,
    result_rules.find_drop,
    curve_rules.find_too_short,
    result_rules.find_few_images,
    curve_rules.find_noise,
    curve_rules.find_early_best,
    curve_rules.find_plateau,
    curve_rules.find_train_below,
)
RANKS = (
    "diverged", "rate-high", "one-answer", "guessing", "rate-low", "ignored-class", "unfinished", "overfitting",
    "underfitting", "drop", "weak", "too-short", "few-pictures", "noise", "early-best", "plateau", "healthy",
    "train-below",
)  # fmt: skip
_OF_CURVES = frozenset({"unfinished", "overfitting", "underfitting", "noise", "early-best", "plateau", "train-below"})
# what follows from another reading is not said again, and what contradicts it is not said at all
SETTLED_BY: Mapping[str, frozenset[str]] = {
    "diverged": _OF_CURVES | {"rate-high", "rate-low", "one-answer", "guessing", "ignored-class", "too-short"},
    "rate-high": _OF_CURVES | {"rate-low", "one-answer", "guessing", "ignored-class"},
    "rate-low": _OF_CURVES | {"one-answer", "guessing", "ignored-class"},
    "one-answer": frozenset({"guessing", "ignored-class", "noise", "plateau", "early-best", "train-below"}),
    "unfinished": frozenset({"overfitting", "underfitting", "plateau", "early-best"}),
    "overfitting": frozenset({"underfitting", "plateau", "early-best"}),
    "underfitting": frozenset({"plateau", "early-best", "train-below"}),
    "early-best": frozenset({"plateau"}),
    "guessing": frozenset({"train-below"}),
}


def read_run(facts: RunFacts, most: int | None = MAX_SHOWN) -> tuple[Reading, ...]:
    """What is to be said about a run, the most important first.

    Args:
        most: so many readings at most; None for all.
    """
    found = [reading for rule in RULES if (reading := rule(facts)) is not None]
    settled: set[str] = set()
    for reading in found:  # a reading that is settled settles nothing itself
        if reading.kind not in settled:
            settled |= SETTLED_BY.get(reading.kind, frozenset())
    kept = [reading for reading in found if reading.kind not in settled]
    if not any(reading.alarming for reading in kept):  # nothing is wrong with the curves
        last = curve_rules.format_weakness(facts) or _praise(facts)
        kept += [] if last is None else [last]
    return tuple(order_readings(kept, RANKS, most))


def _praise(facts: RunFacts) -> Reading | None:
    """Training and validation went down together, and the test agrees."""
    epochs, tested = facts.epochs, facts.tested
    if len(epochs) < curve_rules.FEWEST_EPOCHS or tested is None or not tested.images:
        return None
    first, last = epochs[0], epochs[-1]
    accuracy = Accuracy(tested.correct, tested.images)
    word = "test" if tested.split == "test" else "validation"
    return Reading(
        "healthy",
        "fine",
        "Nothing to worry about",
        f"From epoch {first.epoch} to {last.epoch} the training loss went from {format_number(first.train_loss, 3)} to "
        f"{format_number(last.train_loss, 3)} nats, {format_points(last.train_accuracy)} % of the training and "
        f"{format_points(last.val_accuracy)} % of the validation pictures are right, and the {word} accuracy is "
        f"{accuracy.text()}.",
    )


def tell(readings: Sequence[Reading]) -> str:
    """The readings as lines of text."""
    if not readings:
        return "Nothing to say yet."
    lines = []
    for reading in readings:
        lines += [reading.title, f"  {reading.evidence}", *([f"  {reading.advice}"] if reading.advice else [])]
    return "\n".join(lines)
