"""Rules on the learning rate of one run: diverged, too high, too low.

Each is a pure function of `RunFacts` that returns a finding, or None. Thresholds are named here with their reason; they
were set on trainings with deliberately wrong settings (docs/decisions/0020-the-coach.md).
"""

import itertools

from core.coach.advice import FAR, calm_down, lower_rate, raise_rate
from core.coach.coach_finding import CoachFinding
from core.coach.fit_rules import is_far_from_good
from core.coach.run_facts import MIN_EPOCHS, MIN_TREND_EPOCHS, RunFacts, recent
from core.formatting import format_number

# An answer at random costs ln(classes) nats. A mean above this multiple of it, over a whole epoch, means that the steps
# overshot; sane rates stayed below 1.3 times.
EXPLODED = 2.0
JUMP = 1.35  # an epoch's training loss that is this many times the one before; restless curves stay below it
JUMPS = 2  # so many are needed: one alone is a bad batch
JUMPY = 0.1  # and this share of the epochs: among hundreds a few are chance
FROM_LOSS = 0.1  # of the loss of guessing: below it, a nearly perfect network jumps at any rate
STUCK = 0.97  # of the loss of guessing: nothing was learned
RATE_MARGIN = 10.0  # times above or below the usual rate, before a rate is blamed: within that, rates work
SLOW_FALL = 0.5  # a loss that fell by less than this share in the whole run is a slow one
LOW_LOSS = 0.5  # of the loss of guessing: below it, a slow training got there all the same


def find_divergence(facts: RunFacts) -> CoachFinding | None:
    """Training ended because a number was no longer finite."""
    if not facts.diverged or facts.rate is None:
        return None
    advice, change = calm_down(facts)
    return CoachFinding(
        "diverged",
        "alarm",
        "Training diverged",
        f"The loss or a weight stopped being a finite number at a learning rate of {format_number(facts.rate, 2)}.",
        advice,
        change,
        "learning-rate",
    )


def find_high_rate(facts: RunFacts) -> CoachFinding | None:
    """Steps that are too large: the loss is far above that of guessing, jumps, or never moves.

    Only a rate that was chosen or searched for, and is well above the usual one, can be the cause. The app's own rate
    starts high and loud on small sets, and what stays wrong with it is wrong at a tenth of it too.
    """
    epochs, rate = facts.epochs, facts.rate
    if len(epochs) < MIN_EPOCHS or rate is None or not facts.rate_chosen or rate <= FAR * facts.usual_rate:
        return None
    guessing, last = facts.chance_loss, epochs[-1]
    losses = [epoch.train_loss for epoch in epochs]
    exploded = sum(loss > EXPLODED * guessing for loss in losses)
    jumps = _count_jumps(facts)
    costs = f"guessing costs {format_number(guessing, 3)}"
    if exploded >= 2 or (exploded and max(last.train_loss, last.val_loss) >= STUCK * guessing):
        seen = f"the training loss was {format_number(max(losses), 3)} nats over a whole epoch; {costs}"
    elif last.val_loss > EXPLODED * guessing and rate >= RATE_MARGIN * facts.usual_rate:
        seen = f"the validation loss ended at {format_number(last.val_loss, 3)} nats; {costs}"
    elif jumps >= max(JUMPS, JUMPY * len(epochs)) and (rate >= RATE_MARGIN * facts.usual_rate or _does_badly(facts)):
        seen = f"the training loss jumped up by a third or more {jumps} times in {len(epochs)} epochs"
    elif min(losses) >= STUCK * guessing and rate >= RATE_MARGIN * facts.usual_rate:
        seen = f"the training loss never fell below {format_number(min(losses), 3)} nats; {costs}"
    else:
        return None
    advice, change = lower_rate(facts, "its steps overshoot")
    return CoachFinding(
        "rate-high",
        "alarm",
        "The learning rate is too high",
        f"At a learning rate of {format_number(rate, 2)} {seen}.",
        advice,
        change,
        "learning-rate",
    )


def find_low_rate(facts: RunFacts) -> CoachFinding | None:
    """Steps that are too small: the loss creeps down, far below the usual rate, and is still high."""
    epochs, rate = facts.last_stage, facts.rate
    if len(epochs) < MIN_TREND_EPOCHS or rate is None or rate * RATE_MARGIN > facts.usual_rate:
        return None
    first, last = epochs[0].train_loss, epochs[-1].train_loss
    if last < (1 - SLOW_FALL) * first or last < LOW_LOSS * facts.chance_loss:
        return None
    if not _does_badly(facts):
        return None
    advice, change = raise_rate(facts)
    return CoachFinding(
        "rate-low",
        "warning",
        "The learning rate is too low",
        f"In {len(epochs)} epochs at a learning rate of {format_number(rate, 2)} the training loss went from "
        f"{format_number(first, 3)} to {format_number(last, 3)} nats; guessing costs "
        f"{format_number(facts.chance_loss, 3)}. The usual rate here is {format_number(facts.usual_rate, 2)}.",
        advice,
        change,
        "learning-rate",
    )


def _does_badly(facts: RunFacts) -> bool:
    best = max(epoch.train_accuracy for epoch in recent(facts.last_stage))
    return is_far_from_good(facts, best, facts.training_images)


def _count_jumps(facts: RunFacts) -> int:
    least = FROM_LOSS * facts.chance_loss
    return sum(
        after.train_loss > max(least, JUMP * before.train_loss) and before.stage == after.stage
        for before, after in itertools.pairwise(facts.epochs)
    )
