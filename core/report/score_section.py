"""Scores from the predictions: the verdict, confusion matrices, and precision, recall and F1 of each class."""

from collections.abc import Callable, Sequence

import numpy as np

from core.report.content import CaveatRow, ClassRow, Confusion, PairRow, Share, Verdict
from core.report.subject import Subject
from core.statistics.caveats import Caveat
from core.statistics.class_scores import ClassScore, f1_interval, per_class
from core.statistics.metrics import confusion_matrix, wilson_interval
from core.statistics.predictions import PredictionTable
from core.statistics.race_sentences import describe_pair, describe_race


def describe_verdict(subject: Subject) -> Verdict | None:
    """The comparison of the arms in numbers and sentences; None where there is none."""
    found = subject.comparison
    if found is None:
        return None
    pairs = tuple(
        PairRow(
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
    return Verdict(
        describe_race(found), found.split, found.n, found.seeds, level, pairs, describe_caveats(found.caveats)
    )


def describe_caveats(caveats: Sequence[Caveat]) -> tuple[CaveatRow, ...]:
    """The caveats of a verdict or a headline."""
    return tuple(CaveatRow(caveat.kind, caveat.sentence) for caveat in caveats)


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
    """The tables of each arm that share the split and the classes of its first."""
    out = {}
    for arm in subject.arms:
        tables = [item.table for item in subject.of(arm) if item.table is not None]
        alike = [item for item in tables if (item.split, item.classes) == (tables[0].split, tables[0].classes)]
        if alike:
            out[arm] = alike
    return out
