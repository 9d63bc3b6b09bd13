"""Could a network cheat? How well the class follows from what is not the subject: file, size, light, edge.

For each group of plain figures a small classifier is fitted on the training pictures and judged once on held-out ones,
with its interval, beside saying the commonest class every time. No network: two seconds for 1,200 pictures.

A group that predicts the class proves no cheating: a network may use it or not. Colour and light may even be what the
classes are about. It says what a network *could* use, and what to look at before its accuracy is believed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.coach.reading import Reading
from core.datasets.dataset import Dataset, ImageRow
from core.errors import DatasetError
from core.statistics.comparison import mcnemar_p_value, paired_interval
from core.statistics.metrics import Accuracy, Interval, format_points

MAX_IMAGES = 2000  # to fit on, and as many to judge on; more would only make the intervals narrower
FEWEST_TRAIN = 10  # pictures, to fit anything on
FEWEST_JUDGED = 10
LEVEL = 0.99  # of the paired interval: five groups are tried, and 1 % each makes 5 % in all
WORTHWHILE = 0.10  # above the commonest class; less is not worth a word
STRONG = 0.20  # above the commonest class: most of what a network seems to know may be this
RING = 0.12  # of a picture's width and height that counts as its edge, on each side
SIDE_PX = 32  # thumbnails are looked at in this size
LIMIT = 4.0  # standard deviations; what lies farther out is drawn in
SHRINK = 0.05  # of the covariance, toward its diagonal
THREADS = 4

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Figures that have nothing to do with the subject, or need not.

    Attributes:
        name: short, for programs.
        title: for people, within a sentence.
        meaning: what it means if they predict the class, and what to do.
    """

    name: str
    title: str
    meaning: str


GROUPS = (
    Group(
        "file-size",
        "the file size",
        "The classes may come from different cameras, websites or compressions; a network can see that as sharpness or "
        "noise. Export all pictures the same way.",
    ),
    Group(
        "file-format",
        "the file format",
        "The classes were saved in different formats, which leave traces in the pixels. "
        "Export all pictures in one format.",
    ),
    Group(
        "picture-size",
        "width, height and shape",
        "The classes differ in size or shape; resizing and cropping leaves traces of it. Crop all pictures alike.",
    ),
    Group(
        "light",
        "brightness and colour",
        "The mean colour alone tells the classes apart. That may be the subject itself, or the light in which it was "
        "photographed. Turn on random colours and see whether the accuracy holds.",
    ),
    Group(
        "background",
        "the edge of the picture",
        "The outer eighth tells the classes apart: the background may do the work. Photograph every class in the same "
        "places, and try the network on pictures with another background.",
    ),
)


@dataclass(frozen=True)
class Shortcut:
    """How well one group alone predicts the class.

    Attributes:
        group: its name.
        accuracy: on the judged pictures.
        baseline: the same pictures, saying the commonest class of the training pictures every time.
        interval: of the paired difference, 99 %, a fraction.
        p_value: McNemar's exact test of that difference.
        found: whether it predicts the class beyond chance and by enough to matter.
    """

    group: str
    accuracy: Accuracy
    baseline: Accuracy
    interval: Interval
    p_value: float
    found: bool


@dataclass(frozen=True)
class ShortcutReport:
    """All groups of one dataset.

    Attributes:
        train: pictures on which they were fitted.
        judged: held-out pictures, validation and test together: nothing is chosen on them here.
    """

    train: int
    judged: int
    shortcuts: tuple[Shortcut, ...]

    @property
    def found(self) -> tuple[Shortcut, ...]:
        """Those that predict the class, the strongest first."""
        return tuple(sorted((item for item in self.shortcuts if item.found), key=lambda item: -item.accuracy.correct))

    def to_json(self) -> dict[str, Any]:
        return {
            "train": self.train,
            "judged": self.judged,
            "shortcuts": [
                {
                    "group": item.group,
                    "accuracy": item.accuracy.correct / item.accuracy.n,
                    "interval": [item.accuracy.interval.low, item.accuracy.interval.high],
                    "baseline": item.baseline.correct / item.baseline.n,
                    "difference": asdict(item.interval),
                    "p_value": item.p_value,
                    "found": item.found,
                }
                for item in self.shortcuts
            ],
        }


def find_shortcuts(dataset: Dataset) -> ShortcutReport:
    """Try every group.

    Raises:
        DatasetError: if there are too few pictures to try anything, or most thumbnails are gone.
    """
    train, judged = _some(dataset.rows_of("train")), _some((*dataset.rows_of("val"), *dataset.rows_of("test")))
    if len(train) < FEWEST_TRAIN or len(judged) < FEWEST_JUDGED:
        raise DatasetError(
            f"{dataset.title} has {len(train)} training and {len(judged)} held-out pictures: "
            f"at least {FEWEST_TRAIN} and {FEWEST_JUDGED} are needed to look for shortcuts."
        )
    seen, judged_seen = _look(dataset, train), _look(dataset, judged)
    if len(seen) < FEWEST_TRAIN or len(judged_seen) < FEWEST_JUDGED:
        raise DatasetError(f"The small pictures of {dataset.title} are missing: import the dataset again.")
    labels = np.array([row.label for row, _ in seen])
    truth = np.array([row.label for row, _ in judged_seen])
    counts = np.bincount(labels, minlength=len(dataset.classes))
    baseline = truth == int(counts.argmax())
    found = []
    for group in GROUPS:
        inputs = _features(group.name, seen)
        if inputs.std(axis=0).max() < 1e-9:
            continue  # the same for every picture: all of one format, say
        answers = classify(inputs, labels, _features(group.name, judged_seen), len(dataset.classes))
        found.append(_judge(group, answers == truth, baseline))
    return ShortcutReport(len(seen), len(judged_seen), tuple(found))


def classify(train: Features, labels: NDArray[np.int64], others: Features, classes: int) -> NDArray[np.int64]:
    """Linear discriminant analysis on the figures and their squares.

    The squares let one figure separate a middle from both of its sides, as when one class has files of one size and the
    other of any. Figures are standardised on the training pictures, and outliers drawn in.

    Args:
        train: (N, F); others: (M, F).
        labels: (N,) from 0; a class without training pictures is never answered.
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


def read_shortcuts(report: ShortcutReport) -> tuple[Reading, ...]:
    """The strongest shortcut as a reading of the coach; none where nothing was found."""
    if not report.found:
        return ()
    best = report.found[0]
    group = next(item for item in GROUPS if item.name == best.group)
    gain = (best.accuracy.correct - best.baseline.correct) / best.accuracy.n
    meaning, _, advice = group.meaning.rpartition(". ")
    return (
        Reading(
            "shortcut",
            "warning" if gain >= STRONG else "note",
            f"The class can be told from {group.title} alone",
            f"Without looking at the subject {best.accuracy.text()} of the validation and test pictures are right; "
            f"always saying the commonest class is right in "
            f"{format_points(best.baseline.correct / best.baseline.n)} %. {meaning}.",
            advice,
            lesson="shortcuts",
        ),
    )


def _judge(group: Group, right: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> Shortcut:
    only_baseline, only_group = int(np.sum(baseline & ~right)), int(np.sum(right & ~baseline))
    interval = paired_interval(
        int(np.sum(right & baseline)), only_baseline, only_group, int(np.sum(~right & ~baseline)), LEVEL
    )
    p_value = mcnemar_p_value(only_baseline, only_group)
    n = len(right)
    return Shortcut(
        group.name,
        Accuracy(int(right.sum()), n),
        Accuracy(int(baseline.sum()), n),
        interval,
        p_value,
        p_value < 1 - LEVEL and interval.low > 0 and only_group - only_baseline >= WORTHWHILE * n,
    )


def _some(rows: Sequence[ImageRow]) -> list[ImageRow]:
    """At most MAX_IMAGES of the rows, evenly from all of them."""
    if len(rows) <= MAX_IMAGES:
        return list(rows)
    return [rows[int(place)] for place in np.linspace(0, len(rows) - 1, MAX_IMAGES)]


def _look(dataset: Dataset, rows: Sequence[ImageRow]) -> list[tuple[ImageRow, Features]]:
    """Rows with the figures of their thumbnails; a picture whose thumbnail is gone is left out."""
    with ThreadPoolExecutor(THREADS) as pool:
        figures = pool.map(_measure, [dataset.thumbnail_path(row) for row in rows])
        return [(row, values) for row, values in zip(rows, figures, strict=True) if values is not None]


def _measure(path: Path) -> Features | None:
    """(8 + 24,) mean and spread of the colours, then of eight stretches of the edge; None if it cannot be read."""
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


def _features(group: str, seen: Sequence[tuple[ImageRow, Features]]) -> Features:
    """(N, F) the figures of a group."""
    rows = [row for row, _ in seen]
    if group == "file-size":
        return np.array([[np.log(max(1, row.bytes)), np.log(max(1, row.bytes) / _pixels(row))] for row in rows])
    if group == "file-format":
        return np.array([[float(Path(row.path).suffix == suffix) for suffix in _SUFFIXES] for row in rows])
    if group == "picture-size":
        return np.array([[np.log(row.width), np.log(row.height), np.log(row.width / row.height)] for row in rows])
    figures = np.stack([values for _, values in seen])
    return figures[:, :8] if group == "light" else figures[:, 8:]


def _pixels(row: ImageRow) -> int:
    return max(1, row.width * row.height)


_SUFFIXES = (".jpg", ".png", ".gif", ".bmp", ".webp", ".tif", ".avif", ".mpo")
