"""The costs of the first trained run of each arm, and the assumptions behind them."""

from collections.abc import Sequence

from core.coach.run_cost import ASSUMED, BACKWARD, Cost, add_up, format_large, format_ratio, part_names
from core.report.content import CostRow, Fact
from core.report.subject import Subject


def list_costs(subject: Subject) -> tuple[tuple[CostRow, ...], tuple[str, ...]]:
    """A row for each arm, and what the figures assume."""
    costs = [
        add_up(subject.settings, item.arm, item.summary.config, item.history, item.result)
        for item in subject.representatives
    ]
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
        return "reused" if part in cost.reused else "not measured" if not cost.parts else "none"

    return (
        Fact("Time, start to result", "not measured" if cost.seconds is None else f"{cost.seconds:,.0f} s"),
        *(Fact(f"Time, {part}", part_text(part)) for part in parts),
        Fact("Pictures seen", format_large(cost.images_seen)),
        Fact("Parameters", format_large(cost.parameters)),
        Fact("Trainable parameters", format_large(cost.trainable)),
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
        "Costs are those of the first run of each arm. Parts reused from an earlier run count as if they had been "
        "computed here, so that no arm wins by coming second."
    )
    notes.append(
        f"Multiply-adds count training pictures. The backward pass through trainable parts costs {BACKWARD} times the "
        "forward pass."
    )
    if sources:
        watts = " A core draws 4 to 15 W." if any(ASSUMED in source for source in sources) else ""
        notes.append(
            f"Energy is time multiplied by power, and only as exact as the power ({'; '.join(sources)}).{watts}"
        )
    return tuple(notes)
