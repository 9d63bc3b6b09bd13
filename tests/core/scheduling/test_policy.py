"""What the scheduler does about what it sees, without a process or a file."""

import dataclasses
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.states import PAUSED, TAKEN
from core.runs.run import RunState
from core.scheduling.policy import (
    ENDED_SECONDS,
    KILLED,
    PRELOADER_SECONDS,
    SHOWN_SECONDS,
    Action,
    Deed,
    ReplacePreloader,
    RunAction,
    Seen,
    SeenRun,
    ShowQueue,
    decide,
)

QUEUED, RUNNING, INTERRUPTED = RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED
FINAL = (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)
SEGFAULT = -11


def a_run(state: RunState, run_id: str = "run", **facts: Any) -> SeenRun:
    return SeenRun(run_id, facts.pop("owner", "ada"), facts.pop("created", 1.0), state, **facts)


def deeds(actions: list[Action], run_id: str = "run") -> list[Deed]:
    return [action.deed for action in actions if isinstance(action, RunAction) and action.run == run_id]


def queue(actions: list[Action]) -> ShowQueue:
    shown = actions[-1]
    assert isinstance(shown, ShowQueue)
    return shown


def done_about(run: SeenRun, **more: Any) -> list[Deed]:
    """What is done about a run, apart from starting it."""
    return deeds(decide(Seen((run,), slots=0, **more)))


def waiting(actions: list[Action]) -> list[str]:
    return [item.id for item in queue(actions).waiting]


def test_nothing_is_done_about_nothing() -> None:
    assert decide(Seen(())) == [ShowQueue((), (), "")]


def test_a_queued_run_starts_in_a_free_slot() -> None:
    actions = decide(Seen((a_run(QUEUED),)))
    assert deeds(actions) == [Deed.START]
    assert queue(actions) == ShowQueue((), ("run",), "")


@pytest.mark.parametrize(("slots", "started"), [(0, 0), (1, 0), (2, 1), (3, 2), (9, 2)])
def test_no_more_run_than_there_are_slots(slots: int, started: int) -> None:
    runs = (a_run(RUNNING, "r1"), a_run(QUEUED, "q1"), a_run(QUEUED, "q2", created=2.0))
    actions = decide(Seen(runs, slots))
    assert [run for run in ("q1", "q2") if Deed.START in deeds(actions, run)] == ["q1", "q2"][:started]
    assert waiting(actions) == ["q1", "q2"][started:]
    assert queue(actions).running == ("r1", *["q1", "q2"][:started])


@pytest.mark.parametrize("state", [QUEUED, INTERRUPTED, *FINAL])
def test_a_worker_that_lives_takes_a_slot_whatever_its_run_says(state: RunState) -> None:
    actions = decide(Seen((a_run(state, "r1", worker_alive=True), a_run(QUEUED, "q1"))))
    assert queue(actions).running == ("r1",)
    assert waiting(actions) == ["q1"]
    assert actions[:-1] == []


@pytest.mark.parametrize(
    ("facts", "held"),
    [
        ({"paused": True}, "paused"),
        ({"disk_full": True}, "disk"),
        ({"closing": True}, "closing"),
        ({"cluster_lost": True}, "cluster"),
        ({"cluster_lost": True, "paused": True}, "paused"),
        ({"paused": True, "disk_full": True}, "disk"),
        ({"paused": True, "disk_full": True, "closing": True}, "closing"),
    ],
)
def test_nothing_starts_while_the_queue_is_held(facts: dict[str, bool], held: str) -> None:
    actions = decide(Seen((a_run(QUEUED),), **facts))
    assert deeds(actions) == []
    assert waiting(actions) == ["run"]
    assert queue(actions).held == held


def test_owners_take_turns_from_who_has_waited_longest() -> None:
    runs = (
        a_run(QUEUED, "a1", owner="ada", created=1.0),
        a_run(QUEUED, "a2", owner="ada", created=2.0),
        a_run(QUEUED, "b1", owner="bert", created=3.0),
    )
    assert waiting(decide(Seen(runs, 0, begun={"ada": 20.0, "bert": 10.0}))) == ["b1", "a1", "a2"]
    assert waiting(decide(Seen(runs, 0, begun={"ada": 10.0, "bert": 20.0}))) == ["a1", "b1", "a2"]
    assert waiting(decide(Seen(runs, 0, begun={"ada": 20.0}, first=("a2", "gone")))) == ["a2", "b1", "a1"]


def test_a_run_that_resumes_waits_behind_owners_who_have_not_had_a_turn_since_it_began() -> None:
    crashed = a_run(INTERRUPTED, "a1", owner="ada", created=1.0, begun=50.0)
    other = a_run(QUEUED, "b1", owner="bert", created=2.0)
    actions = decide(Seen((crashed, other), begun={"bert": 20.0}))
    assert deeds(actions, "a1") == [Deed.RESUME]
    assert deeds(actions, "b1") == [Deed.START]
    assert waiting(actions) == ["a1"]


def test_a_crashed_run_resumes_and_starts_in_the_same_look() -> None:
    actions = decide(Seen((a_run(INTERRUPTED, exit_status=SEGFAULT),)))
    assert deeds(actions) == [Deed.RESUME, Deed.START]


@pytest.mark.parametrize("looked_at", [False, True])
def test_a_run_without_attempts_left_stays_interrupted_and_is_noted_once(looked_at: bool) -> None:
    run = a_run(INTERRUPTED, attempts_left=False, looked_at=looked_at)
    assert done_about(run) == ([] if looked_at else [Deed.NOTE_END])
    assert queue(decide(Seen((run,)))) == ShowQueue((), (), "")


@pytest.mark.parametrize("attempts_left", [False, True])
def test_nothing_resumes_while_everything_shuts_down(attempts_left: bool) -> None:
    assert done_about(a_run(INTERRUPTED, attempts_left=attempts_left), closing=True) == []


@pytest.mark.parametrize("facts", [{"paused": True}, {"disk_full": True}])
def test_an_interrupted_run_is_queued_again_also_while_nothing_starts(facts: dict[str, bool]) -> None:
    actions = decide(Seen((a_run(INTERRUPTED),), **facts))
    assert deeds(actions) == [Deed.RESUME]
    assert waiting(actions) == ["run"]


@pytest.mark.parametrize("facts", [{}, {"stop_requested": True}, {"memory_kills": 3}, {"exit_status": KILLED}])
def test_a_run_that_was_evaluated_after_it_was_interrupted_is_left_alone(facts: dict[str, Any]) -> None:
    assert done_about(a_run(INTERRUPTED, evaluated=True, **facts)) == []


@pytest.mark.parametrize("state", [QUEUED, INTERRUPTED])
def test_a_stop_that_no_worker_obeys_is_carried_out_here(state: RunState) -> None:
    run = a_run(state, stop_requested=True)
    assert deeds(decide(Seen((run,)))) == [Deed.STOP]
    assert queue(decide(Seen((run,)))) == ShowQueue((), (), "")
    assert done_about(run, closing=True) == [Deed.STOP]


@pytest.mark.parametrize("state", FINAL)
def test_what_has_ended_is_tidied_up(state: RunState) -> None:
    assert done_about(a_run(state, stop_requested=True, exit_status=0)) == [Deed.TIDY]


@pytest.mark.parametrize("status", [0, PAUSED, TAKEN])
def test_a_worker_that_left_its_run_in_the_queue_is_no_failure(status: int) -> None:
    assert deeds(decide(Seen((a_run(QUEUED, exit_status=status, memory_kills=1),)))) == [Deed.START]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_status": 1}, [Deed.FAIL]),
        ({"exit_status": SEGFAULT}, [Deed.COUNT_CRASH, Deed.START]),
        ({"exit_status": SEGFAULT, "attempts_left": False}, [Deed.FAIL]),
        ({"exit_status": SEGFAULT, "memory_kills": 1}, [Deed.COUNT_CRASH, Deed.START]),
        ({"exit_status": SEGFAULT, "stop_requested": True}, [Deed.COUNT_CRASH, Deed.STOP]),
        ({"exit_status": KILLED}, [Deed.COUNT_CRASH, Deed.START]),
        ({"exit_status": KILLED, "memory_kills": 1}, [Deed.FAIL_FOR_MEMORY]),
        ({"exit_status": KILLED, "memory_kills": 1, "stop_requested": True}, [Deed.FAIL_FOR_MEMORY]),
        ({"exit_status": KILLED, "memory_kills": 1, "worker_ended": True}, [Deed.COUNT_CRASH, Deed.START]),
    ],
)
def test_a_worker_that_ended_before_it_began(facts: dict[str, Any], expected: list[Deed]) -> None:
    assert deeds(decide(Seen((a_run(QUEUED, **facts),)))) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_status": KILLED, "memory_kills": 1}, Deed.FAIL_FOR_MEMORY),
        ({"exit_status": KILLED, "memory_kills": 1, "looked_at": True}, Deed.FAIL_FOR_MEMORY),
        ({"exit_status": KILLED, "memory_kills": 1, "stop_requested": True}, Deed.FAIL_FOR_MEMORY),
        ({"exit_status": KILLED, "memory_kills": 1, "worker_ended": True}, Deed.RESUME),
        ({"exit_status": KILLED, "memory_kills": 0}, Deed.RESUME),
        ({"exit_status": SEGFAULT, "memory_kills": 1}, Deed.RESUME),
        ({"memory_kills": 1}, Deed.FAIL_FOR_MEMORY),
        ({"memory_kills": -1}, Deed.RESUME),  # the machine was restarted meanwhile
        ({"memory_kills": 1, "looked_at": True}, Deed.RESUME),
        ({"memory_kills": 1, "worker_ended": True}, Deed.RESUME),
        ({"memory_kills": 1, "stop_requested": True}, Deed.STOP),
    ],
)
def test_a_run_is_tried_again_unless_its_own_worker_was_killed_for_memory(
    facts: dict[str, Any], expected: Deed
) -> None:
    assert done_about(a_run(INTERRUPTED, **facts)) == [expected]


@pytest.mark.parametrize(
    ("seconds", "facts", "expected"),
    [
        (0.0, {}, []),
        (SHOWN_SECONDS - 0.1, {}, []),
        (SHOWN_SECONDS, {}, [Deed.SHOW_STALLED]),
        (SHOWN_SECONDS, {"stalled": True}, []),
        (SHOWN_SECONDS - 0.1, {"stop_requested": True}, []),
        (SHOWN_SECONDS, {"stop_requested": True}, [Deed.END_WORKER]),
        (ENDED_SECONDS - 0.1, {"stalled": True}, []),
        (ENDED_SECONDS, {"stalled": True}, [Deed.END_WORKER]),
        (ENDED_SECONDS, {}, [Deed.END_WORKER]),
    ],
)
def test_a_worker_that_does_not_move_is_shown_then_killed(
    seconds: float, facts: dict[str, bool], expected: list[Deed]
) -> None:
    actions = decide(Seen((a_run(RUNNING, silent_seconds=seconds, **facts),)))
    assert deeds(actions) == expected
    assert queue(actions).running == ("run",)


@pytest.mark.parametrize(
    ("facts", "replaced"),
    [
        ({"preloader_lost": True}, True),
        ({"preloader_silent_seconds": PRELOADER_SECONDS}, False),
        ({"preloader_silent_seconds": PRELOADER_SECONDS + 0.1}, True),
    ],
)
def test_a_preloader_that_has_ended_or_is_stuck_is_replaced_before_anything_else(
    facts: dict[str, Any], replaced: bool
) -> None:
    actions = decide(Seen((a_run(QUEUED), a_run(RunState.FINISHED, "done")), **facts))
    assert (actions == [ReplacePreloader()]) is replaced
    assert (ReplacePreloader() in actions) is replaced


@st.composite
def sights(draw: st.DrawFn) -> Seen:
    facts = {field.name for field in dataclasses.fields(SeenRun)} - {"id", "owner", "created", "state"}
    values: dict[str, st.SearchStrategy[Any]] = {
        "begun": st.floats(0, 100),
        "exit_status": st.sampled_from([None, None, 0, 1, KILLED, SEGFAULT, PAUSED, TAKEN]),
        "memory_kills": st.integers(0, 2),
        "silent_seconds": st.floats(0, 60),
        "race": st.sampled_from(["", "", "r", "s"]),
        "seed": st.integers(0, 1),
        "rank": st.integers(0, 3),
        "abreast": st.integers(1, 3),
        "needed_bytes": st.floats(0, 9),
    }
    runs = tuple(
        a_run(
            draw(st.sampled_from(RunState)),
            f"run-{place}",
            owner=draw(st.sampled_from("abc")),
            created=float(place),
            **{name: draw(values.get(name, st.booleans())) for name in sorted(facts)},
        )
        for place in range(draw(st.integers(0, 6)))
    )
    flags = {name: draw(st.booleans()) for name in ("paused", "disk_full", "closing", "cluster_lost")}
    return Seen(runs, draw(st.integers(0, 3)), free_bytes=draw(st.floats(0, 20)), **flags)


@given(sights())
def test_whatever_is_seen_each_run_has_one_place_and_only_the_waiting_start(seen: Seen) -> None:
    actions = decide(seen)
    shown = queue(actions)
    started = {run.id for run in seen.runs if Deed.START in deeds(actions, run.id)}
    busy = {run.id for run in seen.runs if run.state is RUNNING or run.worker_alive}
    assert set(shown.running) == busy | started
    assert len(shown.running) == len(busy) + len(started)
    _check_places(seen, busy, started)
    assert not (started and shown.held)
    assert not {item.id for item in shown.waiting} & set(shown.running)
    for run in seen.runs:
        done = deeds(actions, run.id)
        if run.state in FINAL and not run.worker_alive:
            assert done == [Deed.TIDY]
        if run.state in (QUEUED, INTERRUPTED) and not run.worker_alive and run.stop_requested:
            assert run.id not in started
        if Deed.RESUME in done:
            assert run.attempts_left
            assert run.state is INTERRUPTED
            assert not seen.closing
        if run.id in started:
            assert run.state is QUEUED or Deed.RESUME in done


def _check_places(seen: Seen, busy: set[str], started: set[str]) -> None:
    """No more places are taken than there are, and no more arms share one than may."""
    taken = Counter(run.waiting.place for run in seen.runs if run.id in busy)
    later = taken + Counter(run.waiting.place for run in seen.runs if run.id in started)
    assert len(later) <= max(seen.slots, len(taken))
    for place, count in later.items():
        most = max(run.abreast for run in seen.runs if run.waiting.place == place)
        assert count <= max(most, taken[place])


def an_arm(state: RunState, run_id: str, **facts: Any) -> SeenRun:
    return a_run(state, run_id, race=facts.pop("race", "race"), abreast=facts.pop("abreast", 2), **facts)


def started(actions: list[Action]) -> list[str]:
    return [action.run for action in actions if isinstance(action, RunAction) and action.deed is Deed.START]


def test_the_arms_of_a_race_start_together_in_one_slot_and_nothing_else_with_them() -> None:
    runs = (
        an_arm(QUEUED, "scratch", rank=3, created=1.0),
        an_arm(QUEUED, "head", created=2.0),
        a_run(QUEUED, "single", owner="bert", created=3.0),
    )
    actions = decide(Seen(runs))
    assert started(actions) == ["head", "scratch"]
    assert queue(actions).running == ("head", "scratch")
    assert waiting(actions) == ["single"]


def test_with_more_arms_than_shares_the_next_one_starts_as_soon_as_one_has_ended() -> None:
    runs = [an_arm(QUEUED, name, rank=rank) for rank, name in enumerate(("head", "partial", "full"))]
    assert started(decide(Seen(tuple(runs)))) == ["head", "partial"]
    left = (an_arm(RUNNING, "partial", rank=1), runs[2], a_run(QUEUED, "single", owner="bert", created=0.5))
    actions = decide(Seen(left, begun={"ada": 50.0}))
    assert started(actions) == ["full"]  # the heat has begun: its owner's turn is the same
    assert waiting(actions) == ["single"]


def test_the_next_seed_starts_beside_the_last_one_only_while_nobody_else_waits() -> None:
    runs = (an_arm(RUNNING, "slow0", rank=3), an_arm(QUEUED, "quick1", seed=1), an_arm(QUEUED, "slow1", seed=1, rank=3))
    assert started(decide(Seen(runs, begun={"ada": 5.0}))) == ["quick1"]
    actions = decide(Seen((*runs, a_run(QUEUED, "single", owner="bert")), begun={"ada": 5.0}))
    assert started(actions) == []
    assert waiting(actions) == ["single", "quick1", "slow1"]


def test_a_single_run_has_the_machine_alone() -> None:
    runs = (a_run(RUNNING, "single", owner="bert"), an_arm(QUEUED, "head"), an_arm(QUEUED, "scratch", rank=3))
    assert started(decide(Seen(runs))) == []
    other = (an_arm(RUNNING, "head"), an_arm(QUEUED, "x", race="other", owner="bert"))
    assert started(decide(Seen(other))) == []


def test_an_arm_that_would_not_fit_into_memory_waits_for_the_other_one() -> None:
    large = [an_arm(QUEUED, "a", needed_bytes=5e9), an_arm(QUEUED, "b", needed_bytes=5e9, created=2.0)]
    assert started(decide(Seen(tuple(large), free_bytes=9e9))) == ["a"]
    assert started(decide(Seen(tuple(large), free_bytes=1e9))) == ["a"]  # alone it is tried
    assert started(decide(Seen(tuple(large), free_bytes=10e9))) == ["a", "b"]
    beside = (an_arm(RUNNING, "a", needed_bytes=5e9), large[1])
    assert started(decide(Seen(beside, free_bytes=4e9))) == []
    assert started(decide(Seen((large[1],), free_bytes=4e9))) == ["b"]


def test_arms_take_slots_of_their_own_where_several_workers_were_chosen() -> None:
    runs = [an_arm(QUEUED, name, rank=rank, abreast=1) for rank, name in enumerate(("head", "partial", "full"))]
    assert started(decide(Seen(tuple(runs), slots=2))) == ["head", "partial"]
