"""What linear probes reach after each block, with pretrained and with random weights, and its file. Imports no torch.

`cache/probes/<fingerprint>-<network>-<weights>.json` is written once, whole or absent. All figures are of the
validation split: the test split has no part in it.
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, TypeAdapter

from core.datasets.dataset import Dataset
from core.settings import Settings
from core.statistics.comparison import count_outcomes, paired_interval
from core.statistics.metrics import Accuracy, Interval
from core.storage import write_json
from models import weights
from models.catalog import CATALOG, NetworkEntry

FORMAT: Final = 1
FOLDER = "probes"
PREFIX = 24  # digits of the fingerprint in a file's name
UNTRAINED_SEED = 0

Number = Annotated[int, Field(ge=0)]
Bits = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]  # a bit for each validation picture, as `pack` writes them
Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BlockProbe:
    """What the probe after one block gets right.

    Attributes:
        width: features, one for each channel.
        right: which validation pictures, with pretrained weights.
        untrained: the same with random weights.
    """

    block: str
    width: Number
    right: Bits
    untrained: Bits


@dataclass(frozen=True)
class Ladder:
    """The probes of one network on one dataset, from input to head.

    Attributes:
        train: pictures that the probes were fitted on.
        val: pictures on which they are evaluated.
        guessed: of those, what always naming the most common training class gets right.
        seed: of the random weights.
        made: in seconds since 1970.
        seconds: that it took.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: Literal[1]
    network: str
    train: Number
    val: Annotated[int, Field(ge=1)]
    classes: Annotated[int, Field(ge=2)]
    guessed: Number
    blocks: Annotated[tuple[BlockProbe, ...], Field(min_length=1)]
    seed: Number
    made: float
    seconds: Annotated[float, Field(ge=0)]

    @property
    def entry(self) -> NetworkEntry:
        """The network."""
        return CATALOG[self.network]

    @property
    def chance(self) -> Accuracy:
        """Of always naming the most common training class."""
        return Accuracy(self.guessed, self.val)

    @property
    def last(self) -> int:
        """The place of the last block, whose output the head reads."""
        return len(self.blocks) - 1

    def accuracy(self, place: int) -> Accuracy:
        """After a block, with pretrained weights."""
        return Accuracy(int(self._right(place).sum()), self.val)

    def untrained(self, place: int) -> Accuracy:
        """After a block, with random weights."""
        return Accuracy(int(self._unpack(self.blocks[place].untrained).sum()), self.val)

    def difference(self, place: int, other: int) -> Interval:
        """The accuracy after `other` minus that after `place`: its 95 % interval, from the same pictures."""
        return _difference(self._right(place), self._right(other))

    def gain_of_pretraining(self) -> Interval:
        """After the last block, the accuracy with pretrained minus that with random weights: its 95 % interval."""
        return _difference(self._unpack(self.blocks[-1].untrained), self._right(self.last))

    def _right(self, place: int) -> Right:
        return self._unpack(self.blocks[place].right)

    def _unpack(self, bits: str) -> Right:
        packed = np.frombuffer(bytes.fromhex(bits), np.uint8)
        return np.unpackbits(packed, count=self.val).astype(np.bool_)


def pack(right: Right) -> str:
    """Which pictures are right, as hex digits."""
    return np.packbits(right).tobytes().hex()


def _difference(a: Right, b: Right) -> Interval:
    return paired_interval(*count_outcomes(a, b))


_LADDER = TypeAdapter(Ladder)


def ladder_path(settings: Settings, dataset: Dataset, network: str) -> Path:
    """Where the probes lie, made or not, for the weights that are on this machine."""
    return path_for(settings, dataset.fingerprint, network)


def path_for(settings: Settings, fingerprint: str, network: str) -> Path:
    """The same for a dataset that may be gone."""
    return settings.cache_dir / FOLDER / f"{fingerprint[:PREFIX]}-{network}-{weights_mark(CATALOG[network])}.json"


def weights_mark(entry: NetworkEntry) -> str:
    """What distinguishes a network's pretrained weights: the start of the SHA-256 of their file.

    Downloaded files have it in their names.
    """
    assert entry.weights is not None
    if entry.weights.url is not None:
        return entry.weights.sha256_prefix
    path = weights.find(entry)
    return "none" if path is None else _sha256(path, path.stat().st_mtime_ns)[:8]


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, stamp: int) -> str:
    del stamp  # another file of the same name has another
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_ladder(path: Path, ladder: Ladder) -> None:
    """Write it, whole or not at all."""
    write_json(path, _LADDER.dump_python(ladder, mode="json"))


def read_ladder(path: Path) -> Ladder | None:
    """The probes; None where there are none, or they are damaged."""
    try:
        return _parse(path.read_bytes())
    except OSError:
        return None


def check_text(data: bytes) -> bool:
    """Whether this is a file of probes."""
    return _parse(data) is not None


def _parse(data: bytes) -> Ladder | None:
    try:
        found = _LADDER.validate_json(data)
    except ValueError:
        return None
    entry, digits = CATALOG.get(found.network), 2 * -(-found.val // 8)
    fits = (
        entry is not None
        and entry.freeze_points == tuple(item.block for item in found.blocks)
        and found.guessed <= found.val
        and all(len(bits) == digits for item in found.blocks for bits in (item.right, item.untrained))
    )
    return found if fits else None
