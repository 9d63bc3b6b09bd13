"""Forecasts next to what trainings then reached on the test split. Imports no torch.

Runs that are equal but for their seeds or length count as one arm, with the mean of their accuracies.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from core.config.train_config import STRATEGIES
from core.formatting import format_count, format_points
from core.probes.forecast import expect
from core.probes.ladder import Ladder, path_for, read_ladder
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.metrics import Accuracy, Interval
from models.catalog import CATALOG

FEWEST = 8  # arms, and pairs of arms, below which nothing is said of the rule


@dataclass(frozen=True)
class ArmTruth:
    """One way to train a network on a dataset: what its probes let expect, and what it reached.

    Attributes:
        point: the last frozen block, of `partial` and `gradual`.
        expected: of the validation pictures.
        measured: correct test pictures of all its runs together.
        runs: how many there are.
    """

    fingerprint: str
    network: str
    strategy: str
    point: str | None
    expected: Accuracy
    measured: Accuracy
    runs: int

    @property
    def name(self) -> str:
        """For people."""
        title = STRATEGIES[self.strategy][0]
        return f"{title}, frozen up to {self.point}" if self.point else title

    @property
    def error(self) -> float:
        """Measured minus expected, a fraction."""
        return (self.measured.value or 0.0) - (self.expected.value or 0.0)


@dataclass(frozen=True)
class ForecastScore:
    """How well the rule holds over all arms of a data root.

    Attributes:
        pairs: of arms on one dataset for which the rule expects different accuracies, as far as they differ; correct
            are those in the expected order.
        mean_error: measured minus expected; None without arms.
        interval: of the mean, 95 %; None of fewer than two.
        mean_size: of the errors, whatever their sign.
    """

    arms: int
    pairs: Accuracy
    mean_error: float | None
    interval: Interval | None
    mean_size: float | None


def find_truths(settings: Settings, runs: Iterable[RunSummary]) -> list[ArmTruth]:
    """Every arm that has a forecast and finished runs that were evaluated on a test split, sorted."""
    ladders: dict[tuple[str, str], Ladder | None] = {}
    found: dict[tuple[str, str, str, str | None], tuple[Accuracy, list[Accuracy]]] = {}
    for run in runs:
        config, fingerprint = run.config, run.meta.dataset_fingerprint
        evaluated = run.tested is not None and run.tested.split == "test" and run.state is RunState.FINISHED
        if not evaluated or run.is_curve or not config.pretrained or run.accuracy is None:
            continue
        key = fingerprint, config.model
        if key not in ladders:
            ladders[key] = read_ladder(path_for(settings, *key))
        ladder = ladders[key]
        expected = None if ladder is None else expect(ladder, config)
        if expected is not None:
            point = config.freeze_point
            if config.strategy == "partial":
                point = point or CATALOG[config.model].default_freeze
            found.setdefault((*key, config.strategy, point), (expected, []))[1].append(run.accuracy)
    arms = []
    for (fingerprint, network, strategy, point), (expected, reached) in found.items():
        total = Accuracy(sum(item.correct for item in reached), sum(item.n for item in reached))
        arms.append(ArmTruth(fingerprint, network, strategy, point, expected, total, len(reached)))
    order = list(STRATEGIES)
    return sorted(arms, key=lambda arm: (arm.fingerprint, arm.network, order.index(arm.strategy), arm.point or ""))


def score(arms: Sequence[ArmTruth]) -> ForecastScore:
    """Compare all forecasts with what was measured."""
    right = pairs = 0
    for a, b in combinations(arms, 2):
        expected = (b.expected.value or 0.0) - (a.expected.value or 0.0)
        measured = (b.measured.value or 0.0) - (a.measured.value or 0.0)
        if a.fingerprint == b.fingerprint and expected and measured:
            pairs += 1
            right += (expected > 0) == (measured > 0)
    errors = [arm.error for arm in arms]
    if not errors:
        return ForecastScore(0, Accuracy(0, 0), None, None, None)
    mean = sum(errors) / len(errors)
    size = sum(map(abs, errors)) / len(errors)
    return ForecastScore(len(arms), Accuracy(right, pairs), mean, _interval(errors, mean), size)


def _interval(errors: Sequence[float], mean: float) -> Interval | None:
    """Student's, of the mean."""
    count = len(errors)
    if count < 2:
        return None
    from scipy.special import stdtrit  # takes a fifth of a second to import

    spread = math.sqrt(sum((error - mean) ** 2 for error in errors) / (count - 1))
    reach = float(stdtrit(count - 1, 0.975)) * spread / math.sqrt(count)
    return Interval(mean - reach, mean + reach)


def describe_score(found: ForecastScore) -> str:
    """Whether the rule holds, in a sentence or two."""
    if not found.arms:
        return "No forecast has been put to the test yet: train one of these strategies."
    assert found.mean_error is not None
    assert found.mean_size is not None
    text = (
        f"Of {format_count(found.arms, 'forecast')} so far, the test accuracy was on average "
        f"{_signed(found.mean_error)} points from the forecast"
    )
    if found.interval is not None:
        text += f" (95 % interval {_signed(found.interval.low)} to {_signed(found.interval.high)})"
    text += f", {format_points(found.mean_size)} without the sign. "
    if found.arms < FEWEST or found.pairs.n < FEWEST:
        return text + "Too few so far to say whether the forecasts rank strategies and networks rightly."
    interval = found.pairs.interval
    return text + (
        f"The forecast order was right in {found.pairs.correct:,} of {found.pairs.n:,} pairs "
        f"({format_points(interval.low)} to {format_points(interval.high)} %; pairs that share a training are not "
        "independent)."
    )


def _signed(fraction: float) -> str:
    return f"+{format_points(fraction)}" if fraction > 0 else format_points(fraction)
