"""The coach's findings, on the comparison and on one run of each arm."""

from core.coach.coach_finding import CoachFinding
from core.coach.fairness import PairOutcome, review_comparison
from core.coach.picture_facts import pictures_in
from core.coach.review import review_run
from core.coach.run_facts import RunFacts, facts_of
from core.report.content import FindingRow
from core.report.subject import ReportRun, Subject


def list_findings(subject: Subject) -> tuple[FindingRow, ...]:
    """Findings on the comparison, then on the first trained run of each arm."""
    rows = [_row("", finding) for finding in review_comparison(subject.arm_facts, _outcome(subject))]
    several = any(len(subject.of(arm)) > 1 for arm in subject.arms)
    for item in subject.representatives:
        name = f"{item.arm}, seed {item.seed}" if several else item.arm
        rows.extend(_row(name, finding) for finding in review_run(_run_facts(subject, item)))
    return tuple(rows)


def _row(arm: str, finding: CoachFinding) -> FindingRow:
    return FindingRow(arm, finding.level, finding.title, finding.evidence, finding.advice)


def _run_facts(subject: Subject, item: ReportRun) -> RunFacts:
    pictures = None if subject.dataset is None else pictures_in(subject.dataset)
    summary = item.summary
    return facts_of(summary.config, summary.meta, summary.state, item.history, item.result, item.table, pictures)


def _outcome(subject: Subject) -> PairOutcome | None:
    """Of the two arms that were compared; with more arms the verdict covers them."""
    found = subject.comparison
    if found is None or len(found.pairs) != 1:
        return None
    (pair,) = found.pairs
    return PairOutcome(pair.a, pair.b, pair.difference, pair.interval, found.n, pair.p_adjusted, pair.better)
