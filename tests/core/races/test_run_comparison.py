"""Comparisons of evaluated runs: of two, and of all arms of a race."""

from core.races.race import find_race
from core.races.run_comparison import compare_race, compare_runs
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.race_sentences import race_as_json
from tests.support.finished_runs import forget_plan


def test_two_runs_are_compared_second_minus_first(raced: Settings) -> None:
    second, first = RunStore(raced).all()
    there, back = compare_runs(first, second), compare_runs(second, first)
    assert there.difference == -back.difference
    assert (there.name_a, there.name_b) == (f"scratch (scratch_cnn), run {first.id}", there.name_b)


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
