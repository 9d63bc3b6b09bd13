"""Could a network take a shortcut? How well cues other than the subject predict the class: file, size, light, edge.

For each cue a small classifier is fitted on the training pictures and evaluated once on held-out ones, with its
interval, and compared with always predicting the most common class. No network: two seconds for 1,200 pictures.

A cue that predicts the class does not prove a shortcut: a network may use it or not. Colour and light may even be what
the classes are about. It shows what a network *could* use, and what to check before its accuracy is believed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.coach.coach_finding import CoachFinding
from core.datasets.dataset import Dataset, ImageRow
from core.errors import DatasetError
from core.formatting import format_percent
from core.statistics.comparison import count_outcomes, mcnemar_p_value, paired_interval
from core.statistics.metrics import Accuracy

MAX_IMAGES = 2000  # to fit on, and as many to evaluate on; more would only make the intervals narrower
MIN_TRAIN = 10  # pictures, to fit anything on
MIN_HELD_OUT = 10
LEVEL = 0.99  # of the paired interval: five cues are tried, and 1 % each makes 5 % in all
WORTHWHILE = 0.10  # above the most common class; less is not worth reporting
STRONG = 0.20  # above the most common class: it may explain most of a network's accuracy
RING = 0.12  # of a picture's width and height that counts as its edge, on each side
SIDE_PX = 32  # of the thumbnails that are measured
LIMIT = 4.0  # standard deviations; outliers are clipped to it
SHRINK = 0.05  # of the covariance, toward its diagonal
THREADS = 4

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Cue:
    """Figures that have nothing to do with the subject, or need not have.

    Attributes:
        name: short, for programs.
        title: within a sentence.
        meaning: what it means if they predict the class.
        advice: what to do then.
        harmless: whether it may well be the subject itself.
    """

    name: str
    title: str
    meaning: str
    advice: str
    harmless: bool = False


CUES = (
    Cue(
        "file-size",
        "the file size",
        "The classes may come from different cameras, websites or compressions; a network can see that as sharpness or "
        "noise.",
        "Export all pictures in the same way.",
    ),
    Cue(
        "file-format",
        "the file format",
        "The classes were saved in different formats, which leave traces in the pixels.",
        "Export all pictures in one format.",
    ),
    Cue(
        "picture-size",
        "width, height and shape",
        "The classes differ in size or shape; resizing and cropping leaves traces of it.",
        "Crop all pictures in the same way.",
    ),
    Cue(
        "light",
        "brightness and colour",
        "That is fine where colour is the subject, as with ripe fruit or sick leaves. Otherwise it may be the light in "
        "which the classes were photographed.",
        "If colour is not the subject, turn on random colours and see whether the accuracy holds.",
        harmless=True,
    ),
    Cue(
        "background",
        "the edge of the picture",
        "The outer eighth separates the classes: the background may do the work.",
        "Photograph every class in the same places, and try the network on pictures with another background.",
    ),
)


@dataclass(frozen=True)
class Shortcut:
    """How well one cue alone predicts the class.

    Attributes:
        accuracy: on the held-out pictures.
        baseline: of always predicting the most common class of the training pictures, on the same pictures.
        found: whether it predicts the class beyond chance (McNemar's exact test, 1 %) and well enough to matter.
    """

    cue: Cue
    accuracy: Accuracy
    baseline: Accuracy
    found: bool


@dataclass(frozen=True)
class ShortcutReport:
    """All cues of one dataset.

    Attributes:
        train: pictures on which they were fitted.
        held_out: validation and test pictures together: nothing is chosen on them here.
    """

    train: int
    held_out: int
    shortcuts: tuple[Shortcut, ...]

    @property
    def found(self) -> tuple[Shortcut, ...]:
        """Cues that predict the class, the strongest first; of equal ones, those that cannot be the subject."""
        found = [item for item in self.shortcuts if item.found]
        return tuple(sorted(found, key=lambda item: (-item.accuracy.correct, item.cue.harmless)))


def find_shortcuts(dataset: Dataset) -> ShortcutReport:
    """Try every cue.

    Raises:
        DatasetError: if there are too few pictures, or most thumbnails are missing.
    """
    train, held_out = choose_rows(dataset)
    if len(train) < MIN_TRAIN or len(held_out) < MIN_HELD_OUT:
        raise DatasetError(
            f"{dataset.title} has {len(train)} training and {len(held_out)} held-out pictures: "
            f"at least {MIN_TRAIN} and {MIN_HELD_OUT} are needed to look for shortcuts."
        )
    seen, held_out_seen = _look(dataset, train), _look(dataset, held_out)
    if len(seen) < MIN_TRAIN or len(held_out_seen) < MIN_HELD_OUT:
        raise DatasetError(f"The thumbnails of {dataset.title} are missing: import the dataset again.")
    labels = np.array([row.label for row, _ in seen])
    truth = np.array([row.label for row, _ in held_out_seen])
    counts = np.bincount(labels, minlength=len(dataset.classes))
    baseline = truth == int(counts.argmax())
    found = []
    for cue in CUES:
        inputs = _features(cue.name, seen)
        if inputs.std(axis=0).max() < 1e-9:
            continue  # the same for every picture, such as one format
        answers = classify(inputs, labels, _features(cue.name, held_out_seen), len(dataset.classes))
        found.append(_evaluate(cue, answers == truth, baseline))
    return ShortcutReport(len(seen), len(held_out_seen), tuple(found))


def choose_rows(dataset: Dataset) -> tuple[list[ImageRow], list[ImageRow]]:
    """The pictures that cues are fitted on, and those that they are evaluated on."""
    return _some(dataset.rows_of("train")), _some((*dataset.rows_of("val"), *dataset.rows_of("test")))


def classify(train: Features, labels: NDArray[np.int64], others: Features, classes: int) -> NDArray[np.int64]:
    """Linear discriminant analysis on the figures and their squares.

    The squares let one figure separate a middle from both sides, as when one class has files of one size and the other
    of any size. Figures are standardised on the training pictures, and outliers are clipped.

    Args:
        train: (N, F); others: (M, F).
        labels: (N,) from 0; a class without training pictures is never predicted.
    Returns:
        (M,) the most probable class.
    Source: Fisher 1936; covariance shrunk toward its diagonal as in Friedman 1989, J. Am. Stat. Assoc. 84:165.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    used = spread > 1e-9
    if not used.any():
        return np.full(len(others), int(np.bincount(labels, minlength=classes).argmax()), dtype=np.int64)

    def scaled(values: Features) -> Features:
        z = np.clip((values[:, used] - mean[used]) / spread[used], -LIMIT, LIMIT)
        return np.concatenate([z, z * z], axis=1)

    x, y = scaled(train), scaled(others)
    known = [label for label in range(classes) if np.any(labels == label)]
    centres = np.stack([x[labels == label].mean(axis=0) for label in known])  # (K, 2F)
    shares = np.array([np.mean(labels == label) for label in known])
    rest = x - centres[np.searchsorted(known, labels)]
    covariance = rest.T @ rest / len(x)
    covariance = (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance)) + 1e-6 * np.eye(x.shape[1])
    weights = np.linalg.solve(covariance, centres.T)  # (2F, K)
    scores = y @ weights - 0.5 * np.sum(centres.T * weights, axis=0) + np.log(shares)
    answers: NDArray[np.int64] = np.take(np.asarray(known, dtype=np.int64), scores.argmax(axis=1))
    return answers


def review_shortcuts(report: ShortcutReport) -> tuple[CoachFinding, ...]:
    """The strongest shortcut as a finding; none where no cue predicts the class."""
    if not report.found:
        return ()
    best = report.found[0]
    gain = (best.accuracy.correct - best.baseline.correct) / best.accuracy.n
    return (
        CoachFinding(
            "shortcut",
            "warning" if gain >= STRONG and not best.cue.harmless else "note",
            f"The class can be predicted from {best.cue.title} alone",
            f"Without looking at the subject {best.accuracy.text()} of the validation and test pictures are right; "
            f"always predicting the most common class reaches "
            f"{format_percent(best.baseline.correct / best.baseline.n)}. {best.cue.meaning}",
            best.cue.advice,
            lesson="shortcuts",
        ),
    )


def _evaluate(cue: Cue, right: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> Shortcut:
    counts = count_outcomes(baseline, right)
    _, only_baseline, only_cue, _ = counts
    interval = paired_interval(*counts, LEVEL)
    p_value = mcnemar_p_value(only_baseline, only_cue)
    n = len(right)
    return Shortcut(
        cue,
        Accuracy(int(right.sum()), n),
        Accuracy(int(baseline.sum()), n),
        p_value < 1 - LEVEL and interval.low > 0 and only_cue - only_baseline >= WORTHWHILE * n,
    )


def _some(rows: Sequence[ImageRow]) -> list[ImageRow]:
    """At most MAX_IMAGES of the rows, evenly spaced."""
    if len(rows) <= MAX_IMAGES:
        return list(rows)
    return [rows[int(place)] for place in np.linspace(0, len(rows) - 1, MAX_IMAGES)]


def _look(dataset: Dataset, rows: Sequence[ImageRow]) -> list[tuple[ImageRow, Features]]:
    """Rows with the figures of their thumbnails; pictures without a thumbnail are left out."""
    with ThreadPoolExecutor(THREADS) as pool:
        figures = pool.map(_measure, [dataset.thumbnail_path(row) for row in rows])
        return [(row, values) for row, values in zip(rows, figures, strict=True) if values is not None]


def _measure(path: Path) -> Features | None:
    """(8 + 24,) mean and spread of the colours, then the mean of eight stretches of the edge; None if unreadable."""
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            image.draft("RGB", (SIDE_PX, SIDE_PX))
            small = image.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError):
        return None
    pixels = np.asarray(small, dtype=np.float64) / 255
    grey = pixels.mean(axis=2)
    whole = [*pixels.mean(axis=(0, 1)), *pixels.std(axis=(0, 1)), grey.mean(), grey.std()]
    ring, half = max(1, round(RING * SIDE_PX)), SIDE_PX // 2
    stretches = [
        part
        for strip in (pixels[:ring], pixels[-ring:], pixels[:, :ring].swapaxes(0, 1), pixels[:, -ring:].swapaxes(0, 1))
        for part in (strip[:, :half], strip[:, half:])
    ]
    return np.array([*whole, *(value for part in stretches for value in part.mean(axis=(0, 1)))])


def _features(cue: str, seen: Sequence[tuple[ImageRow, Features]]) -> Features:
    """(N, F) the figures of a cue."""
    rows = [row for row, _ in seen]
    if cue == "file-size":
        return np.array([[np.log(max(1, row.bytes)), np.log(max(1, row.bytes) / _pixels(row))] for row in rows])
    if cue == "file-format":
        return np.array([[float(Path(row.path).suffix == suffix) for suffix in _SUFFIXES] for row in rows])
    if cue == "picture-size":
        return np.array([[np.log(row.width), np.log(row.height), np.log(row.width / row.height)] for row in rows])
    figures = np.stack([values for _, values in seen])
    return figures[:, :8] if cue == "light" else figures[:, 8:]


def _pixels(row: ImageRow) -> int:
    return max(1, row.width * row.height)


_SUFFIXES = (".jpg", ".png", ".gif", ".bmp", ".webp", ".tif", ".avif", ".mpo")
