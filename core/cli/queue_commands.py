"""What `python -m core` does about the queue and what is there: pause, reorder, rename, delete, shut down."""

import time
from collections.abc import Sequence

from core.actor import LOCAL_OWNER, OPERATOR
from core.cli.commands import Outcome
from core.cli.waiting import print_status
from core.errors import ConfigError
from core.jobs.run_queue import pause_queue, put_first, read_control, read_queue
from core.jobs.shutdown import shut_down
from core.room.people import PeopleStore
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.training.estimate import format_seconds

HELD = {"paused": "The queue is paused.", "disk": "The disk is full: nothing starts.", "closing": "Shutting down."}


def queue(settings: Settings, *, pause: bool | None, first: Sequence[str] | None) -> Outcome:
    """Show the queue, after changing it where that was asked for."""
    store = RunStore(settings)
    if first is not None:
        for run_id in first:
            state = store.get(run_id).state()
            if state is not RunState.QUEUED:
                raise ConfigError({"first": f"Run {run_id} is {state.value}: only a queued run can be put first."})
        put_first(settings, first, OPERATOR)
    if pause is not None:
        pause_queue(settings, pause, OPERATOR)
    view, control = read_queue(settings), read_control(settings)
    names = {person.id: person.nickname for person in PeopleStore(settings).all()} | {LOCAL_OWNER: "this machine"}
    rows = []
    lines = (
        ["The queue is paused."] if control.paused else [HELD[view.held]] if view.held in ("disk", "closing") else []
    )
    for item in reversed(store.summaries()):
        if item.state is not RunState.RUNNING:
            continue
        rows.append({"run": item.id, "state": "running", "owner": item.meta.owner, "before": 0, "starts_in": None})
        lines.append(f"{item.id}  running  {names.get(item.meta.owner, 'somebody')}  {item.title}")
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
        when = f", in about {format_seconds(starts)}" if starts is not None else ""
        owner = names.get(waiting.meta.owner, "somebody")
        lines.append(f"{turn.id}  {turn.before} before it{when}  {owner}  {waiting.title}")
    return Outcome({"paused": control.paused, "runs": rows}, "\n".join(lines) or "Nothing runs, and nothing waits.")


def rename_run(settings: Settings, run_id: str, title: str) -> Outcome:
    """Give a run, race or learning curve another title."""
    if run_id.startswith(("race-", "curve-")):
        RunStore(settings).rename_race(run_id, title)
        what = run_id.partition("-")[0]
        return Outcome({what: run_id, "title": title}, f"The {what} {run_id} is called {title!r} now.")
    RunStore(settings).rename(run_id, title)
    return Outcome({"run": run_id, "title": title}, f"Run {run_id} is called {title!r} now.")


def delete_run(settings: Settings, run_id: str) -> Outcome:
    """Remove a run that has ended."""
    RunStore(settings).delete(run_id)
    return Outcome({"deleted": run_id}, f"Run {run_id} was deleted.")


def delete_dataset(settings: Settings, dataset_id: str) -> Outcome:
    """Remove a dataset that no run needs."""
    RunStore(settings).delete_dataset(dataset_id)
    return Outcome({"deleted": dataset_id}, f"The dataset {dataset_id} was deleted.")


def shutdown(settings: Settings) -> Outcome:
    """Put every training aside, and end workers and scheduler."""
    print_status("Putting trainings aside", transient=True)
    count = shut_down(settings, OPERATOR)
    print_status("", transient=True)
    text = f"{count} {'training was' if count == 1 else 'trainings were'} put aside" if count else "Nothing was running"
    return Outcome({"put_aside": count}, f"{text}; what waits goes on when the app or a command starts the next run.")
