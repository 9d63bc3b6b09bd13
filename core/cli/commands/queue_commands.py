"""The commands `queue`, `nodes` and `shutdown`."""

import time
from collections.abc import Sequence

import click

from core.actor import LOCAL_OWNER, OPERATOR
from core.cli.shared.command import Outcome, Several, cluster_option, command
from core.cli.shared.status_line import status_line
from core.cli.shared.waiting import HELD
from core.errors import ClusterError, ConfigError
from core.formatting import format_count, format_estimate
from core.jobs.nodes import count_runs, describe_state, read_cluster
from core.room.people import PeopleStore
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.scheduling.run_queue import pause_queue, put_first, read_control, read_queue
from core.scheduling.scheduler import ensure_scheduler
from core.scheduling.shutdown import shut_down
from core.settings import Settings

NODES_SECONDS = 40.0  # to connect, and to ask the nodes


@command("queue", old_spellings={"go-on": "resume"})
@click.option("--pause", is_flag=True, help="Start no new trainings; running ones continue.")
@click.option("--resume", is_flag=True, help="Start trainings again.")
@click.option(
    "--first", cls=Several, metavar="RUN...", help="Put these runs first; without RUN: back to the fair order."
)
def queue(settings: Settings, pause: bool, resume: bool, first: Sequence[str]) -> Outcome:
    """Show the queue; pause it, or put runs first."""
    if pause and resume:
        raise click.UsageError("--pause and --resume are opposites: give one of them.")
    store = RunStore(settings)
    if first:
        runs = [run_id for run_id in first if run_id]
        for run_id in runs:
            state = store.get(run_id).state()
            if state is not RunState.QUEUED:
                raise ConfigError({"first": f"Run {run_id} is {state.value}: only a queued run can be put first."})
        put_first(settings, runs, OPERATOR)
    if pause or resume:
        pause_queue(settings, pause, OPERATOR)
    view, control = read_queue(settings), read_control(settings)
    names = {person.id: person.nickname for person in PeopleStore(settings).all()} | {LOCAL_OWNER: "this machine"}
    rows = []
    lines = ["The queue is paused."] if control.paused else [HELD[view.held]] if view.held in HELD else []
    for item in reversed(store.summaries()):
        if item.state is not RunState.RUNNING:
            continue
        rows.append({"run": item.id, "state": "running", "owner": item.meta.owner, "before": 0, "starts_in": None})
        lines.append(f"{item.id}  running  {names.get(item.meta.owner, 'unknown')}  {item.title}")
    queued = {item.id: item for item in store.summaries() if item.state is RunState.QUEUED}
    for turn in view.turns:
        waiting = queued.get(turn.id)
        if waiting is None:
            continue
        starts = None if turn.expected_start is None else max(0.0, turn.expected_start - time.time())
        rows.append(
            {
                "run": turn.id,
                "state": "queued",
                "owner": waiting.meta.owner,
                "before": turn.before,
                "starts_in": None if starts is None else round(starts, 1),
            }
        )
        when = f", starts in {format_estimate(starts)}" if starts is not None else ""
        owner = names.get(waiting.meta.owner, "unknown")
        lines.append(f"{turn.id}  {turn.before} before it{when}  {owner}  {waiting.title}")
    return Outcome({"paused": control.paused, "runs": rows}, "\n".join(lines) or "No runs are running or queued.")


@command("nodes")
@cluster_option
def nodes(settings: Settings) -> Outcome:
    """Show the machines of the Ray cluster."""
    if not settings.cluster:
        raise ClusterError("No cluster is chosen: set TUNEMYPETS_CLUSTER, or give --cluster (docs/cluster.md).")
    ensure_scheduler(settings)
    deadline = time.monotonic() + NODES_SECONDS
    while (found := read_cluster(settings)).obstacle and time.monotonic() < deadline:
        time.sleep(0.5)
    runs = count_runs(run.folder for run in RunStore(settings).all() if run.state() is RunState.RUNNING)
    rows = [
        {
            "name": node.name, "id": node.id, "state": describe_state(node), "cores": node.cores, "gpus": node.gpus,
            "runs": runs[node.id], "places": node.places(settings.threads), "processor": node.processor,
            "gigaflops": node.speed,
        }
        for node in found.nodes
    ]  # fmt: skip
    lines = [
        f"{row['name']}  {format_count(int(str(row['cores'])), 'core')}, {row['gpus']} GPUs, {row['runs']} of "
        f"{row['places']} trainings, {row['gigaflops']} GFLOPS a thread  {row['state']}"
        for row in rows
    ]
    value = {"address": found.address, "problem": found.obstacle, "nodes": rows}
    return Outcome(value, "\n".join(lines), found.obstacle or None)


@command("shutdown")
def shutdown(settings: Settings) -> Outcome:
    """Pause every training, and end all background processes."""
    with status_line() as show:
        show("Pausing trainings")
        count = shut_down(settings, OPERATOR)
    text = f"Paused {format_count(count, 'training')}" if count else "Nothing was running"
    return Outcome(
        {"put_aside": count},
        f"{text}. Paused and queued trainings continue when the app or a command starts the next run.",
    )
