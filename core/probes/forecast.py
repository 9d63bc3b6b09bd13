"""What probes let expect of each strategy before it is trained, in numbers and sentences. Imports no torch.

The rule: a training that is frozen up to a block should reach what the best probe from that block on reaches, since the
blocks after it can pass on what is there. A head reads the last block; full fine-tuning may use any.
"""

from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.formatting import format_percent, format_points
from core.probes.ladder import Ladder
from core.statistics.metrics import Accuracy, Interval

MOST = 0.95  # of the way from guessing to the best probe
LITTLE = 0.05  # wrong pictures: so few are left that more training is hardly worth it


def best_from(ladder: Ladder, place: int) -> int:
    """The block from here on after which most is right; of equal ones the last."""
    return max(range(place, len(ladder.blocks)), key=lambda other: (ladder.accuracy(other).correct, other))


def expect(ladder: Ladder, config: TrainConfig) -> Accuracy | None:
    """What a training with this network should reach; None of a training from scratch."""
    if not config.pretrained or config.model != ladder.network:
        return None
    point = plan_stages(config, ladder.entry)[-1].freeze_point
    place = ladder.entry.freeze_points.index(point) if point else 0
    return ladder.accuracy(best_from(ladder, place))


def enough(ladder: Ladder) -> int:
    """The first block after which most of what any probe reaches is there."""
    best, chance = ladder.accuracy(best_from(ladder, 0)).correct, ladder.guessed
    wanted = chance + MOST * max(0, best - chance)
    return next(place for place in range(len(ladder.blocks)) if ladder.accuracy(place).correct >= wanted)


def gain(ladder: Ladder) -> Interval:
    """The best probe's accuracy minus that after the last block, which the head reads: its 95 % interval."""
    return ladder.difference(ladder.last, best_from(ladder, 0))


def describe_head(ladder: Ladder) -> str:
    """What a head should reach."""
    head = ladder.accuracy(ladder.last)
    limits = head.interval
    return (
        f"A head alone should reach about {format_percent(head.value or 0)} ({format_points(limits.low)} to "
        f"{format_points(limits.high)})."
    )


def describe_depth(ladder: Ladder) -> str:
    """After which block most is there, and what unfreezing may add."""
    place = enough(ladder)
    if place < ladder.last:
        text = f"Most of what it needs is there after {ladder.blocks[place].block}"
    else:
        text = "Only the last block has most of what it needs"
    return f"{text}; {_describe_unfreezing(ladder)}"


def _describe_unfreezing(ladder: Ladder) -> str:
    best, wrong = best_from(ladder, 0), ladder.val - ladder.accuracy(ladder.last).correct
    missing, interval = _points(wrong / ladder.val), gain(ladder)
    name, range_text = ladder.blocks[best].block, f"{100 * max(0.0, interval.low):.0f} to {_points(interval.high)}"
    if interval.low > 0:
        return f"{name} knows more than the last block: frozen up to {name}, training should bring {range_text}."
    if wrong <= LITTLE * ladder.val:
        return f"unfreezing can bring at most the {missing} that are missing: try the head first."
    if best == ladder.last:
        return (
            f"no earlier block knows more. {missing} are missing: compare the head with full fine-tuning, which may "
            "win some of them; probes cannot show how many."
        )
    return (
        f"frozen up to {name}, training may bring {range_text} more than a head; {ladder.val:,} validation pictures "
        "cannot decide that."
    )


def describe_pretraining(ladder: Ladder) -> str:
    """Whether the pretrained weights are of use for these pictures at all."""
    interval = ladder.gain_of_pretraining()
    if interval.low > 0:
        return (
            f"With random weights the last block reaches {format_percent(ladder.untrained(ladder.last).value or 0)}: "
            f"pretraining is worth {100 * interval.low:.0f} to {_points(interval.high)} here."
        )
    return (
        "Pretrained weights are not shown to be better than random ones for these pictures: a network from scratch may "
        "do as well."
    )


def _points(share: float) -> str:
    text = f"{100 * share:.0f}"
    return f"{text} point{'' if text == '1' else 's'}"
