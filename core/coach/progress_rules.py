"""Rules on the length of one run: too short, still improving, at its end long before, or only noise.

Each is a pure function of `RunFacts` that returns a finding, or None. Thresholds are named here with their reason; they
were set on trainings with deliberately wrong settings (docs/decisions/0020-the-coach.md).
"""

import itertools
from statistics import fmean

from core.coach.advice import end_early, train_longer
from core.coach.coach_finding import CoachFinding
from core.coach.run_facts import MIN_TREND_EPOCHS, RunFacts, fall_p_value, last_third, third_before
from core.formatting import format_number, format_percent, format_points

# Fall of the validation loss over the last third of the epochs, as a share of it; cosine schedules end nearly flat.
STILL_FALLING = 0.10
NEAR_MINIMUM = 1.02  # of the lowest validation loss: the curve ends at its best
LITTLE_LEFT = 0.03  # share of wrong validation pictures; below it, more epochs gain next to nothing
PLATEAU_EPOCHS = 8  # fewer epochs are not a plateau
PLATEAU = 0.03  # change of the validation loss after the first half, as a share of it, that counts as none
EARLY_BEST = 0.5  # the best epoch lies in the first part of the run
EARLY_BEST_EPOCHS = 5  # and so many epochs came after it
WORSE_BY = 0.03  # fall of the validation accuracy since then; less is a picture or two
LOSS_WORSE = 1.05  # rise of the validation loss since then
TRAIN_FALLS = 0.5  # of the fall that the validation loss needs: both losses fall, or one of them fell by chance
NOISE_EPOCHS = 5  # fewer do not show whether there is a trend among them
PERHAPS = 0.1  # a slope that chance makes less often may be a trend
BY_CHANCE = 0.005  # how often a slope may be taken for a trend where there is none


def find_too_short(facts: RunFacts) -> CoachFinding | None:
    """So few epochs that nothing shows whether the last change was chance."""
    epochs = facts.epochs
    if not 0 < len(epochs) < MIN_TREND_EPOCHS or facts.state.active:
        return None
    if len(epochs) > 1 and 1 - epochs[-1].val_accuracy <= LITTLE_LEFT:
        return None
    advice, change = train_longer(facts.config, len(epochs), at_least=5)
    one = len(epochs) == 1
    return CoachFinding(
        "too-short",
        "note",
        "One epoch is not a curve" if one else f"{len(epochs)} epochs are not a curve yet",
        f"After {'a single epoch' if one else f'{len(epochs)} epochs'} there is no trend to see.",
        advice,
        change,
        "epochs",
    )


def find_unfinished(facts: RunFacts) -> CoachFinding | None:
    """The validation loss is still falling where the run ends."""
    epochs = facts.last_stage
    if len(epochs) < MIN_TREND_EPOCHS or not facts.validation_images:
        return None
    wrong = 1 - epochs[-1].val_accuracy
    if wrong <= LITTLE_LEFT or epochs[-1].val_loss > NEAR_MINIMUM * min(epoch.val_loss for epoch in epochs):
        return None
    before, after = third_before(epochs), last_third(epochs)
    start, end = fmean(epoch.val_loss for epoch in before), fmean(epoch.val_loss for epoch in after)
    learned = fmean(epoch.train_loss for epoch in after) / max(fmean(epoch.train_loss for epoch in before), 1e-12)
    if end > (1 - STILL_FALLING) * start or learned > 1 - TRAIN_FALLS * STILL_FALLING:
        return None
    window = epochs[-max(MIN_TREND_EPOCHS, 2 * len(after)) :]
    if fall_p_value([epoch.val_loss for epoch in window]) > BY_CHANCE:
        return None
    advice, change = train_longer(facts.config, len(facts.epochs))
    return CoachFinding(
        "unfinished",
        "warning",
        "It was still improving when it ended",
        f"The validation loss was still falling, from {format_number(start, 3)} to {format_number(end, 3)} nats over "
        f"the last {max(2, len(last_third(epochs)))} of {len(facts.epochs)} epochs.",
        advice,
        change,
        "epochs",
    )


def find_plateau(facts: RunFacts) -> CoachFinding | None:
    """Nothing changed in the second half of the run."""
    epochs = facts.last_stage
    if len(epochs) < PLATEAU_EPOCHS or len(facts.epochs) != len(epochs):
        return None
    half = epochs[len(epochs) // 2 :]
    middle = fmean(epoch.val_loss for epoch in half)
    if max(abs(epoch.val_loss - middle) for epoch in half) > PLATEAU * middle:
        return None
    start = half[0].epoch
    advice, change = end_early(facts.config)
    return CoachFinding(
        "plateau",
        "note",
        f"Nothing changed after epoch {start}",
        f"From epoch {start} to {epochs[-1].epoch} the validation loss stayed within {100 * PLATEAU:.0f} % of "
        f"{format_number(middle, 3)} nats.",
        advice,
        change,
        "epochs",
    )


def find_early_best(facts: RunFacts) -> CoachFinding | None:
    """The weights that were kept are from long before the end."""
    best, epochs = facts.best, facts.epochs
    if best is None or len(facts.last_stage) != len(epochs):
        return None
    if best.epoch > EARLY_BEST * len(epochs) or len(epochs) - best.epoch < EARLY_BEST_EPOCHS:
        return None
    end, last = fmean(e.val_accuracy for e in last_third(epochs)), fmean(e.val_loss for e in last_third(epochs))
    since = [-epoch.val_loss for epoch in epochs[best.epoch :]]  # without the best, which chance may have chosen
    if (
        best.val_accuracy - end < WORSE_BY
        or end >= facts.validation_interval(best.val_accuracy).low
        or last < LOSS_WORSE * best.val_loss
        or fall_p_value(since) > BY_CHANCE
    ):
        return None  # one of many equally good epochs
    advice, change = end_early(facts.config)
    return CoachFinding(
        "early-best",
        "note",
        f"The best epoch was the {_ordinal(best.epoch)} of {len(epochs)}",
        f"{format_percent(best.val_accuracy)} of the validation pictures were right then, "
        f"{format_percent(end)} at the end. The weights of the best epoch were kept.",
        advice,
        change,
        "validation-and-test",
    )


def find_noise(facts: RunFacts) -> CoachFinding | None:
    """Ups and downs of the validation accuracy that are chance with so few pictures."""
    epochs = facts.epochs[len(facts.epochs) // 2 :]
    n = facts.validation_images
    if len(epochs) < NOISE_EPOCHS or not n:
        return None
    values = [epoch.val_accuracy for epoch in epochs]
    steps = [after - before for before, after in itertools.pairwise(values) if after != before]
    turns = sum(one * other < 0 for one, other in itertools.pairwise(steps))
    interval = facts.validation_interval(epochs[-1].val_accuracy)
    if not turns or not interval.low <= min(values) <= max(values) <= interval.high:
        return None
    if max(values) - min(values) > (interval.high - interval.low) / 2:
        return None
    for curve in (values, [epoch.val_loss for epoch in epochs]):
        falls = fall_p_value(curve)
        if not PERHAPS <= falls <= 1 - PERHAPS:
            return None  # among the ups and downs there may be a trend
    return CoachFinding(
        "noise",
        "note",
        "Its ups and downs are too small to mean anything",
        f"Over the last {len(epochs)} epochs the validation accuracy moved between {format_points(min(values))} and "
        f"{format_percent(max(values))}. With {n:,} pictures one of them is {format_points(1 / n)} points, and the "
        f"95 % interval of the last epoch runs from {format_points(interval.low)} to {format_percent(interval.high)}.",
        "Read nothing into differences between single epochs; it would take more validation pictures to measure them.",
        lesson="confidence-intervals",
    )


def _ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
