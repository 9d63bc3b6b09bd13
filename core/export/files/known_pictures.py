"""Writes what known pictures look like next to an exported network: distances and calibration for its script."""

import runpy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.export.source.description import read_template
from core.export.source.export_check import Answers, Outcomes
from core.export.source.exported_run import BATCH, ExportedRun, as_input
from core.export.source.written import Folder
from core.novelty.conformal import tests_at_once
from core.novelty.distances import TESTS, Features
from core.stores.pixels import Pixels

SCRIPT, NUMBERS = "not_sure.py", "not_sure.npz"

Judge = Callable[[NDArray[np.float32], NDArray[np.float64]], Outcomes]  # (N, F), (N, classes)
Predict = Callable[[Tensor], tuple[Tensor, Tensor]]  # (B, 3, S, S) in [0, 1] -> (B, classes), (B, F)


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


class ScriptFile:
    """A finished script's network, and what the script calls strange."""

    def __init__(self, predict: Predict, judge: Judge | None) -> None:
        self._predict, self._judge = predict, judge

    @property
    def outcomes(self) -> Callable[[Pixels], Outcomes] | None:
        """As `Written.outcomes`."""
        return None if self._judge is None else self._find_strange

    def answers(self, crops: Pixels) -> Answers:
        """(N, S, S, 3) uint8 -> (N, classes)."""
        return self._ask(crops)[0]

    def _find_strange(self, crops: Pixels) -> Outcomes:
        assert self._judge is not None
        probabilities, features = self._ask(crops)
        return self._judge(features, probabilities)

    @torch.inference_mode()
    def _ask(self, crops: Pixels) -> tuple[Answers, Features]:
        parts = [self._predict(as_input(crops[first : first + BATCH])) for first in range(0, len(crops), BATCH)]
        probabilities, features = (torch.cat(part) for part in zip(*parts, strict=True))
        return probabilities.double().numpy(), features.numpy()
