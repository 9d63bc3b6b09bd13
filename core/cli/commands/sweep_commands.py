"""The commands `sweep`, `show-sweep` and `stop-sweep`."""

import json
import time
from typing import Any

import click

from core.cli.commands.race_commands import title_option
from core.cli.commands.training_commands import detach_option
from core.cli.shared.command import Outcome, cluster_option, command, config_options
from core.cli.shared.status_line import format_left, print_status, status_line
from core.cli.shared.waiting import WATCH_SECONDS, wait_for
from core.config.sweep_plan import PRUNERS, SAMPLERS, Pruner, Sampler, Space, parse_space, plan_sweep
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError
from core.formatting import format_count, format_duration, format_percent, format_points
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps.final_race import measure_luck
from core.sweeps.sweep import Sweep, describe_best, read_sweep
from core.sweeps.sweep_presets import SWEEP_PRESETS, SweepPreset, apply_preset
from core.sweeps.sweep_store import SweepStore, ensure_sweeper

DEFAULT_TRIALS = 20
ROWS = 10


@command("sweep")
@cluster_option
@config_options()
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="FIELD=VALUES",
    help="A searched field, as often as needed: activation=relu,gelu; dropout=0..0.5; learning_rate=log:1e-4..1e-1; "
    "filters=[32,64]|[64,128].",
)
@click.option("--preset", type=click.Choice(tuple(SWEEP_PRESETS)), help="A space that is worth searching.")
@click.option(
    "--trials",
    type=int,
    metavar="N",
    help=f"Configurations to try (default: {DEFAULT_TRIALS}; with --minutes as many as there is time for).",
)
@click.option("--minutes", type=float, metavar="N", help="End after so many minutes.")
@click.option("--sampler", type=click.Choice(tuple(SAMPLERS)), help="Where trials come from (default: tpe).")
@click.option("--pruner", type=click.Choice(tuple(PRUNERS)), help="What ends a trial early (default: median).")
@click.option("--trial-seeds", type=int, metavar="N", help="Trainings of each trial, 1 to 5 (default: 1).")
@click.option("--more", is_flag=True, help="DATASET is the id of a sweep, which continues for --trials or --minutes.")
@title_option
@detach_option
def sweep(
    settings: Settings,
    config: TrainConfig,
    spaces: tuple[str, ...],
    preset: str | None,
    trials: int | None,
    minutes: float | None,
    sampler: Sampler | None,
    pruner: Pruner | None,
    trial_seeds: int | None,
    more: bool,
    title: str,
    detach: bool,
) -> Outcome:
    """Search settings with Optuna, then train the best and the base again and compare them on the test pictures."""
    store = SweepStore(settings)
    if more:
        sweep_id = config.dataset
        store.extend(sweep_id, trials=trials, minutes=minutes)
    else:
        space: Space = {}
        chosen: SweepPreset | None = None
        if preset is not None:
            config, space, chosen = apply_preset(preset, config)
        elif not spaces:
            raise ConfigError({"space": "Nothing is searched: give --space FIELD=VALUES, or --preset."})
        space = {**space, **parse_space(spaces, config)}
        if trials is None and minutes is None:
            trials = chosen.trials if chosen is not None else DEFAULT_TRIALS
        plan = plan_sweep(
            config,
            space,
            trials=trials,
            minutes=minutes,
            sampler=sampler or (chosen.sampler if chosen else "tpe"),
            pruner=pruner or (chosen.pruner if chosen else "median"),
            seeds=trial_seeds if trial_seeds is not None else chosen.seeds if chosen else 1,
            title=title or (chosen.title if chosen else ""),
        )
        sweep_id = store.create(plan).id
    ensure_sweeper(settings)
    if not detach:
        _wait(settings, sweep_id)
    return show(settings, sweep_id)


def _wait(settings: Settings, sweep_id: str) -> None:
    """Wait for a sweep's end and for the race of its best settings."""
    folder = SweepStore(settings).get(sweep_id)
    with status_line() as show:
        while folder.result() is None:
            ensure_sweeper(settings)
            show(describe_sweep(read_sweep(folder)))
            time.sleep(WATCH_SECONDS)
    for race in folder.races()[-1:]:
        for run in RunStore(settings).race(race.race):
            print_status(f"Run {run.id} ({run.meta().arm}, seed {run.config().seed})")
            wait_for(settings, run)


def describe_sweep(found: Sweep) -> str:
    """How far a sweep is, in one line."""
    best = "" if found.best is None else f", best {format_percent(found.best.accuracy or 0.0)}"
    goal = found.goal.trials
    done = format_count(found.counted, "trial") if goal is None else f"{found.counted} of {goal} trials"
    return f"{done}{best}{format_left(found.seconds_left(time.time()))}"


@command("show-sweep")
@click.argument("sweep_id", metavar="SWEEP")
def show_sweep(settings: Settings, sweep_id: str) -> Outcome:
    """Show a sweep: its best settings, how they did on the test pictures, and its trials."""
    return show(settings, sweep_id)


@command("stop-sweep")
@click.argument("sweep_id", metavar="SWEEP")
def stop_sweep(settings: Settings, sweep_id: str) -> Outcome:
    """Stop a sweep; what its trials have found is kept."""
    SweepStore(settings).request_stop(sweep_id)
    return Outcome({"sweep": sweep_id, "stopping": True}, f"Sweep {sweep_id} ends with the trials that it has.")


def show(settings: Settings, sweep_id: str) -> Outcome:
    """A sweep in words and as JSON."""
    found = read_sweep(SweepStore(settings).get(sweep_id))
    pictures = len(DatasetStore(settings).get(found.plan.base.dataset).rows_of("val"))
    luck = measure_luck(settings, found, pictures)
    best = found.best
    value: dict[str, Any] = {
        "sweep": found.id,
        "state": found.state,
        "dataset": found.plan.base.dataset,
        "text": found.result.text if found.result else "",
        "trials": [
            {
                "trial": item.number,
                "outcome": item.outcome,
                "validation_accuracy": item.accuracy,
                "validation_loss": item.loss,
                "values": item.values,
                "runs": list(item.runs),
                "seconds": item.seconds,
                "problem": item.problem,
            }
            for item in found.trials
        ],
        "best": None if best is None else {"trial": best.number, "validation_accuracy": best.accuracy, **best.values},
        "races": [item.race for item in found.races],
        "luck": None
        if luck is None
        else {
            "validation": luck.validation,
            "test": luck.test,
            "difference": luck.difference,
            "interval": [luck.interval.low, luck.interval.high],
        },
    }
    lines = [f"Sweep {found.id} on {found.plan.base.dataset}: {found.state}, {format_count(found.counted, 'trial')}."]
    if found.result is not None and found.result.text:
        lines.append(found.result.text)
    ranked = sorted(
        (item for item in found.trials if item.accuracy is not None), key=lambda item: -(item.accuracy or 0.0)
    )
    for item in ranked[:ROWS]:
        seconds = "" if item.seconds is None else f", {format_duration(item.seconds)}"
        settings_text = ", ".join(f"{name} {_plain(chosen)}" for name, chosen in item.values.items())
        mark = " (pruned)" if item.outcome == "pruned" else ""
        lines.append(f"Trial {item.number}: {format_percent(item.accuracy or 0.0)}{mark}{seconds}: {settings_text}")
    if luck is not None:
        lines.append(
            f"On the validation pictures the best trial had {format_percent(luck.validation)}; trained again, its "
            f"settings have {format_percent(luck.test)} on the test pictures. Luck: {format_points(luck.difference)} "
            f"points (95 % interval {format_points(luck.interval.low)} to {format_points(luck.interval.high)})."
        )
    if found.races:
        lines.append(f"python -m core show-race {found.races[-1].race} compares them with the base settings.")
    if best is not None:
        lines += ["", describe_best(best.values)]
    return Outcome(value, "\n".join(lines))


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)
