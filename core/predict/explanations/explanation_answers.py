"""Explanations as the predictor answers them, as JSON and PNG files. Imports no torch."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.errors import PredictorError

Method = Literal["grad_cam", "occlusion"]
METHODS: tuple[Method, ...] = ("grad_cam", "occlusion")
INSTALL = "pip install -r requirements-explain.txt"
NEIGHBOURS = 5


@dataclass(frozen=True)
class SaliencyMap:
    """Which parts of an image support a class.

    Attributes:
        method: `grad_cam`, or `occlusion`: parts were hidden.
        label: the class.
        shape: rows and columns of the map as computed, before it is enlarged to the image.
        strength: the largest value; 0 where nothing supports the class. For `occlusion` the largest drop of the
            class's probability, a fraction.
        description: the map in words.
        heatmap: PNG of the network's input with the map drawn over it.
    """

    method: Method
    label: str
    shape: tuple[int, int]
    strength: float
    description: str
    heatmap: bytes


@dataclass(frozen=True)
class Explanation:
    """A network's answer for one image, with saliency maps.

    Attributes:
        top: (label, probability), most probable first.
        input_png: PNG of exactly the pixels that enter the network.
        milliseconds: decoding, network and maps together.
    """

    top: tuple[tuple[str, float], ...]
    input_png: bytes
    maps: tuple[SaliencyMap, ...]
    milliseconds: float

    def to_message(self) -> tuple[dict[str, Any], list[bytes]]:
        maps = [{key: value for key, value in asdict(item).items() if key != "heatmap"} for item in self.maps]
        record = {"top": [list(item) for item in self.top], "maps": maps, "milliseconds": round(self.milliseconds, 1)}
        return record, [self.input_png, *(item.heatmap for item in self.maps)]

    @classmethod
    def from_message(cls, record: dict[str, Any], parts: list[bytes]) -> "Explanation":
        input_png, *heatmaps = parts
        return cls(
            tuple((str(label), float(share)) for label, share in record["top"]),
            input_png,
            tuple(
                SaliencyMap(
                    item["method"],
                    item["label"],
                    (int(item["shape"][0]), int(item["shape"][1])),
                    float(item["strength"]),
                    item["description"],
                    heatmap,
                )
                for item, heatmap in zip(record["maps"], heatmaps, strict=True)
            ),
            float(record["milliseconds"]),
        )


@dataclass(frozen=True)
class Projection:
    """The features of a split's images, projected to two dimensions.

    Attributes:
        split: `test`, or `val` where there is no test split.
        indices: of each image in the dataset's table.
        labels: true class of each.
        total: images of the split; more than `indices` where an even sample was taken.
        width: features per image: what the network's head reads.
        pca: (x, y) of each image along the first two principal components.
        shares: variance explained by each of the two, fractions.
        tsne: (x, y) of each by t-SNE; None where it was not requested or is not possible.
        neighbours: k of the k-nearest-neighbour classifier.
        knn_correct: images that this classifier gets right, each left out in turn.
        largest_class: images of the most frequent class: what always naming it gets right.
        seconds: to compute all this, without t-SNE.
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
    knn_correct: int
    largest_class: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        record["told"] = record.pop("knn_correct")  # its name in the explanation cache
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Projection":
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
            knn_correct=int(record["told"]),
            largest_class=int(record["largest_class"]),
            seconds=float(record["seconds"]),
        )


@dataclass(frozen=True)
class BlockChange:
    """How much training changed the weights of one block.

    Attributes:
        name, title: of the block; `head` is the output layer.
        numbers: weights and biases.
        relative: norm of the change, divided by the norm at the start; None if that was 0.
        largest: largest change of one number.
        same: whether every bit of them is unchanged.
        statistics: numbers that BatchNorm keeps: means, variances, counts.
        statistics_relative, statistics_largest, statistics_same: the same for these.
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
    def unchanged(self) -> bool:
        """Whether every bit is unchanged, statistics included."""
        return self.same and self.statistics_same


@dataclass(frozen=True)
class WeightChange:
    """How much training changed each block of a run, from pretrained or from random weights."""

    blocks: tuple[BlockChange, ...]
    pretrained: bool
    epoch: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "WeightChange":
        blocks = tuple(BlockChange(**item) for item in record["blocks"])
        return cls(blocks, bool(record["pretrained"]), int(record["epoch"]))


@dataclass(frozen=True)
class Filters:
    """The filters of a network's first layer, drawn.

    Attributes:
        count: filters of the layer.
        shown: drawn ones.
        side_px: width and height of each, in pixels of the network's input.
        components: there are too many filters, so their principal components are drawn instead.
        trained: PNG.
        start: PNG of the same before training; None if unavailable, with the reason in `trouble`.
        relative: change of the layer, as in `BlockChange`; None if `start` is.
        pretrained: whether training started from pretrained weights.
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
