"""What the commands `race`, `learning-curve` and `show-race` do."""

from collections.abc import Sequence
from typing import Any

from core.cli.commands import Outcome, describe_summary, ended
from core.cli.waiting import print_status, read_ahead, wait_for
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.errors import ConfigError
from core.jobs.scheduler import ensure_scheduler
from core.races.learning_curve import Curve, CurvePoint, format_seeds, read_curve, start_curve
from core.races.pairs import default_race
from core.races.presets import DEFAULT_ARMS, make_arms
from core.races.race import Race, RaceState, find_race
from core.races.race_actions import start_race
from core.races.run_comparison import RaceResult, compare_race, compare_runs
from core.runs.run import RunState
from core.runs.run_store import Arm, RunStore
from core.runs.summary import summarise
from core.settings import Settings
from core.statistics.metrics import format_points
from core.statistics.race_sentences import describe_pair, describe_race, race_as_json


def race(settings: Settings, config: TrainConfig) -> Outcome:
    """Run both arms and compare them: transfer minus scratch."""
    race_id, runs = RunStore(settings).create_race(default_race(config))
    ensure_scheduler(settings)
    outcomes = []
    for run in runs:
        print_status(f"Run {run.id} ({run.meta().arm})")
        outcomes.append(ended(wait_for(settings, run)))
    failures = [item.failure for item in outcomes if item.failure]
    value: dict[str, Any] = {"race": race_id, "runs": [item.value for item in outcomes]}
    if failures:
        return Outcome(value, "\n".join(item.text for item in outcomes), failures[0])
    verdict = compare_runs(runs[0], runs[1])
    value["comparison"] = verdict.to_json()
    return Outcome(value, "\n".join([*(item.text for item in outcomes), verdict.verdict]))


def planned_race(settings: Settings, plan: RacePlan, arms: list[Arm]) -> Outcome:
    """Run every arm with every seed, and judge them together."""
    race_id, runs = start_race(settings, plan, arms)
    ensure_scheduler(settings)
    failed = 0
    for place, run in enumerate(runs, start=1):
        print_status(f"Run {place} of {len(runs)}: {run.id} ({run.meta().arm}, seed {run.config().seed})")
        outcome = ended(wait_for(settings, run))
        failed += outcome.failure is not None
        print_status(outcome.failure or outcome.text)
    found = find_race(RunStore(settings).summaries(), race_id)
    result = compare_race(settings, found)
    value = _describe_race(found, result)
    lines = _race_lines(found, result)
    failure = None
    if failed:
        failure = f"{failed} of {len(runs)} runs did not finish: `python -m core runs` tells which."
    return Outcome(value, "\n".join(lines), failure)


def learning_curve(
    settings: Settings,
    config: TrainConfig,
    *,
    arms: str | None,
    seeds: int,
    sizes: str | None,
    title: str,
    detach: bool,
) -> Outcome:
    """Queue the arms of a learning curve, wait for all points, and tell what they show.

    Args:
        config: its seed is the first one.
        arms, sizes: names and numbers with commas between them; None for the usual ones.

    Raises:
        ConfigError: one sentence for each field that is wrong.
    """
    names = [name.strip() for name in (arms or ",".join(DEFAULT_ARMS)).split(",") if name.strip()]
    for field in ("max_images", "max_seconds"):
        if getattr(config, field) is not None:
            raise ConfigError({field: f"The points of a learning curve end after their epochs: leave {field} out."})
    race_id, runs = start_curve(
        settings,
        make_arms(config, names, "epochs", config.epochs, config.seed),
        seeds=range(config.seed, config.seed + seeds),
        sizes=None if sizes is None else _numbers(sizes),
        title=title,
    )
    ensure_scheduler(settings)
    if detach:
        value = {"curve": race_id, "runs": [run.id for run in runs]}
        return Outcome(value, f"Queued {race_id}: `python -m core show-race {race_id}` tells how it goes.")
    failure = None
    read_ahead(settings, runs[0])
    for run in runs:
        print_status(f"Run {run.id} ({run.meta().arm})")
        summary = summarise(wait_for(settings, run))
        print_status(f"{summary.state.value}, {summary.points_text}, {summary.seconds or 0:.1f} s")
        if summary.state is not RunState.FINISHED and failure is None:
            failure = f"Run {run.id} ({summary.meta.arm}) is {summary.state.value}: {summary.text or 'resume it.'}"
    curve = read_curve(settings, race_id)
    return Outcome(_value(curve), describe_curve(curve), failure)


def show(settings: Settings, race_id: str) -> Outcome:
    """A race or a learning curve so far."""
    plan = RunStore(settings).race(race_id)[0].meta().plan
    if plan is None or plan.kind != "curve":
        return _show_race(settings, race_id)
    curve = read_curve(settings, race_id)
    return Outcome(_value(curve), describe_curve(curve))


def _show_race(settings: Settings, race_id: str) -> Outcome:
    """A race so far: its runs, and what they show."""
    found = find_race(RunStore(settings).summaries(), race_id)
    result = compare_race(settings, found)
    return Outcome(_describe_race(found, result), "\n".join(_race_lines(found, result)))


def _describe_race(race: Race, result: RaceResult) -> dict[str, Any]:
    """A race as JSON."""
    return {
        "race": race.id,
        "title": race.title,
        "state": race.state.value,
        "dataset": race.dataset,
        "equal": race.plan.budget,
        "amount": race.plan.amount,
        "arms": list(race.plan.arms),
        "seeds": list(race.plan.seeds),
        "runs": [describe_summary(run) for run in race.runs],
        "judgement": race_as_json(result.comparison) if result.comparison else None,
        "missing": list(result.missing),
    }


def _race_lines(race: Race, result: RaceResult) -> list[str]:
    """A race in words: a line for each arm, each pair, and the headline last."""
    lines = [f"Race {race.id} on {race.dataset}, {race.plan.describe_budget()} each: {race.state.value}."]
    if result.comparison is not None:
        for arm in result.comparison.arms:
            seconds = "" if arm.seconds is None else f", {arm.seconds:.0f} s of training"
            lines.append(
                f"{arm.name}: {100 * arm.mean:.1f} % (95 % interval {100 * arm.interval.low:.1f} to "
                f"{100 * arm.interval.high:.1f}, n = {arm.n:,}, {arm.seeds} {'seed' if arm.seeds == 1 else 'seeds'})"
                f"{seconds}"
            )
        if len(result.comparison.pairs) > 1:
            lines += [describe_pair(result.comparison, pair) for pair in result.comparison.pairs]
    lines += result.missing
    if result.comparison is not None:
        lines.append(describe_race(result.comparison))
    return lines


def describe_curve(curve: Curve) -> str:
    """A table with a line for each size, and the sentence."""
    plan = curve.race.plan
    head = ["pictures per class", *plan.arms]
    rows = [head]
    for size in plan.sizes:
        found = [next((item for item in arm.points if item.size == size), None) for arm in curve.arms]
        rows.append([f"{size:,}", *(_cell(item) for item in found)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    seeds = format_seeds(plan, curve.arms)
    where = "the test split" if curve.split == "test" else "the validation split (there is no test split)"
    state = "" if curve.race.state is RaceState.FINISHED else f", {curve.race.state.value}"
    title = (
        f"{curve.race.id} on {curve.race.dataset}: accuracy on {where} ({curve.n:,} pictures), {seeds}, "
        f"{plan.describe_budget()}, with 95 % intervals over pictures and seeds{state}"
    )
    return "\n".join([title, *lines, *([curve.sentence] if curve.sentence else [])])


def _cell(point: CurvePoint | None) -> str:
    if point is None:
        return "–"
    low, high = format_points(point.interval.low), format_points(point.interval.high)
    return f"{format_points(point.mean)} % ({low} to {high})"


def _value(curve: Curve) -> dict[str, Any]:
    seconds = {arm.name: arm.run.seconds if arm.run else None for arm in curve.arms}
    return {**curve.to_json(), "seconds": seconds}


def _numbers(text: str) -> Sequence[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigError(
            {"sizes": f"--sizes is {text!r}: give whole numbers with commas between them, such as 1,2,5,10."}
        ) from error
