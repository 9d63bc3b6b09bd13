"""Writes what known pictures look like next to an exported network: distances and calibration for its script."""

import runpy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.export.source.description import read_template
from core.export.source.export_check import Outcomes
from core.export.source.exported_run import ExportedRun
from core.export.source.written import Folder
from core.novelty.conformal import tests_at_once
from core.novelty.distances import TESTS

SCRIPT, NUMBERS = "not_sure.py", "not_sure.npz"

Judge = Callable[[NDArray[np.float32], NDArray[np.float64]], Outcomes]  # (N, F), (N, classes)


def write_known_pictures(source: ExportedRun, folder: Folder) -> Judge | None:
    """Write `not_sure.py`, and the numbers that it reads where the run has them; returns the script's own answers."""
    folder.write(SCRIPT, read_template("not_sure.txt"))
    known = source.novelty
    if known is None:
        return None
    np.savez(
        folder.file(NUMBERS),
        train=known.reference.features,
        means=known.reference.means,
        neighbours=np.array(known.reference.neighbours),
        tests=np.array(tests_at_once(known.images, len(TESTS))),
        val_scores=known.val_scores,
        val_labels=known.val_labels,
        val_probabilities=known.val_probabilities,
    )
    script = runpy.run_path(str(folder.path / SCRIPT))  # as people will run it

    def judge(features: NDArray[np.float32], probabilities: NDArray[np.float64]) -> Outcomes:
        found: Outcomes = []
        for feature, answer in zip(features, probabilities, strict=True):
            strange = bool(script["p_value"](feature) <= script["PROMISE"] + 1e-12)
            # without enough validation pictures for any set the run promises none
            some = (known.images + 1) * script["PROMISE"] >= 1 - 1e-9
            names = frozenset(source.classes[label] for label in script["possible"](answer)) if some else frozenset()
            found.append((strange, names))
        return found

    return judge
