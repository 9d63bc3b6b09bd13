"""The content of a report as plain data: no file, no markup, nothing that JSON cannot hold.

`builder` fills it; `html` and `documents` write it. Field names are the keys of the JSON. What is missing is None or
empty, with a sentence in `notes`. Fractions run from 0 to 1; times are seconds.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

FORMAT = 1  # of the JSON

Kind = Literal["comparison", "race", "curve"]


@dataclass(frozen=True)
class Share:
    """A fraction with its interval; `n` counts what it is a fraction of."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Fact:
    """A name and a value, both as text."""

    name: str
    text: str


@dataclass(frozen=True)
class DifferingChoice:
    """A setting that is not the same for all arms."""

    name: str
    texts: tuple[str, ...]  # one for each arm, in their order


@dataclass(frozen=True)
class DatasetFacts:
    """The dataset as it was when the runs began; counts are None where it is gone."""

    id: str
    title: str
    classes: tuple[str, ...]
    fingerprint: str
    pictures: dict[str, int] | None  # by split
    per_class: tuple[tuple[str, dict[str, int]], ...]  # class, pictures by split
    drawn: bool
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class PairRow:
    """The comparison of two arms on the same pictures; the difference is b minus a."""

    a: str
    b: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    better: str | None  # name of the arm
    sentence: str


@dataclass(frozen=True)
class CaveatRow:
    """A reason to read the verdict or the headline with care."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The comparison of all arms."""

    sentence: str
    split: str
    n: int
    seeds: int
    level: float
    pairs: tuple[PairRow, ...]
    caveats: tuple[CaveatRow, ...]


@dataclass(frozen=True)
class ArmRow:
    """One arm of a race, or one run of a comparison."""

    name: str
    model: str
    strategy: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    judged: int  # how many of the seeds stand behind the accuracy
    accuracy: Share | None  # on the split of the verdict, mean over seeds
    split: str | None
    epochs: float | None  # completed, median of the runs
    seconds: float | None  # of training, median of the runs
    parameters: int | None
    trainable: int | None  # in the last stage


@dataclass(frozen=True)
class RunRow:
    """One training."""

    id: str
    arm: str
    title: str
    seed: int
    state: str
    text: str
    created: str  # ISO 8601, UTC
    accuracy: Share | None
    split: str | None
    loss: float | None
    best_epoch: int | None
    epochs: int
    seconds: float | None
    pictures_seen: int | None
    config: dict[str, Any]
    hardware: tuple[Fact, ...]
    stages: tuple[Fact, ...]
    command: str  # to repeat it


@dataclass(frozen=True)
class Point:
    """A mean over seeds, with their lowest and highest value, or an interval."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    n: int = 1  # seeds


@dataclass(frozen=True)
class ChartLine:
    """The measurements of one arm along an axis."""

    arm: str
    points: tuple[Point, ...]
    marks: tuple[tuple[float, str], ...] = ()  # where on the axis a stage begins, and its name


@dataclass(frozen=True)
class LineChart:
    """A chart with the lines of all arms."""

    name: str  # such as `accuracy by epochs`
    x_title: str
    y_title: str
    unit: Literal["fraction", "nats"]
    curves: tuple[ChartLine, ...]
    log_x: bool = False
    band: str = ""  # what the band shows


@dataclass(frozen=True)
class Confusion:
    """Pictures by true class (rows) and predicted class (columns), summed over the seeds of an arm."""

    arm: str
    split: str
    seeds: int
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ClassRow:
    """The scores of one class with one arm: means over seeds, intervals over pictures."""

    arm: str
    label: str
    precision: Share | None
    recall: Share | None
    f1: Share | None
    support: int


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a small JPEG; None where the file is gone."""

    name: str
    label: str
    said: tuple[str, str]  # predicted by a, by b
    image: str | None  # data URI


@dataclass(frozen=True)
class AgreementGroup:
    """The pictures on which two networks agree or differ in one way."""

    name: str
    count: int
    pictures: tuple[Thumbnail, ...]  # some of them, evenly spaced


@dataclass(frozen=True)
class Agreement:
    """Two runs compared picture by picture."""

    a: str
    b: str
    seed_a: int
    seed_b: int
    groups: tuple[AgreementGroup, ...]


@dataclass(frozen=True)
class ReliabilityBin:
    """Pictures whose confidence lies in a range, and the share of them that is right."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: Share | None


@dataclass(frozen=True)
class Reliability:
    """Whether the confidence of a network is justified."""

    arm: str
    run: str
    n: int
    ece: Share  # expected calibration error
    bins: tuple[ReliabilityBin, ...]
    temperature: float | None
    ece_after: float | None
    note: str


@dataclass(frozen=True)
class CostRow:
    """The costs of one arm; each text is ready to read."""

    arm: str
    costs: tuple[Fact, ...]


@dataclass(frozen=True)
class FindingRow:
    """A finding of the coach on an arm, or on all of them (`arm` is empty)."""

    arm: str
    level: str
    title: str
    evidence: str
    advice: str


@dataclass(frozen=True)
class CurveRow:
    """One size of a learning curve for one arm."""

    arm: str
    pictures_per_class: int
    pictures: int
    accuracy: Share
    seeds: int
    seconds: float | None


@dataclass(frozen=True)
class ReportData:
    """A whole report."""

    kind: Kind
    title: str
    made: str  # ISO 8601, UTC
    begun: str | None  # when the first run was created
    state: str
    ids: tuple[str, ...]  # what the report was asked for
    dataset: DatasetFacts
    arms: tuple[ArmRow, ...]
    runs: tuple[RunRow, ...]
    equal: tuple[Fact, ...]
    differing: tuple[DifferingChoice, ...]
    verdict: Verdict | None
    curves: tuple[LineChart, ...]
    learning_curve: tuple[CurveRow, ...]
    headline: str  # of the learning curve
    headline_caveats: tuple[CaveatRow, ...]
    confusions: tuple[Confusion, ...]
    per_class: tuple[ClassRow, ...]
    groups: Agreement | None
    reliability: tuple[Reliability, ...]
    answering: LineChart | None
    answering_notes: tuple[str, ...]
    costs: tuple[CostRow, ...]
    cost_notes: tuple[str, ...]  # what the figures assume
    readings: tuple[FindingRow, ...]
    versions: tuple[Fact, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]  # what is missing, and why

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self)}
