"""Which network a picture is tried on."""

from dataclasses import replace

import pytest

from core.config import events
from core.config.train_config import TrainConfig
from core.predict.suggestion import find_partner, suggest_run
from core.runs.run import RunMeta, RunState
from core.runs.summary import RunSummary


@pytest.fixture
def run(small_config: TrainConfig) -> RunSummary:
    """A finished run from scratch, right about 5 of 10 test pictures."""
    meta = RunMeta(1.0, "local", None, None, "Pets", "f", ("cat", "dog"))
    tested = events.Tested("test", 5, 10, 0.5, 0.7, 1, 0.1)
    return RunSummary("a", RunState.FINISHED, "", small_config, meta, tested, 0.5, 1, 1.0)


def vary(run: RunSummary, name: str, correct: int, **values: object) -> RunSummary:
    """Another run: other values of its configuration."""
    assert run.tested is not None
    tested = replace(run.tested, correct=correct, accuracy=correct / 10)
    return replace(run, id=name, tested=tested, config=run.config.model_copy(update=values))


def test_the_best_run_on_the_newest_dataset_is_suggested(run: RunSummary) -> None:
    runs = [vary(run, "worse", 6), vary(run, "best", 7), vary(run, "old", 10, dataset="old")]
    found = suggest_run(runs, ["untrained", run.config.dataset, "old"])
    assert found is not None
    assert found.id == "best"


def test_a_running_network_is_never_suggested(run: RunSummary) -> None:
    running = replace(run, id="b", state=RunState.RUNNING, tested=None)
    stopped = replace(run, id="c", state=RunState.STOPPED, tested=None)
    assert suggest_run([running], [run.config.dataset]) is None
    assert suggest_run([running, stopped], [run.config.dataset]) == stopped
    assert suggest_run([running, stopped, run], []) == run


def test_a_network_is_compared_with_the_other_arm_of_its_race(run: RunSummary) -> None:
    transfer = vary(run, "transfer", 9, strategy="head", model="petnet")
    in_race = replace(transfer, meta=replace(transfer.meta, race="r"))
    other_arm = replace(vary(run, "other arm", 4), meta=replace(run.meta, race="r"))
    other_seed = replace(vary(run, "other seed", 8, seed=run.config.seed + 1), meta=replace(run.meta, race="r"))
    elsewhere = replace(vary(run, "elsewhere", 10), meta=replace(run.meta, dataset_fingerprint="g"))
    usable = [run, transfer, in_race, other_seed, other_arm, elsewhere]
    assert find_partner(in_race, usable) == other_arm
    assert find_partner(other_arm, usable) == in_race
    assert find_partner(transfer, usable) == other_seed, "without a race, the best one on the same pictures"
    assert find_partner(elsewhere, usable) is None
