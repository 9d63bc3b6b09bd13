"""What probes let expect, in numbers and sentences, and how that compares with trainings."""

import pytest

from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.probes.forecast import best_from, describe_depth, describe_head, describe_pretraining, enough, expect, gain
from core.probes.forecast_score import ArmTruth, describe_score, find_truths, score
from core.probes.ladder import Ladder, ladder_path, write_ladder
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.metrics import Accuracy
from tests.core.probes.conftest import make_ladder
from tests.support.finished_runs import finish, start_race

RISING = make_ladder([50, 60, 75, 85, 90, 92])
EARLY = make_ladder([50, 60, 75, 90, 60, 55])
UNSURE = make_ladder([50, 60, 75, 80, 82, 80])
NEARLY_ALL = make_ladder([60, 80, 96, 98, 99, 98])
NO_USE = make_ladder([52, 52, 53, 52, 52, 53])


def config(strategy: str, **values: object) -> TrainConfig:
    return parse_config({"dataset": "drawn", "model": "petnet", "strategy": strategy, **values})


def test_a_head_reads_the_last_block_and_what_is_frozen_bounds_the_rest() -> None:
    def reach(ladder: Ladder, strategy: str, **values: object) -> int:
        found = expect(ladder, config(strategy, **values))
        assert found is not None
        return found.correct

    assert reach(EARLY, "head") == 55
    assert reach(EARLY, "partial", freeze_point="stage2") == 90
    assert reach(EARLY, "partial") == 90  # frozen up to stage3 by default
    assert reach(EARLY, "partial", freeze_point="stage4") == 60
    assert reach(EARLY, "full") == reach(EARLY, "gradual") == 90
    assert reach(RISING, "head") == reach(RISING, "full") == 92
    assert expect(RISING, config("scratch")) is None
    assert expect(RISING, parse_config({"dataset": "drawn", "model": "mobilenet_v2", "strategy": "head"})) is None


def test_of_equally_good_blocks_the_last_counts() -> None:
    assert best_from(make_ladder([50, 90, 90, 90, 80, 90]), 0) == 5
    assert best_from(UNSURE, 5) == 5


def test_most_is_there_where_little_is_added_later() -> None:
    assert RISING.blocks[enough(RISING)].block == "stage4"
    assert enough(make_ladder([92, 92, 92, 92, 92, 92])) == 0
    assert enough(make_ladder([50, 50, 50, 50, 50, 92])) == 5


@pytest.mark.parametrize(
    ("ladder", "said"),
    [
        (RISING, "no earlier block knows more. 8 points are missing: compare the head with full"),
        (EARLY, "frozen up to stage3, training should bring"),
        (UNSURE, "frozen up to stage4, training may bring 0 to"),
        (NEARLY_ALL, "at most the 2 points that are missing: try the head first"),
    ],
)
def test_the_sentence_hedges_by_the_interval(ladder: Ladder, said: str) -> None:
    assert said in describe_depth(ladder)
    head = ladder.accuracy(ladder.last)
    assert f"{100 * head.interval.low:.1f} to" in describe_head(ladder)
    assert (gain(ladder).low > 0) == (ladder is EARLY)


def test_pretraining_without_use_is_not_praised() -> None:
    assert "not shown to be better than random" in describe_pretraining(NO_USE)
    assert "pretraining is worth" in describe_pretraining(RISING)


def arm(
    expected: int, measured: int, strategy: str = "head", fingerprint: str = "a", network: str = "petnet"
) -> ArmTruth:
    return ArmTruth(fingerprint, network, strategy, None, Accuracy(expected, 100), Accuracy(measured, 100), 1)


def test_the_order_is_counted_within_a_dataset_and_strategies_apart_from_networks() -> None:
    arms = [arm(80, 82), arm(90, 91, "full"), arm(70, 65, "partial"), arm(10, 99, fingerprint="b")]
    found = score(arms[:3])
    assert found.strategies == Accuracy(3, 3)
    assert found.networks.n == 0
    assert score(arms).strategies.n == 3, "another dataset is another question"
    assert score([arm(80, 70), arm(90, 60)]).strategies == Accuracy(0, 1)
    assert score([arm(80, 70), arm(80, 60)]).strategies.n == 0, "equal forecasts order nothing"
    both = score([arm(80, 70), arm(90, 95, network="mobilenet_v2")])
    assert (both.strategies.n, both.networks) == (0, Accuracy(1, 1))


def test_arms_on_one_dataset_are_one_observation_of_the_error() -> None:
    one = [arm(80, 70, strategy) for strategy in ("head", "partial", "full")]
    assert score(one).interval is None, "they share its validation pictures"
    found = score([*one, arm(80, 80, fingerprint="b"), arm(80, 84, fingerprint="c")])
    assert found.datasets == 3
    assert found.mean_error == pytest.approx((-0.10 + 0 + 0.04) / 3)
    assert found.mean_size == pytest.approx(0.34 / 5)
    assert found.interval is not None
    assert found.interval.low < -0.10 < 0.04 < found.interval.high


def test_few_forecasts_are_not_called_a_rule() -> None:
    assert "has been put to the test" in describe_score(score([]))
    assert "Too few so far" in describe_score(score([arm(80, 82), arm(90, 91)]))
    many = [arm(50 + 4 * place, 52 + 4 * place) for place in range(9)]
    assert "Too few so far" in describe_score(score(many)), "one dataset is no rule"
    text = describe_score(score([*many, arm(80, 82, fingerprint="b"), arm(70, 72, fingerprint="c")]))
    assert "Too few" not in text
    assert "36 of 36 pairs" in text
    assert "+2.0 points from the forecast" in text


def test_finished_runs_of_the_same_dataset_and_network_are_the_truth(settings: Settings, drawn: Dataset) -> None:
    _, runs = start_race(settings, drawn, ("scratch", "head"), (0, 1))
    for run in runs[:3]:
        finish(run, drawn)
    summaries = RunStore(settings).summaries
    assert find_truths(settings, summaries()) == [], "nothing was probed"
    path = ladder_path(settings, drawn, "petnet")
    path.parent.mkdir(parents=True)
    write_ladder(path, RISING)
    (found,) = find_truths(settings, summaries())
    assert (found.strategy, found.network, found.runs) == ("head", "petnet", 1)
    finish(runs[3], drawn)
    (found,) = find_truths(settings, summaries())
    assert found.runs == 2
    assert found.measured.n == 2 * len(drawn.rows_of("test"))
    assert found.expected == RISING.accuracy(5)
