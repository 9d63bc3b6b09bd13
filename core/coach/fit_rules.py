"""Rules on how well one run fits: overfitting, underfitting, weak for no visible reason.

Each is a pure function of `RunFacts` that returns a finding, or None. Thresholds are named here with their reason; they
were set on trainings with deliberately wrong settings (docs/decisions/0020-the-coach.md).
"""

import math
from statistics import fmean

from core.coach.advice import counter_overfitting, counter_underfitting, train_longer
from core.coach.coach_finding import CoachFinding
from core.coach.run_facts import MIN_EPOCHS, MIN_TREND_EPOCHS, RunFacts, last_third, recent, third_before
from core.formatting import format_number, format_percent, format_points
from core.statistics.metrics import wilson_interval

SHORT_EPOCHS = 10  # with fewer, more epochs are the first thing to try
LOSS_RISE = 1.15  # validation loss at the end, over its minimum: above, it has turned
TRAIN_FALL = 0.9  # training loss at the end, over that at the turning point: below, it kept memorising
GAP = 0.10  # training accuracy minus validation accuracy: from here on it is overfitting
SMALL_GAP = 0.05  # below this the two agree
UNLEARNED = 0.5  # share of the errors of guessing that a network makes which is far from good
LEARNED = 0.4  # the same of one that is good; chance may not explain the difference to it
FLAT = 0.05  # fall of the training loss over the last third, as a share of it, that counts as none
TRAIN_BELOW = 0.02  # training accuracy below validation accuracy: from here on people ask about it


def is_far_from_good(facts: RunFacts, accuracy: float, images: int) -> bool:
    """Whether so many pictures show that the accuracy is not a good one."""
    guessing = 1 - 1 / facts.classes
    high = wilson_interval(round(accuracy * images), images).high
    return 1 - accuracy >= UNLEARNED * guessing and 1 - high > LEARNED * guessing


def find_overfitting(facts: RunFacts) -> CoachFinding | None:
    """Accuracy on training pictures keeps improving, on validation pictures it does not."""
    epochs = facts.epochs
    if len(epochs) < MIN_TREND_EPOCHS or not facts.validation_images:
        return None
    last = last_third(epochs)
    known, new = fmean(e.train_accuracy for e in last), fmean(e.val_accuracy for e in last)
    if _least_gap(facts, known, new) < SMALL_GAP:
        return None  # with so few pictures the two may be as good as equal
    turn = min(epochs, key=lambda epoch: epoch.val_loss)
    end = fmean(epoch.val_loss for epoch in last)
    turned = end > LOSS_RISE * turn.val_loss and turn.epoch <= len(epochs) - len(last)
    memorising = fmean(e.train_loss for e in last) < TRAIN_FALL * turn.train_loss
    if not (turned and memorising) and known - new < GAP:
        return None
    seen = (
        f"At the end {format_percent(known)} of the training pictures are right, but only "
        f"{format_percent(new)} of the {facts.validation_images:,} validation pictures"
    )
    if turned and memorising:
        seen += (
            f"; the validation loss was lowest after epoch {turn.epoch} ({format_number(turn.val_loss, 3)} "
            f"nats, {format_number(end, 3)} at the end)"
        )
    advice, change = counter_overfitting(facts)
    return CoachFinding(
        "overfitting",
        "warning",
        "It is overfitting: it memorises its training pictures",
        f"{seen}.",
        advice,
        change,
        "overfitting",
    )


def find_underfitting(facts: RunFacts) -> CoachFinding | None:
    """Even the training pictures are mostly wrong, and the curve is flat."""
    epochs = facts.last_stage
    if len(epochs) < MIN_TREND_EPOCHS:
        return None
    last, before = last_third(epochs), third_before(epochs)
    accuracy = fmean(e.train_accuracy for e in last)
    best = max(e.train_accuracy for e in recent(epochs))
    gap = _least_gap(facts, accuracy, fmean(e.val_accuracy for e in last))
    fall = 1 - fmean(e.train_loss for e in last) / max(fmean(e.train_loss for e in before), 1e-12)
    if gap >= SMALL_GAP or not is_far_from_good(facts, best, facts.training_images) or fall > FLAT:
        return None
    advice, change = counter_underfitting(facts.config)
    return CoachFinding(
        "underfitting",
        "warning",
        "It is underfitting: it has not even learned its training pictures",
        f"At the end {format_percent(accuracy)} of the training pictures are right (guessing: "
        f"{format_percent(1 / facts.classes)}), and the training loss is flat: it changed by "
        f"{100 * abs(fall):.0f} % over the last third of the epochs.",
        advice,
        change,
        "underfitting",
    )


def describe_weakness(facts: RunFacts) -> CoachFinding | None:
    """Far from good, and the curves show no reason except, perhaps, too few epochs."""
    if facts.state.active or len(facts.epochs) < MIN_EPOCHS or not facts.validation_images:
        return None
    last = last_third(facts.epochs)
    accuracy = fmean(e.val_accuracy for e in last)
    if not is_far_from_good(facts, max(e.val_accuracy for e in recent(facts.epochs)), facts.validation_images):
        return None
    count, short = len(facts.epochs), len(facts.epochs) < SHORT_EPOCHS
    advice, change = train_longer(facts.config, count) if short else counter_underfitting(facts.config)
    return CoachFinding(
        "weak",
        "warning",
        f"It is far from good after {count} epochs" if short else "It is far from good, and its curves do not show why",
        f"At the end {format_percent(accuracy)} of the {facts.validation_images:,} validation pictures are right "
        f"(guessing: {format_percent(1 / facts.classes)}), and {format_points(fmean(e.train_accuracy for e in last))} "
        "% of the training pictures.",
        advice,
        change,
        "epochs" if short else "underfitting",
    )


def _least_gap(facts: RunFacts, known: float, new: float) -> float:
    """The lower end of the 95 % interval of training accuracy minus validation accuracy.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10.
    """
    low = wilson_interval(round(known * facts.training_images), facts.training_images).low
    high = facts.validation_interval(new).high
    return known - new - math.hypot(known - low, high - new)


def find_train_below(facts: RunFacts) -> CoachFinding | None:
    """Training accuracy below validation accuracy: it looks wrong and is normal."""
    epochs = facts.epochs
    if len(epochs) < MIN_EPOCHS:
        return None
    last = epochs[-1]
    if last.val_accuracy - last.train_accuracy < TRAIN_BELOW:
        return None
    config = facts.config
    causes = []
    if config.augmented:
        causes.append("training pictures are changed at random (augmentation)")
    if config.model == "scratch_cnn" and config.dropout > 0:
        causes.append(f"dropout switches off {100 * config.dropout:.0f} % of the dense neurons during training")
    causes.append("training accuracy is a mean over the whole epoch, while the network was still improving")
    if last.train_accuracy >= facts.validation_interval(last.val_accuracy).low:
        causes.append(f"and with {facts.validation_images:,} validation pictures, chance alone can explain it")
    return CoachFinding(
        "train-below",
        "fine",
        "Training accuracy below validation accuracy is normal here",
        f"{format_percent(last.train_accuracy)} on training pictures and {format_percent(last.val_accuracy)} on "
        f"validation pictures after epoch {last.epoch}: {'; '.join(causes)}.",
        lesson="overfitting",
    )
