"""The bootstrap of a paired difference over pictures and seeds: a check that assumes less, not what verdicts rest on.

It resamples pictures (the same ones for both arms) and, with several seeds, the seeds of each arm by themselves: the
pigeonhole bootstrap of Owen 2007, Annals of Applied Statistics 1:386. With three seeds it draws all three different
ones in two draws of nine only, so it sees two thirds of their variance and knows nothing of the few degrees of freedom;
and where no answer differs its interval is empty. `python -m bench.verdicts` shows what it covers.
"""

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.metrics import Interval


def bootstrap_difference(
    a: NDArray[np.bool_], b: NDArray[np.bool_], level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """The percentile interval of the difference of two mean accuracies, b minus a.

    Args:
        a, b: (S, N) bool, whether each training is right about each of the same N pictures.
        draws: how often pictures and seeds are drawn.
        seed: of the draws; the same one gives the same interval.
    Raises:
        ComparisonError: unless both have the same pictures, at least one, and a seed each.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in a.shape + b.shape:
        raise ComparisonError("There is nothing to compare: give both arms a run on the same pictures.")
    rng = np.random.default_rng(seed)
    n = a.shape[1]
    images = rng.multinomial(n, np.full(n, 1 / n), size=draws) / n  # (draws, N): how often each is drawn

    def means(right: NDArray[np.bool_]) -> NDArray[np.float64]:
        by_seed = images @ right.T.astype(np.float64)  # (draws, S)
        seeds = len(right)
        weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
        return np.asarray((by_seed * weights).sum(axis=1))

    difference = means(b) - means(a)
    low, high = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low, high, level)
