"""A whole distillation, interrupted and not, and the files it ends in."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.errors import DatasetError, RunError
from models.catalog import CATALOG
from models.network import build_pretrained
from tests.tools.distill.conftest import TEACHER
from tools.distill.__main__ import main
from tools.distill.distillation import Report, distill
from tools.distill.options import DistillOptions
from tools.distill.pool import SIDE_PX, Images
from tools.distill.state import STATE_FILE
from tools.distill.student import Student
from tools.distill.student_file import export_student

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures() -> Images:
    """Coloured noise, smooth enough to tell pictures apart."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 3), np.uint8)
    pixels = coarse.repeat(SIDE_PX // 6, axis=1).repeat(SIDE_PX // 6, axis=2)
    return Images(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), ())


OPTIONS = DistillOptions(
    Path("unused"), TEACHER.name, rounds=2, repeats=2, batch_size=8, side_px=64, hold_out=4, precision="fp32"
)


@pytest.fixture
def options(small_teacher: str) -> DistillOptions:
    return OPTIONS


def train(options: DistillOptions, pictures: Images, work: Path) -> tuple[Student, list[Report]]:
    student = Student(CATALOG[options.teacher].feature_width, options.seed)
    return student, list(distill(options, pictures, work, CPU, student=student))


Trained = tuple[Student, list[Report], Path]


@pytest.fixture(scope="module")
def template(teacher_home: Path, pictures: Images, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A whole distillation: its student, what it reported, and its folder."""
    work = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(teacher_home))
        return *train(OPTIONS, pictures, work), work


@pytest.fixture
def trained(template: Trained, tmp_path: Path) -> Trained:
    """The whole distillation, with a copy of its folder."""
    student, reports, work = template
    shutil.copytree(work, tmp_path / "work")
    return student, reports, tmp_path / "work"


@pytest.mark.slow
def test_a_resumed_distillation_ends_with_the_weights_of_an_uninterrupted_one(
    trained: Trained, options: DistillOptions, pictures: Images, tmp_path: Path
) -> None:
    whole, reports, _ = trained
    assert (reports[-1].steps_done, reports[-1].steps) == (4, 4)
    assert reports[-1].progress.passes == 4
    assert sum(report.pass_done for report in reports) == 4

    for report in distill(options, pictures, tmp_path / "cut", CPU):
        if report.pass_done:
            break  # the first of two passes over the first round
    resumed, rest = train(options, pictures, tmp_path / "cut")
    assert rest[0].steps_done == 1
    assert rest[-1].progress.held_out_cosine == reports[-1].progress.held_out_cosine
    wanted = whole.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in resumed.state_dict().items())


@pytest.mark.slow
def test_a_finished_distillation_has_nothing_left_to_do(
    trained: Trained, options: DistillOptions, pictures: Images
) -> None:
    student, _, work = trained
    again, reports = train(options, pictures, work)
    assert len(reports) == 1
    name = "top.conv.weight"
    assert torch.equal(again.backbone.get_parameter(name), student.backbone.get_parameter(name))


@pytest.mark.slow
def test_a_state_of_other_options_or_pictures_is_refused(
    trained: Trained, options: DistillOptions, pictures: Images
) -> None:
    work = trained[2]
    other = DistillOptions(
        Path(), options.teacher, rounds=3, repeats=2, batch_size=8, side_px=64, hold_out=4, precision="fp32"
    )
    with pytest.raises(RunError, match="other options or pictures: delete it, or choose another folder with --work"):
        train(other, pictures, work)
    with pytest.raises(RunError, match="other options or pictures"):
        train(options, Images(pictures.pixels, "another", ()), work)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_state_is_refused(content: bytes, options: DistillOptions, pictures: Images, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(RunError, match="is damaged: delete it"):
        train(options, pictures, tmp_path)


def test_too_few_pictures_are_refused(options: DistillOptions, pictures: Images, tmp_path: Path) -> None:
    few = Images(pictures.pixels[:11], "few", ())
    with pytest.raises(DatasetError, match="There are 11 readable pictures, 4 of them held out"):
        train(options, few, tmp_path)


@pytest.mark.slow
def test_the_exported_files_are_what_the_program_loads(
    trained: Trained, options: DistillOptions, pictures: Images, tmp_path: Path
) -> None:
    student, reports, _ = trained
    path = export_student(tmp_path / "out", student, options, pictures, reports[-1].progress, CPU)
    assert path.stat().st_size <= 4_000_000
    kinds = {value.dtype for value in load_file(path).values() if value.ndim == 4}
    assert kinds == {torch.float16}

    network = build_pretrained("petnet", 2, seed=0, weights_file=path).eval()
    network.freeze("top")
    side_px = CATALOG["petnet"].preprocessing.crop_px
    batch = torch.randn(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    student.eval()
    with torch.no_grad():
        ours = network.frozen_prefix(batch)
        x = batch
        for block in student.backbone.values():
            x = block(x)
        theirs = student.pool(x)
    assert ours.shape == (2, CATALOG["petnet"].feature_width)
    assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.9999

    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sidecar["bytes"] == path.stat().st_size
    assert sidecar["preprocessing"]["crop_px"] == side_px
    assert sidecar["training"]["pictures"] == 12
    assert sidecar["training"]["steps"] == 4
    assert sidecar["training"]["held_out_cosine_distance"] == reports[-1].progress.held_out_cosine
    assert str(tmp_path) not in json.dumps(sidecar)


def test_the_command_says_what_is_wrong_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: object
) -> None:
    assert main(["--pictures", str(tmp_path / "gone")]) == 2
    assert "is missing: name another with --pictures." in capsys.readouterr().err
    assert main(["--pictures", str(tmp_path), "--rounds", "0"]) == 2
    assert "rounds is 0: choose 1 or more." in capsys.readouterr().err
