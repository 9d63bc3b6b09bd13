"""The sweeper: every trial is one run a seed and ends once, whatever is killed in between."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from filelock import FileLock

from core.datasets.dataset import Dataset
from core.maintenance.check import check
from core.runs import run_store
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps import sweeper
from core.sweeps.final_race import BASE as BASE_ARM
from core.sweeps.final_race import BEST
from core.sweeps.sweep_store import SweepFolder, SweepStore
from tests.core.sweeps.desk import BASE, SweepDesk, begin, end_run, make_plan, train

pytestmark = pytest.mark.usefixtures("drawn")


def lead(desk: SweepDesk, accuracy: Callable[[int], float] = lambda number: 0.5 + number / 100) -> None:
    """Let every run finish until the sweep has ended."""
    while desk.step():
        for run in desk.waiting():
            trial = run.meta().trial
            assert trial is not None
            end_run(run, accuracy(trial))


def test_trials_are_runs_that_are_not_tested_and_the_best_races_against_the_base(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=4))
    lead(desk)

    found = desk.read()
    assert found.state == "finished"
    assert [(item.number, item.outcome) for item in found.trials] == [(place, "finished") for place in range(4)]
    assert found.best is not None
    assert found.best.number == 3
    assert found.trials[0].values["dropout"] == found.plan.base.dropout  # the base is the first trial
    assert len(desk.runs()) == 4
    (race,) = found.races
    arms = Counter(run.meta().arm for run in RunStore(settings).race(race.race))
    assert arms == {BASE_ARM: 3, BEST: 3}
    assert all(run.meta().sweep is None for run in RunStore(settings).race(race.race))


@pytest.mark.parametrize(("strategy", "rate"), [("scratch", 0.001), ("head", 0.01)])
def test_a_base_without_a_learning_rate_is_tried_with_the_one_that_fits_it(
    settings: Settings, strategy: str, rate: float
) -> None:
    model = "scratch_cnn" if strategy == "scratch" else "petnet"
    base = BASE.variant(model=model, strategy=strategy)
    desk = begin(settings, make_plan("learning_rate=log:1e-4..1e-1", base=base, trials=2))
    lead(desk, lambda number: 0.9 - number / 10)
    found = desk.read()
    assert found.trials[0].values == {"learning_rate": rate}
    assert found.plan.base == base.variant(learning_rate=rate)
    assert found.races == ()  # the base was the best


def test_only_so_many_wait_that_no_place_is_empty(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=9))
    for _ in range(3):
        assert desk.step()
    assert len(desk.waiting()) == 2  # one runs, one waits


def test_of_equally_accurate_trials_the_one_with_less_loss_is_best(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=3))
    losses = iter((0.5, 0.2, 0.4))
    while desk.step():
        for run in desk.waiting():
            train(run, 0.7)
            path = run.event_log
            path.write_text(path.read_text().replace(f'"val_loss": {1 - 0.7}', f'"val_loss": {next(losses)}'))
            run.write_result(RunState.FINISHED, "Ended.", 2.0)
    best = desk.read().best
    assert best is not None
    assert (best.number, best.loss) == (1, 0.2)


def test_a_running_trial_that_is_worse_is_stopped_and_says_why(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "REPORT_SECONDS", 0.0)
    desk = begin(settings, make_plan(trials=7, pruner="median"))
    desk.step()
    for _ in range(5):
        end_run(desk.waiting()[0], 0.6, 0.7, 0.8)
        desk.step()
    desk.step()
    run = desk.waiting()[0]
    train(run, 0.3, 0.3)
    with FileLock(run.lock_path):
        assert run.state() is RunState.RUNNING
        desk.step()
    assert run.stop_requested
    end_run(run, 0.3, 0.3, state=RunState.STOPPED)
    result = run.result()
    assert result is not None
    assert result.text == "Pruned by its sweep: at this point earlier trials were better."
    lead(desk)
    pruned = next(item for item in desk.read().trials if item.runs == (run.id,))
    assert (pruned.outcome, pruned.accuracy) == ("pruned", 0.3)


def test_seeds_of_a_trial_follow_each_other_and_a_surely_worse_one_gets_no_more(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=2, seeds=5, pruner="wilcoxon"))
    while desk.step():
        run = desk.waiting()[0]
        for waiting in desk.waiting():  # the first trial ends first
            run = waiting if waiting.meta().trial == 0 else run
        end_run(run, (0.9 if run.meta().trial == 0 else 0.1) + run.config().seed / 100)
    good, bad = desk.read().trials
    assert (good.outcome, len(good.runs)) == ("finished", 5)
    assert (bad.outcome, len(bad.runs)) == ("pruned", 4)
    assert good.accuracy == pytest.approx(0.92)
    assert [RunStore(settings).get(run).config().seed for run in good.runs] == [0, 1, 2, 3, 4]


def test_the_same_settings_are_trained_once(settings: Settings) -> None:
    desk = begin(settings, make_plan("batch_norm=on,off", trials=6))
    lead(desk, lambda _: 0.5)
    trials = desk.read().trials
    assert len(desk.runs()) == 2
    assert [item.same_as for item in trials].count(None) == 2
    assert {item.accuracy for item in trials} == {0.5}


def test_a_grid_visits_every_combination(settings: Settings) -> None:
    desk = begin(settings, make_plan("batch_norm=on,off", "activation=relu,gelu", trials=None, sampler="grid"))
    lead(desk)
    seen = {(item.values["batch_norm"], item.values["activation"]) for item in desk.read().trials}
    assert len(seen) == 4


def test_weights_are_kept_of_the_best_trial_only(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=4))
    lead(desk)
    assert [run.has_weights for run in desk.runs()] == [False, False, False, True]


def test_values_that_exclude_each_other_fail_and_do_not_count(settings: Settings) -> None:
    plan = make_plan("model=scratch_cnn,petnet", "strategy=scratch,head", trials=20, sampler="random")
    desk = begin(settings, plan)
    lead(desk)
    found = desk.read()
    assert found.counted == 20
    failed = [item for item in found.trials if item.outcome == "failed"]
    assert failed
    assert all("has no pretrained weights" in item.problem for item in failed)


def test_a_sweep_whose_trials_all_fail_ends_with_their_reason(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=20))
    while desk.step():
        for run in desk.waiting():
            end_run(run, state=RunState.FAILED)
    result = desk.read().result
    assert result is not None
    assert result.state == "failed"
    assert result.text == "The last 5 trials failed: Ended."


def test_a_stop_ends_what_runs_and_keeps_what_was_found(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=20))
    desk.step()
    desk.step()
    end_run(desk.waiting()[0], 0.6)
    desk.step()
    SweepStore(settings).request_stop(desk.folder.id)
    while desk.step():
        pass
    found = desk.read()
    assert found.state == "stopped"
    assert found.best is not None
    assert found.races == ()
    assert not desk.waiting()


def test_time_that_is_over_ends_a_sweep(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=None, minutes=1e-6))
    while desk.step():
        pass
    assert desk.read().state == "failed"  # nothing was tried
    SweepStore(settings).extend(desk.folder.id, trials=2)
    desk.restart()
    lead(desk)
    assert (desk.read().state, desk.read().counted) == ("finished", 2)


def test_a_sweep_goes_on_for_more_trials_and_races_a_new_best(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=2))
    lead(desk)
    SweepStore(settings).extend(desk.folder.id, trials=3)
    desk.restart()
    lead(desk)
    found = desk.read()
    assert found.counted == 5
    assert [item.trial for item in found.races] == [1, 4]


def test_a_deleted_run_fails_its_trial(settings: Settings) -> None:
    desk = begin(settings, make_plan(trials=2))
    desk.step()
    desk.step()
    gone = desk.waiting()[0]
    shutil.rmtree(gone.folder)
    lead(desk)
    (failed,) = [item for item in desk.read().trials if item.outcome == "failed"]
    assert failed.problem == f"Run {gone.id} was deleted."


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_killed_no_trial_is_lost_or_doubled(
    drawn: Dataset, settings: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Ends the sweeper at random moments between two writes, tears the last line of its study, and continues."""
    del drawn
    monkeypatch.setattr(sweeper, "MAX_FAILED", 99)  # as many fail here by chance
    rng = random.Random(seed)
    left = [rng.randrange(1, 6)]

    def fragile(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and rng.random() < 0.5:
                raise Killed
            found = real(*arguments, **named)
            if left[0] == 0:
                raise Killed
            return found

        monkeypatch.setattr(owner, name, call)

    fragile(optuna.storages.journal.JournalFileBackend, "append_logs")
    fragile(run_store, "create_run")
    fragile(SweepFolder, "write_races")
    fragile(SweepFolder, "end")
    plan = make_plan(trials=8, seeds=2, pruner="none", sampler="random")
    left[0] = -1
    desk = begin(settings, plan)
    kills, going = 0, True
    while going:
        left[0] = rng.randrange(1, 5) if kills < 50 else -1
        try:
            going = desk.step()
            for run in desk.waiting():
                if rng.random() < 0.7:
                    end_run(
                        run, rng.random(), state=rng.choice((RunState.FINISHED, RunState.FINISHED, RunState.FAILED))
                    )
        except Killed:
            kills += 1
            left[0] = -1
            if rng.random() < 0.3 and desk.folder.study_path.exists():
                with desk.folder.study_path.open("ab") as file:
                    file.write(b'{"op_code": 5, "worker_id"')
            desk.restart()

    assert kills >= 10
    found = desk.read()
    runs = desk.runs()
    assert found.state == "finished", found.result
    assert found.counted == 8
    places = Counter((run.meta().trial, run.config().seed) for run in runs)
    assert set(places.values()) == {1}  # no run was made twice
    by_trial = Counter(run.meta().trial for run in runs)
    ended = {item.number for item in found.trials if item.outcome != "waiting"}
    assert set(by_trial) <= ended  # and none is left behind
    for item in found.trials:
        states = [run.state() for run in runs if run.meta().trial == item.number]
        assert {*item.runs} == {run.id for run in runs if run.meta().trial == item.number}
        assert (item.outcome == "finished") is (states == [RunState.FINISHED] * 2)
    assert found.best is not None
    assert len(found.races) == (found.best.number != 0)  # the base needs no race against itself
    assert all(len(RunStore(settings).race(race.race)) == 6 for race in found.races)
    assert [problem for problem in check(settings) if "sweeps" in problem.thing] == []
