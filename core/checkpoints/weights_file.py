"""Safetensors files read without trusting them: their header, and whether all numbers are finite. No torch."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from core.verification import BLOCK_BYTES, Count, Damage

MAX_HEADER_BYTES = 4 * 2**20  # a hostile header of 38 MB takes 8 s and 400 MB to parse
_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
_FLOATS: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_BF16_EXPONENT = np.uint16(0x7F80)

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Header:
    """A file's metadata, and (number format, shape) by name in the order of the file."""

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    start: int  # of the numbers, in bytes

    @property
    def shapes(self) -> Shapes:
        return {name: shape for name, (_, shape) in self.tensors.items()}


def check_header(path: Path) -> int:
    """Look at the length of a safetensors file's header before anything reads it; returns it, in bytes.

    Raises:
        ValueError: it is longer than any that was written here.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if len(start) < 8 or (length := int(struct.unpack("<Q", start)[0])) > MAX_HEADER_BYTES:
        raise ValueError(f"{path.name} has no header that was written here")
    return length


def read_header(path: Path) -> Header:
    """A file's header; that it fits the file's length is checked.

    Raises:
        Damage: it is no safetensors file, or cut off.
        OSError: it cannot be read.
    """
    try:
        length = check_header(path)
        with safe_open(path, framework="np") as opened:
            tensors = {}
            for name in opened.offset_keys():
                part = opened.get_slice(name)
                tensors[name] = (str(part.get_dtype()), tuple(int(side) for side in part.get_shape()))
            metadata = dict(opened.metadata() or {})
    except (SafetensorError, ValueError) as error:
        raise Damage("is damaged or cut off") from error
    if any(kind not in _BYTES for kind, _ in tensors.values()):
        raise Damage("has numbers of an unknown format")
    return Header(metadata, tensors, 8 + length)


def check_finite(path: Path, header: Header, count: Count) -> None:
    """Read all numbers.

    Raises:
        Damage: one is not finite, or they end too early.
        OSError: they cannot be read.
    """
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        count(file.seek(header.start))
        for name, (kind, shape) in header.tensors.items():
            left = math.prod(shape) * _BYTES[kind]
            while left:
                block = buffer[: min(left, BLOCK_BYTES)]
                filled = 0
                while filled < len(block):
                    got = file.readinto(block[filled:])
                    if not got:
                        raise Damage("is cut off")
                    filled += got
                left -= len(block)
                count(len(block))
                if not _all_finite(block, kind):
                    raise Damage(f"has numbers that are not finite ({name[:100]})")


def _all_finite(block: memoryview, kind: str) -> bool:
    if kind in _FLOATS:
        return bool(np.isfinite(np.frombuffer(block, _FLOATS[kind])).all())
    if kind == "BF16":  # numpy has no such numbers: infinity and NaN are those whose exponent is all ones
        return not bool(((np.frombuffer(block, "<u2") & _BF16_EXPONENT) == _BF16_EXPONENT).any())
    return True
