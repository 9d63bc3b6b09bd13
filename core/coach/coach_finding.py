"""A finding of the coach: one thing seen in a run or a comparison, the figures behind it, and one thing to try.

This file holds no rule. The rules are in `rate_rules`, `fit_rules`, `progress_rules`, `result_rules`, `fairness` and
`shortcuts`; `review` puts the findings of a run in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["alarm", "warning", "note", "fine"]
LEVELS: Mapping[Level, str] = {
    "alarm": "Act on this",
    "warning": "Check this",
    "note": "Good to know",
    "fine": "As expected",
}  # most important first, with the words on the page

MAX_SHOWN = 3  # findings: with more advice nobody follows any


@dataclass(frozen=True)
class CoachFinding:
    """One thing that the coach has seen.

    Attributes:
        kind: a short name that never changes, such as `overfitting`.
        title: the finding in a few words.
        evidence: the figures behind it, with their units, and what they mean; one or two sentences.
        advice: one thing to try, as a whole sentence; empty where there is nothing to do.
        change: fields of TrainConfig with the values to try, so that a form can be filled in; empty where the advice is
            not about a setting.
        lesson: name of the explanation that goes with it, or empty.
    """

    kind: str
    level: Level
    title: str
    evidence: str
    advice: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)
    lesson: str = ""

    @property
    def alarming(self) -> bool:
        """Whether something should be done about it."""
        return self.level in ("alarm", "warning")

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {**asdict(self), "change": dict(self.change)}


def order_findings(
    findings: Sequence[CoachFinding], ranks: Sequence[str], limit: int | None
) -> tuple[CoachFinding, ...]:
    """The most important first: by level, then by the place of their kind in `ranks`; at most `limit`."""
    levels = list(LEVELS)
    ranked = sorted(findings, key=lambda finding: (levels.index(finding.level), ranks.index(finding.kind)))
    return tuple(ranked[:limit])


def choose_next_step(ranked: Sequence[CoachFinding]) -> CoachFinding | None:
    """The one finding to act on next: the gravest that advises something; None where there is nothing to do.

    Args:
        ranked: of one comparison; of two findings of the same level the earlier one is chosen.
    """
    levels = list(LEVELS)
    advised = [finding for finding in ranked if finding.advice]
    return min(advised, key=lambda finding: levels.index(finding.level), default=None)
