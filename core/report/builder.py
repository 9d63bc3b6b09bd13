"""Fills a report from the runs: reads files, imports no torch, and takes what is there."""

from collections.abc import Sequence
from datetime import UTC, datetime

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError
from core.report.coach_section import add_costs, read_all
from core.report.confidence_section import draw_answering, measure_reliability
from core.report.content import ReportData
from core.report.curve_section import draw_curves, draw_sizes, list_sizes
from core.report.image_section import group_images
from core.report.repeat_commands import list_commands
from core.report.score_section import comparable, count_confusions, judge, score_classes
from core.report.setup_section import compare_choices, describe_arm, describe_dataset, describe_run, describe_versions
from core.report.subject import Subject, find_subject
from core.settings import Settings


def gather(settings: Settings, ids: Sequence[str], *, images: bool = True) -> ReportData:
    """Everything that a report says about a race, a learning curve, or two to six runs.

    Args:
        ids: the id of a race or learning curve, or of each run.
        images: whether to take the pictures themselves along.
    Raises:
        ComparisonError: the ids are none of that.
        RunError: there is nothing of such an id, or nothing of it can be read.
    """
    subject = find_subject(settings, ids)
    dataset = _dataset(settings, subject)
    tested = comparable(subject)
    verdict, shares = judge(subject, tested)
    equal, differing = compare_choices(subject)
    answering, answered = draw_answering(tested)
    costs, cost_notes = add_costs(settings, subject)
    sizes, headline, split = list_sizes(subject)
    # of a curve's arm stands what it reached with all pictures
    shares = {**shares, **{row.arm: row.accuracy for row in sizes}}
    seeds = {row.arm: row.seeds for row in sizes}
    growth = draw_sizes(sizes, subject.arms, split)
    return ReportData(
        kind=subject.kind,
        title=subject.title,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        begun=datetime.fromtimestamp(min(item.summary.meta.created for item in subject.runs), UTC).isoformat(
            timespec="seconds"
        ),
        state=subject.state,
        ids=subject.ids,
        dataset=describe_dataset(subject, dataset),
        arms=tuple(
            describe_arm(subject, name, shares.get(name), seeds.get(name, verdict.seeds if verdict else 0))
            for name in subject.arms
            if subject.of(name)
        ),
        runs=tuple(describe_run(item) for item in subject.runs),
        equal=equal,
        differing=differing,
        verdict=verdict,
        curves=(*([growth] if growth else []), *draw_curves(subject)),
        learning_curve=sizes,
        headline=headline,
        confusions=count_confusions(subject),
        per_class=score_classes(subject),
        groups=group_images(subject, tested, shares, dataset, images=images),
        reliability=measure_reliability(tested),
        answering=answering,
        answering_notes=answered,
        costs=costs,
        cost_notes=cost_notes,
        readings=read_all(subject, verdict, dataset),
        versions=describe_versions(subject),
        commands=list_commands(subject),
        notes=tuple(dict.fromkeys(subject.notes)),
    )


def _dataset(settings: Settings, subject: Subject) -> Dataset | None:
    """The dataset of the runs, where it is still there."""
    name = subject.runs[0].summary.config.dataset
    try:
        return DatasetStore(settings).get(name)
    except DatasetError:
        subject.notes.append(f"The dataset {name} is not there any more, or is damaged: its pictures are left out.")
        return None
