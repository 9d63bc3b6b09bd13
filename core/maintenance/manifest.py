"""What a packed room is: `room.json` in a zip tells every other file with its size and sha256.

    datasets/<id>/…    dataset.json, pictures.csv, report.json, images, thumbs
    runs/<id>/…        config.json, meta.json, started.json, events.jsonl, checkpoints, predictions.csv, validation.csv,
                       result.json
    room.json          {"format", "program", "made", "files": [{"path", "size", "sha256"}]}

Nothing else is ever packed or taken in: no people, passcodes, logs or locks, and nothing that can be computed again.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from core.maintenance import path_names
from core.maintenance.findings import Damage
from core.settings import Settings
from core.storage import is_id

FORMAT = 1
MANIFEST = "room.json"
MAX_MANIFEST_BYTES = 128 * 2**20
MAX_TEXT_BYTES = 256 * 2**20
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_THUMBNAIL_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RUN_NAMES = {*path_names.RUN_RECORDS, *(f"{path_names.CHECKPOINTS}/{name}" for name in path_names.CHECKPOINT_FILES)}


@dataclass(frozen=True)
class PackedFile:
    """A file of a packed room: `path` in the zip, size in bytes."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Below the folder of its run or dataset."""
        return self.path.split("/", 2)[2]


def limit_of(settings: Settings, path: str) -> int | None:
    """How many bytes a file of this name may have; None where no such file is packed."""
    kind, _, rest = path.partition("/")
    identity, _, name = rest.partition("/")
    if not is_id(identity):
        return None
    if kind == path_names.RUNS and name in _RUN_NAMES:
        return MAX_WEIGHTS_BYTES if name.endswith(".safetensors") else MAX_TEXT_BYTES
    if kind == path_names.DATASETS:
        if name in path_names.DATASET_FILES:
            return MAX_TEXT_BYTES
        if path_names.IMAGE.fullmatch(name):
            return settings.max_image_bytes
        if path_names.THUMBNAIL.fullmatch(name):
            return MAX_THUMBNAIL_BYTES
    return None


def is_compressible(path: str) -> bool:
    """Whether packing makes a file smaller: pictures and weights stay as they are."""
    return PurePosixPath(path).suffix in (".json", ".jsonl", ".csv")


def parse_manifest(value: Any) -> list[PackedFile]:
    """The files of a manifest.

    Raises:
        Damage: it is none, or of a later version.
    """
    if not isinstance(value, dict) or type(value.get("format")) is not int or not isinstance(value.get("files"), list):
        raise Damage("is not the list of a packed room")
    if value["format"] != FORMAT:
        raise Damage("is of another version of the program: pack the room again with this one")
    files = []
    for item in value["files"]:
        if not isinstance(item, dict):
            raise Damage("is not the list of a packed room")
        path, size, digest = item.get("path"), item.get("size"), item.get("sha256")
        if not isinstance(path, str) or type(size) is not int or size < 0 or not isinstance(digest, str):
            raise Damage("is not the list of a packed room")
        if not _SHA256.fullmatch(digest):
            raise Damage("is not the list of a packed room")
        files.append(PackedFile(path, size, digest))
    if len({item.path for item in files}) != len(files):
        raise Damage("lists a file twice")
    return files
