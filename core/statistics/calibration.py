"""Calibration, whether confidence matches accuracy: reliability bins, calibration error, temperature scaling.

Confidence is the probability of the predicted class. The expected calibration error is the mean distance between
confidence and accuracy over ten bins of confidence of equal width, weighted by their images (Guo et al. 2017, ICML). It
is biased upwards where bins hold few images, so its interval matters more than its last digit.

Temperature scaling (Guo et al. 2017) divides the logits by one number that is chosen on validation images. It
changes the confidence, never which class comes first.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.errors import RunError
from core.formatting import count_images, format_percent
from core.statistics.metrics import Accuracy, Interval, wilson_interval
from core.statistics.predictions import PredictionTable

BINS = 10
_TEMPERATURES = (0.05, 20.0)  # where the fit looks
_DRAWS = 500


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is above `low` and at most `high`.

    Attributes:
        count: images.
        confidence: their mean; None without images.
        accuracy: the fraction of them that is right, with Wilson's 95 % interval; None without images.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy on n images.

    Attributes:
        accuracy, confidence: means over all images.
        bins: ascending by confidence.
        ece: expected calibration error, a fraction.
        ece_interval: its 95 % bootstrap interval over images.
        nll: mean of -log(probability of the true class), in nats.
        temperature: chosen on validation images; `after` is with it; None where none was fitted.
        after: the same figures after scaling; None where no temperature could be fitted.
        finding: the means compared, in a sentence.
        scaling: what the temperature changes, or why none was fitted; empty without validation images.
    """

    n: int
    accuracy: float
    confidence: float
    bins: tuple[Bin, ...]
    ece: float
    ece_interval: Interval
    nll: float
    temperature: float | None
    after: "Calibration | None"
    finding: str
    scaling: str

    @property
    def note(self) -> str:
        """All of it in words."""
        return f"{self.finding} {self.scaling}".strip()


def calibrate(test: PredictionTable, validation: PredictionTable | None) -> Calibration:
    """Measure calibration on one split, as it is and with a temperature chosen on another split.

    Args:
        test: the images that are measured.
        validation: those on which the temperature is chosen; None where there are none.
    Raises:
        RunError: if there is no image, or the two tables have different classes.
    """
    if not test.n:
        raise RunError(f"The {test.split} split is empty: calibration needs at least one picture.")
    if validation is not None and validation.classes != test.classes:
        raise RunError("The validation and test predictions have different classes: use those of one run.")
    temperature, why_not = _fit_on(validation, test)
    after = None
    if temperature is not None:
        scaled = _scale_logarithms(test.probabilities, temperature)
        after = _measure(test, np.exp(scaled), scaled, temperature, None, "")
    logarithms = _logarithms(test.probabilities)
    return _measure(test, test.probabilities, logarithms, temperature, after, why_not)


def fit_temperature(table: PredictionTable) -> float | None:
    """The temperature with which a table's true classes are most probable.

    None where no temperature is best: where all images are right, more confidence is always better.

    Raises:
        RunError: if there is no image.
    Source: Guo et al. 2017. Logarithms of probabilities are logits up to a constant, which a softmax removes.
    """
    if not table.n:
        raise RunError(f"The {table.split} split is empty: a temperature needs at least one picture to be fitted on.")
    if bool(table.correct.all()):
        return None
    from scipy.optimize import minimize_scalar  # takes half a second to import

    logits = _logarithms(table.probabilities)
    bounds = (math.log(_TEMPERATURES[0]), math.log(_TEMPERATURES[1]))

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(np.mean(_log_sum(scaled) - scaled[np.arange(table.n), table.labels]))

    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    temperature = math.exp(float(found.x))
    return temperature if temperature > 1.01 * _TEMPERATURES[0] else None


def scale(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """(N, C) probabilities after dividing their logits by a temperature; rows sum to 1."""
    return np.asarray(np.exp(_scale_logarithms(probabilities, temperature)), dtype=np.float64)


def _fit_on(validation: PredictionTable | None, test: PredictionTable) -> tuple[float | None, str]:
    """The temperature, or why there is none."""
    if validation is None or not validation.n:
        return None, ""
    if validation.split == test.split:
        return None, "No temperature was fitted: it must be chosen on other pictures than these."
    temperature = fit_temperature(validation)
    if temperature is None:
        return None, "No temperature was fitted: (nearly) every validation picture is right."
    return temperature, ""


def _measure(
    table: PredictionTable,
    probabilities: NDArray[np.float64],
    logarithms: NDArray[np.float64],
    temperature: float | None,
    after: Calibration | None,
    remark: str,
) -> Calibration:
    # From the table, not from the scaled numbers, where rounding may make two classes equal.
    correct, rows = table.correct, np.arange(table.n)
    confidence = np.minimum(probabilities[rows, table.predicted], 1.0)
    edges = [edge / BINS for edge in range(BINS + 1)]
    places = np.searchsorted(edges[1:-1], confidence, side="left").astype(np.int64)
    gaps: NDArray[np.float64] = correct - confidence
    ece = float(np.abs(np.bincount(places, weights=gaps)).sum()) / table.n
    accuracy, mean_confidence = Accuracy(int(correct.sum()), table.n), float(confidence.mean())
    return Calibration(
        n=table.n,
        accuracy=accuracy.correct / table.n,
        confidence=mean_confidence,
        bins=tuple(_bin(edges, place, places == place, confidence, correct) for place in range(len(edges) - 1)),
        ece=ece,
        ece_interval=_bootstrap_error(gaps, places, ece),
        nll=float(-logarithms[rows, table.labels].mean()),
        temperature=temperature,
        after=after,
        finding=_describe_means(accuracy, mean_confidence, table.split),
        scaling=remark if after is None else _describe_scaling(after),
    )


def _bin(
    edges: list[float],
    place: int,
    inside: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
) -> Bin:
    low, high, count = edges[place], edges[place + 1], int(inside.sum())
    if not count:
        return Bin(low, high, 0, None, None, None)
    right = int(correct[inside].sum())
    return Bin(low, high, count, float(confidence[inside].mean()), right / count, wilson_interval(right, count))


def _bootstrap_error(gaps: NDArray[np.float64], places: NDArray[np.int64], ece: float) -> Interval:
    """The basic bootstrap interval: draws are biased upwards from the estimate as the estimate is from the truth.

    A rough one: in simulations with 20 to 600 images it held the truth in 82 to 90 % of draws, and lay above 0 for a
    quarter of the networks that were perfectly calibrated. So it is never called a 95 % interval.

    Args:
        gaps: (N,) right (1 or 0) minus confidence.
        places: (N,) the bin of each image.
    """
    n = len(gaps)
    in_bins = np.where(places[:, None] == np.arange(places.max() + 1), gaps[:, None], 0.0)  # (N, bins)
    sums = _draw(n).astype(np.float64) @ in_bins
    low, high = np.quantile(np.abs(sums).sum(axis=1) / n, [0.025, 0.975]).tolist()
    return Interval(min(max(2 * ece - high, 0.0), ece), min(max(2 * ece - low, ece), 1.0))


@lru_cache(maxsize=1)
def _draw(n: int) -> NDArray[np.uint8]:
    """(_DRAWS, n) how often each of n images is in each draw of n with replacement; the same for all runs."""
    drawn = np.random.default_rng(0).integers(n, size=(_DRAWS, n), dtype=np.int32)
    return np.stack([np.bincount(draw, minlength=n).astype(np.uint8) for draw in drawn])


def _describe_means(accuracy: Accuracy, confidence: float, split: str) -> str:
    interval = accuracy.interval
    share = accuracy.correct / accuracy.n
    if confidence > interval.high:
        verdict = "overconfident"
    elif confidence < interval.low:
        verdict = "underconfident"
    else:
        verdict = "on average about as confident as it should be"
    rates = f"Mean confidence {format_percent(confidence)}, {format_percent(share)} right"
    return f"{rates} ({_where(accuracy.n, split)}): {verdict}."


def _describe_scaling(after: Calibration) -> str:
    return (
        f"With a temperature of {after.temperature:.2f}, chosen on validation pictures, "
        f"the mean confidence is {format_percent(after.confidence)}."
    )


def _where(n: int, split: str) -> str:
    return count_images(n, split) if split in ("test", "val") else f"n = {n:,}"


def _logarithms(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms. A 0 stands for what is too small for its number format, so for its smallest number.

    Runs of earlier versions computed probabilities in float32 (down to 1e-45, or -103), later ones in float64 (-744).
    """
    single = np.array_equal(probabilities, probabilities.astype(np.float32))
    least = float(np.finfo(np.float32 if single else np.float64).smallest_subnormal)
    return np.asarray(np.log(np.where(probabilities > 0, probabilities, least)), dtype=np.float64)


def _scale_logarithms(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Logarithms of the probabilities after dividing their logits by a temperature."""
    scaled = _logarithms(probabilities) / temperature
    return np.asarray(scaled - _log_sum(scaled)[:, None], dtype=np.float64)


def _log_sum(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    most = logits.max(axis=1)
    return np.asarray(most + np.log(np.exp(logits - most[:, None]).sum(axis=1)), dtype=np.float64)
