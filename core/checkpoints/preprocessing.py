"""The preprocessing of a run as its checkpoints and snapshots keep it: what does not follow from its configuration."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from core.config.train_config import TrainConfig
from core.datasets.dataset import Ranges
from models.entry import OWN_RANGES, Preprocessing


@dataclass(frozen=True)
class _Kept:
    __pydantic_config__ = ConfigDict(extra="forbid")

    version: int
    grey_ranges: Ranges


_KEPT = TypeAdapter(_Kept)
_BEFORE = _Kept(1, OWN_RANGES)  # of runs that noted none


def describe_preprocessing(spec: Preprocessing) -> dict[str, Any]:
    """The version, and the dataset's grey ranges: an uploaded picture is read as the training pictures were."""
    return asdict(_Kept(spec.version, spec.greys))


def read_preprocessing(config: TrainConfig, values: Any) -> Preprocessing:
    """The preprocessing of a run.

    Args:
        values: from `describe_preprocessing`; None of a run that was trained before there were versions.
    Raises:
        ValueError: they are damaged, or of a later version than this program knows.
    """
    kept = _BEFORE if values is None else _KEPT.validate_python(values)
    spec = config.entry().preprocessing
    if not 1 <= kept.version <= spec.version:
        raise ValueError(f"preprocessing of version {kept.version}")
    return replace(spec, version=kept.version, greys=kept.grey_ranges)
