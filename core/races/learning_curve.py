"""Learning curves: the accuracy of each arm against the number of training images per class.

One run per arm trains all sizes and seeds (`core.training.series`). This file starts such runs and gathers their
points. Where a curve has several seeds, its interval covers other seeds and other test images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.actor import OPERATOR, Actor
from core.config.events import PointDone
from core.config.race_plan import MAX_ARMS, MAX_SEEDS, MAX_SIZES, MAX_TITLE, RacePlan
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError, RunError
from core.races.arm_facts import gather_arm, read_copies
from core.races.data_efficiency import ArmCurve, DataEfficiency, compare_data_efficiency, describe_data_efficiency
from core.races.race import Race, RaceState, find_race
from core.runs.history import RunHistory
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.statistics.caveats import Caveat, explain_difference, find_caveats
from core.statistics.metrics import Accuracy, Interval
from core.statistics.seeds import mean_accuracy
from core.training.subsets import default_sizes, fit_sizes, largest_class


@dataclass(frozen=True)
class CurvePoint:
    """One arm at one size.

    Attributes:
        size: training images per class that were asked for; a class may have fewer.
        images: training images in all.
        seeds: those that are done, ascending.
        accuracies: one a seed.
        mean: accuracy over the seeds, a fraction.
        interval: of the mean, over test images and seeds.
        seconds: of training and testing, the median of the seeds.
    """

    size: int
    pictures: int
    seeds: tuple[int, ...]
    accuracies: tuple[Accuracy, ...]
    mean: float
    interval: Interval
    seconds: float


@dataclass(frozen=True)
class CurveArm:
    """The points of an arm, smallest size first; `run` is None where it was deleted."""

    name: str
    run: RunSummary | None
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Curve:
    """A learning curve with its points so far.

    Attributes:
        split: `test`, or `val` where there is no test split.
        n: images that every point was evaluated on; 0 before the first.
        efficiency: what each of the other arms needs for the accuracy of the leading one.
        sentence: the headline.
        caveats: what was unequal between the arms or flatters some.
    """

    race: Race
    split: str
    n: int
    arms: tuple[CurveArm, ...]
    efficiency: tuple[DataEfficiency, ...]
    sentence: str
    caveats: tuple[Caveat, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each training, for a CSV file; accuracies as fractions."""
        return [
            {
                "arm": arm.name,
                "pictures_per_class": point.size,
                "pictures": point.pictures,
                "seed": seed,
                "correct": accuracy.correct,
                "images": accuracy.n,
                "accuracy": accuracy.value,
                "mean": point.mean,
                "low": point.interval.low,
                "high": point.interval.high,
            }
            for arm in self.arms
            for point in arm.points
            for seed, accuracy in zip(point.seeds, point.accuracies, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, with fractions and counts."""
        return {
            "curve": self.race.id,
            "title": self.race.title,
            "state": self.race.state.value,
            "dataset": self.race.dataset,
            "budget": self.race.plan.describe_budget(),
            "sizes": list(self.race.plan.sizes),
            "seeds": list(self.race.plan.seeds),
            "split": self.split,
            "images": self.n,
            "sentence": self.sentence,
            "caveats": [caveat.to_json() for caveat in self.caveats],
            "arms": [
                {
                    "name": arm.name,
                    "run": arm.run.id if arm.run else None,
                    "points": [
                        {
                            "pictures_per_class": point.size,
                            "pictures": point.pictures,
                            "seeds": list(point.seeds),
                            "accuracies": [accuracy.value for accuracy in point.accuracies],
                            "mean": point.mean,
                            "interval": [point.interval.low, point.interval.high],
                            "seconds": point.seconds,
                        }
                        for point in arm.points
                    ],
                }
                for arm in self.arms
            ],
            "crossings": [item.to_json() for item in self.efficiency],
        }


def plan_curve(
    settings: Settings,
    arms: Sequence[Arm],
    *,
    seeds: Sequence[int],
    sizes: Sequence[int] | None = None,
    title: str = "",
) -> RacePlan:
    """Plan a learning curve.

    Args:
        arms: the seeds of their configurations are not used.
        seeds: each point is trained with each.
        sizes: training images per class; None: 1, 2, 5, 10 … and all.
    Raises:
        ConfigError: one sentence for each field that is wrong.
        DatasetError: if the dataset is not there.
    """
    problems = _problems(arms, seeds, sizes, title)
    if problems:
        raise ConfigError(problems)
    dataset = DatasetStore(settings).get(arms[0].config.dataset)
    largest = largest_class(dataset.rows_of("train"))
    if not largest:
        raise ConfigError({"dataset": f"{dataset.id} has no training pictures: import it again with another split."})
    return RacePlan(
        "curve",
        tuple(arm.name for arm in arms),
        tuple(seeds),
        "epochs",
        float(arms[0].config.epochs),
        default_sizes(largest) if sizes is None else fit_sizes(sizes, largest),
        " ".join(title.split()),
    )


def start_curve(
    settings: Settings,
    arms: Sequence[Arm],
    *,
    seeds: Sequence[int],
    sizes: Sequence[int] | None = None,
    by: Actor = OPERATOR,
    title: str = "",
) -> tuple[str, list[Run]]:
    """Queue a run for each arm; returns the curve's id and them. Arguments as for `plan_curve`.

    Raises:
        ConfigError, DatasetError: as `plan_curve`.
        QuotaError: if `by` would have too many runs in the queue, or the disk is too full.
    """
    plan = plan_curve(settings, arms, seeds=seeds, sizes=sizes, title=title)
    chosen = [Arm(arm.name, arm.config.variant(seed=plan.seeds[0])) for arm in arms]
    return RunStore(settings).create_race(plan, chosen, by=by)


def _problems(arms: Sequence[Arm], seeds: Sequence[int], sizes: Sequence[int] | None, title: str) -> dict[str, str]:
    problems = {}
    names = [arm.name for arm in arms]
    if not 1 <= len(names) <= MAX_ARMS:
        problems["arms"] = f"A learning curve has 1 to {MAX_ARMS} arms, and {len(names)} were chosen."
    elif len(set(names)) < len(names):
        problems["arms"] = "Two arms of the learning curve have the same name: give each its own."
    if not 1 <= len(seeds) <= MAX_SEEDS or len(set(seeds)) < len(seeds):
        problems["seeds"] = f"A learning curve has 1 to {MAX_SEEDS} different seeds: choose that many."
    if sizes is not None and (not 1 <= len(sizes) <= MAX_SIZES or min(sizes) < 1):
        problems["sizes"] = f"Give 1 to {MAX_SIZES} sizes, each a whole number of pictures per class from 1."
    if len({arm.config.epochs for arm in arms}) > 1:
        problems["epochs"] = "The arms of a learning curve have the same number of epochs: choose one for all."
    for field in ("max_images", "max_seconds"):
        if any(getattr(arm.config, field) is not None for arm in arms):
            problems[field] = f"The points of a learning curve end after their epochs: leave {field} out."
    if len(title) > MAX_TITLE:
        problems["title"] = f"The title has {len(title)} characters: use at most {MAX_TITLE}."
    return problems


def read_curve(settings: Settings, race_id: str) -> Curve:
    """Read a learning curve from its runs.

    Raises:
        RunError: if there is no such curve.
    """
    store = RunStore(settings)
    runs = {run.id: run for run in store.race(race_id)}
    race = find_race([summarise(run) for run in runs.values()], race_id)
    points = {run_id: run.history().points for run_id, run in runs.items()}
    return gather_curve(race, points, read_copies(settings, race.runs[0]))


def gather_curve(
    race: Race, points: Mapping[str, Sequence[PointDone]], copies: Mapping[str, int] | None = None
) -> Curve:
    """Gather a learning curve from the points of its runs.

    Args:
        points: by run; `RunHistory.points`.
        copies: as for `find_caveats`.
    Raises:
        RunError: if the race is not a learning curve.
    """
    if race.plan.kind != "curve":
        raise RunError(f"{race.id} is a race, not a learning curve: open it on the Compare page.")
    found = [(entry, points.get(entry.run.id, ()) if entry.run else ()) for entry in race.entries]
    first = next((point for _, done in found for point in done), None)
    n, split = (first.images, first.split) if first is not None else (0, "test")
    arms = tuple(
        CurveArm(entry.arm, entry.run, _gather_points(race.plan, [point for point in done if point.images == n]))
        for entry, done in found
    )
    curves = [_arm_curve(arm) for arm in arms if arm.points]
    efficiency = tuple(compare_data_efficiency(curves))
    scratch = {arm.name for arm in arms if arm.run is not None and arm.run.config.strategy == "scratch"}
    basis = f"n = {n:,} {'test' if split == 'test' else 'validation'} pictures, {format_seeds(race.plan, arms)}"
    facts = [gather_arm(arm.name, [(arm.run, RunHistory())]) for arm in arms if arm.run is not None]
    caveats = find_caveats(facts, split=split, copies=copies)
    sentence = describe_data_efficiency(curves, efficiency, scratch, basis)
    shown = next((item for item in efficiency if item.size and sentence.startswith(item.sentence[:-1])), None)
    sentence += explain_difference(caveats, shown.ahead, shown.behind) if shown is not None else ""
    if sentence and race.state is not RaceState.FINISHED:
        sentence = f"So far: {sentence}"
    sentence = sentence[:1].upper() + sentence[1:]
    return Curve(race, split, n, arms, efficiency, sentence, caveats)


def format_seeds(plan: RacePlan, arms: Sequence[CurveArm]) -> str:
    """How many trainings the points rest on so far: `3 seeds`, `1 of 3 seeds`, `1 to 3 of 3 seeds`."""
    counts = [len(point.seeds) for arm in arms for point in arm.points]
    most = len(plan.seeds)
    word = "seed" if most == 1 else "seeds"
    if not counts or min(counts) == most:
        return f"{most} {word}"
    low, high = min(counts), max(counts)
    return f"{low} of {most} {word}" if low == high else f"{low} to {high} of {most} {word}"


def _gather_points(plan: RacePlan, points: Sequence[PointDone]) -> tuple[CurvePoint, ...]:
    out = []
    for size in plan.sizes:
        by_seed = {point.seed: point for point in points if point.pictures_per_class == size}
        found = [(point, right) for seed in plan.seeds if (point := by_seed.get(seed)) and (right := unpack(point))]
        if not found:
            continue
        mean, interval = mean_accuracy(np.array([right for _, right in found], dtype=np.bool_))
        out.append(
            CurvePoint(
                size,
                found[0][0].pictures,
                tuple(point.seed for point, _ in found),
                tuple(Accuracy(point.correct, point.images) for point, _ in found),
                mean,
                interval,
                median(point.seconds for point, _ in found),
            )
        )
    return tuple(out)


def unpack(point: PointDone) -> list[bool]:
    """Whether each image of the split was right, first image first; nothing where the point is damaged."""
    try:
        packed: NDArray[np.uint8] = np.frombuffer(bytes.fromhex(point.right), dtype=np.uint8)
    except ValueError:
        return []
    right: list[bool] = np.unpackbits(packed)[: point.images].astype(bool).tolist()
    return right if len(packed) == math.ceil(point.images / 8) and sum(right) == point.correct else []


def _arm_curve(arm: CurveArm) -> ArmCurve:
    return ArmCurve(
        arm.name,
        tuple(point.size for point in arm.points),
        tuple(point.mean for point in arm.points),
        tuple(point.interval.low for point in arm.points),
        tuple(point.interval.high for point in arm.points),
    )
