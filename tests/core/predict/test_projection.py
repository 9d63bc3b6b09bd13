"""Two dimensions for many, the same every time; and how well classes are apart, against scikit-learn."""

import sys

import numpy as np
import pytest

from core.errors import ExtraMissingError
from core.predict.projection import can_lay_out, count_told, lay_out, principal_axes


def groups(count: int, width: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = rng.normal(size=(3, width)) * apart
    return (centres[labels] + rng.normal(size=(count, width))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize(("count", "width"), [(40, 100), (100, 12)])
def test_the_axes_are_those_of_scikit_learn(count: int, width: int) -> None:
    from sklearn.decomposition import PCA

    features, _ = groups(count, width, 1.0)
    points, shares = principal_axes(features)
    reference = PCA(2, svd_solver="full").fit(features.astype(np.float64))
    expected = reference.transform(features.astype(np.float64))
    expected *= np.sign((expected * points).sum(axis=0))
    assert np.allclose(points, expected, atol=1e-6)
    assert np.allclose(shares, reference.explained_variance_ratio_, atol=1e-9)


def test_pictures_that_are_all_the_same_have_no_axes() -> None:
    points, shares = principal_axes(np.ones((5, 3), np.float32))
    assert not points.any()
    assert not shares.any()
    assert principal_axes(np.zeros((4, 1), np.float32))[0].shape == (4, 2)
    assert lay_out(points.astype(np.float32).repeat(4, axis=0), lambda *_: None) is None


def test_the_votes_of_neighbours_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import LeaveOneOut, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    features, labels = groups(90, 6, 0.5)
    one = cross_val_predict(KNeighborsClassifier(1), features, labels, cv=LeaveOneOut())
    assert count_told(features, labels, 1) == int((one == labels).sum())
    two = labels % 2  # two classes and five neighbours: no ties
    five = cross_val_predict(KNeighborsClassifier(5), features, two, cv=LeaveOneOut())
    assert 45 < count_told(features, two) == int((five == two).sum()) < 90


@pytest.mark.parametrize(("labels", "right"), [((0, 0, 1), 2), ((1, 1, 0), 2), ((1, 0, 1), 1), ((0, 1, 0), 1)])
def test_a_tie_goes_to_the_nearer_class(labels: tuple[int, int, int], right: int) -> None:
    features = np.array([[0.0], [1.0], [-2.0]], np.float32)
    assert count_told(features, np.array(labels, np.int64), 2) == right
    assert count_told(features[:1], np.zeros(1, np.int64)) == 0, "nobody near"


def test_neighbours_stay_together_and_lie_the_same_every_time() -> None:
    features, labels = groups(60, 20, 4.0)
    told: list[tuple[int, int]] = []
    first = lay_out(features, lambda done, total: told.append((done, total)))
    again = lay_out(features, lambda *_: None)
    assert first is not None
    assert again is not None
    assert np.array_equal(first, again)
    assert count_told(first.astype(np.float32), labels) >= 58
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (750, 750)
    assert lay_out(features[:5], lambda *_: None) is None


def test_neighbours_are_kept_as_well_as_by_scikit_learn() -> None:
    from sklearn.datasets import load_digits
    from sklearn.manifold import TSNE, trustworthiness

    directions, _ = principal_axes(load_digits().data[:400].astype(np.float32), 50)
    ours = lay_out(directions.astype(np.float32), lambda *_: None)
    theirs = TSNE(random_state=0, init="pca").fit_transform(directions)
    kept, usual = (trustworthiness(directions, places, n_neighbors=5) for places in (ours, theirs))
    assert kept > 0.97
    assert kept > usual - 0.01


def test_without_opentsne_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_lay_out(60)
    assert not can_lay_out(9)
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(ExtraMissingError, match=r"requirements-explain\.txt"):
        lay_out(groups(60, 20, 4.0)[0], lambda *_: None)
