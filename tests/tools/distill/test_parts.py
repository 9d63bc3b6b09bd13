"""Pictures, views, the distance to a teacher, the student and its optimizers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from core.datasets.pictures.decoder import Limits
from core.errors import ConfigError, DatasetError, WeightsError
from core.steps import run_step
from tools.distill.options import DistillOptions
from tools.distill.pool import SIDE_PX, Images, read_images
from tools.distill.student import Student, StudentOptimizer
from tools.distill.teacher import Objective, Teacher
from tools.distill.views import draw_views, order_of

LIMITS = Limits(max_pixels=1_000_000, max_bytes=1_000_000)


def stripes(count: int) -> NDArray[np.uint8]:
    """(count, SIDE_PX, SIDE_PX, 3): picture n is of grey level n."""
    levels = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (count, SIDE_PX, SIDE_PX, 3)).copy()


def read(folder: Path, seed: int = 0) -> Images:
    return run_step(read_images(folder, LIMITS, seed))


def fill(folder: Path, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (40 + number, 30), (number * 20, 100, 0)).save(folder / f"picture{number}.png")


def test_pictures_become_squares_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "broken.jpg").write_bytes(b"<html>")
    (tmp_path / "notes.txt").write_text("no picture")
    found = read(tmp_path)
    assert found.pixels.shape == (3, SIDE_PX, SIDE_PX, 3)
    assert len(found.unreadable) == 1
    assert "broken.jpg" in found.unreadable[0]


def test_the_order_of_pictures_depends_on_names_and_seed_alone(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    first = read(tmp_path)
    assert read(tmp_path).fingerprint == first.fingerprint
    assert read(tmp_path, seed=1).fingerprint != first.fingerprint


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no readable picture"):
        read(tmp_path)
    with pytest.raises(DatasetError, match="is missing: name another with --pictures"):
        read(tmp_path / "gone")


def test_a_view_is_decided_by_its_key() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, SIDE_PX, SIDE_PX, 3), np.uint8)
    chosen = np.arange(6)
    one = draw_views(pixels, chosen, (0, 1, 2), 64, 0.5)
    assert one.shape == (6, 3, 64, 64)
    assert one.dtype == torch.uint8
    assert torch.equal(one, draw_views(pixels, chosen, (0, 1, 2), 64, 0.5))
    for key in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not torch.equal(one, draw_views(pixels, chosen, key, 64, 0.5))


def test_without_mixing_a_view_shows_its_own_picture_only() -> None:
    pixels = stripes(20)
    views = draw_views(pixels, np.arange(5, 20), (0, 0, 0), 32, 0.0)
    for place, level in enumerate(range(5, 20)):
        assert set(views[place].unique().tolist()) == {level}


def test_mixing_blends_or_pastes_about_as_many_views_as_it_should() -> None:
    pixels = stripes(200)
    views = draw_views(pixels, np.arange(200), (0, 0, 0), 32, 0.5)
    own = sum(set(view.unique().tolist()) == {level} for level, view in enumerate(views))
    pasted = sum(len(view.unique()) == 2 for view in views)
    assert 75 <= own <= 125
    assert 30 <= pasted <= 70


def test_every_pass_has_an_order_of_its_own() -> None:
    orders = {tuple(order_of((0, round_number, place), 50)) for round_number in range(3) for place in range(3)}
    assert len(orders) == 9
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"rounds": 0}, "rounds is 0: choose 1 or more."),
        ({"batch_size": 1}, "batch_size is 1: choose 2 or more."),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: choose a number above 0"),
        ({"mixed_share": 1.5}, "mixed_share is 1.5: choose a share from 0 to 1."),
        ({"precision": "int4"}, "choose one of bf16, fp32"),
    ],
)
def test_options_that_cannot_be_used_are_refused(values: dict[str, float | int | str], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        DistillOptions(Path(), **values)  # type: ignore[arg-type]  # wrong on purpose


@pytest.fixture
def teacher(small_teacher: str) -> Teacher:
    return Teacher(small_teacher, torch.device("cpu"), "fp32")


def test_a_teacher_without_weights_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="ResNet-18 are missing: run `python -m core prefetch resnet18`"):
        Teacher("resnet18", torch.device("cpu"), "fp32")


def test_the_distance_is_zero_for_the_teacher_itself_and_grows_with_the_error(teacher: Teacher) -> None:
    answers = teacher.features(torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8))
    assert answers.shape == (8, teacher.entry.feature_width)
    objective = Objective(teacher, answers.mean(dim=0), answers.std(dim=0))
    noise = torch.randn(answers.shape, generator=torch.Generator().manual_seed(0)) * answers.std(dim=0)
    distances = [objective(answers + amount * noise, answers) for amount in (0.0, 0.3, 1.0)]
    assert float(distances[0].loss) == pytest.approx(0, abs=1e-5)
    assert 0 < float(distances[1].cosine) < float(distances[2].cosine) < 1
    assert float(distances[1].loss) < float(distances[2].loss)


def test_a_student_starts_from_its_seed_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = Student(64, 3), Student(64, 3), Student(64, 4)
    assert torch.equal(torch.get_rng_state(), before)
    weight = "backbone.stage2.unit1.conv1.weight"
    assert torch.equal(one.state_dict()[weight], same.state_dict()[weight])
    assert not torch.equal(one.state_dict()[weight], other.state_dict()[weight])
    assert isinstance(Student(1280, 0).projection, torch.nn.Identity)


@pytest.mark.slow
def test_every_parameter_learns_and_the_distance_falls() -> None:
    student = Student(16, 0).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's overloads
    before = {name: value.detach().clone() for name, value in student.named_parameters()}
    optimizer = StudentOptimizer(student, 0.02, 5)
    generator = torch.Generator().manual_seed(0)
    pictures, goal = torch.randn(8, 3, 64, 64, generator=generator), torch.randn(8, 16, generator=generator)
    losses = []
    for number in range(5):
        loss = (student(pictures) - goal).square().mean()
        loss.backward()
        optimizer.step(number)
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(not torch.equal(value, before[name]) for name, value in student.named_parameters())
    assert all(parameter.grad is None for parameter in student.parameters())
