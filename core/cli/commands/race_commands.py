"""The commands `race`, `learning-curve` and `show-race`."""

from collections.abc import Sequence
from typing import Any

import click

from core.cli.commands.run_commands import describe_summary, summarise_ended
from core.cli.commands.training_commands import detach_option
from core.cli.shared.command import Outcome, cluster_option, command, config_options, split_names
from core.cli.shared.status_line import print_status
from core.cli.shared.waiting import read_ahead, wait_for
from core.config.race_plan import BUDGETS, MAX_SEEDS, Budget, RacePlan
from core.config.train_config import TrainConfig
from core.errors import ConfigError
from core.formatting import format_count, format_duration, format_percent, format_points
from core.races.learning_curve import Curve, CurvePoint, format_seeds, read_curve, start_curve
from core.races.presets import (
    DEFAULT_ARMS,
    PRESETS,
    VIEWS,
    Views,
    make_arms,
    plan_pair,
    plan_race,
    plan_revisions,
    share_views,
)
from core.races.race import Race, RaceState, find_race
from core.races.race_actions import start_race
from core.races.run_comparison import RaceResult, compare_race, compare_runs
from core.runs.run import RunState
from core.runs.run_store import Arm, RunStore
from core.runs.summary import summarise
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.statistics.caveats import list_caveats
from core.statistics.race_sentences import describe_pair, describe_race, race_as_json

augmentation_option = click.option(
    "--augmentation",
    type=click.Choice(tuple(VIEWS)),
    default="own",
    help="What the arms see. own: each its own, a frozen part stored views, by default one plain view; same: the same "
    "random crops and flips for all; none: no random changes for any (default: own).",
)
title_option = click.option("--title", default="", metavar="TITLE", help="Name of the race or learning curve.")


@command("race")
@cluster_option
@config_options()
@click.option("--arms", metavar="ARM,ARM", help=f"Two or more of {', '.join(PRESETS)} (default: scratch, --strategy).")
@click.option("--seeds", type=int, metavar="N", help=f"Trainings of each arm, 1 to {MAX_SEEDS} (default: 1).")
@click.option("--equal", type=click.Choice(tuple(BUDGETS)), help="The budget, the same for all arms (default: epochs).")
@click.option("--amount", type=float, metavar="N", help="Size of the budget (default: --epochs, or 60 seconds).")
@click.option("--before", metavar="DATASET", help="Another revision of the dataset: train on both, and compare.")
@augmentation_option
@title_option
def race(
    settings: Settings,
    config: TrainConfig,
    arms: str | None,
    seeds: int | None,
    equal: Budget | None,
    amount: float | None,
    before: str | None,
    augmentation: Views,
    title: str,
) -> Outcome:
    """Train several arms on the same split under the same budget, and compare them."""
    config = share_views(config, augmentation)
    if before is not None:
        if arms is not None or equal is not None or amount is not None:
            raise ConfigError(
                {"before": "--before trains the same settings twice: leave --arms, --equal and --amount out."}
            )
        return _run_race(settings, *plan_revisions(config, before, config.dataset, seeds=seeds or 1))
    if arms is None and seeds is None and equal is None and amount is None and not title:
        return _plain_race(settings, config)
    plan, planned = plan_race(
        config,
        split_names(arms or f"scratch,{config.strategy}"),
        seeds=1 if seeds is None else seeds,
        budget=equal or "epochs",
        amount=amount,
        title=title,
    )
    return _run_race(settings, plan, planned)


def _run_race(settings: Settings, plan: RacePlan, planned: list[Arm]) -> Outcome:
    """Train every arm, and show how they compare."""
    race_id, runs = start_race(settings, plan, planned)
    ensure_scheduler(settings)
    failed = 0
    for place, run in enumerate(runs, start=1):
        print_status(f"Run {place} of {len(runs)}: {run.id} ({run.meta().arm}, seed {run.config().seed})")
        outcome = summarise_ended(wait_for(settings, run))
        failed += outcome.failure is not None
        print_status(outcome.failure or outcome.text)
    shown = _show_race(settings, race_id)
    if not failed:
        return shown
    failure = f"{failed} of {len(runs)} runs did not finish: `python -m core runs` shows which."
    return Outcome(shown.value, shown.text, failure)


def _plain_race(settings: Settings, config: TrainConfig) -> Outcome:
    """Train scratch and transfer, and compare them: transfer minus scratch."""
    race_id, runs = start_race(settings, *plan_pair(config))
    ensure_scheduler(settings)
    outcomes = []
    for run in runs:
        print_status(f"Run {run.id} ({run.meta().arm})")
        outcomes.append(summarise_ended(wait_for(settings, run)))
    failures = [item.failure for item in outcomes if item.failure]
    value: dict[str, Any] = {"race": race_id, "runs": [item.value for item in outcomes]}
    if failures:
        return Outcome(value, "\n".join(item.text for item in outcomes), failures[0])
    found = compare_runs(settings, runs[0], runs[1])
    value["comparison"] = found.to_json()
    lines = [*(item.text for item in outcomes), found.verdict, *list_caveats(found.caveats)]
    return Outcome(value, "\n".join(lines))


@command("learning-curve")
@cluster_option
@config_options()
@click.option(
    "--arms",
    metavar="ARM,ARM",
    default=",".join(DEFAULT_ARMS),
    help=f"One or more of {', '.join(PRESETS)} (default: {','.join(DEFAULT_ARMS)}).",
)
@click.option(
    "--seeds", type=int, default=3, metavar="N", help=f"Trainings of each point, 1 to {MAX_SEEDS} (default: 3)."
)
@click.option("--sizes", metavar="N,N", help="Training pictures per class (default: 1,2,5,10 and so on, up to all).")
@augmentation_option
@title_option
@detach_option
def learning_curve(
    settings: Settings,
    config: TrainConfig,
    arms: str,
    seeds: int,
    sizes: str | None,
    augmentation: Views,
    title: str,
    detach: bool,
) -> Outcome:
    """Train on more and more of the pictures: how many does each arm need?"""
    for field in ("max_images", "max_seconds"):
        if getattr(config, field) is not None:
            raise ConfigError({field: f"The points of a learning curve end after their epochs: leave {field} out."})
    race_id, runs = start_curve(
        settings,
        make_arms(share_views(config, augmentation), split_names(arms), "epochs", config.epochs, config.seed),
        seeds=range(config.seed, config.seed + seeds),
        sizes=None if sizes is None else _read_sizes(sizes),
        title=title,
    )
    ensure_scheduler(settings)
    if detach:
        value = {"curve": race_id, "runs": [run.id for run in runs]}
        return Outcome(value, f"Queued {race_id}: `python -m core show-race {race_id}` shows its progress.")
    failure = None
    read_ahead(settings, runs[0])
    for run in runs:
        print_status(f"Run {run.id} ({run.meta().arm})")
        summary = summarise(wait_for(settings, run))
        print_status(f"{summary.state.value}, {summary.points_text}, {format_duration(summary.seconds or 0)}")
        if summary.state is not RunState.FINISHED and failure is None:
            failure = f"Run {run.id} ({summary.meta.arm}) is {summary.state.value}: {summary.text or 'resume it.'}"
    curve = read_curve(settings, race_id)
    return Outcome(_curve_value(curve), describe_curve(curve), failure)


@command("show-race")
@click.argument("race", metavar="RACE")
def show_race(settings: Settings, race: str) -> Outcome:
    """Show a race or learning curve: its runs and the results so far."""
    plan = RunStore(settings).race(race)[0].meta().plan
    if plan is None or plan.kind != "curve":
        return _show_race(settings, race)
    curve = read_curve(settings, race)
    return Outcome(_curve_value(curve), describe_curve(curve))


def _show_race(settings: Settings, race_id: str) -> Outcome:
    """A race so far: its runs, and their comparison."""
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
        "arms": list(race.arms),
        "seeds": list(race.plan.seeds),
        "runs": [describe_summary(run) for run in race.runs],
        "comparison": race_as_json(result.comparison) if result.comparison else None,
        "missing": [caveat.sentence for caveat in result.missing],
    }


def _race_lines(race: Race, result: RaceResult) -> list[str]:
    """A race in words: a line for each arm and each pair, then the verdict with its caveats."""
    lines = [f"Race {race.id} on {race.dataset}, {race.plan.describe_budget()} each: {race.state.value}."]
    if result.comparison is not None:
        for arm in result.comparison.arms:
            seconds = "" if arm.seconds is None else f", {format_duration(arm.seconds)} of training"
            lines.append(
                f"{arm.name}: {format_percent(arm.mean)} (95 % interval {format_points(arm.interval.low)} to "
                f"{format_points(arm.interval.high)}, n = {arm.n:,}, {format_count(arm.seeds, 'seed')})"
                f"{seconds}"
            )
        if len(result.comparison.pairs) > 1:
            lines += [describe_pair(result.comparison, pair) for pair in result.comparison.pairs]
    if result.comparison is None:
        return [*lines, *list_caveats(result.missing)]
    return [*lines, describe_race(result.comparison), *list_caveats(result.comparison.caveats)]


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
    verdict = [curve.sentence, *list_caveats(curve.caveats)] if curve.sentence else []
    return "\n".join([title, *lines, *verdict])


def _cell(point: CurvePoint | None) -> str:
    if point is None:
        return "–"
    low, high = format_points(point.interval.low), format_points(point.interval.high)
    return f"{format_percent(point.mean)} ({low} to {high})"


def _curve_value(curve: Curve) -> dict[str, Any]:
    seconds = {arm.name: arm.run.seconds if arm.run else None for arm in curve.arms}
    return {**curve.to_json(), "seconds": seconds}


def _read_sizes(text: str) -> Sequence[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigError(
            {"sizes": f"--sizes is {text!r}: give whole numbers with commas between them, such as 1,2,5,10."}
        ) from error
