"""Builds a report: reads its subject and puts the sections together. Imports no torch."""

from collections.abc import Sequence
from datetime import UTC, datetime

from core.report.coach_section import list_findings
from core.report.confidence_section import draw_risk_coverage, measure_reliability
from core.report.content import ReportData
from core.report.cost_section import list_costs
from core.report.curve_section import draw_curves, draw_sizes, list_sizes
from core.report.image_section import group_images
from core.report.repeat_commands import list_commands
from core.report.score_section import count_confusions, describe_caveats, describe_verdict, score_classes
from core.report.setup_section import (
    compare_choices,
    describe_arms,
    describe_dataset,
    describe_runs,
    describe_versions,
)
from core.report.subject import Subject, read_subject
from core.settings import Settings


def build_report(settings: Settings, ids: Sequence[str], *, images: bool = True) -> ReportData:
    """The report of a race, a learning curve, or two to six runs.

    Args:
        ids: the id of a race or learning curve, or of each run.
        images: whether to include the pictures themselves.
    Raises:
        ComparisonError: the ids are none of that.
        RunError: nothing has such an id, or nothing of it can be read.
    """
    return assemble(read_subject(settings, ids), images=images)


def assemble(subject: Subject, *, images: bool = True) -> ReportData:
    """The report of a subject: every section, whatever of it there is."""
    created = min(item.summary.meta.created for item in subject.runs)
    equal, differing = compare_choices(subject)
    answering, answering_notes = draw_risk_coverage(subject)
    costs, cost_notes = list_costs(subject)
    return ReportData(
        kind=subject.kind,
        title=subject.title,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        begun=datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds"),
        state=subject.state,
        ids=subject.ids,
        dataset=describe_dataset(subject),
        arms=describe_arms(subject),
        runs=describe_runs(subject),
        equal=equal,
        differing=differing,
        verdict=describe_verdict(subject),
        curves=(*draw_sizes(subject), *draw_curves(subject)),
        learning_curve=list_sizes(subject),
        headline=subject.curve.sentence if subject.curve else "",
        headline_caveats=describe_caveats(subject.curve.caveats if subject.curve else ()),
        confusions=count_confusions(subject),
        per_class=score_classes(subject),
        groups=group_images(subject, images=images),
        reliability=measure_reliability(subject),
        answering=answering,
        answering_notes=answering_notes,
        costs=costs,
        cost_notes=cost_notes,
        readings=list_findings(subject),
        versions=describe_versions(subject),
        commands=list_commands(subject),
        notes=subject.notes,
    )
