"""Two networks picture by picture, with the pictures themselves as small JPEGs inside the report."""

import base64
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.dataset import Dataset
from core.errors import ComparisonError
from core.report.content import Agreement, AgreementGroup, Thumbnail
from core.report.subject import Subject
from core.statistics.aligned_predictions import align_rows
from core.statistics.predictions import PredictionTable

MAX_IMAGES = 24  # of a group
SIDE_PX = 112
QUALITY = 70
MAX_BYTES = 2**20  # of a thumbnail on disk: whatever is larger is not one


def group_images(subject: Subject, *, images: bool = True) -> Agreement | None:
    """Where the first arm and the best of the others agree and differ, with the first seed that both have.

    Args:
        images: whether to include the pictures themselves.
    """
    arms, tested, shares = list(subject.tested), subject.tested, subject.accuracies
    if len(arms) < 2:
        return None
    a = arms[0]
    b = max(arms[1:], key=lambda arm: shares[arm].value if arm in shares else tested[arm][0][1].accuracy or 0.0)
    (run_a, table_a), (run_b, table_b) = tested[a][0], tested[b][0]
    try:
        order = align_rows(table_a, table_b, a, b)
    except ComparisonError:  # a note gives the reason
        return None
    dataset = subject.dataset
    if dataset is not None and dataset.fingerprint != run_a.summary.meta.dataset_fingerprint:
        dataset = None
    return Agreement(a, b, run_a.seed, run_b.seed, _groups((a, b), table_a, table_b, order, dataset, images=images))


def _groups(
    names: tuple[str, str],
    table_a: PredictionTable,
    table_b: PredictionTable,
    order: NDArray[np.int64],
    dataset: Dataset | None,
    *,
    images: bool,
) -> tuple[AgreementGroup, ...]:
    """The four groups; row `order[i]` of b is the same picture as row i of a."""
    right_a, right_b = table_a.correct, table_b.correct[order]
    shown = {
        f"Only {names[1]} is right": ~right_a & right_b,
        f"Only {names[0]} is right": right_a & ~right_b,
        "Both are wrong": ~right_a & ~right_b,
        "Both are right": right_a & right_b,
    }
    answers_a, answers_b = table_a.predicted.tolist(), table_b.predicted[order].tolist()

    def show(row: int) -> Thumbnail:
        index = int(table_a.indices[row])
        known = dataset.rows[index] if dataset is not None and index < len(dataset.rows) else None
        classes = table_a.classes
        return Thumbnail(
            name=known.name if known else f"picture {index}",
            label=classes[int(table_a.labels[row])],
            said=(classes[answers_a[row]], classes[answers_b[row]]),
            image=_small(dataset, index) if known and dataset is not None and images else None,
        )

    return tuple(_group(name, np.flatnonzero(mask).tolist(), show) for name, mask in shown.items())


def _group(name: str, rows: list[int], show: Callable[[int], Thumbnail]) -> AgreementGroup:
    # evenly spaced: the table is sorted by class, and its beginning would show one class only
    step = max(1.0, len(rows) / MAX_IMAGES)
    chosen = [rows[int(place * step)] for place in range(min(MAX_IMAGES, len(rows)))]
    return AgreementGroup(name, len(rows), tuple(show(row) for row in chosen))


def _small(dataset: Dataset, index: int) -> str | None:
    """A thumbnail as a data URI, encoded again so that only pixels leave; None where it cannot be read."""
    path = dataset.thumbnail_path(dataset.rows[index])
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        with Image.open(path, formats=("JPEG",)) as image:
            image.draft("RGB", (SIDE_PX, SIDE_PX))
            small = image.convert("RGB")
        small.thumbnail((SIDE_PX, SIDE_PX))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=QUALITY, optimize=True)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
