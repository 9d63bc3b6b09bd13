"""Shortcuts are found where one was built in, and not where there is none."""

import dataclasses
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.coach.shortcuts import CUES, ShortcutReport, classify, find_shortcuts, review_shortcuts
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import DatasetError
from core.settings import Settings
from core.statistics.metrics import Accuracy
from core.steps import run_step

SIDE_PX = 48


def image(
    rng: np.random.Generator, *, edge: int = 0, size: tuple[int, int] = (SIDE_PX, SIDE_PX), kind: str = "PNG"
) -> bytes:
    """Noise, with an edge of its own brightness where that is asked for."""
    pixels = rng.integers(60, 200, (size[1], size[0], 3), dtype=np.uint8)
    if edge:
        pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:] = edge, edge, edge, edge
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def dataset_of(settings: Settings, options: Sequence[dict[str, Any]], count: int = 60) -> Dataset:
    """Classes that differ in these options only."""
    rng = np.random.default_rng(0)
    files = [
        (f"class{label}/{place}.png", image(rng, **chosen))
        for label, chosen in enumerate(options)
        for place in range(count)
    ]
    source = MemorySource("noise for a test", files, drawn=True)
    return DatasetStore(settings).get(
        run_step(import_dataset(settings, source, name="noise", plan=SplitPlan.parse("50/25/25"), seed=0))
    )


def found(report: ShortcutReport) -> set[str]:
    return {item.cue.name for item in report.found}


def test_noise_has_no_shortcut(settings: Settings) -> None:
    report = find_shortcuts(dataset_of(settings, [{}, {}]))
    assert not report.found
    assert review_shortcuts(report) == ()
    assert report.held_out == 60


def test_a_background_is_found_by_the_edge_of_the_picture(settings: Settings) -> None:
    report = find_shortcuts(dataset_of(settings, [{"edge": 110}, {"edge": 150}]))
    assert "background" in found(report)
    assert "picture-size" not in {item.cue.name for item in report.shortcuts}  # the same for all
    [finding] = review_shortcuts(report)
    assert finding.level == "warning"
    assert "n = 60" in finding.evidence


def test_colour_alone_is_only_worth_a_note_because_it_may_be_the_subject(settings: Settings) -> None:
    report = find_shortcuts(dataset_of(settings, [{"edge": 110}, {"edge": 150}]))
    light = next(item for item in report.shortcuts if item.cue.name == "light")
    sure = dataclasses.replace(light, accuracy=Accuracy(60, 60), found=True)
    [finding] = review_shortcuts(dataclasses.replace(report, shortcuts=(sure,)))
    assert finding.level == "note"
    assert "fine where colour is the subject" in finding.evidence


def test_a_shape_and_a_format_are_found(settings: Settings) -> None:
    shapes = find_shortcuts(dataset_of(settings, [{"size": (48, 48)}, {"size": (60, 44)}]))
    assert "picture-size" in found(shapes)


def test_a_format_is_found_with_the_file_size_that_comes_with_it(settings: Settings) -> None:
    formats = find_shortcuts(dataset_of(settings, [{"kind": "PNG"}, {"kind": "JPEG"}]))
    assert {"file-format", "file-size"} <= found(formats)


def test_every_accuracy_has_its_interval_and_its_baseline(settings: Settings) -> None:
    report = find_shortcuts(dataset_of(settings, [{"edge": 110}, {"edge": 150}], count=40))
    assert report.shortcuts
    for item in report.shortcuts:
        interval = item.accuracy.interval
        assert interval.low <= item.accuracy.correct / item.accuracy.n <= interval.high
        assert item.baseline.correct / item.baseline.n == 0.5


def test_too_few_pictures_are_refused(settings: Settings, drawn: Dataset) -> None:
    few = dataclasses.replace(drawn, rows=drawn.rows[:6])
    with pytest.raises(DatasetError, match="at least 10 and 10 are needed"):
        find_shortcuts(few)


def test_a_missing_thumbnail_is_left_out_and_all_missing_are_an_error(settings: Settings) -> None:
    dataset = dataset_of(settings, [{}, {}])
    dataset.thumbnail_path(dataset.rows_of("val")[0]).unlink()
    assert find_shortcuts(dataset).held_out == 59
    for row in dataset.rows:
        dataset.thumbnail_path(row).unlink(missing_ok=True)
    with pytest.raises(DatasetError, match="thumbnails of noise are missing"):
        find_shortcuts(dataset)


def test_the_classifier_separates_a_middle_from_both_of_its_sides() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 200)
    values = np.concatenate([rng.normal(0, 0.3, 200), rng.choice([-2, 2], 200) + rng.normal(0, 0.3, 200)])[:, None]
    assert np.mean(classify(values, labels, values, 2) == labels) > 0.95


def test_the_classifier_answers_as_its_peer_does() -> None:
    linear = pytest.importorskip("sklearn.discriminant_analysis").LinearDiscriminantAnalysis
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 600)
    values = rng.normal(0, 1, (600, 4)) + labels[:, None] * np.array([1.0, 0.5, 0.0, -0.5])
    z = np.clip((values - values.mean(0)) / values.std(0), -4, 4)
    both = np.concatenate([z, z * z], axis=1)
    peer = linear().fit(both, labels).predict(both)
    assert np.mean(classify(values, labels, values, 3) == peer) > 0.97


def test_a_class_without_training_pictures_is_never_predicted() -> None:
    values = np.arange(20.0)[:, None]
    labels = np.array([0] * 10 + [2] * 10)
    assert set(classify(values, labels, values, 3).tolist()) == {0, 2}
    constant = np.ones((20, 1))
    assert set(classify(constant, labels, constant, 3).tolist()) == {0}


def test_chance_alone_is_called_a_shortcut_less_than_once_in_twenty_datasets() -> None:
    from core.coach.shortcuts import _evaluate

    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        truth = rng.integers(0, 2, 60)
        for cue in CUES:
            if _evaluate(cue, rng.integers(0, 2, 60) == truth, truth == 0).found:
                wrong += 1
                break
    assert wrong <= 20
