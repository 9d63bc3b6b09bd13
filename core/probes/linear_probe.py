"""A linear probe: multinomial logistic regression on features that stay as they are.

Least squares, as the data doctor uses, would be ten times as fast, but hides classes from each other where features are
few: the first blocks would seem to know up to 20 points less (decision 0041).
Source: Alain and Bengio 2016, arXiv 1610.01644.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

PENALTY = 0.01  # of half the squared weights, next to the mean cross-entropy; scikit-learn's C is 1 / (N * this)
STEPS = 150  # of L-BFGS, at most

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def probe(train: Features, labels: Labels, asked: Features, classes: int) -> Labels:
    """Fit on some pictures, and classify others.

    Args:
        train: (N, F).
        labels: (N,).
        asked: (M, F): neither they nor their scale have any part in the fit.
    Returns:
        (M,) answers.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # many small steps: next to other programs, threads that wait for each other take far longer
    try:
        return _probe(train, labels, asked, classes)
    finally:
        torch.set_num_threads(threads)


def _probe(train: Features, labels: Labels, asked: Features, classes: int) -> Labels:
    centre, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    scale = 1 / np.where(spread > 1e-6 * spread.max(initial=1e-30), spread, np.inf)  # constant features count nothing
    weights = fit(_scaled(train, centre, scale), labels, classes)
    scores = torch.addmm(weights[-1], _scaled(asked, centre, scale), weights[:-1])
    answers: Labels = scores.argmax(dim=1).numpy()
    return answers


def fit(values: Tensor, labels: Labels, classes: int) -> Tensor:
    """Weights (F + 1, C) float32, the last row the intercepts.

    Args:
        values: (N, F) float32, standardised.
    """
    from scipy.optimize import minimize  # takes half a second to import

    count, width = values.shape
    targets = torch.nn.functional.one_hot(torch.from_numpy(labels), classes).float()  # (N, C)

    def loss_and_gradient(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights = torch.from_numpy(flat).float().view(width + 1, classes)
        logs = torch.addmm(weights[-1], values, weights[:-1]).log_softmax(dim=1)  # (N, C)
        loss = -(logs * targets).sum() / count + PENALTY / 2 * weights[:-1].square().sum()
        errors = (logs.exp() - targets) / count
        gradient = torch.cat([values.T @ errors + PENALTY * weights[:-1], errors.sum(dim=0)[None]])
        return float(loss), gradient.double().numpy().ravel()

    found = minimize(
        loss_and_gradient, np.zeros((width + 1) * classes), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
    )
    return torch.from_numpy(found.x).float().view(width + 1, classes)


def _scaled(values: Features, centre: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(((values - centre.astype(np.float32)) * scale.astype(np.float32)).astype(np.float32))
