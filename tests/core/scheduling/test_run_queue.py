"""Who is next, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.errors import RightsError, RunError
from core.runs.run import RunMeta, RunState
from core.runs.summary import RunSummary
from core.scheduling.places import Waiting
from core.scheduling.run_queue import (
    UNKNOWN,
    QueueControl,
    QueueView,
    Turn,
    expect_turns,
    fair_order,
    pause_queue,
    put_first,
    read_control,
    read_queue,
    sort_active,
    write_queue,
)
from core.settings import Settings


def ids(items: list[Waiting]) -> list[str]:
    return [item.id for item in items]


def running(*left: float | None) -> list[tuple[Waiting, float | None]]:
    return [(Waiting(f"running{place}", "b", 0), seconds) for place, seconds in enumerate(left)]


def arm(name: str, owner: str, seed: int = 0, *, rank: int = 0, race: str = "race", abreast: int = 2) -> Waiting:
    return Waiting(name, owner, 1.0 + seed, race, seed, rank, abreast)


def test_owners_take_turns_and_each_owners_oldest_run_is_first() -> None:
    queue = [Waiting("a1", "a", 1), Waiting("a2", "a", 2), Waiting("a3", "a", 3), Waiting("b1", "b", 9)]
    assert ids(fair_order(queue, {})) == ["a1", "b1", "a2", "a3"]


def test_who_has_not_had_a_turn_for_longest_is_next() -> None:
    queue = [Waiting("a1", "a", 1), Waiting("b1", "b", 2), Waiting("c1", "c", 3)]
    assert ids(fair_order(queue, {"a": 300.0, "b": 100.0, "c": 200.0})) == ["b1", "c1", "a1"]


def test_two_hundred_runs_of_one_person_do_not_starve_the_others() -> None:
    queue = [Waiting(f"a{place:03d}", "a", place) for place in range(200)]
    begun = {"a": 1000.0}
    for late in range(5):
        other = f"late{late}"
        order = fair_order([*queue, Waiting(other, other, 5000 + late)], begun)
        assert order[0].id == other
        begun[other] = 2000.0 + late
    assert fair_order(queue, begun)[0].id == "a000"


def test_what_the_presenter_puts_first_is_first() -> None:
    queue = [Waiting("a1", "a", 1), Waiting("b1", "b", 2), Waiting("c1", "c", 3)]
    assert ids(fair_order(queue, {}, ["c1", "gone", "b1"])) == ["c1", "b1", "a1"]


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 100)), max_size=40),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1000)),
)
def test_every_run_has_exactly_one_turn_and_no_owner_gets_two_while_another_waits(
    made: list[tuple[str, float]], begun: dict[str, float]
) -> None:
    queue = [Waiting(f"r{place}", owner, created) for place, (owner, created) in enumerate(made)]
    order = fair_order(queue, begun)
    assert sorted(ids(order)) == sorted(item.id for item in queue)
    owners = [item.owner for item in order]
    for place in range(1, len(order)):
        # each owner who still waits had a turn since this owner's last one
        before = next((i for i in range(place - 1, -1, -1) if owners[i] == owners[place]), None)
        if before is not None:
            assert set(owners[place:]) <= set(owners[before : place + 1])
    for owner in set(owners):
        created = [item.created for item in order if item.owner == owner]
        assert created == sorted(created)


def test_a_start_is_expected_when_a_worker_becomes_free() -> None:
    order = [Waiting(name, "a", 0) for name in ("p", "q", "r")]
    takes = {"p": 10.0, "q": 5.0, "r": 1.0}
    assert expect_turns(order, running(30.0), 1, takes.get) == [(30.0, 40.0), (40.0, 45.0), (45.0, 46.0)]
    assert expect_turns(order, running(30.0, 4.0), 2, takes.get) == [(4.0, 14.0), (14.0, 19.0), (19.0, 20.0)]
    assert expect_turns(order, [], 2, takes.get) == [(0.0, 10.0), (0.0, 5.0), (5.0, 6.0)]


def test_nothing_is_expected_after_a_run_whose_end_is_unknown() -> None:
    order = [Waiting(name, "a", 0) for name in ("p", "q")]
    assert expect_turns(order, running(None), 1, lambda _: 1.0) == [UNKNOWN, UNKNOWN]
    assert expect_turns(order, running(None, 3.0), 2, lambda _: 1.0) == [(3.0, 4.0), (4.0, 5.0)]
    assert expect_turns(order, running(2.0), 1, lambda _: None) == [(2.0, None), UNKNOWN]


def test_what_the_scheduler_writes_is_read_back(settings: Settings) -> None:
    settings.home.mkdir()
    assert read_queue(settings) == QueueView()
    view = QueueView((Turn("x", 1, 12.5, 20.0), Turn("y", 2, None)), "paused", ("a",))
    write_queue(settings, view)
    assert read_queue(settings) == view
    assert view.turn("y") == Turn("y", 2, None)
    assert view.turn("z") is None


def test_a_run_that_is_being_started_counts_as_running(small_config: TrainConfig) -> None:
    def summary(name: str, created: float, state: RunState) -> RunSummary:
        meta = RunMeta(created, "a", None, None, "Pets", "f", ("cat", "dog"))
        return RunSummary(name, state, "", small_config, meta, None, None, 0, None)

    items = [
        summary("new", 5.0, RunState.QUEUED),
        summary("next", 4.0, RunState.QUEUED),
        summary("starting", 3.0, RunState.QUEUED),
        summary("training", 2.0, RunState.RUNNING),
        summary("done", 1.0, RunState.FINISHED),
    ]
    queue = QueueView((Turn("next", 2, None),), running=("training", "starting", "deleted"))
    running, waiting = sort_active(items, queue)
    assert [item.id for item in running] == ["training", "starting"]
    assert [item.id for item in waiting] == ["next", "new"]


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"turns": [[1]], "held": ""}', '{"paused": 1}'])
def test_a_damaged_file_reads_as_an_empty_queue(settings: Settings, damaged: str) -> None:
    settings.home.mkdir()
    for name in ("queue.json", "queue-control.json"):
        (settings.home / name).write_text(damaged, encoding="utf-8")
    assert read_queue(settings) == QueueView()
    assert read_control(settings) == QueueControl()


def test_only_the_presenter_changes_the_queue(settings: Settings) -> None:
    ada = Actor("p-ada", "Ada")
    with pytest.raises(RightsError, match="for the presenter only"):
        pause_queue(settings, True, ada)
    with pytest.raises(RightsError, match="for the presenter only"):
        put_first(settings, ["x"], ada)
    assert read_control(settings) == QueueControl()
    pause_queue(settings, True, OPERATOR)
    put_first(settings, ["x", "y", "x"], OPERATOR)
    assert read_control(settings) == QueueControl(True, ("x", "y"))
    with pytest.raises(RunError, match="There is no run"):
        put_first(settings, ["../x"], OPERATOR)


def test_the_arms_of_a_heat_take_one_turn_the_quick_ones_first_and_the_next_seed_takes_another() -> None:
    queue = [arm("slow0", "a", rank=3), arm("quick0", "a"), arm("slow1", "a", 1, rank=3), arm("quick1", "a", 1)]
    other = Waiting("b1", "b", 9)
    assert ids(fair_order([*queue, other], {})) == ["quick0", "slow0", "b1", "quick1", "slow1"]
    begun = {"a": 20.0}
    late = [item for item in queue if item.id != "quick0"]
    assert ids(fair_order([*late, other], begun, (), {("race", 0)})) == ["slow0", "b1", "quick1", "slow1"]
    assert ids(fair_order([*late, other], begun, ["b1"], {("race", 0)})) == ["b1", "slow0", "quick1", "slow1"]


def test_where_no_arms_run_side_by_side_owners_take_turns_run_by_run() -> None:
    queue = [arm("slow", "a", rank=3, abreast=1), arm("quick", "a", abreast=1), Waiting("b1", "b", 9)]
    assert ids(fair_order(queue, {})) == ["quick", "b1", "slow"]


def test_arms_are_expected_side_by_side() -> None:
    takes = {"quick": 5.0, "slow": 30.0, "third": 10.0, "single": 1.0}.get
    order = [arm("quick", "a"), arm("slow", "a", rank=3), arm("third", "a", rank=4), Waiting("single", "b", 9)]
    assert expect_turns(order, [], 1, takes) == [(0.0, 5.0), (0.0, 30.0), (5.0, 15.0), (30.0, 31.0)]
    assert expect_turns(order[2:], [(order[1], 30.0)], 1, takes) == [(0.0, 10.0), (30.0, 31.0)]
