"""What the doctor found, in sentences for pages and the command line. Empty where there is nothing to say."""

from collections import Counter

from core.coach.dataset_rules import UNEQUAL
from core.coach.shortcuts import CUES
from core.datasets.dataset import Dataset, ImportReport
from core.doctor.doctor_findings import QUALITIES, Findings, Levels
from core.formatting import format_count, format_percent, format_points, join_names
from models.catalog import CATALOG

LESS_TELLING = 3  # cues in sentences; the table has all


def describe_labels(found: Findings) -> str:
    """How many labels may be wrong."""
    estimate = found.estimate
    if estimate is None:
        return (
            f"{found.suspicious:,} of {found.pictures:,} labels look wrong. There are too few pictures to try how "
            "reliable that is."
        )
    if not estimate.wrong:
        return f"No sign of wrong labels: at most about {estimate.high:,} of {found.pictures:,}."
    return (
        f"At most about {estimate.wrong:,} of {found.pictures:,} labels are wrong (95 % interval {estimate.low:,} to "
        f"{estimate.high:,})."
    )


def describe_first(found: Findings) -> str:
    """How many of the first ones in the list are wrong."""
    estimate = found.estimate
    if estimate is None or not estimate.first:
        return ""
    if not estimate.wrong:
        return "The listed ones are hard to classify; most of their labels are right."
    return (
        f"Of the first {estimate.first} in the list at most about {estimate.wrong_first} "
        f"({estimate.low_first} to {estimate.high_first})."
    )


def describe_trial(found: Findings) -> str:
    """How these figures were found."""
    trial = found.trial
    if trial is None:
        return ""
    interval, rest = trial.rate.interval, ", the others looked wrong before"
    return (
        f"Tried on these pictures: {format_count(trial.planted, 'label')} were changed in each of {trial.copies} "
        f"copies in memory. {format_percent(trial.recall.value or 0)} of them came out in the list; of its first "
        f"{trial.listed} labels {format_percent(trial.rate.value or 0)} ({format_points(interval.low)} to "
        f"{format_percent(interval.high)}) were changed ones{'' if trial.rate.value == 1 else rest}."
    )


def describe_unexamined(dataset: Dataset, found: Findings) -> str:
    """Classes that are too small."""
    if not found.unexamined:
        return ""
    names = [f"“{dataset.classes[label]}”" for label in found.unexamined]
    more = len(names) - LESS_TELLING
    shown = [*names[:LESS_TELLING], f"{more:,} more classes"] if more > 0 else names
    return f"Labels of {join_names(shown)} were not examined: add pictures."


def describe_copies(dataset: Dataset, found: Findings) -> str:
    """How many pairs show almost the same, and what that means."""
    if not found.copies_found:
        return "No near-copies in two classes or two splits."
    rows = dataset.rows
    apart = sum(rows[pair.first].label != rows[pair.second].label for pair in found.copies)
    parts = []
    if apart:
        parts.append(f"{format_count(apart, 'pair')} in two classes: one of the labels is wrong")
    if straddling := found.copies_found - apart:
        parts.append(f"{format_count(straddling, 'pair')} in two splits: results are too good")
    return f"Near-copies: {'; '.join(parts)}."


def describe_known_copies(report: ImportReport) -> str:
    """What comparing pixels at the import has found already."""
    parts = []
    if apart := sum(len(group) for group in report.contradictory_near):
        parts.append(f"{format_count(apart, 'picture')} like one of another class")
    if straddling := sum(report.straddling.values()):
        parts.append(f"{format_count(straddling, 'picture')} like a training picture")
    return f"Comparing pixels at the import found {join_names(parts)}." if parts else ""


def describe_quality(found: Findings) -> str:
    """How many pictures are hard to see, by kind."""
    counts = Counter(item.kind for item in found.qualities)
    if not counts:
        return "No picture is hard to see." if not found.usual else ""
    listed = [f"{count:,} {QUALITIES[kind][0].lower()}" for kind, count in counts.items()]
    return f"Hard to see: {join_names(listed)}."


def describe_usual(found: Findings) -> list[str]:
    """Kinds that are no exception here."""
    return [
        f"{QUALITIES[kind][0]}: {count:,} of {found.pictures:,} pictures. This is how the dataset looks, so they are "
        "not listed."
        for kind, count in found.usual.items()
    ]


def describe_balance(dataset: Dataset) -> str:
    """Whether the classes are of equal size, and what guessing the largest would reach."""
    counted = Counter(dict.fromkeys(range(len(dataset.classes)), 0))
    counted.update(row.label for row in dataset.rows_of("train"))
    (most, many), (least, few) = counted.most_common()[0], counted.most_common()[-1]
    if many < UNEQUAL * few:
        return f"Classes are balanced: {few:,} to {many:,} training pictures each."
    return (
        f"Classes are unequal: {many:,} training pictures of “{dataset.classes[most]}”, {few:,} of "
        f"“{dataset.classes[least]}”. Always answering “{dataset.classes[most]}” is right for "
        f"{format_percent(many / max(1, counted.total()))} of them: look at the accuracy of each class."
    )


def describe_levels(found: Findings) -> list[str]:
    """What cues alone reach, next to the features of a network on the same pictures; the strongest first."""
    levels = found.levels
    if levels is None:
        return []
    telling = sorted((cue for cue in levels.cues if cue.found), key=lambda cue: -cue.correct)
    title = CATALOG[found.backbone].title
    sentences = []
    for cue in telling[:LESS_TELLING]:
        part = format_percent(explained(cue.correct, cue.baseline, levels.features), 0)
        sentences.append(
            f"From {_title(cue.name)} alone {_share(cue.correct, levels)} of the validation and test pictures are right"
            f", from always answering the most common class {_share(cue.baseline, levels)}, from the features of "
            f"{title} {_share(levels.features, levels)}: up to {part} of what a network gains over guessing may come "
            "from it."
        )
    return sentences


def explained(cue: int, baseline: int, features: int) -> float:
    """The part of a network's gain over the most common class that a cue reaches alone, at most 1."""
    gain = features - baseline
    return min(1.0, (cue - baseline) / gain) if gain > 0 else 1.0


def _title(name: str) -> str:
    return next((cue.title for cue in CUES if cue.name == name), name)


def _share(count: int, levels: Levels) -> str:
    return format_percent(count / levels.held_out)
