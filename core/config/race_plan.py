"""The plan of a race or learning curve, as each of its runs keeps it.

Every run carries the whole plan, so a race needs no file of its own: it is there as long as one of its runs is, and
shows which of them were deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

Kind = Literal["race", "curve"]
Budget = Literal["epochs", "images", "seconds"]
BUDGETS: Mapping[Budget, str] = {
    "epochs": "epochs",
    "images": "pictures seen",
    "seconds": "seconds of training",
}  # what is equal for all arms, in words

PAIR = ("scratch", "transfer")  # the arms of the plain race

MAX_ARMS = 6
MAX_SEEDS = 5
MAX_SIZES = 20
MAX_TITLE = 80

Amount = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]
ArmName = Annotated[str, Field(min_length=1, max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Size = Annotated[int, Field(gt=0, strict=True)]


@dataclass(frozen=True)
class RacePlan:
    """Arms, seeds and what is equal.

    Attributes:
        kind: a race trains every arm once a seed, in runs of their own; a curve trains every arm on more and more
            pictures, all sizes and seeds of an arm in one run.
        arms: their names, in the order they are shown.
        seeds: each arm is trained with each.
        budget: what the arms have the same amount of.
        amount: how much.
        sizes: of a curve: training pictures per class, ascending; the last is all there are.
        title: given by a person; may be empty.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Kind
    arms: Annotated[tuple[ArmName, ...], Field(min_length=1, max_length=MAX_ARMS)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MAX_SEEDS)]
    budget: Budget
    amount: Annotated[Amount, Field(gt=0, lt=1e9)]
    sizes: Annotated[tuple[Size, ...], Field(max_length=MAX_SIZES)] = ()
    title: Annotated[str, Field(max_length=MAX_TITLE)] = ""

    @property
    def points(self) -> int:
        """Trainings in each run of a curve; 0 of a race."""
        return len(self.sizes) * len(self.seeds)

    @property
    def is_pair(self) -> bool:
        """Whether it is the plain race of two runs, which the Train page shows live."""
        return self.kind == "race" and self.arms == PAIR and len(self.seeds) == 1

    @property
    def each_point(self) -> list[tuple[int, int]]:
        """(size, seed) in the order of training: a whole curve comes first, and its bands later."""
        return [(size, seed) for seed in self.seeds for size in self.sizes]

    def describe_budget(self) -> str:
        """Such as `5 epochs` or `60 seconds of training`."""
        return f"{self.amount:,g} {BUDGETS[self.budget] if self.amount != 1 else BUDGETS[self.budget].rstrip('s')}"


_PLAN = TypeAdapter(RacePlan)


def parse_plan(values: Any) -> RacePlan | None:
    """The plan from a run's `meta.json`; None where there is none.

    Raises:
        ValueError: it is not a plan that was written here.
    """
    if values is None:
        return None
    plan = _PLAN.validate_python(values)
    if (plan.kind == "curve") != bool(plan.sizes):
        raise ValueError("a curve has sizes, a race has none")
    return plan
