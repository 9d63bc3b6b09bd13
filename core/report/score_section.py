"""What the predictions say: the verdict, confusion matrices and scores per class."""

from collections.abc import Callable, Sequence

import numpy as np

from core.errors import ComparisonError
from core.report.content import ClassRow, Confusion, Pair, Share, Verdict
from core.report.subject import LoadedRun, Subject
from core.statistics.class_scores import ClassScore, f1_interval, per_class
from core.statistics.metrics import confusion_matrix, wilson_interval
from core.statistics.predictions import PredictionTable
from core.statistics.race_comparison import ArmTables, compare_arms
from core.statistics.race_sentences import describe_pair, describe_race

Tested = dict[str, list[tuple[LoadedRun, PredictionTable]]]  # by arm, in the order of its seeds


def comparable(subject: Subject) -> Tested:
    """The runs that the verdict rests on: of a race, the seeds that every tested arm has finished."""
    tables = {arm: [(item, item.table) for item in subject.of(arm) if item.table is not None] for arm in subject.arms}
    if len(subject.arms) > 2 and subject.kind != "curve":
        subject.notes.extend(f"{arm} has no test result." for arm, found in tables.items() if not found)
    tables = {arm: found for arm, found in tables.items() if found}
    if subject.race is None or len(tables) < 2:
        return tables
    seeds = set.intersection(*({item.seed for item, _ in found} for found in tables.values()))
    left = {item.seed for found in tables.values() for item, _ in found} - seeds
    if left and seeds:
        told = ", ".join(map(str, sorted(left)))
        subject.notes.append(f"The verdict leaves out seed {told}: not every arm has a test result with it.")
    kept = {arm: [pair for pair in found if pair[0].seed in seeds] for arm, found in tables.items()}
    return {arm: found for arm, found in kept.items() if found}  # nothing where no seed is common to all


def judge(subject: Subject, tested: Tested) -> tuple[Verdict | None, dict[str, Share]]:
    """The verdict, and the accuracy of each arm in it; nothing, and a note why, where there is none."""
    arms = [arm for arm in subject.arms if tested.get(arm)]
    if subject.kind == "curve":
        return None, {}
    if len(arms) < 2:
        subject.notes.append("There is no verdict: it needs test results of two arms with the same seed.")
        return None, {}
    try:
        found = compare_arms([_arm_tables(arm, tested[arm]) for arm in arms])
    except ComparisonError as error:
        subject.notes.append(str(error))
        return None, {}
    shares = {score.name: Share(score.mean, score.interval.low, score.interval.high, score.n) for score in found.arms}
    pairs = tuple(
        Pair(
            pair.a,
            pair.b,
            pair.difference,
            pair.interval.low,
            pair.interval.high,
            pair.p_value,
            pair.p_adjusted,
            pair.winner,
            describe_pair(found, pair),
        )
        for pair in found.pairs
    )
    level = found.arms[0].interval.level
    return Verdict(describe_race(found), found.split, found.n, found.seeds, level, pairs), shares


def _arm_tables(arm: str, tested: Sequence[tuple[LoadedRun, PredictionTable]]) -> ArmTables:
    seconds = [item.training_seconds for item, _ in tested]
    known = tuple(value for value in seconds if value is not None)
    return ArmTables(arm, tuple(table for _, table in tested), known if len(known) == len(seconds) else ())


def count_confusions(subject: Subject) -> tuple[Confusion, ...]:
    """A matrix for each arm, summed over its seeds."""
    out = []
    for arm, tables in _tables(subject).items():
        counts = sum(confusion_matrix(table.labels, table.predicted, table.classes) for table in tables)
        rows = tuple(tuple(row) for row in np.asarray(counts).tolist())
        out.append(Confusion(arm, tables[0].split, len(tables), tables[0].classes, rows))
    return tuple(out)


def score_classes(subject: Subject) -> tuple[ClassRow, ...]:
    """Precision, recall and F1 of every class with every arm: means over seeds, intervals over pictures."""
    out: list[ClassRow] = []
    for arm, tables in _tables(subject).items():
        out.extend(_class_row(arm, scores) for scores in zip(*map(per_class, tables), strict=True))
    return tuple(out)


def _class_row(arm: str, scores: Sequence[ClassScore]) -> ClassRow:
    predicted = round(float(np.mean([score.predicted for score in scores])))
    return ClassRow(
        arm,
        scores[0].label,
        _mean(scores, lambda score: score.precision, predicted),
        _mean(scores, lambda score: score.recall, scores[0].support),
        _mean_f1(scores, predicted),
        scores[0].support,
    )


def _mean(scores: Sequence[ClassScore], value_of: Callable[[ClassScore], float | None], n: int | None) -> Share | None:
    values = [value for score in scores if (value := value_of(score)) is not None]
    if not values:
        return None
    mean = float(np.mean(values))
    if not n:
        return Share(mean)
    interval = wilson_interval(round(mean * n), n)
    return Share(mean, min(interval.low, mean), max(interval.high, mean), n)


def _mean_f1(scores: Sequence[ClassScore], predicted: int) -> Share | None:
    found = _mean(scores, lambda score: score.f1, None)
    correct = min(round(float(np.mean([score.correct for score in scores]))), scores[0].support, predicted)
    either = scores[0].support + predicted - correct
    if found is None or not either:
        return found
    interval = f1_interval(correct, scores[0].support, predicted)
    return Share(found.value, min(interval.low, found.value), max(interval.high, found.value), either)


def _tables(subject: Subject) -> dict[str, list[PredictionTable]]:
    """The tables of each arm that are of one split and one set of classes."""
    out = {}
    for arm in subject.arms:
        tables = [item.table for item in subject.of(arm) if item.table is not None]
        alike = [item for item in tables if (item.split, item.classes) == (tables[0].split, tables[0].classes)]
        if alike:
            out[arm] = alike
    return out
