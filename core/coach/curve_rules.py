"""Rules on the curves of one run. Each is a pure function of `RunFacts`: a reading, or None.

No rule speaks about fewer than two epochs. Thresholds are named here with their reason; they were set on trainings with
deliberately wrong settings (docs/decisions/0020-the-coach.md).
"""

import itertools
from collections.abc import Sequence
from statistics import fmean

from core.coach.advice import counter_overfitting, counter_underfitting, lower_rate, raise_rate, train_longer
from core.coach.reading import Reading
from core.coach.run_facts import RunFacts
from core.config.events import EpochDone
from core.formatting import format_number
from core.statistics.metrics import format_points

FEWEST_EPOCHS = 2  # one epoch is a point, not a curve
SHORT_EPOCHS = 10  # with fewer, more of them are the first thing to try
FEWEST_FOR_TREND = 4  # epochs, before something is said about where a curve is going
# An answer at random costs ln(classes) nats. A mean above this multiple of it, over a whole epoch, means that the steps
# themselves threw the weights far off; sane rates stayed below 1.3 times.
EXPLODED = 2.0
JUMP = 1.25  # an epoch's training loss that is this many times the one before
JUMPS = 2  # so many of them: one alone is a bad batch
JUMPY = 0.05  # and so large a share of the epochs: among hundreds a few are chance
FROM_LOSS = 0.1  # of the loss of guessing: a network that has learned nearly everything jumps below it at any rate
STUCK = 0.97  # of the loss of guessing: nothing was learned
RATE_MARGIN = 10.0  # times above or below the usual rate, before a rate is blamed: within that, both work
SLOW_FALL = 0.5  # a loss that lost less than this share in the whole run has not got far
LOW_LOSS = 0.5  # of the loss of guessing: below, a slow training has arrived all the same
# fall of the validation loss over the last third of the epochs, as a share of it; cosine schedules end nearly flat
STILL_FALLING = 0.08
STILL_FALLING_SHORT = 0.10  # the same between two epochs, where chance weighs more
NEAR_MINIMUM = 1.02  # of the lowest validation loss: the curve ends at its best
LITTLE_LEFT = 0.03  # share of validation pictures that are wrong; below, more epochs can bring next to nothing
LOSS_RISE = 1.15  # validation loss at the end, over its minimum: above, it has turned
TRAIN_FALL = 0.9  # training loss at the end, over that at the turning point: below, it went on learning by heart
GAP = 0.10  # training accuracy minus validation accuracy that is called learning by heart
SMALL_GAP = 0.05  # below this the two go together
UNLEARNED = 0.5  # share of the errors of guessing that the network still makes on its own training pictures
FLAT = 0.05  # fall of the training loss over the last third, as a share of it, that counts as none
PLATEAU_EPOCHS = 8  # fewer epochs are no plateau
PLATEAU = 0.02  # change of the validation loss after the first half, as a share of it, that counts as none
EARLY_BEST = 0.5  # the best epoch lies in the first part of the run
EARLY_BEST_EPOCHS = 5  # and so many epochs came after it
WORSE_BY = 0.03  # fall of the validation accuracy since then; less is one picture or two
LOSS_WORSE = 1.05  # rise of the validation loss since then
TRAIN_BELOW = 0.02  # training accuracy below validation accuracy that people ask about
PATIENCE = 3  # epochs


def find_divergence(facts: RunFacts) -> Reading | None:
    """The training ended because a number stopped being finite."""
    if not facts.diverged or facts.rate is None:
        return None
    advice, change = lower_rate(facts, "every step overshot further than the one before")
    return Reading(
        "diverged",
        "alarm",
        "The training flew apart",
        f"The loss or a weight stopped being a finite number at a learning rate of {format_number(facts.rate, 2)}.",
        advice,
        change,
        "learning-rate",
    )


def find_high_rate(facts: RunFacts) -> Reading | None:
    """Steps that were too large: the loss is far above that of guessing, jumps, or never left where it began."""
    epochs, rate = facts.epochs, facts.rate
    if len(epochs) < FEWEST_EPOCHS or rate is None:
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
    elif jumps >= max(JUMPS, JUMPY * len(epochs)) and rate > facts.usual_rate:
        seen = f"the training loss jumped up by a quarter or more {jumps} times in {len(epochs)} epochs"
    elif min(losses) >= STUCK * guessing and rate >= RATE_MARGIN * facts.usual_rate:
        seen = f"the training loss never fell below {format_number(min(losses), 3)} nats; {costs}"
    else:
        return None
    advice, change = lower_rate(facts, "its steps overshoot")
    return Reading(
        "rate-high",
        "alarm",
        "The learning rate is too high",
        f"At a learning rate of {format_number(rate, 2)} {seen}.",
        advice,
        change,
        "learning-rate",
    )


def find_low_rate(facts: RunFacts) -> Reading | None:
    """A loss that creeps down steadily and is still far up, at a rate far below the usual one."""
    epochs, rate = facts.last_stage, facts.rate
    if len(epochs) < FEWEST_FOR_TREND or rate is None or rate * RATE_MARGIN > facts.usual_rate:
        return None
    first, last = epochs[0].train_loss, epochs[-1].train_loss
    if last < (1 - SLOW_FALL) * first or last < LOW_LOSS * facts.chance_loss:
        return None
    advice, change = raise_rate(facts)
    return Reading(
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


def find_overfitting(facts: RunFacts) -> Reading | None:
    """Training pictures are known ever better, new ones are not: learning by heart."""
    epochs = facts.epochs
    if len(epochs) < FEWEST_FOR_TREND or not facts.validation_images:
        return None
    last = _tail(epochs)
    known, new = fmean(e.train_accuracy for e in last), fmean(e.val_accuracy for e in last)
    if known - new < SMALL_GAP or known <= facts.validation_interval(new).high:
        return None  # the two go together as far as so few pictures can tell
    turn = min(epochs, key=lambda epoch: epoch.val_loss)
    end = fmean(epoch.val_loss for epoch in last)
    turned = end > LOSS_RISE * turn.val_loss and turn.epoch <= len(epochs) - len(last)
    by_heart = fmean(e.train_loss for e in last) < TRAIN_FALL * turn.train_loss
    if not (turned and by_heart) and known - new < GAP:
        return None
    seen = (
        f"At the end {format_points(known)} % of the training pictures are right, but "
        f"{format_points(new)} % of the {facts.validation_images:,} validation pictures"
    )
    if turned and by_heart:
        seen += (
            f"; the validation loss was lowest after epoch {turn.epoch} ({format_number(turn.val_loss, 3)} "
            f"nats, {format_number(end, 3)} at last)"
        )
    advice, change = counter_overfitting(facts, turn.epoch if turned else None)
    return Reading(
        "overfitting", "warning", "It learns its training pictures by heart", f"{seen}.", advice, change, "overfitting"
    )


def find_underfitting(facts: RunFacts) -> Reading | None:
    """Even the training pictures are not learned, and the curve has become flat."""
    epochs = facts.last_stage
    if len(epochs) < FEWEST_FOR_TREND:
        return None
    last, before = _tail(epochs), _before_tail(epochs)
    accuracy = fmean(e.train_accuracy for e in last)
    gap = accuracy - fmean(e.val_accuracy for e in last)
    errors_of_guessing = 1 - 1 / facts.classes
    fall = 1 - fmean(e.train_loss for e in last) / max(fmean(e.train_loss for e in before), 1e-12)
    if gap >= SMALL_GAP or 1 - accuracy < UNLEARNED * errors_of_guessing or fall > FLAT:
        return None
    advice, change = counter_underfitting(facts.config)
    return Reading(
        "underfitting",
        "warning",
        "It has not even learned its training pictures",
        f"At the end {format_points(accuracy)} % of the training pictures are right (guessing: "
        f"{format_points(1 / facts.classes)} %), and the training loss has become flat: it changed by "
        f"{100 * abs(fall):.0f} % over the last third of the epochs.",
        advice,
        change,
        "underfitting",
    )


def format_weakness(facts: RunFacts) -> Reading | None:
    """Better than guessing and far from good, without any other sign of why than that it was short."""
    if facts.state.active or len(facts.epochs) < FEWEST_EPOCHS or not facts.validation_images:
        return None
    last = _tail(facts.epochs)
    accuracy = fmean(e.val_accuracy for e in last)
    if 1 - accuracy < UNLEARNED * (1 - 1 / facts.classes):
        return None
    count, short = len(facts.epochs), len(facts.epochs) < SHORT_EPOCHS
    advice, change = train_longer(facts.config, count) if short else counter_underfitting(facts.config)
    return Reading(
        "weak",
        "warning",
        f"It is far from good after {count} epochs" if short else "It is far from good, and its curves do not say why",
        f"At the end {format_points(accuracy)} % of the {facts.validation_images:,} validation pictures are right "
        f"(guessing: {format_points(1 / facts.classes)} %), and {format_points(fmean(e.train_accuracy for e in last))} "
        "% of the training pictures.",
        advice,
        change,
        "epochs" if short else "underfitting",
    )


def find_unfinished(facts: RunFacts) -> Reading | None:
    """The validation loss still falls where the run ends."""
    epochs = facts.last_stage
    if len(epochs) < FEWEST_EPOCHS or not facts.validation_images:
        return None
    wrong = 1 - epochs[-1].val_accuracy
    if wrong <= LITTLE_LEFT or epochs[-1].val_loss > NEAR_MINIMUM * min(epoch.val_loss for epoch in epochs):
        return None
    if len(epochs) < FEWEST_FOR_TREND:
        start, end, needed = epochs[-2].val_loss, epochs[-1].val_loss, STILL_FALLING_SHORT
    else:
        start = fmean(epoch.val_loss for epoch in _before_tail(epochs))
        end, needed = fmean(epoch.val_loss for epoch in _tail(epochs)), STILL_FALLING
    if end > (1 - needed) * start:
        return None
    advice, change = train_longer(facts.config, len(facts.epochs))
    return Reading(
        "unfinished",
        "warning",
        "It was still getting better when it ended",
        f"The validation loss still fell, from {format_number(start, 3)} to {format_number(end, 3)} nats over the last "
        f"{max(2, len(_tail(epochs)))} of {len(facts.epochs)} epochs.",
        advice,
        change,
        "epochs",
    )


def find_plateau(facts: RunFacts) -> Reading | None:
    """Nothing has changed for the second half of the run."""
    epochs = facts.last_stage
    if len(epochs) < PLATEAU_EPOCHS or len(facts.epochs) != len(epochs):
        return None
    half = epochs[len(epochs) // 2 :]
    middle = fmean(epoch.val_loss for epoch in half)
    if max(abs(epoch.val_loss - middle) for epoch in half) > PLATEAU * middle:
        return None
    start = half[0].epoch
    return Reading(
        "plateau",
        "note",
        f"Nothing changed after epoch {start}",
        f"From epoch {start} to {epochs[-1].epoch} the validation loss stayed within {100 * PLATEAU:.0f} % of "
        f"{format_number(middle, 3)} nats.",
        f"Try {start} epochs instead of {facts.config.epochs}: the same result in less time.",
        {"epochs": start},
        "epochs",
    )


def find_early_best(facts: RunFacts) -> Reading | None:
    """The weights that were kept are from long before the end."""
    best, epochs = facts.best, facts.epochs
    if best is None or len(facts.last_stage) != len(epochs):
        return None
    if best.epoch > EARLY_BEST * len(epochs) or len(epochs) - best.epoch < EARLY_BEST_EPOCHS:
        return None
    end, last = fmean(e.val_accuracy for e in _tail(epochs)), fmean(e.val_loss for e in _tail(epochs))
    if best.val_accuracy - end < WORSE_BY or last < LOSS_WORSE * best.val_loss:
        return None  # one of many equally good epochs
    return Reading(
        "early-best",
        "note",
        f"The best epoch was the {_ordinal(best.epoch)} of {len(epochs)}",
        f"{format_points(best.val_accuracy)} % of the validation pictures were right then, "
        f"{format_points(end)} % at the end. The weights of the best epoch were kept.",
        f"Try a patience of {PATIENCE} epochs: the training then ends when nothing gets better.",
        {"patience": PATIENCE},
        "validation-and-test",
    )


def find_noise(facts: RunFacts) -> Reading | None:
    """Ups and downs of the validation accuracy that so few pictures explain by themselves."""
    epochs = facts.epochs[len(facts.epochs) // 2 :]
    n = facts.validation_images
    if len(facts.epochs) < FEWEST_FOR_TREND or len(epochs) < 3 or not n:
        return None
    values = [epoch.val_accuracy for epoch in epochs]
    steps = [after - before for before, after in itertools.pairwise(values) if after != before]
    turns = sum(one * other < 0 for one, other in itertools.pairwise(steps))
    interval = facts.validation_interval(epochs[-1].val_accuracy)
    if not turns or not interval.low <= min(values) <= max(values) <= interval.high:
        return None
    return Reading(
        "noise",
        "note",
        "Its ups and downs are too small to mean anything",
        f"Over the last {len(epochs)} epochs the validation accuracy went between {format_points(min(values))} and "
        f"{format_points(max(values))} %. With {n:,} pictures one of them is {format_points(1 / n)} points, and the "
        f"95 % interval of the last epoch goes from {format_points(interval.low)} to {format_points(interval.high)} %.",
        "Read nothing into differences between single epochs; only more validation pictures would tell them apart.",
        lesson="confidence-intervals",
    )


def find_train_below(facts: RunFacts) -> Reading | None:
    """Training accuracy below validation accuracy, which looks wrong and is not."""
    epochs = facts.epochs
    if len(epochs) < FEWEST_EPOCHS:
        return None
    last = epochs[-1]
    if last.val_accuracy - last.train_accuracy < TRAIN_BELOW:
        return None
    config = facts.config
    causes = []
    if config.augmented:
        causes.append("training pictures are changed at random")
    if config.model == "scratch_cnn" and config.dropout > 0:
        causes.append(f"dropout silences {100 * config.dropout:.0f} % of the dense neurons while it trains")
    causes.append("its training accuracy is a mean over the epoch, while the network was still worse")
    return Reading(
        "train-below",
        "fine",
        "Training accuracy below validation accuracy is normal here",
        f"{format_points(last.train_accuracy)} % on training pictures and {format_points(last.val_accuracy)} % on "
        f"validation pictures after epoch {last.epoch}: {', and '.join(causes)}.",
        lesson="overfitting",
    )


def find_too_short(facts: RunFacts) -> Reading | None:
    """A curve of one point."""
    if len(facts.epochs) != 1 or facts.state.active:
        return None
    advice, change = train_longer(facts.config, 1, at_least=5)
    return Reading(
        "too-short", "note", "One epoch is no curve", "After a single epoch nobody can see where a curve goes.",
        advice, change, "epochs",
    )  # fmt: skip


def _tail(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """The last third, at least one epoch: a mean over it is calmer than the last epoch alone."""
    return epochs[-max(1, len(epochs) // 3) :]


def _before_tail(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """As many epochs as `_tail` has, right before them."""
    count = len(_tail(epochs))
    return epochs[-2 * count : -count]


def _count_jumps(facts: RunFacts) -> int:
    least = FROM_LOSS * facts.chance_loss
    return sum(
        after.train_loss > max(least, JUMP * before.train_loss) and before.stage == after.stage
        for before, after in itertools.pairwise(facts.epochs)
    )


def _ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
