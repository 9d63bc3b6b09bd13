"""Whether a picture is unlike what the network was trained on, and which classes it may be   (needs numpy)."""

from pathlib import Path

import numpy as np

PROMISE = 0.05  # of known pictures at most 1 in 20 is called strange
FILE = Path(__file__).parent / "not_sure.npz"
KNOWN = dict(np.load(FILE)) if FILE.exists() else None


def p_value(features):
    """At most this share of known pictures looks as strange: distances to training pictures, 1 minus the cosine."""
    one = features.astype(np.float32) / max(float(np.sqrt((features.astype(np.float64) ** 2).sum())), 1e-38)
    neighbour = 1 - np.sort(KNOWN["train"].astype(np.float32) @ one)[-int(KNOWN["neighbours"])]
    scores = (neighbour, 1 - (KNOWN["means"] @ one).max())
    known = KNOWN["val_scores"]
    each = [(1 + (known[:, test] >= score).sum()) / (len(known) + 1) for test, score in enumerate(scores)]
    both = int(KNOWN["tests"])  # with few validation pictures the neighbour alone decides
    return min(1.0, both * min(each[:both]))


def possible(probabilities, promise=PROMISE):
    """The classes that the picture may be, most probable first: all that are not less probable than promised."""
    labels, given = KNOWN["val_labels"], KNOWN["val_probabilities"]
    count = len(probabilities)
    few = [label for label in range(count) if ((labels == label).sum() + 1) * promise < 1 - 1e-9]
    if (len(labels) + 1) * promise < 1 - 1e-9:
        return [int(np.argmax(probabilities))]  # too few validation pictures for any promise
    together = np.isin(labels, few)
    if few and (together.sum() + 1) * promise < 1 - 1e-9:
        few, together = list(range(count)), np.ones(len(labels), bool)
    order = np.argsort(-probabilities, kind="stable")
    found = []
    for label in order:
        known = given[together] if label in few else given[labels == label]
        if (1 + (known <= probabilities[label]).sum()) / (len(known) + 1) > promise + 1e-9:
            found.append(int(label))
    if found:
        return found
    reached = np.cumsum(probabilities[order])  # no class is as probable as usual: those that hold 95 % together
    return [int(label) for label in order[: 1 + int((reached < 1 - promise).sum())]]


def describe(classes, features, probabilities, promise=PROMISE):
    """The answer in words."""
    best = int(np.argmax(probabilities))
    share = 100 * float(probabilities[best])
    sure = "over 99 %" if share > 99 else f"{share:.0f} %"
    if KNOWN is None:
        return f"{classes[best]} ({sure})"
    if p_value(features) <= promise + 1e-12:
        return f"not sure: unlike anything it was trained on (nearest class: {classes[best]})"
    names = [classes[label] for label in possible(probabilities, promise)]
    return f"{' or '.join(names)} ({classes[best]}: {sure})" if len(names) > 1 else f"{classes[best]} ({sure})"
