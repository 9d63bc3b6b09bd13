"""Thirty people who do the same thing at the same moment: everybody gets what is theirs, and nothing is half."""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from core.actor import Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, QuotaError, RightsError, RunError
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.jobs.workers.evaluation_job import start_evaluation
from core.races.demo import demo_dataset, make_demo_dataset, start_demo
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.runs.summary import summarise
from core.scheduling.run_queue import pause_queue, read_queue
from core.settings import PROJECT_ROOT, Settings
from tests.support.desk import Desk, desk, files  # noqa: F401
from tests.support.processes import wait_for

pytestmark = pytest.mark.slow

ROOM = 30
ADA, BERT = Actor("p-ada", "Ada"), Actor("p-bert", "Bert")
FOREIGN = "belongs to another person: only its owner and the presenter can change it."


def everybody() -> list[Actor]:
    return [Actor(f"p-{number:02d}", f"Person {number}") for number in range(ROOM)]


def at_once(deeds: list[Callable[[], Any]]) -> list[Any]:
    """What came of each deed: its value, or its error."""
    outcomes: list[Any] = [None] * len(deeds)
    barrier = threading.Barrier(len(deeds))

    def act(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = deeds[place]()
        except Exception as error:
            outcomes[place] = error

    threads = [threading.Thread(target=act, args=(place,)) for place in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def assert_all_is_whole(settings: Settings) -> None:
    """Every folder among the runs is a complete run, and nothing else is there."""
    store = RunStore(settings)
    names = {path.name for path in settings.runs_dir.iterdir()}
    assert names == {run.id for run in store.all()}
    for run in store.all():
        assert summarise(run).meta.owner == run.meta().owner
        assert {"config.json", "meta.json"} <= set(files(run))


def test_thirty_people_start_at_once_and_each_has_a_run(
    settings: Settings, drawn: object, small_config: TrainConfig
) -> None:
    store = RunStore(settings)
    found = at_once([lambda who=who: store.create(small_config, by=who) for who in everybody()])
    assert all(isinstance(item, Run) for item in found), found
    assert len({run.id for run in found}) == ROOM
    assert [run.meta().owner for run in found] == [who.id for who in everybody()]
    assert_all_is_whole(settings)


MANY = textwrap.dedent(
    """
    import sys
    from core.errors import TuneMyPetsError
    from core.actor import Actor
    from core.runs.run_store import RunStore
    from core.settings import Settings
    from core.config.train_config import TrainConfig

    store, config = RunStore(Settings.from_environment()), TrainConfig.model_validate_json(sys.argv[1])
    sys.stdin.readline()
    for number in range(10):
        try:
            run = store.create(config, by=Actor("p-ada", "Ada"))
            print("made", run.id)
        except TuneMyPetsError as error:
            print("refused", error)
    """
)


def test_a_quota_holds_exactly_among_threads(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, drawn: object, small_config: TrainConfig
) -> None:
    store = RunStore(dataclasses.replace(settings, max_queued=5))
    found = at_once([lambda: store.create(small_config, by=ADA)] * ROOM)
    refused = [item for item in found if isinstance(item, QuotaError)]
    assert (len(refused), len(store.all())) == (ROOM - 5, 5)
    assert {str(error) for error in refused} == {
        "You have 5 runs in the queue (limit 5): wait until some have ended, or stop some."
    }
    assert_all_is_whole(settings)
    store.create(small_config, by=BERT)  # others are not concerned
    store.request_stop(store.all()[-1].id, by=ADA)
    store.create(small_config, by=ADA)


def test_a_quota_holds_exactly_among_processes(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, drawn: object, small_config: TrainConfig
) -> None:
    monkeypatch.setenv("TUNEMYPETS_MAX_QUEUED", "7")
    command = [sys.executable, "-c", MANY, json.dumps(small_config.model_dump(mode="json"))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=PROJECT_ROOT, env=dict(os.environ), **pipes) for _ in range(3)]
    said = [process.communicate("\n", timeout=60)[0].splitlines() for process in processes]
    words = Counter(line.split()[0] for lines in said for line in lines)
    assert words == {"made": 7, "refused": 23}
    assert_all_is_whole(settings)


def test_a_race_that_does_not_fit_the_quota_is_refused_as_a_whole(
    settings: Settings, drawn: object, small_config: TrainConfig
) -> None:
    from core.races.presets import plan_pair

    store = RunStore(dataclasses.replace(settings, max_queued=5))
    plan, arms = plan_pair(small_config.variant(epochs=1))
    found = at_once([lambda: store.create_race(plan, arms, by=ADA)] * 10)
    races = [item for item in found if not isinstance(item, Exception)]
    assert len(races) == 2
    assert len(store.all()) == 4
    assert all(len(store.race(race)) == 2 for race, _ in races)


def test_the_quota_of_datasets_holds_exactly(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(dataclasses.replace(settings, max_datasets=2))
    found = at_once(
        [lambda n=n: jobs.start(ImportRequest(None, f"mine {n}", "60/20/20", 0), by=ADA) for n in range(10)]
    )
    refused = [item for item in found if isinstance(item, Exception)]
    assert [type(error) for error in refused] == [QuotaError] * 8, found
    assert {str(error) for error in refused} == {"You have 2 datasets (limit 2): delete one before you add another."}
    started = [item for item in found if isinstance(item, str)]
    wait_for(lambda: all(jobs.status(job).state != "running" for job in started))
    assert [jobs.status(job).text for job in started] == ["Imported."] * 2
    assert len(DatasetStore(settings).owned("p-ada")) == 2


def test_thirty_people_delete_and_rename_at_once(settings: Settings, drawn: object, small_config: TrainConfig) -> None:
    store, people = RunStore(settings), everybody()
    runs = [store.create(small_config, by=who) for who in people]
    for run, who in zip(runs, people, strict=True):
        store.request_stop(run.id, by=who)
    deeds: list[Callable[[], Any]] = []
    for place, (run, who) in enumerate(zip(runs, people, strict=True)):
        deeds.append(lambda run=run, who=who: store.rename(run.id, f"of {who.name}", by=who))
        if place % 2:
            deeds += [lambda run=run, who=who: store.delete(run.id, by=who)] * 2
    found = at_once(deeds)
    problems = [item for item in found if item is not None]
    assert {type(error) for error in problems} <= {RunError}
    other = [str(e) for e in problems if "There is no run" not in str(e) and "is in use: try again" not in str(e)]
    assert other == []
    kept = {run.id for run in runs[::2]}
    assert {run.id for run in store.all()} == kept
    assert [run.meta().title for run in runs[::2]] == [f"of {who.name}" for who in people[::2]]
    assert_all_is_whole(settings)


def test_many_who_delete_one_run_are_told_the_truth(
    settings: Settings, drawn: object, small_config: TrainConfig
) -> None:
    store = RunStore(settings)
    run = store.create(small_config, by=ADA)
    store.request_stop(run.id, by=ADA)
    found = at_once([lambda: store.delete(run.id, by=ADA)] * 10)
    assert found.count(None) == 1
    assert all(isinstance(error, RunError) for error in found if error is not None), found
    assert list(settings.runs_dir.iterdir()) == []


def test_a_dataset_in_use_is_not_deleted_even_when_a_run_is_made_at_the_same_moment(
    settings: Settings, small_config: TrainConfig
) -> None:
    store, files_of_it = RunStore(settings), list(draw_sample(count_per_class=6, size_px=32))
    made = kept = 0
    for _ in range(12):
        source = MemorySource("drawn for a test", files_of_it, drawn=True)
        plan = SplitPlan.parse("60/20/20")
        list(import_dataset(settings, source, name="drawn", plan=plan, seed=0, owner="p-ada"))
        found = at_once([lambda: store.delete_dataset("drawn", by=ADA), lambda: store.create(small_config, by=BERT)])
        there = DatasetStore(settings).ids() == ["drawn"]
        if isinstance(found[1], Run):
            made += 1
            assert there
            assert isinstance(found[0], DatasetError)
            assert str(found[0]) == (
                f"The dataset drawn is in use by 1 queued or running run ({found[1].id}): "
                "stop them, or wait until they have finished."
            )
            store.request_stop(found[1].id, by=BERT)
            store.delete_dataset("drawn", by=ADA)
        else:
            kept += 1
            assert not there
            assert found[0] is None
            assert "There is no dataset 'drawn'" in str(found[1])
    print(f"{made} times the run was first, {kept} times the deletion")


DEEDS: dict[str, Callable[[Settings, str, Actor], Any]] = {
    "stop": lambda settings, run, who: RunStore(settings).request_stop(run, by=who),
    "resume": lambda settings, run, who: RunStore(settings).resume(run, by=who),
    "rename": lambda settings, run, who: RunStore(settings).rename(run, "mine now", by=who),
    "delete": lambda settings, run, who: RunStore(settings).delete(run, by=who),
    "judge": lambda settings, run, who: start_evaluation(settings, run, by=who),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("who", [BERT, Actor("local", "a liar"), Actor("", ""), Actor("p-ada ", "Ada")])
def test_the_id_of_somebody_elses_run_gives_no_rights(
    settings: Settings, drawn: object, small_config: TrainConfig, deed: str, who: Actor
) -> None:
    run = RunStore(settings).create(small_config, by=ADA)
    before = {name: (run.folder / name).read_bytes() for name in files(run)}
    with pytest.raises(RightsError) as said:
        DEEDS[deed](settings, run.id, who)
    assert str(said.value) == f"Run {run.id} {FOREIGN}"
    assert {name: (run.folder / name).read_bytes() for name in files(run)} == before


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "", ".", "a" * 300, "<img onerror=x>", "a/b", "A\x00"])
def test_what_is_no_id_of_a_run_is_refused_before_it_becomes_a_path(settings: Settings, name: str) -> None:
    for deed in DEEDS.values():
        with pytest.raises(RunError, match="There is no run"):
            deed(settings, name, ADA)


def test_somebody_elses_dataset_is_neither_deleted_nor_renamed(settings: Settings, drawn: object) -> None:
    store = DatasetStore(settings)
    with pytest.raises(RightsError) as said:
        RunStore(settings).delete_dataset("drawn", by=BERT)
    assert str(said.value) == f"The dataset drawn {FOREIGN}"
    with pytest.raises(RightsError):
        store.rename("drawn", "mine now", by=BERT)
    assert store.ids() == ["drawn"]


def test_only_the_presenter_pauses(settings: Settings) -> None:
    with pytest.raises(RightsError) as said:
        pause_queue(settings, True, ADA)
    assert str(said.value) == (
        "Pausing the queue is for the presenter only: ask them, or open the Room page with their secret."
    )


def test_many_runs_of_one_person_do_not_starve_the_others(desk: Desk) -> None:
    many = [desk.queue(by=ADA, epochs=1) for _ in range(30)]
    desk.finish(many[0])
    others = [desk.queue(by=Actor(f"p-{name}", name), epochs=1) for name in ("bert", "cleo", "dan")]
    desk.until(lambda: all(run.state() is RunState.FINISHED for run in others))
    done = sum(run.state() is not RunState.QUEUED for run in many)
    print(f"{done} of Ada's runs began before the last of three others had ended")
    assert done <= 3  # the first, the one that was running when they came, and one that began since
    turns = [turn.id for turn in read_queue(desk.settings).turns]
    assert turns == [run.id for run in many if run.state() is RunState.QUEUED]


def test_thirty_people_ask_for_the_demo_at_once_and_watch_one(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    found = at_once([lambda who=who: make_demo_dataset(settings, by=who) for who in everybody()])
    assert len(set(found)) == 1, found
    wait_for(lambda: jobs.status(found[0]).state == "finished")
    dataset = demo_dataset(settings)
    assert dataset is not None
    races = at_once([lambda who=who: start_demo(settings, dataset, by=who) for who in everybody()])
    assert len(set(races)) == 1, races
    assert len(RunStore(settings).all()) == 2
