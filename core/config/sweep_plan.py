"""The plan of a sweep: what is searched around a base configuration, how, and for how long. No torch, no Optuna.

A space has a dimension for each searched field of TrainConfig. As text, as the command line takes it:

    activation=relu,gelu            one of these
    filters=[32,64]|[64,128]        one of these lists
    dropout=0..0.5                  anything from one to the other; whole numbers where the field has them
    learning_rate=log:1e-4..1e-1    the same, with every factor of ten alike
"""

import random
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.config.race_plan import MAX_SEEDS, MAX_TITLE
from core.config.train_config import SCRATCH_FIELDS, TrainConfig
from core.errors import ConfigError
from core.formatting import format_count

Sampler = Literal["tpe", "random", "grid"]
Pruner = Literal["median", "halving", "wilcoxon", "none"]
SAMPLERS: Mapping[Sampler, tuple[str, str]] = {
    "tpe": ("Learning (TPE)", "Later trials are near the settings that did well; the first ten are drawn at random."),
    "random": ("Random", "Every trial is drawn at random: the yardstick of all other ways."),
    "grid": ("Grid", "Every combination once; for short lists only."),
}  # title, explanation
PRUNERS: Mapping[Pruner, tuple[str, str]] = {
    "median": ("Median", "Ends a trial that is worse after an epoch than half of the earlier ones were."),
    "halving": ("Successive halving", "Ends all but the best quarter after 1, 4, 16 … epochs."),
    "wilcoxon": ("Wilcoxon over seeds", "Ends a trial after a few seeds where it is surely worse than the best one."),
    "none": ("None", "Every trial is trained to its end."),
}
FIXED = ("dataset", "seed", "note")  # not searched
MAX_CHOICES = 50
MAX_TRIALS = 10_000
MAX_MINUTES = 10_000.0
MAX_GRID = 1000  # combinations
TRIED = 100  # combinations, until the values of a space seem to exclude each other
RANGE = re.compile(r"(log:)?([^.\s][^\s]*?)\.\.([^\s]+)")

Trials = Annotated[int, Field(ge=1, le=MAX_TRIALS)]
Minutes = Annotated[float, Field(gt=0, le=MAX_MINUTES)]


class Choices(BaseModel):
    """A dimension with a few values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: Annotated[tuple[Any, ...], Field(min_length=2, max_length=MAX_CHOICES)]

    @model_validator(mode="after")
    def _hashable(self) -> Self:
        """Lists come as lists from JSON."""
        values = tuple(tuple(value) if isinstance(value, list) else value for value in self.values)
        object.__setattr__(self, "values", values)
        return self


class Range(BaseModel):
    """A dimension with all numbers from `low` to `high`.

    Attributes:
        log: every factor is as likely as any other.
        whole: whole numbers only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space = dict[str, Choices | Range]


class SweepPlan(BaseModel):
    """What a sweep searches.

    Attributes:
        base: every trial's configuration, apart from the searched fields.
        trials, minutes: the sweep ends with the first of them.
        seeds: trainings of each trial, from the base's seed on; its value is their mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: TrainConfig
    space: Space
    trials: Trials | None = None
    minutes: Minutes | None = None
    sampler: Sampler = "tpe"
    pruner: Pruner = "median"
    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)] = 1
    title: Annotated[str, Field(max_length=MAX_TITLE)] = ""

    @property
    def combinations(self) -> int | None:
        """How many different trials there are; None where a range makes them countless."""
        return count_combinations(self.space)

    def config_of(self, chosen: Mapping[str, Any], seed: int = 0) -> TrainConfig:
        """A trial's configuration.

        Args:
            seed: which of its seeds, from 0 on.
        Raises:
            ConfigError: the chosen values exclude each other.
        """
        return self.base.variant(**chosen, seed=self.base.seed + seed)


def count_combinations(space: Space) -> int | None:
    """How many different trials a space has; None where a range makes them countless."""
    total = 1
    for dimension in space.values():
        if isinstance(dimension, Range):
            return None
        total *= len(dimension.values)
    return total


def plan_sweep(base: TrainConfig, space: Space, **options: Any) -> SweepPlan:
    """Check a sweep before it begins.

    Args:
        options: the other fields of SweepPlan.
    Raises:
        ConfigError: one sentence for every field that is wrong.
    """
    problems = dict(_problems_with(base, space, options))
    if problems:
        raise ConfigError(problems)
    plan = SweepPlan(base=base, space=space, **options)
    if plan.sampler == "grid" and plan.combinations is not None:  # it has an end of its own
        plan = plan.model_copy(update={"trials": min(plan.trials or MAX_GRID, plan.combinations)})
    _check_some_fit(plan)
    return plan


def _check_some_fit(plan: SweepPlan) -> None:
    """Refuse a space where hardly any values go together.

    Raises:
        ConfigError: the sentences of the last combination that was tried.
    """
    rng = random.Random(0)
    for tried in range(TRIED):
        try:
            plan.config_of(_draw(plan.space, rng))
            return
        except ConfigError:
            if tried == TRIED - 1:
                raise


def _problems_with(base: TrainConfig, space: Space, options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if not space:
        yield "space", "Nothing is searched: name at least one field, such as learning_rate=log:1e-4..1e-1."
    trials, minutes = options.get("trials"), options.get("minutes")
    if trials is None and minutes is None and options.get("sampler") != "grid":
        yield "trials", "The sweep would never end: give it a number of trials, or minutes, or both."
    if trials is not None and not 1 <= trials <= MAX_TRIALS:
        yield "trials", f"trials is {trials}: choose 1 to {MAX_TRIALS:,}."
    if minutes is not None and not 0 < minutes <= MAX_MINUTES:
        yield "minutes", f"minutes is {minutes:g}: choose more than 0, and at most {MAX_MINUTES:,.0f}."
    seeds = options.get("seeds", 1)
    if not 1 <= seeds <= MAX_SEEDS:
        yield "seeds", f"seeds is {seeds}: choose 1 to {MAX_SEEDS}."
    if options.get("pruner") == "wilcoxon" and seeds < 3:
        yield "pruner", "The Wilcoxon pruner compares seeds: give every trial at least 3, or choose another pruner."
    if options.get("sampler") == "grid" and any(isinstance(item, Range) for item in space.values()):
        ranges = ", ".join(name for name, item in space.items() if isinstance(item, Range))
        yield "sampler", f"A grid needs lists, and {ranges} has all numbers between two: list some, or choose tpe."
    elif options.get("sampler") == "grid" and (count_combinations(space) or 0) > MAX_GRID:
        yield "sampler", f"This grid has more than {MAX_GRID:,} combinations: shorten the lists, or choose tpe."
    if len(options.get("title", "")) > MAX_TITLE:
        yield "title", f"The title is too long: use at most {MAX_TITLE} letters."
    models = space.get("model")
    scratch = base.model == "scratch_cnn" or (isinstance(models, Choices) and "scratch_cnn" in models.values)
    for name in space:
        if name in SCRATCH_FIELDS and not scratch:
            yield name, f"{name} shapes the scratch CNN only: choose the network scratch_cnn, or do not search {name}."


def parse_space(texts: Iterable[str], base: TrainConfig) -> Space:
    """A search space from the texts of the command line or the form.

    Raises:
        ConfigError: one sentence for every dimension that is wrong.
    """
    space: Space = {}
    problems: dict[str, str] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not equals or not values:
            problems[text] = f"{text!r} is no dimension: write a field and its values, such as dropout=0..0.5."
        elif name in FIXED or name not in TrainConfig.model_fields:
            known = ", ".join(field for field in TrainConfig.model_fields if field not in FIXED)
            problems[name] = f"{name!r} cannot be searched: choose among {known}."
        elif name in space:
            problems[name] = f"{name} is searched twice: put all of its values into one."
        else:
            try:
                space[name] = _parse_dimension(name, values, base)
            except ValueError as error:
                problems[name] = str(error)
    if problems:
        raise ConfigError(problems)
    return space


def format_value(value: Any) -> str:
    """A value of a dimension as text."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return f"[{','.join(map(str, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parse_dimension(name: str, text: str, base: TrainConfig) -> Choices | Range:
    """Raises ValueError with a sentence."""
    found = RANGE.fullmatch(text)
    if found:
        return _parse_range(name, found[1], found[2], found[3], base)
    parts = [part.strip() for part in text.split("|")] if text.startswith("[") else text.split(",")
    values = tuple(dict.fromkeys(_check_value(name, part.strip(), base) for part in parts))
    if not 2 <= len(values) <= MAX_CHOICES:
        raise ValueError(f"{name} has {format_count(len(values), 'different value')}: give 2 to {MAX_CHOICES}.")
    return Choices(values=values)


def _parse_range(name: str, log: str | None, first: str, last: str, base: TrainConfig) -> Range:
    kind = TrainConfig.model_fields[name].annotation
    whole = kind in (int, int | None)
    if not whole and kind not in (float, float | None):
        raise ValueError(f"{name} has no numbers in between: list its values with commas.")
    low, high = (_check_value(name, text, base) for text in (first, last))
    if low >= high:
        raise ValueError(f"{name} goes from {low:g} to {high:g}: the first must be the smaller one.")
    if log and low <= 0:
        raise ValueError(f"{name} begins at {low:g}: on a logarithmic scale it must begin above 0.")
    return Range(low=low, high=high, log=bool(log), whole=whole)


def _check_value(name: str, text: str, base: TrainConfig) -> Any:
    """A value of a field as TrainConfig has it.

    One that does not go with the base may go with other values of the space: then only itself is checked.

    Raises:
        ValueError: with a sentence.
    """
    given: Any = text
    if name == "filters":
        given = [part for part in text.strip("[] ").split(",") if part.strip()]
    refused = ""
    for config in (base, TrainConfig(dataset=base.dataset, model="resnet18", strategy="head")):
        try:
            return getattr(config.variant(**{name: given}), name)
        except ConfigError as error:
            refused = refused or error.problems.get(name) or next(iter(error.problems.values()))
    raise ValueError(refused)


def _draw(space: Space, rng: random.Random) -> dict[str, Any]:
    return {
        name: rng.choice(item.values) if isinstance(item, Choices) else rng.choice((item.low, item.high))
        for name, item in space.items()
    }
