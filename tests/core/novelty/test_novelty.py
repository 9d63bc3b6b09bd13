"""The file of known pictures: written whole, read to the last bit, and refused where it is damaged."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import RunError
from core.novelty.conformal import PROMISES
from core.novelty.distances import Reference
from core.novelty.not_sure import NotSure
from core.novelty.novelty import KINDS, Novelty, read_novelty, write_novelty

CLASSES = ("cat", "dog")


def make_novelty(images: int = 60, *, spread: float = 0.5, seed: int = 0) -> Novelty:
    rng = np.random.default_rng(seed)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        labels = np.arange(count) % 2
        centres = np.eye(16)[labels] * 3
        return labels, (centres + spread * rng.normal(size=(count, 16))).astype(np.float32)

    train_labels, train = draw(80)
    val_labels, val = draw(images)
    _, test = draw(40)
    reference = Reference.of(train, np.arange(80), train_labels)
    own = rng.uniform(0.6, 1, images)
    return Novelty(
        3, CLASSES, reference, val_labels, own, reference.scores(val), np.arange(200, 240), reference.scores(test)
    )


def known_and_strange() -> np.ndarray:  # type: ignore[type-arg]
    features = np.zeros((2, 16), np.float32)
    features[0, 0], features[1, 9] = 3, 3
    return features


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make_novelty()
    write_novelty(tmp_path / "novelty.safetensors", made)
    found = read_novelty(tmp_path / "novelty.safetensors", CLASSES)
    assert found is not None
    assert (found.epoch, found.classes, found.reference.neighbours) == (3, CLASSES, 10)
    for name in KINDS:
        if hasattr(made, name):
            assert np.array_equal(getattr(found, name), getattr(made, name))
    assert np.array_equal(found.reference.features, made.reference.features)
    assert read_novelty(tmp_path / "other.safetensors", CLASSES) is None


def test_a_strange_picture_is_refused_and_a_known_one_is_not() -> None:
    known, strange = make_novelty().judge(known_and_strange(), np.array([[0.99, 0.01], [1.0, 0.0]]))
    assert not known.refused()
    assert strange.refused()
    assert strange.p_value == 2 / 61, "the smallest that 60 validation pictures allow with two tests"
    assert known.set_at(0.05) == ("cat",)
    assert {item.label for item in known.nearest} == {"cat"}
    assert len(known.nearest) == 3


def test_fewer_than_nineteen_validation_pictures_refuse_nothing_and_say_why() -> None:
    _, strange = make_novelty(18).judge(known_and_strange(), np.array([[0.99, 0.01], [1.0, 0.0]]))
    assert not strange.refused()
    assert strange.set_at(0.05) is None
    assert strange.why_not() == (
        "Strange pictures cannot be noticed: 1 in 20 needs 19 validation pictures, and this run has 18."
    )
    assert make_novelty(19).judge(known_and_strange(), np.array([[0.9, 0.1], [1.0, 0.0]]))[1].refused()


def test_a_stricter_promise_needs_more_pictures() -> None:
    found = make_novelty(60).judge(known_and_strange(), np.array([[0.99, 0.01], [1.0, 0.0]]))[1]
    assert found.why_not(0.01) == (
        "Strange pictures cannot be noticed: 1 in 100 needs 99 validation pictures, and this run has 60."
    )
    assert "1 in 50 needs 99" in str(found.why_not(0.02)), "two tests share the promise"


def test_a_class_without_validation_pictures_is_still_named() -> None:
    made = make_novelty()
    three = dataclasses.replace(made, classes=(*CLASSES, "cow"))
    known = three.judge(known_and_strange(), np.array([[0.1, 0.1, 0.8], [1, 0, 0]]))[0]
    assert known.set_at(0.05) is not None
    assert "cow" in (known.set_at(0.05) or ())


def test_an_answer_survives_json() -> None:
    (found,) = make_novelty().judge(known_and_strange()[:1], np.array([[0.7, 0.3]]), PROMISES)
    again = NotSure.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.p_value, again.images, again.sets) == (found.p_value, found.images, found.sets)
    assert [item.index for item in again.nearest] == [item.index for item in found.nearest]


@pytest.mark.parametrize("damage", ["cut", "flip", "classes", "text"])
def test_a_damaged_file_is_refused_with_a_remedy(tmp_path: Path, damage: str) -> None:
    path, classes = tmp_path / "novelty.safetensors", CLASSES
    write_novelty(path, make_novelty())
    if damage == "cut":
        os.truncate(path, path.stat().st_size - 100)
    elif damage == "flip":
        data = bytearray(path.read_bytes())
        data[3] ^= 0x80
        path.write_bytes(data)
    elif damage == "classes":
        classes = ("cat",)  # type: ignore[assignment]
    else:
        path.write_text("known pictures", encoding="utf-8")
    with pytest.raises(RunError, match="is damaged: delete it"):
        read_novelty(path, classes)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_killed_while_writing_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "novelty.safetensors"
    write_novelty(path, make_novelty(seed=1))
    before = path.read_bytes()
    code = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from core import storage\n"
        "from tests.core.novelty.test_novelty import make_novelty\n"
        "from core.novelty.novelty import write_novelty\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_novelty(Path(sys.argv[1]), make_novelty(seed=2))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2, "the unfinished file has a temporary name"
