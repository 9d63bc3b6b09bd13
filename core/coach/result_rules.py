"""Rules on the test result of one run. Each is a pure function of `RunFacts` that returns a finding, or None.

A test result is never a reason to retry until it pleases: the advice here is about pictures and classes, or about how
far to trust the result.
"""

import math

import numpy as np

from core.coach.advice import other_rate
from core.coach.coach_finding import CoachFinding
from core.coach.fit_rules import UNLEARNED
from core.coach.run_facts import RunFacts
from core.formatting import SPLIT_NAMES, format_percent, format_points
from core.statistics.class_scores import ClassScore
from core.statistics.metrics import Accuracy, wilson_interval

WIDE = 0.15  # width of a 95 % interval: from here on it covers both good and middling networks
WISHED_HALF = 0.05  # half of the width that people expect of a percentage
Z95 = 1.96  # standard deviations within which 95 % of chance lies
ALWAYS = 0.98  # of all answers: from here on the network always predicts one class
MIN_OF_CLASS = 5  # test pictures of a class, for its recall to mean anything
NEVER_FOUND = 0.10  # recall of a class that is as good as ignored
SCARCE = 1 / 3  # of the training pictures of the largest class
BY_CHANCE = 0.05  # how often a drop or an ignored class may be reported where there is none


def find_one_answer(facts: RunFacts) -> CoachFinding | None:
    """The network gives the same answer to every picture."""
    scores, n = facts.scores, sum(score.support for score in facts.scores)
    if not n:
        return None
    favourite = max(scores, key=lambda score: score.predicted)
    others = n - favourite.support
    if favourite.predicted < ALWAYS * n or others < MIN_OF_CLASS:
        return None
    advice, change = other_rate(facts.config)
    return CoachFinding(
        "one-answer",
        "alarm",
        f"It answers “{favourite.label}” to everything",
        f"{favourite.predicted:,} of {n:,} answers are “{favourite.label}”. {favourite.support:,} pictures are of this "
        f"class, so {format_percent(favourite.support / n)} are right by chance alone.",
        advice,
        change,
        "accuracy",
    )


def find_ignored_class(facts: RunFacts) -> CoachFinding | None:
    """A class that is hardly ever recognised, while others are."""
    ignored = [
        score
        for score in facts.scores
        if score.support >= MIN_OF_CLASS and score.recall is not None and score.recall <= NEVER_FOUND
    ]
    if not ignored or len(ignored) == len(facts.scores):
        return None
    worst = min(ignored, key=lambda score: (score.recall or 0.0, -score.support))
    # with so few pictures half of them may be recognised; the worst of many classes looks bad by chance alone
    if wilson_interval(worst.correct, worst.support, 1 - BY_CHANCE / len(facts.scores)).high >= 0.5:
        return None
    interval = wilson_interval(worst.correct, worst.support)
    evidence = (
        f"{worst.correct} of {worst.support} {_word(facts)} pictures of “{worst.label}” are recognised (95 % interval "
        f"{format_points(interval.low)} to {format_percent(interval.high)})"
    )
    share = _share(facts, worst)
    most = max(facts.dataset.shares, default=0.0) if facts.dataset is not None else 0.0
    if share is not None and share < SCARCE * most:
        evidence += (
            f"; this class has {format_percent(share)} of the training pictures, the largest class "
            f"{format_percent(most)}"
        )
        advice = f"Add training pictures of “{worst.label}”, until it has as many as the other classes."
    else:
        advice = f"Look at the pictures of “{worst.label}” that it got wrong: what do they share with other classes?"
    return CoachFinding(
        "ignored-class",
        "warning",
        f"It hardly ever recognises “{worst.label}”",
        f"{evidence}.",
        advice,
        lesson="accuracy",
    )


def find_guessing(facts: RunFacts) -> CoachFinding | None:
    """A test accuracy that is not shown to beat always predicting the most common class, with pictures enough to."""
    baseline = _find_baseline(facts)
    if facts.tested is None or baseline is None:
        return None
    label, share = baseline
    accuracy = Accuracy(facts.tested.correct, facts.tested.images)
    if accuracy.interval.low > share or 1 - accuracy.interval.high < UNLEARNED * (1 - share):
        return None
    below = accuracy.correct / accuracy.n <= share
    return CoachFinding(
        "guessing",
        "alarm" if below else "warning",
        "No better than guessing" if below else "Not shown to be better than guessing",
        f"{_word(facts).capitalize()} accuracy {accuracy.text()}. Always answering “{label}” would reach "
        f"{format_percent(share)}.",
        "Look at the findings on its curves, and check whether the pictures are labelled correctly."
        if below
        else f"Evaluate it on more {_word(facts)} pictures before you trust the difference.",
        lesson="accuracy",
    )


def find_few_images(facts: RunFacts) -> CoachFinding | None:
    """An interval so wide that the accuracy means little."""
    if facts.tested is None or not facts.tested.images:
        return None
    accuracy = Accuracy(facts.tested.correct, facts.tested.images)
    interval = accuracy.interval
    baseline = _find_baseline(facts)
    guessed = ""
    if baseline is not None and interval.low <= baseline[1]:
        guessed = f" Always answering “{baseline[0]}” would reach {format_percent(baseline[1])}."
    if interval.high - interval.low < WIDE and not guessed:
        return None
    share = min(max(accuracy.correct / accuracy.n, 0.1), 0.9)
    needed = _tidy_count(share * (1 - share) * (Z95 / WISHED_HALF) ** 2)
    word = _word(facts)
    return CoachFinding(
        "few-pictures",
        "note",
        f"Too few {word} pictures for a clear result",
        f"{accuracy.correct} of {accuracy.n} are right: the true accuracy may be anywhere from "
        f"{format_points(interval.low)} to {format_percent(interval.high)} (95 % interval).{guessed}",
        f"Add pictures: with about {needed:,} {word} pictures the accuracy is known to within {100 * WISHED_HALF:.0f} "
        "points.",
        lesson="confidence-intervals",
    )


def find_drop(facts: RunFacts) -> CoachFinding | None:
    """A test accuracy well below the validation accuracy on which the weights were chosen."""
    best, tested, n = facts.best, facts.tested, facts.validation_images
    if best is None or tested is None or tested.split != "test" or not n or not tested.images:
        return None
    drop = best.val_accuracy - tested.accuracy
    if drop <= 0 or any(not score.support for score in facts.scores):
        return None  # without one of the classes, the test is another task
    from scipy.stats import fisher_exact  # takes half a second to import

    right = round(best.val_accuracy * n)
    counts = [[tested.correct, tested.images - tested.correct], [right, n - right]]
    # the validation figure is the best of several epochs: each was a chance to look better than it is
    if fisher_exact(np.array(counts), alternative="less").pvalue * len(facts.epochs) >= BY_CHANCE:
        return None
    return CoachFinding(
        "drop",
        "warning",
        "Worse on test pictures than on validation pictures",
        f"{format_percent(best.val_accuracy)} of {n:,} validation pictures and {format_percent(tested.accuracy)} of "
        f"{tested.images:,} test pictures are right: {format_points(drop)} points less, more than chance explains. The "
        f"weights were chosen as the best of {len(facts.epochs)} epochs on the validation pictures.",
        "Trust the test figure, and check whether the test pictures come from a different place than the others.",
        lesson="validation-and-test",
    )


def _find_baseline(facts: RunFacts) -> tuple[str, float] | None:
    """The most common class of the test and its share; None where one class leaves nothing to tell apart."""
    present = [score for score in facts.scores if score.support]
    if len(present) <= 1:
        return None
    most = max(present, key=lambda score: score.support)
    return most.label, most.support / sum(score.support for score in present)


def _word(facts: RunFacts) -> str:
    """The name of the split behind the result."""
    return SPLIT_NAMES[facts.tested.split if facts.tested else "test"]


def _share(facts: RunFacts, score: ClassScore) -> float | None:
    labels = [item.label for item in facts.scores]
    shares = facts.dataset.shares if facts.dataset is not None else ()
    return shares[labels.index(score.label)] if len(shares) == len(labels) else None


def _tidy_count(count: float) -> int:
    """Rounded up to two significant digits: 138.3 -> 140."""
    step: int = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return math.ceil(count / step) * step
