"""Comparisons of evaluated runs: of two, and of all arms of a race."""

from types import SimpleNamespace

import pytest

from core.cli.commands.race_commands import show_race
from core.datasets.dataset import Dataset
from core.races.race import find_race
from core.races.run_comparison import RaceResult, compare_many, compare_race, compare_runs
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.race_sentences import race_as_json
from tests.support.finished_runs import finish, forget_plan, start_race


def test_two_runs_are_compared_second_minus_first(raced: Settings) -> None:
    second, first = RunStore(raced).all()
    there, back = compare_runs(raced, first, second), compare_runs(raced, second, first)
    assert there.difference == -back.difference
    assert "Scratch (small CNN, seed 0)" in there.verdict.replace("Scratch (small CNN, seed 0), run 2", "the other")
    assert "Scratch (small CNN, seed 0), run 2" in there.verdict


def test_runs_of_choice_are_compared_as_the_arms_of_a_race(raced: Settings) -> None:
    first, second = sorted(RunStore(raced).all(), key=lambda run: run.id)
    pair, many = compare_runs(raced, first, second), compare_many(raced, [first, second])
    assert [arm.name for arm in many.arms] == ["Scratch (small CNN, seed 0)", "Scratch (small CNN, seed 0), run 2"]
    assert [arm.mean for arm in many.arms] == [pair.accuracy_a.value, pair.accuracy_b.value]
    assert many.pairs[0].difference == pair.difference
    assert many.caveats == pair.caveats


def test_a_race_from_before_plans_were_stored_is_compared_as_any_other(raced: Settings) -> None:
    store = RunStore(raced)
    race_id = str(store.all()[0].meta().race)
    planned = find_race(store.summaries(), race_id)
    before = compare_race(raced, planned).comparison
    for run in store.all():
        forget_plan(run)
    race = find_race(store.summaries(), race_id)
    after = compare_race(raced, race).comparison
    assert (race.meta.plan, race.title, race.state) == (None, planned.title, planned.state)
    assert before is not None
    assert after is not None
    assert race_as_json(after) == race_as_json(before)


def result_of(settings: Settings, race_id: str) -> RaceResult:
    return compare_race(settings, find_race(RunStore(settings).summaries(), race_id))


def test_a_race_says_what_was_unequal_between_its_arms(settings: Settings, drawn: Dataset) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    for run, right, epochs in zip(runs, (0.0, 1.0), (2, 3), strict=True):
        finish(run, drawn, right, epochs)
    runs[0].write_result(RunState.STOPPED, "Stopped after 2 epochs.", 5.0)

    found = result_of(settings, race_id).comparison
    assert found is not None
    assert [(item.kind, item.sentence) for item in found.caveats[:2]] == [
        ("cut-short", "Scratch was stopped after 2 of 3 epochs."),
        (
            "unequal-views",
            "Scratch saw new random crops and flips in every epoch; Transfer saw one plain view of each picture. "
            "Where left and right matter, flips alone can decide.",
        ),
    ]
    assert found.caveats[2].kind == "seen-before"  # cat and dog

    outcome = show_race.callback(settings, race_id)
    assert [item["kind"] for item in outcome.value["comparison"]["caveats"]] == [item.kind for item in found.caveats]
    *_, verdict, first, second, third = outcome.text.splitlines()
    assert verdict.endswith(
        "Their training budget and augmentation (random crops and flips) differ too, which may be the reason."
    )
    assert first == "- Scratch was stopped after 2 of 3 epochs."
    assert second.startswith("- Scratch saw new random crops and flips")
    assert third.startswith("- By name, 2 of 2 classes")


def test_seeds_that_were_stopped_alike_share_a_sentence(settings: Settings, drawn: Dataset) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0, 1), augment_crop=False, augment_flip=False)
    for run in runs:
        finish(run, drawn, epochs=3 if run.meta().arm == "head" else 2)
        if run.meta().arm == "scratch":
            run.write_result(RunState.STOPPED, "Stopped after 2 epochs.", 5.0)
    found = result_of(settings, race_id).comparison
    assert found is not None
    assert found.caveats[0].sentence == "Scratch was stopped after 2 of 3 epochs (seeds 0 and 1)."


def test_a_seed_that_one_arm_lacks_is_left_out_and_named(settings: Settings, drawn: Dataset) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0, 1, 2), augment_crop=False, augment_flip=False)
    for run in runs[:3]:
        finish(run, drawn)
    result = result_of(settings, race_id)
    assert result.seeds == (0,)
    assert result.comparison is not None
    assert [item.sentence for item in result.comparison.caveats if item.kind == "missing"] == [
        "Scratch has 2 of 3 results and Transfer has 1 of 3 results: compared with seed 0 only."
    ]


def test_copies_in_the_test_split_are_a_caveat_of_runs_and_races(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "report", lambda _: SimpleNamespace(straddling={"test": 3}), raising=True)
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    for run in runs:
        finish(run, drawn)
    expected = "3 test pictures look like copies of training pictures: every accuracy may be too high."
    found = result_of(settings, race_id).comparison
    assert found is not None
    assert expected in [item.sentence for item in found.caveats]
    assert expected in [item.sentence for item in compare_runs(settings, *runs).caveats]
