"""What the predictor tells about why: plain facts that travel as JSON and PNG files. Imports no torch."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.errors import PredictorError

Method = Literal["grad_cam", "occlusion"]
METHODS: tuple[Method, ...] = ("grad_cam", "occlusion")
INSTALL = "pip install -r requirements-explain.txt"
NEIGHBOURS = 5


@dataclass(frozen=True)
class Heat:
    """Where in a picture a network found what speaks for a class.

    Attributes:
        method: `grad_cam`, or `occlusion`: parts were hidden.
        label: the class.
        shape: rows and columns of the map as the network made it, before it was drawn over the picture.
        strength: the largest value; 0 where nothing speaks for the class. For `occlusion` the largest fall of the
            class's probability, a fraction.
        words: the map in words.
        drawing: PNG, the picture that the network saw with the map over it.
    """

    method: Method
    label: str
    shape: tuple[int, int]
    strength: float
    words: str
    drawing: bytes


@dataclass(frozen=True)
class Explanation:
    """A network's answer for one picture, and its reasons.

    Attributes:
        top: (label, probability), most probable first.
        saw: PNG of exactly the pixels that the network saw.
        milliseconds: decoding, network and maps together.
    """

    top: tuple[tuple[str, float], ...]
    saw: bytes
    heats: tuple[Heat, ...]
    milliseconds: float

    def to_message(self) -> tuple[dict[str, Any], list[bytes]]:
        heats = [{key: value for key, value in asdict(heat).items() if key != "drawing"} for heat in self.heats]
        record = {"top": [list(item) for item in self.top], "heats": heats, "milliseconds": round(self.milliseconds, 1)}
        return record, [self.saw, *(heat.drawing for heat in self.heats)]

    @classmethod
    def from_message(cls, record: dict[str, Any], parts: list[bytes]) -> "Explanation":
        saw, *drawings = parts
        return cls(
            tuple((str(label), float(share)) for label, share in record["top"]),
            saw,
            tuple(
                Heat(
                    item["method"],
                    item["label"],
                    (int(item["shape"][0]), int(item["shape"][1])),
                    float(item["strength"]),
                    item["words"],
                    drawing,
                )
                for item, drawing in zip(record["heats"], drawings, strict=True)
            ),
            float(record["milliseconds"]),
        )


@dataclass(frozen=True)
class ImageMap:
    """The pictures of a split as points: near each other where the network sees something alike.

    Attributes:
        split: `test`, or `val` where there is no test split.
        indices: of each picture in the dataset's table.
        labels: true class of each.
        total: pictures of the split; more than `indices` where only some were taken, evenly.
        width: numbers that the network's head gets for each picture.
        pca: (x, y) of each picture along the two directions in which the pictures differ most.
        shares: of all differences that lie along each of the two, fractions.
        tsne: (x, y) of each, neighbours beside neighbours; None where it was not asked for, or cannot be made.
        neighbours: how many nearest pictures vote.
        told: pictures whose class is the one of most of their nearest others.
        largest_class: pictures of the most frequent class: what naming it always would give.
        seconds: that it took to make the map, without t-SNE.
    """

    split: str
    indices: tuple[int, ...]
    labels: tuple[int, ...]
    total: int
    width: int
    pca: tuple[tuple[float, float], ...]
    shares: tuple[float, float]
    tsne: tuple[tuple[float, float], ...] | None
    neighbours: int
    told: int
    largest_class: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "ImageMap":
        first, second = record["shares"]
        return cls(
            split=str(record["split"]),
            indices=tuple(int(index) for index in record["indices"]),
            labels=tuple(int(label) for label in record["labels"]),
            total=int(record["total"]),
            width=int(record["width"]),
            pca=_points(record["pca"]),
            shares=(float(first), float(second)),
            tsne=None if record["tsne"] is None else _points(record["tsne"]),
            neighbours=int(record["neighbours"]),
            told=int(record["told"]),
            largest_class=int(record["largest_class"]),
            seconds=float(record["seconds"]),
        )


@dataclass(frozen=True)
class Moved:
    """How far the weights of a block went in training.

    Attributes:
        name, title: of the block; `head` is the output layer.
        numbers: weights and biases.
        relative: length of the change, divided by the length at the start; None if all was 0 at the start.
        largest: largest change of one number.
        same: whether not one bit of them changed.
        statistics: numbers that BatchNorm keeps: means, variances, counts.
        statistics_relative, statistics_largest, statistics_same: the same of them.
        frozen: the configuration freezes it in every stage.
    """

    name: str
    title: str
    numbers: int
    relative: float | None
    largest: float
    same: bool
    statistics: int
    statistics_relative: float | None
    statistics_largest: float
    statistics_same: bool
    frozen: bool

    @property
    def still(self) -> bool:
        """Whether nothing moved, statistics included, bit for bit."""
        return self.same and self.statistics_same


@dataclass(frozen=True)
class Movement:
    """How far every block of a run moved; `pretrained` tells from where."""

    blocks: tuple[Moved, ...]
    pretrained: bool
    epoch: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Movement":
        return cls(tuple(Moved(**item) for item in record["blocks"]), bool(record["pretrained"]), int(record["epoch"]))


@dataclass(frozen=True)
class Filters:
    """The first layer of a network as pictures.

    Attributes:
        count: filters of the layer.
        shown: drawn ones.
        side_px: width and height of each, in pixels of the network's input.
        components: they are too many, and the principal directions of all of them are drawn.
        trained: PNG.
        start: PNG of the same before training; None where it cannot be had, and `trouble` says why.
        relative: how far the layer moved, as in `Moved`; None with `start`.
        pretrained: what the start was.
    """

    count: int
    shown: int
    side_px: int
    components: bool
    trained: bytes
    start: bytes | None
    relative: float | None
    pretrained: bool
    trouble: str

    def to_message(self) -> tuple[dict[str, Any], list[bytes]]:
        record = {key: value for key, value in asdict(self).items() if key not in ("trained", "start")}
        return record, [self.trained, *([] if self.start is None else [self.start])]

    @classmethod
    def from_message(cls, record: dict[str, Any], parts: list[bytes]) -> "Filters":
        if not parts:
            raise PredictorError("The predictor sent no filters: restart the app.")
        known = {key: record[key] for key in ("count", "shown", "side_px", "components", "relative", "pretrained")}
        return cls(
            **known, trouble=str(record["trouble"]), trained=parts[0], start=parts[1] if len(parts) > 1 else None
        )


def _points(found: list[list[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in found)
