"""The ready-made sets in their published form, with a few pictures each, and where they are served."""

import dataclasses
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.io import savemat

from core.datasets.downloads import download_address, ready_made
from core.datasets.downloads.ready_made import ReadySet, find_set
from core.datasets.downloads.ready_made_sources import IMAGENETTE
from tests.support.images import encoded, photo
from tests.support.web_server import WebServer

Files = Mapping[str, bytes]
EACH = 8  # pictures of each class, in each split


def tar_gz(files: Files) -> bytes:
    """An archive as `tar czf` makes it, with entries for its folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        folder = tarfile.TarInfo(next(iter(files)).partition("/")[0])
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def packed(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _pets() -> Files:
    images, lists = {}, {"trainval": "", "test": ""}
    seed = 0
    for breed, (number, species) in {"Abyssinian": (1, 1), "american_bulldog": (2, 2), "Sphynx": (34, 1)}.items():
        for split in lists:
            for _ in range(EACH):
                seed += 1
                images[f"images/{breed}_{seed}.jpg"] = encoded(photo(seed))
                lists[split] += f"{breed}_{seed} {number} {species} 1\n"
    images["images/Abyssinian_100.mat"] = b"MATLAB 5.0 MAT-file"
    images["images/._Abyssinian_1.jpg"] = b"\0\5\x16\7"
    notes = {"annotations/README": b"Read me", "annotations/list.txt": b"#Image CLASS-ID SPECIES BREED ID\n"}
    tables = {f"annotations/{split}.txt": text.encode() for split, text in lists.items()}
    masks = {"annotations/trimaps/Abyssinian_1.png": encoded(photo(1).convert("L"), "PNG")}
    return {"images.tar.gz": tar_gz(images), "annotations.tar.gz": tar_gz({**notes, **tables, **masks})}


def _flowers() -> Files:
    labels = np.repeat([1, 60, 102], 3 * EACH).astype(np.uint8)
    numbers = np.arange(1, len(labels) + 1, dtype=np.uint16)
    ids = {key: numbers[place::3][None] for place, key in enumerate(("trnid", "valid", "tstid"))}
    mats = {}
    for name, values in (("imagelabels.mat", {"labels": labels[None]}), ("setid.mat", ids)):
        buffer = io.BytesIO()
        savemat(buffer, values)
        mats[name] = buffer.getvalue()
    images = {f"jpg/image_{number:05d}.jpg": encoded(photo(int(number))) for number in numbers}
    return {"102flowers.tgz": tar_gz(images), **mats}


def _imagenette() -> Files:
    files = {"imagenette2-160/noisy_imagenette.csv": b"path,noisy_labels_0\n", "imagenette2-160/.DS_Store": b"x"}
    seed = 0
    for split in ("train", "val"):
        for identifier in list(IMAGENETTE)[:3]:
            for _ in range(EACH):
                seed += 1
                files[f"imagenette2-160/{split}/{identifier}/ILSVRC_{seed}.JPEG"] = encoded(photo(seed))
    return {"imagenette2-160.tgz": tar_gz(files)}


def _cifar() -> Files:
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    files = {"cifar-10-batches-bin/batches.meta.txt": "\n".join([*names, ""]).encode()}
    batches = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for place, batch in enumerate(batches):
        rows = [
            bytes([label]) + np.asarray(photo(100 * place + label, (32, 32))).transpose(2, 0, 1).tobytes()
            for label in range(10)
        ]
        files[f"cifar-10-batches-bin/{batch}.bin"] = b"".join(rows)
    return {"cifar-10-binary.tar.gz": tar_gz(files)}


def _eurosat() -> Files:
    names = ("AnnualCrop", "SeaLake")
    files = {
        f"2750/{name}/{name}_{number}.jpg": encoded(photo(100 * place + number, (64, 64)))
        for place, name in enumerate(names)
        for number in range(1, 2 * EACH)
    }
    return {"EuroSAT.zip": packed(files)}


def _fashion() -> Files:
    files = {}
    for part, first in (("train", 0), ("t10k", 1000)):
        labels = bytes([0, 0, 8, 1, 0, 0, 0, 20]) + bytes(number % 10 for number in range(20))
        pixels = b"".join(photo(first + number, (28, 28)).convert("L").tobytes() for number in range(20))
        head = bytes([0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28])
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(head + pixels)
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(labels)
    return files


def _signs() -> Files:
    training, test = {"GTSRB/Readme.txt": b"Read me"}, {}
    table = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
    for label in (0, 14, 42):
        training[f"GTSRB/Training/{label:05}/GT-{label:05}.csv"] = b"Filename;ClassId\n"
        for number in range(EACH):
            name = f"GTSRB/Training/{label:05}/{number // 2 + 1:05}_{number % 2:05}.ppm"
            training[name] = encoded(photo(100 * label + number), "PPM")
            name = f"{label * 100 + number:05}.ppm"
            test[f"GTSRB/Final_Test/Images/{name}"] = encoded(photo(9000 + 100 * label + number), "PPM")
            table += f"{name};64;48;5;5;48;49;{label}\n"
    return {
        "GTSRB-Training_fixed.zip": packed(training),
        "GTSRB_Final_Test_Images.zip": packed(test),
        "GTSRB_Final_Test_GT.zip": packed({"GT-final_test.csv": table.encode()}),
    }


MAKERS = {
    "oxford-pets-cat-dog": _pets,
    "oxford-pets-breeds": _pets,
    "flowers102": _flowers,
    "imagenette": _imagenette,
    "cifar10": _cifar,
    "eurosat": _eurosat,
    "fashion-mnist": _fashion,
    "gtsrb": _signs,
}


def serve_set(web: WebServer, name: str, patch: pytest.MonkeyPatch) -> ReadySet:
    """Serve a small form of a set where `TUNEMYPETS_SETS_URL` then says, and let the catalogue know its hashes."""
    item, files = find_set(name), MAKERS[name]()
    small = dataclasses.replace(
        item,
        files=tuple(
            dataclasses.replace(
                file, bytes=len(files[file.name]), digest=f"md5:{hashlib.md5(files[file.name]).hexdigest()}"
            )
            for file in item.files
        ),
    )
    web.files.update({f"/{item.key}/{file}": data for file, data in files.items()})
    patch.setenv("TUNEMYPETS_SETS_URL", f"{web.url}/")
    sets = tuple(small if other.name == name else other for other in ready_made.SETS)
    patch.setattr(ready_made, "SETS", sets)
    assert download_address.find_set(name) == small
    return small
