"""The pretrained weights in the cache: their names, and whether they are whole. No torch."""

from collections.abc import Iterator
from pathlib import Path

from core.checkpoints.weights_file import check_finite, read_header
from core.verification import REMOVE, Count, Damage, Kind, Problem, verify_names
from models.catalog import CATALOG
from models.entry import Weights

FOLDER = "weights"  # in the cache
_VERSION = 1  # of the tensors' names


def kept_name(weights: Weights) -> str:
    """The name of the file that keeps the weights of a package."""
    return f"{Path(weights.file_name).stem}-v{_VERSION}.safetensors"


def verify_kept_weights(folder: Path, count: Count) -> Iterator[Problem]:
    """Look at every file: what is wrong may be removed, and is written again when it is needed."""
    known = {kept_name(entry.weights) for entry in CATALOG.values() if entry.weights and entry.weights.package}
    yield from verify_names(folder, known, count)
    for path in sorted(folder / name for name in known):
        if not path.is_file():
            continue
        try:
            check_finite(path, read_header(path), count)
        except (Damage, OSError) as error:
            yield Problem(Kind.DAMAGED, path, f"These pretrained weights cannot be used: the file {error}.", REMOVE)
