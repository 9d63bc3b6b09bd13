"""Many numbers a picture made two, and a plain number for how well the classes are apart before that. No torch."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from core.errors import ExtraMissingError
from core.predict.explanations import INSTALL, NEIGHBOURS

SEED = 0
PERPLEXITY = 30.0  # about how many neighbours t-SNE tries to keep together
FEWEST_FOR_TSNE = 10
EXAGGERATED_STEPS, STEPS = 250, 500
TELL_EVERY = 25  # steps
BEFORE_TSNE = 50  # directions that are kept: what is left out is mostly noise, and takes most of the time
AT_ONCE = 512  # pictures whose distances to all others are computed together

Values = npt.NDArray[np.float64]


def principal_axes(features: npt.NDArray[np.float32], count: int = 2) -> tuple[Values, Values]:
    """The directions in which pictures differ most (principal component analysis).

    Args:
        features: (N, F).
    Returns:
        the pictures along them (N, count), and the share of all differences along each (count,). Directions that do not
        exist are 0. The sign of a direction is free: its largest number is made positive, so that it stays the same.
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    wide = centred.shape[1] > centred.shape[0]
    # of the two products the smaller one has the same eigenvalues, and takes seconds less than the whole decomposition
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    chosen = np.argsort(values)[::-1][:count]
    values, vectors = np.maximum(values, 0), vectors[:, chosen]
    points = vectors * np.sqrt(values[chosen]) if wide else centred @ vectors
    points = points * np.where(points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])] < 0, -1.0, 1.0)
    total = float(values.sum())
    shares = values[chosen] / total if total > 0 else np.zeros(len(chosen))
    missing = count - points.shape[1]
    return np.pad(points, ((0, 0), (0, missing))), np.pad(shares, (0, missing))


def can_lay_out(count: int) -> bool:
    """Whether `lay_out` can do anything for so many pictures on this machine; imports nothing."""
    return count >= FEWEST_FOR_TSNE and find_spec("openTSNE") is not None


def lay_out(directions: npt.NDArray[np.float32], tell: Callable[[int, int], None]) -> Values | None:
    """Neighbours laid out as neighbours in two dimensions by t-SNE: (N, 2), the same every time on one machine.

    Args:
        directions: (N, K) the pictures along their first `BEFORE_TSNE` principal axes, the most important first.
        tell: hears every now and then how many steps of how many are done.
    Returns:
        None where there are too few pictures, or all of them are the same to the network.
    Raises:
        ExtraMissingError: openTSNE is not installed.
    Source: van der Maaten and Hinton, Visualizing Data using t-SNE (2008); the early exaggeration and its end as in
    Belkina et al., Automated optimized parameters for t-distributed stochastic neighbor embedding (2019).
    """
    count = len(directions)
    if count < FEWEST_FOR_TSNE:
        return None
    try:
        from openTSNE import TSNE  # optional, and slow to import
    except ImportError as error:
        raise ExtraMissingError(f"Install openTSNE to see t-SNE: {INSTALL}") from error
    reduced = directions.astype(np.float64)
    spread = float(reduced[:, 0].std()) if reduced.shape[1] else 0.0
    if not np.isfinite(spread) or spread == 0.0:
        return None
    start = np.zeros((count, 2))
    start[:, : min(2, reduced.shape[1])] = reduced[:, :2] / spread * 1e-4
    done = 0

    def went_on(step: int, error: float, places: object) -> None:
        nonlocal done
        del step, error, places  # its steps begin anew in the second part
        done += TELL_EVERY
        tell(done, EXAGGERATED_STEPS + STEPS)

    found = TSNE(
        perplexity=min(PERPLEXITY, (count - 1) / 3),
        initialization=start,
        random_state=SEED,
        early_exaggeration_iter=EXAGGERATED_STEPS,
        n_iter=STEPS,
        neighbors="exact",
        negative_gradient_method="bh",
        n_jobs=1,  # the other processors are for those who wait for a prediction
        callbacks=went_on,
        callbacks_every_iters=TELL_EVERY,
    ).fit(reduced)
    return np.asarray(found, np.float64)


def count_told(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], neighbours: int = NEIGHBOURS) -> int:
    """Pictures whose class is that of most of their nearest others, in all dimensions; of a tie the nearer class wins.

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
    # what the nearest adds outweighs all others, and is less than a vote
    votes_by_rank = 1 + 0.25 * 0.5 ** np.arange(near)
    right = 0
    for first in range(0, count, AT_ONCE):
        mine = np.arange(first, min(first + AT_ONCE, count))
        distances = squares[mine, None] + squares[None] - 2 * values[mine] @ values.T
        distances[np.arange(len(mine)), mine] = np.inf
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :near]
        votes = np.zeros((len(mine), classes))
        for rank in range(near):
            votes[np.arange(len(mine)), labels[nearest[:, rank]]] += votes_by_rank[rank]
        right += int((votes.argmax(axis=1) == labels[mine]).sum())
    return right
