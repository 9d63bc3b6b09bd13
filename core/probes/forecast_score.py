"""Forecasts next to what trainings then reached on the test split. Imports no torch.

Runs that are equal but for their seeds or length count as one arm, with the mean of their accuracies.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from core.config.strategies import STRATEGIES
from core.formatting import format_count, format_points
from core.probes.forecast import expect
from core.probes.ladder import Ladder, path_for, read_ladder
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.metrics import Accuracy, Interval
from models.catalog import CATALOG

FEWEST = 8  # arms, and pairs of strategies, below which nothing is said of the rule
FEWEST_DATASETS = 3


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
        strategies: pairs of arms of one network on one dataset for which the rule expects different accuracies, as far
            as they differ; correct are those in the expected order.
        networks: the same of two networks, which is easier.
        mean_error: measured minus expected; None without arms.
        interval: of the mean, 95 %, with one mean for each dataset: arms on one dataset share its validation pictures.
            None of fewer than two.
        mean_size: of the errors, whatever their sign.
    """

    arms: int
    datasets: int
    strategies: Accuracy
    networks: Accuracy
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
    counts = {True: [0, 0], False: [0, 0]}  # of one network or not -> right, pairs
    for a, b in combinations(arms, 2):
        expected = (b.expected.value or 0.0) - (a.expected.value or 0.0)
        measured = (b.measured.value or 0.0) - (a.measured.value or 0.0)
        if a.fingerprint == b.fingerprint and expected and measured:
            count = counts[a.network == b.network]
            count[0] += (expected > 0) == (measured > 0)
            count[1] += 1
    strategies, networks = (Accuracy(*counts[one]) for one in (True, False))
    by_dataset: dict[str, list[float]] = {}
    for arm in arms:
        by_dataset.setdefault(arm.fingerprint, []).append(arm.error)
    if not arms:
        return ForecastScore(0, 0, strategies, networks, None, None, None)
    means = [sum(errors) / len(errors) for errors in by_dataset.values()]
    mean, size = sum(means) / len(means), sum(abs(arm.error) for arm in arms) / len(arms)
    return ForecastScore(len(arms), len(means), strategies, networks, mean, _interval(means, mean), size)


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
    """Whether the rule holds, in a few sentences."""
    if found.mean_error is None or found.mean_size is None:
        return "No forecast has been put to the test yet: train one of these strategies."
    text = (
        f"{format_count(found.arms, 'forecast')} on {format_count(found.datasets, 'dataset')} so far: the test "
        f"accuracy was {_signed(found.mean_error)} points from the forecast on average"
    )
    if found.interval is not None and found.datasets >= FEWEST_DATASETS:
        text += f" (95 % interval {_signed(found.interval.low)} to {_signed(found.interval.high)})"
    text += f", {format_points(found.mean_size)} without the sign. "
    if found.arms < FEWEST or found.strategies.n < FEWEST or found.datasets < FEWEST_DATASETS:
        return text + "Too few so far to say whether the forecasts rank strategies rightly."
    limits = found.strategies.interval
    text += (
        f"The order of strategies was right in {found.strategies.correct:,} of {found.strategies.n:,} pairs "
        f"({format_points(limits.low)} to {format_points(limits.high)} %; pairs that share a training are not "
        "independent)"
    )
    if found.networks.n:
        text += f", that of networks in {found.networks.correct:,} of {found.networks.n:,}"
    return f"{text}."


def _signed(fraction: float) -> str:
    return f"+{format_points(fraction)}" if fraction > 0 else format_points(fraction)
