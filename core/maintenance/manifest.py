"""What an archive of a room holds: `room.json` lists every other file with its size and sha256.

    collections/<id>/… collection.json, pictures
    datasets/<id>/…    dataset.json, pictures.csv, report.json, images, thumbs
    runs/<id>/…        config.json, meta.json, started.json, events.jsonl, checkpoints, predictions.csv, validation.csv,
                       novelty.safetensors, result.json
    room.json          {"format", "program", "made", "files": [{"path", "size", "sha256"}]}

Nothing else is ever packed or imported: no people, passcodes, logs or locks, and nothing that can be computed again.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from core.collection.collection import COLLECTION, PICTURES, parse_name
from core.collection.picture_intake import MAX_BYTES
from core.datasets.dataset import FILES, IMAGE_PATH, SOME_HAVE, THUMBNAIL_PATH
from core.runs.run_check import CHECKPOINT_FILES
from core.runs.run_files import CHECKPOINTS, NOVELTY, RECORDS
from core.settings import Settings
from core.storage import is_id
from core.verification import Damage

FORMAT = 1
MANIFEST = "room.json"
MAX_MANIFEST_BYTES = 128 * 2**20
MAX_TEXT_BYTES = 256 * 2**20
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_THUMBNAIL_BYTES = MAX_COLLECTION_BYTES = 2**20
RUN_FILES = (*RECORDS, NOVELTY, *(f"{CHECKPOINTS}/{name}" for name in CHECKPOINT_FILES))


@dataclass(frozen=True)
class PackedFile:
    """A file of an archive: `path` in the zip, size in bytes."""

    path: str
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def name(self) -> str:
        """Below the folder of its run or dataset."""
        return self.path.split("/", 2)[2]


@dataclass(frozen=True)
class _Manifest:
    format: int
    files: list[PackedFile]


_MANIFEST = TypeAdapter(_Manifest)


def limit_of(settings: Settings, path: str) -> int | None:
    """How many bytes a file of this name may have; None where no such file is packed."""
    kind, _, rest = path.partition("/")
    identity, _, name = rest.partition("/")
    if not is_id(identity):
        return None
    if kind == "runs" and name in RUN_FILES:
        return MAX_WEIGHTS_BYTES if name.endswith(".safetensors") else MAX_TEXT_BYTES
    if kind == "collections":
        return _limit_of_collection(name)
    if kind == "datasets":
        if name in (*FILES, *SOME_HAVE):
            return MAX_TEXT_BYTES
        if IMAGE_PATH.fullmatch(name):
            return settings.max_image_bytes
        if THUMBNAIL_PATH.fullmatch(name):
            return MAX_THUMBNAIL_BYTES
    return None


def _limit_of_collection(name: str) -> int | None:
    if name == COLLECTION:
        return MAX_COLLECTION_BYTES
    folder, _, file = name.partition("/")
    return MAX_BYTES if folder == PICTURES and parse_name(file) is not None else None


def is_compressible(path: str) -> bool:
    """Whether packing makes a file smaller: images and weights stay as they are."""
    return PurePosixPath(path).suffix in (".json", ".jsonl", ".csv")


def parse_manifest(data: bytes) -> list[PackedFile]:
    """The files of a manifest.

    Raises:
        Damage: it is none, or of a later version.
    """
    try:
        manifest = _MANIFEST.validate_json(data, strict=True)
    except ValidationError as error:
        raise Damage("is not the list of an exported room") from error
    if manifest.format != FORMAT:
        raise Damage("is of another version of the program: export the room again with this one")
    if len({item.path for item in manifest.files}) != len(manifest.files):
        raise Damage("lists a file twice")
    return manifest.files
