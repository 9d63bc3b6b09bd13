"""Labels that look wrong, ranked; how many there may be, and how well such labels are found in these very data.

A label is suspicious where a classifier that has not seen the picture prefers another class. How far to trust that
depends on the data, so it is tried: some labels are changed in a copy in memory, and looked for. Where the changed ones
come out, nearly all else that comes out is wrong, too, or hard: from both follow the number of wrong labels, at most,
and how many of the listed ones are.
"""

from collections.abc import Generator
from dataclasses import dataclass
from time import monotonic

import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.config.events import Progress
from core.doctor.doctor_findings import Estimate, Neighbour, Suspicion, Trial
from core.doctor.held_out_scores import Labels, Scores, as_probabilities, score_held_out
from core.doctor.neighbours import Neighbours
from core.statistics.metrics import wilson_interval
from core.steps import StopSignal

FEWEST = 4  # pictures of a class, for its labels to be examined: fewer teach a classifier nothing
PLANTED = 0.05  # of the labels
FEWEST_PLANTED = 2
ENOUGH_PLANTED = 400  # in all copies together
COPIES = 3, 25
FIRST = 20  # of a list, that a person looks at
LISTED = 60
SEED = 2_027  # of what is planted
SHOWN_NEIGHBOURS = 3
RECALLS = np.linspace(0.3, 0.9, 13)  # at which the number of wrong labels is estimated

Margins = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelReview:
    """What is known of the labels.

    Attributes:
        suspicions: the most suspicious first, at most `LISTED`.
        suspicious: how many there are.
        agreeing: labels that are the most probable class.
        unexamined: classes with too few pictures.
        trial, estimate: None where too few pictures could be examined.
    """

    suspicions: tuple[Suspicion, ...]
    suspicious: int
    agreeing: int
    unexamined: tuple[int, ...]
    trial: Trial | None
    estimate: Estimate | None


def review_labels(
    values: Tensor, labels: Labels, groups: Labels, classes: int, neighbours: Neighbours, signal: StopSignal
) -> Generator[Progress, None, LabelReview]:
    """Look for wrong labels.

    Args:
        values: (N, W) condensed features.
        labels: (N,) from 0 to `classes` - 1.
        groups: (N,) the same for near-copies: they are seen or held out together.
    """
    text = "Looking for wrong labels"
    counts = np.bincount(labels, minlength=classes)
    examined = (counts >= FEWEST)[labels]
    planted = round(PLANTED * int(examined.sum()))
    plan = plan_copies(planted) if planted >= FEWEST_PLANTED and int((counts >= FEWEST).sum()) > 1 else 0
    yield Progress("testing", text, 0, plan + 1, None)
    started = monotonic()
    scores = score_held_out(values, labels, groups, classes)
    margins = margins_of(scores, labels, counts)
    order = np.argsort(-margins, kind="stable")
    suspected = order[margins[order] > 0]
    tried: list[tuple[Margins, npt.NDArray[np.bool_]]] = []
    for copy in range(plan):
        signal.check()
        yield Progress("testing", text, copy + 1, plan + 1, (monotonic() - started) / (copy + 1) * (plan - copy))
        changed, wrong = plant(labels, counts, planted, np.random.default_rng([SEED, copy]))
        found = score_held_out(values, changed, groups, classes, seed=copy + 1)
        tried.append((margins_of(found, changed, counts)[examined], wrong[examined]))
    first = min(FIRST, len(suspected))
    return LabelReview(
        _describe(suspected[:LISTED], scores, labels, neighbours, counts),
        len(suspected),
        int(examined.sum()) - len(suspected),
        tuple(int(label) for label in np.flatnonzero((counts > 0) & (counts < FEWEST))),
        count_hits(tried) if tried else None,
        estimate_wrong(tried, first) if tried else None,
    )


def plan_copies(planted: int) -> int:
    """In how many copies so many labels are planted each."""
    low, high = COPIES
    return int(np.clip(-(-ENOUGH_PLANTED // planted), low, high))


def margins_of(scores: Scores, labels: Labels, counts: npt.NDArray[np.int64]) -> Margins:
    """How much the best other class is preferred to the given one, (N,); -inf for a class that is not examined."""
    own = np.arange(len(labels)), labels
    others = np.where((counts >= FEWEST)[None], scores, -np.inf)
    others[own] = -np.inf
    margins: Margins = others.max(axis=1) - scores[own]
    margins[(counts < FEWEST)[labels]] = -np.inf
    return margins


def plant(
    labels: Labels, counts: npt.NDArray[np.int64], planted: int, rng: np.random.Generator
) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """The labels with so many changed to another class at random, and which these are."""
    known = np.flatnonzero(counts >= FEWEST)
    wrong = np.zeros(len(labels), np.bool_)
    wrong[rng.choice(np.flatnonzero(np.isin(labels, known)), planted, replace=False)] = True
    changed = labels.copy()
    steps = rng.integers(1, len(known), planted)
    changed[wrong] = known[(np.searchsorted(known, labels[wrong]) + steps) % len(known)]
    return changed, wrong


def count_hits(tried: list[tuple[Margins, npt.NDArray[np.bool_]]]) -> Trial:
    """How many of the planted labels came out at the top, and at all."""
    planted = int(tried[0][1].sum())
    listed = min(FIRST, planted)
    hits = sum(int(wrong[np.argsort(-margins, kind="stable")[:listed]].sum()) for margins, wrong in tried)
    recalled = sum(int((margins[wrong] > 0).sum()) for margins, wrong in tried)
    return Trial(planted, len(tried), listed, hits, recalled)


def estimate_wrong(tried: list[tuple[Margins, npt.NDArray[np.bool_]]], first: int) -> Estimate:
    """How many labels are wrong, and how many of the first ones in the list.

    Above a margin that a share `r` of the planted labels reaches lie `U` others. If wrong labels look like planted
    ones, `U >= r * wrong`; so `U / r` is an upper bound of their number at every margin, and the smallest is taken.
    The first ones of the list are the first `U` of the others: `r * wrong` of them are wrong.
    Source: the bound of positive and unlabelled data, as in Scott 2015, AISTATS; the interval is of a Poisson count.

    Args:
        first: labels at the top of the list, which are shown first.
    """
    from scipy.stats import gamma

    planted = np.concatenate([margins[wrong] for margins, wrong in tried])
    others = np.concatenate([margins[~wrong] for margins, wrong in tried])
    counts = np.array([(others > np.quantile(planted, 1 - recall)).sum() / len(tried) for recall in RECALLS])
    highs = gamma.ppf(0.975, counts + 1) / RECALLS
    best = int(highs.argmin())
    count, recall = float(counts[best]), float(RECALLS[best])
    figures = count / recall, float(gamma.ppf(0.025, count)) / recall if count else 0.0, float(highs[best])
    reached = sum(_reached(margins, wrong, first) for margins, wrong in tried)
    share = wilson_interval(reached, len(planted))
    shares = reached / len(planted), share.low, share.high
    wrong, low, high = map(round, figures)
    among, among_low, among_high = (
        round(min(first, figure * part)) for figure, part in zip(figures, shares, strict=True)
    )
    return Estimate(wrong, low, high, first, among, among_low, among_high)


def _reached(margins: Margins, wrong: npt.NDArray[np.bool_], first: int) -> int:
    """How many planted labels come out before the last of the first others."""
    others = np.sort(margins[~wrong])[::-1]
    return int((margins[wrong] >= others[first - 1]).sum()) if first else 0


def _describe(
    places: npt.NDArray[np.int64],
    scores: Scores,
    labels: Labels,
    neighbours: Neighbours,
    counts: npt.NDArray[np.int64],
) -> tuple[Suspicion, ...]:
    if not len(places):
        return ()
    probabilities = as_probabilities(scores, labels)
    preferred = np.where((counts >= FEWEST)[None], scores, -np.inf)
    preferred[np.arange(len(labels)), labels] = -np.inf
    return tuple(
        Suspicion(
            int(place),
            int(labels[place]),
            int(preferred[place].argmax()),
            round(float(probabilities[place, labels[place]]), 4),
            round(float(probabilities[place, preferred[place].argmax()]), 4),
            tuple(
                Neighbour(int(other), round(float(similarity), 4))
                for other, similarity in zip(
                    neighbours.places[place, :SHOWN_NEIGHBOURS],
                    neighbours.similarities[place, :SHOWN_NEIGHBOURS],
                    strict=True,
                )
            ),
        )
        for place in places.tolist()
    )
