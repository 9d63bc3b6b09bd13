"""What the doctor found in a dataset, and its file. Imports no torch: pages read it.

`cache/doctor/<fingerprint>-<backbone>.json` is written once, whole or absent. The fingerprint is of pictures, labels
and splits, whatever their order: so the file names pictures by their place in the order of their pixel hashes, and
equal datasets share it. In memory every `index` is the picture's row in the dataset's table: corrections act on it.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from core.datasets.dataset import Dataset
from core.settings import Settings
from core.statistics.metrics import Accuracy
from core.storage import write_json
from models.catalog import CATALOG

FORMAT: Final = 2
FOLDER = "doctor"
PREFIX = 24  # digits of the fingerprint in a file's name

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=0)]
QualityKind = Literal["one-colour", "dark", "bright", "tiny", "blurred", "odd-shape"]
QUALITIES: Mapping[QualityKind, tuple[str, str]] = {
    "one-colour": ("Nearly one colour", "There is hardly anything to see: remove it, or photograph it again."),
    "dark": ("Very dark", "Even its brightest parts are dark: photograph it again with more light."),
    "bright": ("Blown out", "Even its darkest parts are bright: photograph it again with less light."),
    "tiny": ("Tiny", "It is enlarged for the network, which sees blur: use the original file."),
    "blurred": ("Blurred", "Edges are soft at the size that a network sees: photograph it again."),
    "odd-shape": (
        "Odd shape",
        "The network sees the square in the middle, a third or less: crop it around its subject.",
    ),
}  # with what to do; a picture is listed once, under the first that applies


@dataclass(frozen=True)
class Neighbour:
    """A picture that looks alike to the backbone; similarity is the cosine of their features, 1 for equal ones."""

    index: Number
    similarity: Annotated[float, Field(ge=-1.01, le=1.01)]


@dataclass(frozen=True)
class Suspicion:
    """A picture whose label looks wrong.

    Attributes:
        given, suggested: classes.
        given_probability, suggested_probability: by a classifier that has not seen this picture.
        neighbours: the nearest other pictures, nearest first.
    """

    index: Number
    given: Number
    suggested: Number
    given_probability: Share
    suggested_probability: Share
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Trial:
    """How well wrong labels are found in these very data, by planting some in a copy.

    Attributes:
        planted: labels that were changed in each copy.
        copies: how often that was repeated.
        listed: pictures at the top of each list that were looked at.
        hits: of all `copies * listed`, those whose label had been changed.
        recalled: of all `copies * planted`, those that were listed as suspicious at all.
    """

    planted: Number
    copies: Number
    listed: Number
    hits: Number
    recalled: Number

    @property
    def rate(self) -> Accuracy:
        """The share of hits among the first."""
        return Accuracy(self.hits, self.copies * self.listed)

    @property
    def recall(self) -> Accuracy:
        """The share of the planted that was listed."""
        return Accuracy(self.recalled, self.copies * self.planted)


@dataclass(frozen=True)
class Estimate:
    """How many labels are wrong, from the trial: at most about `wrong`, with a 95 % interval.

    Attributes:
        first: labels at the top of the list.
        wrong_first, low_first, high_first: of those, likewise.
    """

    wrong: Number
    low: Number
    high: Number
    first: Number
    wrong_first: Number
    low_first: Number
    high_first: Number


@dataclass(frozen=True)
class CopyPair:
    """Two pictures that show almost the same, in two classes, or in two splits."""

    first: Number
    second: Number
    similarity: Annotated[float, Field(ge=-1.01, le=1.01)]


@dataclass(frozen=True)
class QualityFinding:
    """A picture that is hard to see."""

    index: Number
    kind: QualityKind


@dataclass(frozen=True)
class CueLevel:
    """How often one cue alone is right, next to always answering the most common class."""

    name: str
    correct: Number
    baseline: Number
    found: bool


@dataclass(frozen=True)
class Levels:
    """Cues next to the features of the backbone, on the same held-out pictures."""

    held_out: Number
    features: Number
    cues: tuple[CueLevel, ...]


@dataclass(frozen=True)
class Findings:
    """Everything that was found.

    Attributes:
        agreeing: pictures whose label is also the most probable class.
        suspicions: most suspicious first.
        suspicious: how many there are, listed or not.
        unexamined: classes with too few pictures to say anything about their labels.
        trial, estimate: None where too few labels could be planted.
        copies: most alike first; `copies_found` counts those that are not listed, too.
        chains: all near-copies, those that mislead nobody as well: each is nearly the same as another of its chain.
        qualities: by kind, worst first.
        usual: kind -> pictures, where so many are like that that it is how the dataset looks.
        levels: None where there are too few held-out pictures.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: Literal[2]
    backbone: str
    pictures: Number
    agreeing: Number
    suspicions: tuple[Suspicion, ...]
    suspicious: Number
    unexamined: tuple[Number, ...]
    trial: Trial | None
    estimate: Estimate | None
    copies: tuple[CopyPair, ...]
    copies_found: Number
    chains: tuple[tuple[Number, ...], ...]
    qualities: tuple[QualityFinding, ...]
    usual: dict[QualityKind, Number]
    levels: Levels | None
    made: float  # seconds since 1970
    seconds: Annotated[float, Field(ge=0)]

    def divided(self, dataset: Dataset) -> tuple[tuple[int, ...], ...]:
        """The chains of near-copies that are in several splits."""
        return tuple(chain for chain in self.chains if len({dataset.rows[index].split for index in chain}) > 1)

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.suspicions or self.copies or self.qualities)


_FINDINGS = TypeAdapter(Findings)


def findings_path(settings: Settings, dataset: Dataset, backbone: str) -> Path:
    """Where the findings lie, made or not."""
    return settings.cache_dir / FOLDER / f"{dataset.fingerprint[:PREFIX]}-{backbone}.json"


def write_findings(path: Path, dataset: Dataset, findings: Findings) -> None:
    """Write findings, whole or not at all."""
    places = {index: place for place, index in enumerate(_by_pixels(dataset))}
    write_json(path, _FINDINGS.dump_python(_renumber(findings, places.__getitem__), mode="json"))


def read_findings(path: Path, dataset: Dataset) -> Findings | None:
    """The findings in a dataset; None where there are none, or they are damaged."""
    try:
        found = _FINDINGS.validate_json(path.read_bytes())
        order = _by_pixels(dataset)
        if found.pictures != len(order) or not _fits(found, dataset):
            return None
        return _renumber(found, order.__getitem__)
    except (OSError, ValueError, IndexError):
        return None


def check_text(data: bytes) -> bool:
    """Whether this is a file of findings, of whatever dataset."""
    try:
        found = _FINDINGS.validate_json(data)
    except ValueError:
        return False
    return found.backbone in CATALOG and all(index < found.pictures for index in _indices(found))


def _by_pixels(dataset: Dataset) -> list[int]:
    return sorted(range(len(dataset.rows)), key=lambda index: dataset.rows[index].pixel_hash)


def _fits(found: Findings, dataset: Dataset) -> bool:
    classes = len(dataset.classes)
    named = [*found.unexamined, *(label for item in found.suspicions for label in (item.given, item.suggested))]
    return found.backbone in CATALOG and all(label < classes for label in named)


def _indices(found: Findings) -> Iterator[int]:
    for item in found.suspicions:
        yield item.index
        yield from (neighbour.index for neighbour in item.neighbours)
    for pair in found.copies:
        yield from (pair.first, pair.second)
    for chain in found.chains:
        yield from chain
    for quality in found.qualities:
        yield quality.index


def _renumber(found: Findings, number: Callable[[int], int]) -> Findings:
    """The same findings with other numbers for pictures."""
    replace: Any = dataclasses.replace
    return replace(  # type: ignore[no-any-return]
        found,
        suspicions=tuple(
            replace(
                item,
                index=number(item.index),
                neighbours=tuple(replace(other, index=number(other.index)) for other in item.neighbours),
            )
            for item in found.suspicions
        ),
        copies=tuple(replace(pair, first=number(pair.first), second=number(pair.second)) for pair in found.copies),
        chains=tuple(tuple(map(number, chain)) for chain in found.chains),
        qualities=tuple(replace(item, index=number(item.index)) for item in found.qualities),
    )
