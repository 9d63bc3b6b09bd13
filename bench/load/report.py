"""The table that a load prints: what was asked, what was reached."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Row:
    """One figure against its limit. Without a limit it only informs."""

    what: str
    reached: float | None
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the limit was kept; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        if self.reached is None:
            return False
        return (self.at_most is None or self.reached <= self.at_most) and (
            self.at_least is None or self.reached >= self.at_least
        )


@dataclass
class Report:
    """All figures of one load."""

    load: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        reached: float | None,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        self.rows.append(Row(what, None if reached is None else round(reached, 3), unit, at_most, at_least))

    @property
    def kept(self) -> bool:
        """Whether every limit was kept and nothing went wrong."""
        return not self.errors and all(row.kept is not False for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        rows = [{**asdict(row), "kept": row.kept} for row in self.rows]
        return {
            "load": self.load,
            "kept": self.kept,
            "rows": rows,
            "notes": self.notes,
            "errors": len(self.errors),
            "first_errors": self.errors[:20],
        }

    def as_text(self) -> str:
        lines = [self.load, ""]
        widths = max((len(row.what) for row in self.rows), default=0)
        for row in self.rows:
            limit = ""
            if row.at_most is not None:
                limit = f"at most {row.at_most:g}"
            elif row.at_least is not None:
                limit = f"at least {row.at_least:g}"
            value = "nothing" if row.reached is None else f"{row.reached:g} {row.unit}".rstrip()
            verdict = {True: "yes", False: "NO", None: ""}[row.kept]
            lines.append(f"  {row.what:<{widths}}  {value:>14}  {limit:>14}  {verdict}")
        lines.append(
            f"  {'errors':<{widths}}  {len(self.errors):>14}  {'at most 0':>14}  {'NO' if self.errors else 'yes'}"
        )
        lines += [f"  {error}" for error in self.errors[:20]]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)
