"""Features on disk come in the order of the dataset's table, whatever the order and the splits that they lie in."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.doctor.dataset_features import ROWS, StoredFeatures
from core.errors import DatasetError
from core.settings import PROJECT_ROOT
from core.stores.activations import Activations
from core.stores.array_cache import ArrayFile

COUNT, WIDTH = 2 * ROWS + 100, 3


def stored(folder: Path, values: np.ndarray) -> StoredFeatures:
    """Two splits, each with its own order in its own file."""
    rng = np.random.default_rng(0)
    splits = []
    for number, indices in enumerate(np.split(rng.permutation(COUNT), [ROWS + 50])):
        positions = rng.permutation(len(indices))
        kept = np.empty((len(indices), WIDTH), np.float32)
        kept[positions] = values[indices]
        np.save(folder / f"{number}.npy", kept)
        splits.append((indices, Activations(ArrayFile(folder / f"{number}.npy"), positions)))
    return StoredFeatures((COUNT, WIDTH), tuple(splits), "petnet gives no finite features.")


def test_features_are_read_in_the_order_of_the_table_as_often_as_wanted(tmp_path: Path) -> None:
    values = np.random.default_rng(1).standard_normal((COUNT, WIDTH)).astype(np.float32)
    found = stored(tmp_path, values)
    first = found.read()
    assert (first == values).all()
    first[:] = 0  # as a step does that overwrites them
    assert (found.read() == values).all()


def test_features_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    values = np.ones((COUNT, WIDTH), np.float32)
    values[COUNT - 1, 1] = np.nan
    with pytest.raises(DatasetError, match="no finite features"):
        stored(tmp_path, values).read()


LOADED = """
import sys
import core.doctor.dataset_features, core.doctor.neighbours, core.doctor.suspicious_labels
from core.checkpoints.pretrained_weights import load_pretrained
from core.settings import Settings
from core.stores.hardware import prepare_torch
from models.catalog import get_entry

settings = Settings.from_environment()
prepare_torch(settings, seed=0)
load_pretrained(settings, get_entry("petnet"), 2, "softmax", 0)
print(sorted({"torchvision", "torch._dynamo", "sympy"} & sys.modules.keys()))
"""


def test_looking_with_petnet_loads_neither_torchvision_nor_the_compiler_of_torch() -> None:
    """They take 170 MB, and 1.5 s of the processor."""
    shown = subprocess.run([sys.executable, "-c", LOADED], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
