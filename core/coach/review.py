"""Review one run: short findings, each with the figures behind it and one thing to try.

    python -m core coach RUN

Asks each rule in turn, drops findings that follow from or contradict another, and puts the most important first. The
coach stays silent rather than guess: a healthy run gets a word of praise and no more.
"""

from collections.abc import Callable, Mapping, Sequence

from core.coach import fit_rules, picture_rules, progress_rules, rate_rules, result_rules
from core.coach.coach_finding import MAX_SHOWN, CoachFinding, order_findings
from core.coach.run_facts import MIN_EPOCHS, RunFacts
from core.formatting import SPLIT_NAMES, format_number, format_percent
from core.statistics.metrics import Accuracy

Rule = Callable[[RunFacts], CoachFinding | None]
RULES: tuple[Rule, ...] = (
    rate_rules.find_divergence,
    rate_rules.find_high_rate,
    picture_rules.find_flips,
    result_rules.find_one_answer,
    result_rules.find_guessing,
    rate_rules.find_low_rate,
    result_rules.find_ignored_class,
    picture_rules.find_cut,
    progress_rules.find_unfinished,
    fit_rules.find_overfitting,
    fit_rules.find_underfitting,
    result_rules.find_drop,
    progress_rules.find_too_short,
    picture_rules.find_single,
    result_rules.find_few_images,
    progress_rules.find_noise,
    progress_rules.find_early_best,
    progress_rules.find_plateau,
    fit_rules.find_train_below,
    picture_rules.find_sides,
)
RANKS = (
    "diverged", "rate-high", "flips-harm", "one-answer", "guessing", "rate-low", "ignored-class", "cut-away",
    "unfinished", "overfitting", "underfitting", "drop", "weak", "one-picture", "too-short", "few-pictures", "noise",
    "early-best", "plateau", "healthy", "flips-off", "train-below",
)  # fmt: skip
_OF_CURVES = frozenset({"unfinished", "overfitting", "underfitting", "noise", "early-best", "plateau", "train-below"})
# finding -> the findings that it explains or contradicts: those are dropped
SETTLED_BY: Mapping[str, frozenset[str]] = {
    "diverged": _OF_CURVES | {"rate-high", "rate-low", "one-answer", "guessing", "ignored-class", "too-short"},
    "rate-high": _OF_CURVES | {"rate-low", "one-answer", "guessing", "ignored-class"},
    "rate-low": _OF_CURVES | {"one-answer", "guessing", "ignored-class"},
    "flips-harm": frozenset({"one-answer", "guessing", "ignored-class", "underfitting", "plateau", "early-best"}),
    "cut-away": frozenset({"underfitting", "plateau"}),
    "one-answer": frozenset({"guessing", "ignored-class", "noise", "plateau", "early-best", "train-below"}),
    "unfinished": frozenset({"overfitting", "underfitting", "plateau", "early-best", "noise"}),
    "overfitting": frozenset({"underfitting", "plateau", "early-best"}),
    "underfitting": frozenset({"plateau", "early-best", "train-below"}),
    "early-best": frozenset({"plateau"}),
    "guessing": frozenset({"train-below"}),
}


def review_run(facts: RunFacts, limit: int | None = MAX_SHOWN) -> tuple[CoachFinding, ...]:
    """The findings in a run, the most important first.

    Args:
        limit: at most so many findings; None for all.
    """
    found = [finding for rule in RULES if (finding := rule(facts)) is not None]
    settled: set[str] = set()
    for finding in found:  # a finding that is settled settles nothing itself
        if finding.kind not in settled:
            settled |= SETTLED_BY.get(finding.kind, frozenset())
    kept = [finding for finding in found if finding.kind not in settled]
    if not any(finding.alarming for finding in kept):  # nothing is wrong with the curves
        last = fit_rules.describe_weakness(facts) or _praise(facts)
        if last is not None:
            kept = [*(finding for finding in kept if (finding.kind, last.kind) != ("too-short", "weak")), last]
    return order_findings(kept, RANKS, limit)


def _praise(facts: RunFacts) -> CoachFinding | None:
    """Training and validation improved together, and the test agrees."""
    epochs, tested = facts.epochs, facts.tested
    if len(epochs) < MIN_EPOCHS or tested is None or not tested.images:
        return None
    if 1 - tested.accuracy > fit_rules.UNLEARNED * (1 - 1 / facts.classes):
        return None  # too few pictures to call it bad, and no reason for praise
    first, last = epochs[0], epochs[-1]
    accuracy = Accuracy(tested.correct, tested.images)
    word = SPLIT_NAMES[tested.split]
    return CoachFinding(
        "healthy",
        "fine",
        "Nothing to worry about",
        f"From epoch {first.epoch} to {last.epoch} the training loss went from {format_number(first.train_loss, 3)} to "
        f"{format_number(last.train_loss, 3)} nats. At the end {format_percent(last.train_accuracy)} of the training "
        f"and {format_percent(last.val_accuracy)} of the validation pictures are right; the {word} accuracy is "
        f"{accuracy.text()}.",
    )


def format_findings(findings: Sequence[CoachFinding]) -> str:
    """The findings as lines of text."""
    if not findings:
        return "No findings yet."
    lines = []
    for finding in findings:
        lines += [finding.title, f"  {finding.evidence}", *([f"  {finding.advice}"] if finding.advice else [])]
    return "\n".join(lines)
