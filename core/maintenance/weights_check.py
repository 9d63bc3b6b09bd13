"""Files of weights and snapshots: whole, finite, and of the network that their run says. Reads each once, in blocks.

The numbers are looked at without torch; torch is imported only to ask what shapes a network has, and builds nothing.
"""

import json
import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from core.config.train_config import TrainConfig
from core.maintenance.file_reading import Meter
from core.maintenance.findings import Damage
from models.catalog import ScratchOptions

MAX_HEADER_BYTES = 4 * 2**20  # as core.training.checkpoint says, which imports torch
BLOCK_BYTES = 2**20
_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
_FLOATS: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_BF16_EXPONENT = np.uint16(0x7F80)

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself: metadata, and (number format, shape) by name in the order of the file."""

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    start: int  # of the numbers, in bytes

    @property
    def shapes(self) -> Shapes:
        return {name: shape for name, (_, shape) in self.tensors.items()}


def read_header(path: Path) -> Header:
    """What the file says of itself; that it fits the file's length is checked.

    Raises:
        Damage: it is no safetensors file, or cut off.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if len(start) < 8 or struct.unpack("<Q", start)[0] > MAX_HEADER_BYTES:
        raise Damage("is damaged or cut off")
    try:
        with safe_open(path, framework="np") as opened:
            tensors = {}
            for name in opened.offset_keys():
                part = opened.get_slice(name)
                tensors[name] = (str(part.get_dtype()), tuple(int(side) for side in part.get_shape()))
            metadata = dict(opened.metadata() or {})
    except (SafetensorError, ValueError) as error:
        raise Damage("is damaged or cut off") from error
    if any(kind not in _BYTES for kind, _ in tensors.values()):
        raise Damage("holds numbers of an unknown format")
    return Header(metadata, tensors, 8 + struct.unpack("<Q", start)[0])


def check_finite(path: Path, header: Header, meter: Meter) -> None:
    """Read all numbers.

    Raises:
        Damage: one is not finite, or they end too early.
        OSError: they cannot be read.
    """
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        meter.add(file.seek(header.start))
        for name, (kind, shape) in header.tensors.items():
            left = math.prod(shape) * _BYTES[kind]
            while left:
                block = buffer[: min(left, BLOCK_BYTES)]
                filled = 0
                while filled < len(block):
                    count = file.readinto(block[filled:])
                    if not count:
                        raise Damage("is cut off")
                    filled += count
                left -= len(block)
                meter.add(len(block))
                if not _all_finite(block, kind):
                    raise Damage(f"holds numbers that are not finite ({name[:100]})")


def _all_finite(block: memoryview, kind: str) -> bool:
    if kind in _FLOATS:
        return bool(np.isfinite(np.frombuffer(block, _FLOATS[kind])).all())
    if kind == "BF16":  # numpy has no such numbers: infinity and NaN are those whose exponent is all ones
        return not bool(((np.frombuffer(block, "<u2") & _BF16_EXPONENT) == _BF16_EXPONENT).any())
    return True


def check_shapes(found: Shapes, config: TrainConfig, classes: int, *, whole: bool) -> None:
    """Compare shapes with those of the network that a configuration describes.

    Args:
        whole: every tensor has to be there; else some.
    Raises:
        Damage: they differ.
    """
    options = config.scratch_options() if config.model == "scratch_cnn" else None
    expected = _network_shapes(config.model, config.head, options, classes)
    wrong = [name for name, shape in found.items() if expected.get(name) != shape]
    if wrong or (whole and len(found) != len(expected)):
        detail = f" ({wrong[0][:100]})" if wrong else ""
        raise Damage(f"does not fit the network that its run describes{detail}")


@lru_cache(maxsize=64)
def _network_shapes(model: str, head: str, options: ScratchOptions | None, classes: int) -> Shapes:
    import torch  # costs seconds, and only runs with weights need it

    from models.errors import NetworkError
    from models.network import build

    try:
        with torch.device("meta"):  # shapes without numbers: no memory, no time
            network = build(model, classes, head=head, options=options, seed=0)
    except NetworkError as error:
        raise Damage("is of a network that cannot be built") from error
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def facts_of(header: Header, key: str) -> dict[str, object]:
    """A JSON object in a file's metadata.

    Raises:
        Damage: it is not there, or is none.
    """
    try:
        value = json.loads(header.metadata[key])
    except (KeyError, ValueError, RecursionError) as error:
        raise Damage("does not tell what it is of") from error
    if not isinstance(value, dict):
        raise Damage("does not tell what it is of")
    return value
