"""PCA, t-SNE and nearest neighbours, against scikit-learn and the same every time."""

import sys

import numpy as np
import pytest

from core.errors import ExtraMissingError
from core.predict.explanations.projection import can_run_tsne, count_knn_correct, principal_components, run_tsne


def groups(count: int, width: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = rng.normal(size=(3, width)) * apart
    return (centres[labels] + rng.normal(size=(count, width))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize(("count", "width"), [(40, 100), (100, 12)])
def test_the_components_are_those_of_scikit_learn(count: int, width: int) -> None:
    from sklearn.decomposition import PCA

    features, _ = groups(count, width, 1.0)
    points, shares = principal_components(features)
    reference = PCA(2, svd_solver="full").fit(features.astype(np.float64))
    expected = reference.transform(features.astype(np.float64))
    expected *= np.sign((expected * points).sum(axis=0))
    assert np.allclose(points, expected, atol=1e-6)
    assert np.allclose(shares, reference.explained_variance_ratio_, atol=1e-9)


def test_identical_images_have_no_components() -> None:
    points, shares = principal_components(np.ones((5, 3), np.float32))
    assert not points.any()
    assert not shares.any()
    assert principal_components(np.zeros((4, 1), np.float32))[0].shape == (4, 2)
    assert run_tsne(points.astype(np.float32).repeat(4, axis=0), lambda *_: None) is None


def test_the_nearest_neighbours_vote_as_in_scikit_learn() -> None:
    from sklearn.model_selection import LeaveOneOut, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    features, labels = groups(90, 6, 0.5)
    one = cross_val_predict(KNeighborsClassifier(1), features, labels, cv=LeaveOneOut())
    assert count_knn_correct(features, labels, 1) == int((one == labels).sum())
    two = labels % 2  # two classes and five neighbours: no ties
    five = cross_val_predict(KNeighborsClassifier(5), features, two, cv=LeaveOneOut())
    assert 45 < count_knn_correct(features, two) == int((five == two).sum()) < 90


@pytest.mark.parametrize(("labels", "right"), [((0, 0, 1), 2), ((1, 1, 0), 2), ((1, 0, 1), 1), ((0, 1, 0), 1)])
def test_a_tie_goes_to_the_nearer_class(labels: tuple[int, int, int], right: int) -> None:
    features = np.array([[0.0], [1.0], [-2.0]], np.float32)
    assert count_knn_correct(features, np.array(labels, np.int64), 2) == right
    assert count_knn_correct(features[:1], np.zeros(1, np.int64)) == 0, "no neighbour"


def test_neighbours_stay_together_and_the_layout_is_reproducible() -> None:
    features, labels = groups(60, 20, 4.0)
    steps: list[tuple[int, int]] = []
    first = run_tsne(features, lambda done, total: steps.append((done, total)))
    again = run_tsne(features, lambda *_: None)
    assert first is not None
    assert again is not None
    assert np.array_equal(first, again)
    assert count_knn_correct(first.astype(np.float32), labels) >= 58
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (750, 750)
    assert run_tsne(features[:5], lambda *_: None) is None


def test_t_sne_keeps_neighbours_as_well_as_scikit_learn() -> None:
    from sklearn.datasets import load_digits
    from sklearn.manifold import TSNE, trustworthiness

    directions, _ = principal_components(load_digits().data[:400].astype(np.float32), 50)
    ours = run_tsne(directions.astype(np.float32), lambda *_: None)
    theirs = TSNE(random_state=0, init="pca").fit_transform(directions)
    ours_kept, theirs_kept = (trustworthiness(directions, places, n_neighbors=5) for places in (ours, theirs))
    assert ours_kept > 0.97
    assert ours_kept > theirs_kept - 0.01


def test_without_opentsne_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_run_tsne(60)
    assert not can_run_tsne(9)
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(ExtraMissingError, match=r"requirements-explain\.txt"):
        run_tsne(groups(60, 20, 4.0)[0], lambda *_: None)
