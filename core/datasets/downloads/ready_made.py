"""Ready-made sets: what each holds, and the files that it consists of. No torch.

Addresses and hashes are those of torchvision's own loaders (`torchvision.datasets`), and a test compares them. One
differs: CIFAR-10 is read in its binary form, because torchvision's is a pickle. How the files become pictures with
labels is in `ready_made_sources.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.datasets.downloads.remote_file import RemoteFile
from core.errors import DatasetError
from core.settings import Settings

PREFIX = "catalogue:"
PICTURE_BYTES = 8192  # of a small picture with its thumbnail on a disk
COPIES = 3  # of what is downloaded: the archive, its unpacked form, the dataset


@dataclass(frozen=True)
class ReadySet:
    """A published dataset.

    Attributes:
        name: on the command line, after `catalogue:`.
        key: of its files; sets with the same files have the same one.
        text: one sentence on what it shows.
        icon: of its card.
        classes, images: how many; `images` before any is left out as a copy.
        licence: as the set's own page states it.
        page: where it is described.
    """

    name: str
    key: str
    title: str
    text: str
    icon: str
    classes: int
    images: int
    licence: str
    page: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """Of the download."""
        return sum(file.bytes for file in self.files)

    @property
    def needed_bytes(self) -> int:
        """What the import takes on the disk, at most and about."""
        return COPIES * self.bytes + PICTURE_BYTES * self.images


def _files(base: str, *files: tuple[str, int, str]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(f"{base}{name}", name, size, f"md5:{md5}") for name, size, md5 in files)


_PETS = _files(
    "https://www.robots.ox.ac.uk/~vgg/data/pets/data/",
    ("images.tar.gz", 791_918_971, "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    ("annotations.tar.gz", 19_173_078, "95a8c909bbe2e81eed6a22bccdf3f68f"),
)
_PETS_LICENCE, _PETS_PAGE = "CC BY-SA 4.0", "https://www.robots.ox.ac.uk/~vgg/data/pets/"

SETS: Sequence[ReadySet] = (
    ReadySet(
        "oxford-pets-cat-dog", "oxford-iiit-pet", "Oxford pets: cat or dog",
        "Photos of pets in homes and gardens, of all poses and sizes.",
        ":material/pets:", 2, 7349, _PETS_LICENCE, _PETS_PAGE, _PETS,
    ),
    ReadySet(
        "oxford-pets-breeds", "oxford-iiit-pet", "Oxford pets: breeds",
        "The same photos by breed: 12 of cats, 25 of dogs, some hard to tell apart.",
        ":material/pets:", 37, 7349, _PETS_LICENCE, _PETS_PAGE, _PETS,
    ),
    ReadySet(
        "flowers102", "flowers102", "Flowers 102",
        "Flowers that grow in Britain; only ten training photos of each kind.",
        ":material/local_florist:", 102, 8189, "none stated; photos from the web, for research",
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        _files(
            "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
            ("102flowers.tgz", 344_862_509, "52808999861908f626f3c1f4e79d11fa"),
            ("imagelabels.mat", 502, "e0620be6f572b9609742df49c70aed4d"),
            ("setid.mat", 14_989, "a5357ecc9cb78c4bef273ce3793fc85c"),
        ),
    ),
    ReadySet(
        "imagenette", "imagenette2-160", "Imagenette 160",
        "Ten easy classes of ImageNet, 160 pixels high: ImageNet weights have seen these photos.",
        ":material/category:", 10, 13_394, "photos of ImageNet, for research that is not commercial",
        "https://github.com/fastai/imagenette",
        _files(
            "https://s3.amazonaws.com/fast-ai-imageclas/",
            ("imagenette2-160.tgz", 99_003_388, "e793b78cc4c9e9a4ccc0c1155377a412"),
        ),
    ),
    ReadySet(
        "cifar10", "cifar-10-binary", "CIFAR-10",
        "Vehicles and animals in 32 × 32 pixels: a small CNN learns them from scratch.",
        ":material/grid_view:", 10, 60_000, "none stated; cite Krizhevsky 2009",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        _files(
            "https://www.cs.toronto.edu/~kriz/",
            ("cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
        ),
    ),
    ReadySet(
        "eurosat", "eurosat", "EuroSAT",
        "Fields, forests, roads and lakes from a satellite, 64 × 64 pixels.",
        ":material/satellite_alt:", 10, 27_000, "MIT", "https://github.com/phelber/EuroSAT",
        _files(
            "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/",
            ("EuroSAT.zip", 94_280_567, "c8fa014336c82ac7804f0398fcb19387"),
        ),
    ),
    ReadySet(
        "fashion-mnist", "fashion-mnist", "FashionMNIST",
        "Grey pictures of clothes, 28 × 28 pixels: the quickest of the large sets.",
        ":material/checkroom:", 10, 70_000, "MIT", "https://github.com/zalandoresearch/fashion-mnist",
        _files(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte.gz", 5148, "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    ),
    ReadySet(
        "gtsrb", "gtsrb", "German traffic signs (GTSRB)",
        "Traffic signs seen from a car, small, dark and blurred ones too.",
        ":material/traffic:", 43, 39_270, "none stated; cite Stallkamp and others 2012", "https://benchmark.ini.rub.de/",
        _files(
            "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/",
            ("GTSRB-Training_fixed.zip", 187_490_228, "513f3c79a4c5141765e10e952eaa2478"),
            ("GTSRB_Final_Test_Images.zip", 88_978_620, "c7e4e6327067d32654124b0fe9e82185"),
            ("GTSRB_Final_Test_GT.zip", 99_620, "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
        ),
    ),
)  # fmt: skip


def find_set(name: str) -> ReadySet:
    """A set by its name.

    Raises:
        DatasetError: there is none of this name.
    """
    for item in SETS:
        if item.name == name:
            return item
    raise DatasetError(f"There is no ready-made set {name[:60]!r}: choose one of {', '.join(s.name for s in SETS)}.")


def mirrored(settings: Settings, item: ReadySet) -> Sequence[RemoteFile]:
    """The files of a set, at a mirror if `TUNEMYPETS_SETS_URL` names one: there in a folder called like its key."""
    if not settings.sets_url:
        return item.files
    base = settings.sets_url.rstrip("/")
    return [replace(file, url=f"{base}/{item.key}/{file.name}") for file in item.files]
