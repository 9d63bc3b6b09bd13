"""Features projected to two dimensions by PCA and t-SNE, and how well neighbours predict the class. No torch."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from core.errors import ExtraMissingError
from core.predict.explanations.explanation_answers import INSTALL, NEIGHBOURS

SEED = 0
PERPLEXITY = 30.0  # about how many neighbours t-SNE tries to keep together
MIN_TSNE_IMAGES = 10
EXAGGERATED_STEPS, STEPS = 250, 500
REPORT_EVERY = 25  # steps
TSNE_COMPONENTS = 50  # principal components that t-SNE reads: the others are mostly noise, and take most of the time
BATCH = 512  # images whose distances to all others are computed together

Values = npt.NDArray[np.float64]


def principal_components(features: npt.NDArray[np.float32], count: int = 2) -> tuple[Values, Values]:
    """The images along their first principal components (PCA).

    Args:
        features: (N, F).
    Returns:
        scores (N, count), and the share of the variance that each component explains (count,). Missing components are
        0. The sign of a component is arbitrary: its largest score is made positive, so that it stays the same.
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    wide = centred.shape[1] > centred.shape[0]
    # the smaller of the two products has the same eigenvalues, and takes seconds less than the full decomposition
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    chosen = np.argsort(values)[::-1][:count]
    values, vectors = np.maximum(values, 0), vectors[:, chosen]
    points = vectors * np.sqrt(values[chosen]) if wide else centred @ vectors
    points = points * np.where(points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])] < 0, -1.0, 1.0)
    total = float(values.sum())
    shares = values[chosen] / total if total > 0 else np.zeros(len(chosen))
    missing = count - points.shape[1]
    return np.pad(points, ((0, 0), (0, missing))), np.pad(shares, (0, missing))


def can_run_tsne(count: int) -> bool:
    """Whether `run_tsne` works for this many images on this machine; imports nothing."""
    return count >= MIN_TSNE_IMAGES and find_spec("openTSNE") is not None


def run_tsne(components: npt.NDArray[np.float32], on_step: Callable[[int, int], None]) -> Values | None:
    """The images laid out by t-SNE: (N, 2), the same every time on one machine.

    Args:
        components: (N, K) the images along their first `TSNE_COMPONENTS` principal components, in order.
        on_step: called now and then with the number of steps done, and of all.
    Returns:
        None where there are too few images, or all have the same features.
    Raises:
        ExtraMissingError: if openTSNE is not installed.
    Source: van der Maaten and Hinton, Visualizing Data using t-SNE (2008); the early exaggeration and its end as in
    Belkina et al., Automated optimized parameters for t-distributed stochastic neighbor embedding (2019).
    """
    count = len(components)
    if count < MIN_TSNE_IMAGES:
        return None
    try:
        from openTSNE import TSNE  # optional, and slow to import
    except ImportError as error:
        raise ExtraMissingError(f"Install openTSNE to see t-SNE: {INSTALL}") from error
    reduced = components.astype(np.float64)
    spread = float(reduced[:, 0].std()) if reduced.shape[1] else 0.0
    if not np.isfinite(spread) or spread == 0.0:
        return None
    start = np.zeros((count, 2))
    start[:, : min(2, reduced.shape[1])] = reduced[:, :2] / spread * 1e-4
    done = 0

    def count_steps(step: int, error: float, places: object) -> None:
        nonlocal done
        del step, error, places  # its own count starts again in the second part
        done += REPORT_EVERY
        on_step(done, EXAGGERATED_STEPS + STEPS)

    found = TSNE(
        perplexity=min(PERPLEXITY, (count - 1) / 3),
        initialization=start,
        random_state=SEED,
        early_exaggeration_iter=EXAGGERATED_STEPS,
        n_iter=STEPS,
        neighbors="exact",
        negative_gradient_method="bh",
        n_jobs=1,  # the other cores are for predictions that people wait for
        callbacks=count_steps,
        callbacks_every_iters=REPORT_EVERY,
    ).fit(reduced)
    return np.asarray(found, np.float64)


def count_knn_correct(
    features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], neighbours: int = NEIGHBOURS
) -> int:
    """Images that a k-nearest-neighbour classifier gets right, each left out in turn; a tie goes to the nearer class.

    Args:
        features: (N, F).
        labels: (N,).
    """
    values = features.astype(np.float64)
    squares = (values**2).sum(axis=1)
    count, classes = len(values), int(labels.max()) + 1 if len(labels) else 0
    near = min(neighbours, count - 1)
    if near < 1:
        return 0
    # the bonus of a nearer neighbour outweighs those of all farther ones, and is less than a vote
    votes_by_rank = 1 + 0.25 * 0.5 ** np.arange(near)
    right = 0
    for first in range(0, count, BATCH):
        mine = np.arange(first, min(first + BATCH, count))
        distances = squares[mine, None] + squares[None] - 2 * values[mine] @ values.T
        distances[np.arange(len(mine)), mine] = np.inf
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :near]
        votes = np.zeros((len(mine), classes))
        for rank in range(near):
            votes[np.arange(len(mine)), labels[nearest[:, rank]]] += votes_by_rank[rank]
        right += int((votes.argmax(axis=1) == labels[mine]).sum())
    return right
