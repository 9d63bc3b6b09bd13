"""The files of a ready-made set as a source: every picture with its class in words and its official split.

The archives are read as they were published; torchvision's loaders would unpack them onto the disk first. A set
without a validation split gets one out of its training pictures, as every import does.
"""

import csv
import gzip
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from core.datasets.downloads.ready_made import ReadySet
from core.datasets.sources.archive import ZipSource
from core.datasets.sources.joined import JoinedSource
from core.datasets.sources.labelled import Given, LabelledSource
from core.datasets.sources.pixel_arrays import PixelSource
from core.datasets.sources.source import Source
from core.datasets.sources.tar_archive import TarSource
from core.errors import DatasetError

MAX_TABLE_BYTES = 2**24
IMAGENETTE = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
}  # fmt: skip
CLOTHES = (
    "T-shirt or top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
SIGNS = (
    "speed limit 20", "speed limit 30", "speed limit 50", "speed limit 60", "speed limit 70", "speed limit 80",
    "end of speed limit 80", "speed limit 100", "speed limit 120", "no passing", "no passing for trucks",
    "right of way at the next crossing", "priority road", "give way", "stop", "no vehicles", "no trucks", "no entry",
    "danger", "bend to the left", "bend to the right", "double bend", "bumpy road", "slippery road", "road narrows",
    "road works", "traffic lights", "pedestrians", "children", "bicycles", "ice or snow", "wild animals",
    "end of all limits", "turn right ahead", "turn left ahead", "straight ahead only", "straight or right",
    "straight or left", "keep right", "keep left", "roundabout", "end of no passing", "end of no passing for trucks",
)  # fmt: skip
CIFAR_PX = 32
VAL_TRACKS = 5  # of so many tracks of a traffic sign one is for validation

Files = Mapping[str, Path]


def open_set(item: ReadySet, files: Sequence[Path], scratch: Path) -> Source:
    """The pictures of a set whose files are all there.

    Args:
        files: as `item.files`.
        scratch: folder for what is unpacked meanwhile.
    Raises:
        DatasetError: a file is not what was published.
    """
    readers: Mapping[str, Callable[[Files, Path], Source]] = {
        "oxford-pets-cat-dog": lambda given, place: _open_pets(given, place, breeds=False),
        "oxford-pets-breeds": lambda given, place: _open_pets(given, place, breeds=True),
        "flowers102": _open_flowers,
        "imagenette": _open_imagenette,
        "cifar10": _open_cifar,
        "eurosat": _open_eurosat,
        "fashion-mnist": _open_fashion,
        "gtsrb": _open_signs,
    }
    try:
        source = readers[item.name]({path.name: path for path in files}, scratch)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(f"The files of {item.title} are not as they were published: download them again.") from error
    source.title = item.title
    return source


def _open_pets(files: Files, scratch: Path, *, breeds: bool) -> Source:
    """Lines of the lists: `Abyssinian_100 1 1 1` is the image, its breed from 1, 1 for a cat and 2 for a dog."""
    known: dict[str, Given] = {}
    with closing(TarSource(files["annotations.tar.gz"], scratch)) as lists:
        for split, name in (("train", "trainval.txt"), ("test", "test.txt")):
            for line in lists.text(f"annotations/{name}").splitlines():
                image, _, species, _ = line.split()
                breed = image.rpartition("_")[0].replace("_", " ")
                label = breed[0].upper() + breed[1:] if breeds else ("cat", "dog")[int(species) - 1]
                known[f"images/{image}.jpg"] = Given(label, split)
    return LabelledSource(TarSource(files["images.tar.gz"], scratch), known.get)


def _open_flowers(files: Files, scratch: Path) -> Source:
    from scipy.io import loadmat
    from torchvision.datasets import Flowers102  # for the names of the flowers alone

    labels = loadmat(files["imagelabels.mat"], squeeze_me=True)["labels"]
    sets = loadmat(files["setid.mat"], squeeze_me=True)
    splits = {int(i): split for split, key in zip(("train", "val", "test"), ("trnid", "valid", "tstid"), strict=True)
              for i in np.atleast_1d(sets[key])}  # fmt: skip
    known = {
        f"jpg/image_{number:05d}.jpg": Given(Flowers102.classes[int(labels[number - 1]) - 1].rstrip("?"), split)
        for number, split in splits.items()
    }
    return LabelledSource(TarSource(files["102flowers.tgz"], scratch), known.get)


def _open_imagenette(files: Files, scratch: Path) -> Source:
    """Names such as `imagenette2-160/train/n01440764/1.JPEG`; the set has two splits, and its second is the test."""
    splits = {"train": "train", "val": "test"}

    def given(name: str) -> Given | None:
        parts = PurePosixPath(name).parts
        known = len(parts) == 4 and parts[1] in splits and parts[2] in IMAGENETTE
        return Given(IMAGENETTE[parts[2]], splits[parts[1]]) if known else None

    note = "What the set calls validation is the test split here; the validation split comes from its training photos."
    return LabelledSource(TarSource(files["imagenette2-160.tgz"], scratch), given, notes=[note])


def _open_cifar(files: Files, scratch: Path) -> Source:
    """Five batches for training and one for testing: rows of a label and 3 x 32 x 32 bytes, red first."""
    folder = "cifar-10-batches-bin"
    with closing(TarSource(files["cifar-10-binary.tar.gz"], scratch)) as source:
        classes = source.text(f"{folder}/batches.meta.txt").split()
        entries = {entry.name: entry for entry in source.entries()}
        names = [*(f"{folder}/data_batch_{number}.bin" for number in range(1, 6)), f"{folder}/test_batch.bin"]
        batches = [_cifar_rows(source.read(entries[name], entries[name].bytes_claimed)) for name in names]
    rows = np.concatenate(batches)
    pixels = rows[:, 1:].reshape(-1, 3, CIFAR_PX, CIFAR_PX).transpose(0, 2, 3, 1)
    splits = ["train"] * sum(map(len, batches[:-1])) + ["test"] * len(batches[-1])
    return PixelSource("", np.ascontiguousarray(pixels), [classes[label] for label in rows[:, 0]], splits)


def _cifar_rows(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, 1 + 3 * CIFAR_PX * CIFAR_PX)


def _open_eurosat(files: Files, scratch: Path) -> Source:
    """Folders such as `2750/AnnualCrop`; the set has no splits."""
    del scratch

    def given(name: str) -> Given | None:
        parts = PurePosixPath(name).parts
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", parts[-2]) if len(parts) == 3 else ""
        return Given(words[0] + words[1:].lower()) if words else None

    return LabelledSource(ZipSource(files["EuroSAT.zip"]), given)


def _open_fashion(files: Files, scratch: Path) -> Source:
    """Arrays in the form of MNIST: a head of four or two numbers, then bytes."""
    del scratch
    pixels, labels, splits = [], [], []
    for part, split in (("train", "train"), ("t10k", "test")):
        with gzip.open(files[f"{part}-images-idx3-ubyte.gz"]) as file:
            data = file.read()
        count, height, width = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8, 12))
        pixels.append(np.frombuffer(data, np.uint8, offset=16).reshape(count, height, width))
        with gzip.open(files[f"{part}-labels-idx1-ubyte.gz"]) as file:
            labels += [CLOTHES[label] for label in file.read()[8:]]
        splits += [split] * count
    return PixelSource("", np.concatenate(pixels), labels, splits)


def _open_signs(files: Files, scratch: Path) -> Source:
    """`GTSRB/Training/00014/00003_00029.ppm` holds its class; those of the test pictures stand in a table.

    00003 is the track: 30 frames of one sign, nearly alike, which must not be in two splits.
    """
    del scratch
    with closing(ZipSource(files["GTSRB_Final_Test_GT.zip"])) as source:
        table = source.read(source.entries()[0], MAX_TABLE_BYTES).decode()
    tested = {
        f"GTSRB/Final_Test/Images/{row['Filename']}": Given(SIGNS[int(row["ClassId"])], "test")
        for row in csv.DictReader(table.splitlines(), delimiter=";", skipinitialspace=True)
    }

    def given(name: str) -> Given | None:
        found = re.fullmatch(r"GTSRB/Training/(\d{5})/(\d{5})_\d+\.ppm", name)
        if found is None:
            return tested.get(name)
        return Given(SIGNS[int(found[1])], "val" if int(found[2]) % VAL_TRACKS == VAL_TRACKS - 1 else "train")

    training, test = (ZipSource(files[name]) for name in ("GTSRB-Training_fixed.zip", "GTSRB_Final_Test_Images.zip"))
    notes = [
        f"Every {VAL_TRACKS}th track of 30 frames of one sign is in the validation split, the others are for training.",
        "Signs less than 16 pixels wide or high are rejected.",
    ]
    return LabelledSource(JoinedSource([training, test]), given, notes=notes)
