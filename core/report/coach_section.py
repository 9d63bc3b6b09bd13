"""What the coach reads in the runs, and what they have cost: one run an arm stands for it."""

from collections import Counter
from collections.abc import Sequence

from core.coach.fairness import ArmFacts, PairOutcome, review_comparison
from core.coach.finding import Finding
from core.coach.review import review_run
from core.coach.run_cost import ASSUMED, BACKWARD, Cost, add_up, format_large, format_ratio, part_names
from core.coach.run_facts import gather_facts
from core.datasets.dataset import Dataset
from core.errors import RunError, TuneMyPetsError
from core.report.content import CostRow, Fact, ReadingRow, Verdict
from core.report.subject import LoadedRun, Subject
from core.settings import Settings
from core.statistics.comparison import Side
from core.statistics.metrics import Interval


def read_all(subject: Subject, verdict: Verdict | None, dataset: Dataset | None) -> tuple[ReadingRow, ...]:
    """What the coach says about the comparison, and about the first trained run of each arm."""
    standing = stand_for(subject)
    rows = [_row("", finding) for finding in review_comparison(_arm_facts(subject), _outcome(verdict))]
    shares = _training_shares(subject, dataset)
    several = any(len(subject.of(arm)) > 1 for arm in subject.arms)
    for item in standing:
        try:
            findings = review_run(gather_facts(item.run, shares))
        except (TuneMyPetsError, OSError):  # deleted meanwhile
            continue
        name = f"{item.arm}, seed {item.seed}" if several else item.arm
        rows.extend(_row(name, finding) for finding in findings)
    return tuple(rows)


def stand_for(subject: Subject) -> list[LoadedRun]:
    """The run that stands for each arm: its first that has trained."""
    found = [next((item for item in subject.of(arm) if item.history.epochs), None) for arm in subject.arms]
    return [item for item in found if item is not None]


def _row(arm: str, finding: Finding) -> ReadingRow:
    return ReadingRow(arm, finding.level, finding.title, finding.evidence, finding.advice)


def _arm_facts(subject: Subject) -> list[ArmFacts]:
    out = []
    for item in stand_for(subject):
        runs = subject.of(item.arm)
        meta, epochs = item.summary.meta, item.history.epochs
        seeds = tuple(run.seed for run in runs)
        out.append(
            ArmFacts(
                item.arm,
                item.summary.config,
                meta.classes,
                meta.dataset_fingerprint,
                seeds,
                len(epochs),
                epochs[-1].images_seen,
                item.training_seconds,
            )
        )
    return out


def _outcome(verdict: Verdict | None) -> PairOutcome | None:
    """Of the two arms that were judged; of more the verdict tells which pair it speaks of."""
    if verdict is None or len(verdict.pairs) != 1:
        return None
    (pair,) = verdict.pairs
    interval = Interval(pair.low, pair.high, verdict.level)
    better: Side | None = None if pair.better is None else "b" if pair.better == pair.b else "a"
    return PairOutcome(pair.a, pair.b, pair.difference, interval, verdict.n, pair.p_adjusted, better)


def _training_shares(subject: Subject, dataset: Dataset | None) -> tuple[float, ...]:
    if dataset is None or dataset.fingerprint != subject.runs[0].summary.meta.dataset_fingerprint:
        return ()
    rows = dataset.rows_of("train")
    counted = Counter(row.label for row in rows)
    return tuple(counted[label] / max(1, len(rows)) for label in range(len(dataset.classes)))


def add_costs(settings: Settings, subject: Subject) -> tuple[tuple[CostRow, ...], tuple[str, ...]]:
    """What the first trained run of each arm has cost, and what the figures assume."""
    costs = []
    for item in stand_for(subject):
        try:
            result = item.run.result()
        except RunError:
            result = None
        costs.append(add_up(settings, item.arm, item.summary.config, item.history, result))
    if not costs:
        return (), ()
    parts = part_names(costs)
    return tuple(CostRow(cost.name, _facts(cost, parts)) for cost in costs), _assumptions(costs)


def _facts(cost: Cost, parts: Sequence[str]) -> tuple[Fact, ...]:
    def size(count: int | None) -> str:
        return "not measured" if count is None else f"{count / 1e6:,.1f} MB"

    def part_text(part: str) -> str:
        if part in cost.parts:
            return f"{cost.parts[part]:.1f} s"
        return "done before" if part in cost.reused else "not measured" if not cost.parts else "none"

    return (
        Fact("Time, start to result", "not measured" if cost.seconds is None else f"{cost.seconds:,.0f} s"),
        *(Fact(f"of it {part}", part_text(part)) for part in parts),
        Fact("Pictures seen", format_large(cost.images_seen)),
        Fact("Parameters", format_large(cost.parameters)),
        Fact("Parameters that learn", format_large(cost.trainable)),
        Fact("Multiply-adds per picture", format_large(cost.multiply_adds)),
        Fact("Multiply-adds of the training", format_large(cost.training_multiply_adds)),
        Fact("Peak memory", size(cost.peak_memory_bytes)),
        Fact("Size of the saved network", size(cost.weights_bytes)),
        Fact("Energy, estimated", cost.energy.text() if cost.energy else "not known"),
    )


def _assumptions(costs: Sequence[Cost]) -> tuple[str, ...]:
    sources = list(dict.fromkeys(cost.energy.source for cost in costs if cost.energy))
    notes = [sentence for cost in costs[1:] if (sentence := format_ratio(costs[0], cost))]
    notes.append(
        "Costs are those of the first run of each arm. What an earlier run had computed is counted as when that run "
        "computed it, so that nobody wins by coming second."
    )
    notes.append(
        f"Multiply-adds count training pictures; the way back through what learns costs {BACKWARD} times its way there."
    )
    if sources:
        range_told = " A core takes 4 to 15 W." if any(ASSUMED in source for source in sources) else ""
        notes.append(
            f"Energy is time multiplied by power, and no more exact than the power: {'; '.join(sources)}.{range_told}"
        )
    return tuple(notes)
