"""Exports of small trained networks: opened without this project, refused where they must be, and never half there."""

import dataclasses
import errno
import json
import re
import runpy
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import ExportError, ExtraMissingError, QuotaError, RunError
from core.export import export_job
from core.export.exports import (
    Manifest,
    files_of,
    folder_of,
    look,
    read_manifest,
    start_export,
    wait_for_export,
)
from core.export.files import phone_page
from core.export.files.phone_page import PageFile
from core.export.formats import FORMATS, ExportFormat
from core.export.phone.html_file import count_bytes, read_known
from core.export.source.description import read_template
from core.export.source.exported_run import ExportedRun
from core.jobs.shared_job import INTERRUPTED
from core.jobs.workers.worker import Worker
from core.maintenance.check import check
from core.novelty.nearest_mean import NearestMean
from core.novelty.novelty import read_novelty
from core.predict.answers_in_words import is_strange, may_be
from core.predict.predictor import Predictor
from core.predict.predictor_answers import Prediction
from core.runs.run import Run
from core.runs.run_files import BEST_WEIGHTS, EXPORTS, NOVELTY, PREDICTIONS, RESULT
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step
from tests.support.environment import skip_or_fail
from tests.support.processes import kill, processes_of
from tests.support.tested_runs import know_more_pictures, make_dataset

PYTORCH = FORMATS["pytorch"]
WITH_SCRIPT = {name: FORMATS[name] for name in ("pytorch", "onnx")}  # Hugging Face: test_hugging_face
# not what is for heads only, nor what takes other pictures (test_tflite) and so cannot answer exactly as the run
ANY_NETWORK = {
    name: kind for name, kind in FORMATS.items() if name not in {"notebook-features", "tflite", "tflite-int8"}
}


@pytest.fixture
def run(raced: Settings) -> Run:
    """The first arm of a finished race."""
    return RunStore(raced).all()[0]


def make(settings: Settings, run: Run, kind: ExportFormat) -> Manifest:
    """Make an export in this process."""
    if kind.needs:
        try:
            kind.check_installed()
        except ExtraMissingError as error:
            skip_or_fail(str(error))
    (run.folder / EXPORTS).mkdir(exist_ok=True)
    export_job.export(settings, run, kind)
    manifest = look(settings, run, kind).result
    assert manifest is not None, look(settings, run, kind).problem
    return manifest


def refuse(settings: Settings, run: Run, kind: ExportFormat = PYTORCH) -> str:
    """The sentence with which an export ends; nothing is left behind."""
    (run.folder / EXPORTS).mkdir(exist_ok=True)
    export_job.export(settings, run, kind)
    state = look(settings, run, kind)
    assert state.result is None
    files = files_of(run, kind)
    assert {*(run.folder / EXPORTS).iterdir()} == {files.progress, files.lock}
    assert state.problem is not None
    return state.problem


@pytest.mark.parametrize("kind", ANY_NETWORK.values(), ids=list(ANY_NETWORK))
def test_an_export_answers_as_its_run_and_says_so(raced: Settings, run: Run, kind: ExportFormat) -> None:
    manifest = make(raced, run, kind)

    tested = run.predictions()
    assert manifest.check.images == tested.n
    assert manifest.check.same + manifest.check.unclear == tested.n
    assert manifest.check.largest <= 1e-3
    assert manifest.check.accuracy.correct == tested.correct.sum()
    assert set(manifest.files) == {path.name for path in folder_of(run, kind).iterdir()} - {"manifest.json"}
    assert {Path(name).suffix for name in manifest.files} == set(kind.endings)
    assert list(check(raced)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", WITH_SCRIPT.values(), ids=list(WITH_SCRIPT))
def test_its_script_predicts_the_same_far_from_this_project(
    raced: Settings, run: Run, kind: ExportFormat, tmp_path: Path
) -> None:
    manifest = make(raced, run, kind)
    packed = next(name for name in manifest.files if name.endswith(".zip"))
    with zipfile.ZipFile(folder_of(run, kind) / packed) as archive:
        archive.extractall(tmp_path)
    (home,) = (path for path in tmp_path.iterdir() if path.name != "workspace" and (path / "predict.py").exists())
    tested, dataset = run.predictions(), DatasetStore(raced).get(run.config().dataset)
    pictures = []
    for place in range(0, tested.n, 5):
        row = dataset.rows[int(tested.indices[place])]
        pictures.append(home / f"{place}{Path(row.path).suffix}")
        pictures[-1].write_bytes(dataset.read_image(row))

    # isolated: neither the current folder nor PYTHONPATH leads to this project
    words = [sys.executable, "-I", str(home / "predict.py"), *map(str, pictures)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.splitlines()

    answers = Predictor(raced).predict(run, [(str(path), path) for path in pictures])
    for line, answer in zip(lines, answers, strict=True):
        assert line == f"{answer.file}: {said_by_script(answer)}"
    assert len((home / "predict.py").read_text(encoding="utf-8").splitlines()) <= 75
    assert (home / "labels.txt").read_text(encoding="utf-8").splitlines() == list(tested.classes)


def test_a_picture_that_is_turned_wide_and_transparent_is_read_as_the_app_reads_it(
    raced: Settings, run: Run, tmp_path: Path
) -> None:
    make(raced, run, PYTORCH)
    (packed,) = folder_of(run, PYTORCH).glob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "out")
    (script,) = (tmp_path / "out").rglob("predict.py")
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "clear.png")
    turned = Image.fromarray(noise[..., :3])
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)

    names = ["clear.png", "turned.png"]
    said = subprocess.run(
        [sys.executable, "-I", str(script), *names], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.splitlines()

    for name, line in zip(names, said, strict=True):
        (answer,) = Predictor(raced).predict(run, [(name, tmp_path / name)])
        assert line == f"{name}: {said_by_script(answer)}"


@pytest.mark.parametrize("name", ["pytorch", "onnx", "huggingface"])
def test_a_script_says_how_it_is_called_and_passes_over_what_is_no_picture(
    raced: Settings,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    make(raced, run, FORMATS[name])
    (packed,) = folder_of(run, FORMATS[name]).glob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "out")
    (script,) = (tmp_path / "out").rglob("predict.py")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    Image.new("I;16", (40, 30)).save(tmp_path / "deep.png")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "bomb.gif").write_bytes(b"GIF89a" + b"\xff" * 4 + bytes(3) + b"," + bytes(4) + b"\xff" * 4 + b"\0\x08;")
    monkeypatch.chdir(tmp_path)

    monkeypatch.setattr(sys, "argv", ["predict.py"])
    with pytest.raises(SystemExit, match=r"python predict\.py PICTURE"):
        runpy.run_path(str(script), run_name="__main__")
    monkeypatch.setattr(sys, "argv", ["predict.py", "none.jpg", "text.jpg", "bomb.gif", "deep.png", "red.png"])
    runpy.run_path(str(script), run_name="__main__")

    missing, text, bomb, deep, red = capsys.readouterr().out.splitlines()
    assert missing.startswith("none.jpg cannot be read as a picture: ")
    assert text.startswith("text.jpg cannot be read as a picture: ")
    assert bomb.startswith("bomb.gif cannot be read as a picture: ")
    assert deep.endswith("only the app reads: save it with 8 bits")
    assert re.fullmatch(r"red\.png: .*(cat|dog).*", red)


def said_by_script(answer: Prediction) -> str:
    share = float(answer.probability or 0)
    sure = "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"
    if is_strange(answer):
        return f"not sure: unlike anything it was trained on (nearest class: {answer.label})"
    names = may_be(answer)
    return f"{' or '.join(names)} ({f'{answer.label}: ' if len(names) > 1 else ''}{sure})"


@pytest.mark.slow
@pytest.mark.parametrize("kind", WITH_SCRIPT.values(), ids=list(WITH_SCRIPT))
def test_a_script_calls_the_same_pictures_strange_as_the_run(
    settings: Settings, kind: ExportFormat, tmp_path: Path
) -> None:
    dataset = make_dataset(settings, ("cat", "dog", "owl"), 120, plan="40/30/30")
    run = RunStore(settings).create(TrainConfig(dataset=dataset.id, model="petnet", strategy="head", epochs=3))
    assert Worker(settings, run).work().value == "finished"
    manifest = make(settings, run, kind)
    assert any("36 of 36 test pictures agree" in note for note in manifest.notes)
    (packed,) = folder_of(run, kind).glob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "out")
    (script,) = (tmp_path / "out").rglob("not_sure.py")
    own = runpy.run_path(str(script))
    rng = np.random.default_rng(0)
    known = read_novelty(run.folder / NOVELTY, dataset.classes)
    assert known is not None
    features = rng.normal(size=(40, known.reference.means.shape[1])).astype(np.float32)
    features[:30] = known.reference.features[:30] + 0.03 * features[:30]
    answers = rng.dirichlet(np.ones(3), 40)
    for place, found in enumerate(known.judge(features, answers, (0.05, 0.2))):
        assert own["p_value"](features[place]) == pytest.approx(found.p_value, abs=2.5 / 37)
        for promise in (0.05, 0.2):
            names = [dataset.classes[label] for label in own["possible"](answers[place], promise)]
            assert tuple(names) == found.set_at(promise)


@pytest.mark.slow
def test_a_phone_page_calls_the_same_pictures_strange_as_its_run_by_the_nearest_class_mean(settings: Settings) -> None:
    dataset = make_dataset(settings, ("cat", "dog", "owl"), 120, plan="40/30/30")
    run = RunStore(settings).create(TrainConfig(dataset=dataset.id, model="petnet", strategy="head", epochs=3))
    assert Worker(settings, run).work().value == "finished"
    manifest = make(settings, run, FORMATS["phone"])
    assert any("nearest class mean alone" in note for note in manifest.notes)
    assert any("36 of 36 test pictures agree" in note for note in manifest.notes)
    assert max(manifest.files.values()) < 5e6


def test_a_phone_page_that_calls_other_pictures_strange_is_refused(
    raced: Settings, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_more_pictures(run)
    assert any("pictures agree" in note for note in make(raced, run, FORMATS["phone"]).notes)
    shutil.rmtree(run.folder / EXPORTS)
    monkeypatch.setattr(PageFile, "outcomes", lambda _, crops: [(True, frozenset({"nobody"}))] * len(crops))
    assert "calls other pictures strange" in refuse(raced, run, FORMATS["phone"])


@pytest.mark.parametrize(("room", "share", "fits"), [(5e6, 0, True), (0, 0.1, True), (0, 0.001, False)])
def test_a_phone_page_without_room_for_known_pictures_leaves_them_out_and_says_why(
    raced: Settings, run: Run, monkeypatch: pytest.MonkeyPatch, room: float, share: float, fits: bool
) -> None:
    know_more_pictures(run)
    monkeypatch.setattr(phone_page, "ROOM", room)
    monkeypatch.setattr(phone_page, "SHARE", share)
    manifest = make(raced, run, FORMATS["phone"])
    (file,) = folder_of(run, FORMATS["phone"]).glob("*.html")
    text = file.read_text(encoding="utf-8")
    assert (read_known(text) is not None) is fits
    why = re.compile(
        r"because what 2 classes look like would add [\d.,]+ (kB|bytes) to the page, more than a tenth of it: "
    )
    assert bool(why.search(text)) is not fits
    assert any(why.search(note) for note in manifest.notes) is not fits
    assert any("calls pictures strange" in note for note in manifest.notes) is fits


@pytest.mark.parametrize(("classes", "fits"), [(2, True), (10, True), (50, True), (200, True), (400, False)])
def test_petnets_page_grows_with_its_classes_and_holds_known_pictures_up_to_hundreds(classes: int, fits: bool) -> None:
    means = np.full((classes, 1280), 1280**-0.5, np.float32)
    known = NearestMean(0.05, means, np.linspace(0.1, 0.3, 180, dtype=np.float32), np.linspace(0.1, 0.9, classes))
    page_bytes = 4_918_000 + 3_490 * classes + count_bytes(known)
    assert (phone_page._why_no_room(page_bytes, known) is None) is fits


def test_a_phone_page_of_few_validation_pictures_calls_nothing_strange_and_says_why(raced: Settings, run: Run) -> None:
    manifest = make(raced, run, FORMATS["phone"])
    (file,) = folder_of(run, FORMATS["phone"]).glob("*.html")
    text = file.read_text(encoding="utf-8")
    assert read_known(text) is None
    assert "needs 19 validation pictures, and this run has 8." in text
    assert not any("strange" in note for note in manifest.notes)


@pytest.mark.parametrize("template", ["not_sure.txt", "predict_tflite.txt"])
def test_no_script_says_100_percent(template: str) -> None:
    text = read_template(template, model="m", interpolation="bilinear", fit="crop", mean=(0.5,))
    compile(text, template, "exec")
    assert text.count("say_share(") == 2, "defined, and used"
    (rule,) = re.findall(r"def say_share.*?\n    return .*?\n", text, re.DOTALL)
    found: dict[str, Callable[[float], str]] = {}
    exec(rule, found)
    assert [found["say_share"](share) for share in (1.0, 0.996, 0.973)] == ["over 99 %", "over 99 %", "97 %"]


def test_a_run_of_an_earlier_version_is_exported_without_what_it_lacks(raced: Settings, run: Run) -> None:
    (run.folder / NOVELTY).unlink()
    make(raced, run, PYTORCH)
    (packed,) = folder_of(run, PYTORCH).glob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert "not_sure.py" in names
    assert "not_sure.npz" not in names


def test_a_file_that_calls_other_pictures_strange_is_refused(
    raced: Settings, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExportedRun, "outcomes", lambda _, crops: [(True, frozenset({"nobody"}))] * len(crops))
    assert "calls other pictures strange" in refuse(raced, run)


def test_a_second_request_is_answered_from_the_folder(raced: Settings, run: Run) -> None:
    first = make(raced, run, PYTORCH)
    shutil.rmtree(run.checkpoints / "none", ignore_errors=True)

    assert run_step(wait_for_export(raced, run.id, "pytorch")) == first


def test_an_export_of_which_a_file_is_gone_is_made_again(raced: Settings, run: Run) -> None:
    first = make(raced, run, PYTORCH)
    next(folder_of(run, PYTORCH).glob("*.zip")).unlink()
    assert read_manifest(run, PYTORCH) is None
    assert [finding.text for finding in check(raced)] == ["This export is not whole: it is made again on demand."]

    assert make(raced, run, PYTORCH).made > first.made


def test_a_run_that_has_not_ended_or_was_not_evaluated_is_refused(raced: Settings, run: Run) -> None:
    (run.folder / PREDICTIONS).rename(run.folder / "kept")
    with pytest.raises(ExportError, match="no test result to check an export against: evaluate it first"):
        start_export(raced, run.id, "pytorch")
    (run.folder / "kept").rename(run.folder / PREDICTIONS)
    (run.folder / RESULT).unlink()
    (run.folder / "started.json").unlink(missing_ok=True)
    with pytest.raises(ExportError, match="is queued: export it when it has ended"):
        start_export(raced, run.id, "pytorch")
    with pytest.raises(ExportError, match="Format 'exe' is unknown: choose one of phone, pytorch, onnx"):
        start_export(raced, run.id, "exe")
    with pytest.raises(RunError):
        start_export(raced, "../etc", "pytorch")


def test_damaged_weights_are_refused(raced: Settings, run: Run) -> None:
    path = run.checkpoints / BEST_WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    assert "is damaged: train the run again" in refuse(raced, run)


def test_weights_that_are_not_those_of_the_test_result_are_refused(raced: Settings, run: Run) -> None:
    from safetensors.numpy import load_file, save_file

    path = run.checkpoints / BEST_WEIGHTS
    save_file({name: np.asarray(-value) for name, value in load_file(path).items()}, path)
    assert "no longer answer as they did when it was evaluated" in refuse(raced, run)


def test_without_its_pictures_nothing_can_be_checked(raced: Settings, run: Run) -> None:
    shutil.rmtree(raced.datasets_dir / run.config().dataset)
    assert "drawn" in refuse(raced, run)


def test_a_disk_that_fills_up_on_the_way_leaves_a_sentence_and_nothing_else(
    raced: Settings, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.export.files.pytorch_zip.save_file", fill)
    assert refuse(raced, run).startswith("The disk is full: delete runs or datasets")


def test_a_full_disk_refuses_before_anything_starts(raced: Settings, run: Run) -> None:
    full = dataclasses.replace(raced, min_free_bytes=2**62)
    with pytest.raises(QuotaError, match="The disk is too full"):
        start_export(full, run.id, "pytorch")
    assert not (run.folder / EXPORTS).exists()


def test_a_format_that_needs_a_package_names_the_command() -> None:
    kind = dataclasses.replace(FORMATS["onnx"], needs=("numpy", "no_such_package"))
    with pytest.raises(ExtraMissingError, match=r"ONNX needs no_such_package: run pip install -r requirements-export"):
        kind.check_installed()


def test_a_format_that_this_computer_cannot_make_says_which_can() -> None:
    kind = dataclasses.replace(FORMATS["tflite"], machines=("plan9-vax",))
    with pytest.raises(ExtraMissingError, match="cannot be made on this computer: carry the run to Linux"):
        kind.check_installed()


@pytest.mark.slow
def test_two_who_ask_at_once_get_one_export(raced: Settings, run: Run) -> None:
    found: list[Manifest] = []

    def ask() -> None:
        found.append(run_step(wait_for_export(raced, run.id, "pytorch")))

    people = [threading.Thread(target=ask) for _ in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()

    assert found[0] == found[1]
    assert list(check(raced)) == []


@pytest.mark.slow
def test_a_killed_export_is_said_cleaned_up_and_can_be_made_again(raced: Settings, run: Run) -> None:
    start_export(raced, run.id, "pytorch")
    kill(*processes_of(raced.home, "core.export.export_job"))

    assert look(raced, run, PYTORCH).problem == INTERRUPTED
    run_step(wait_for_export(raced, run.id, "pytorch"))
    assert list(check(raced)) == []


def test_no_two_formats_give_a_file_of_the_same_name(tmp_path: Path) -> None:
    found: list[str] = []
    for kind in FORMATS.values():
        draft = tmp_path / kind.name
        draft.mkdir()
        names = [kind.main or "config.json", *([] if kind.single else ["labels.txt"])]
        for name in names:
            (draft / name).touch()
        found += export_job._pack("dogs", kind, draft, names)
    assert len(set(found)) == len(found)
    assert {"dogs.ipynb", "dogs-features.ipynb", "dogs.tflite", "dogs-int8.tflite", "dogs.onnx"} < set(found)


def test_markup_in_class_names_stays_text(raced: Settings, run: Run) -> None:
    from core.export.source.description import describe_run, read_template
    from core.export.source.exported_run import open_source

    source = dataclasses.replace(open_source(raced, run), classes=("<b>|cat", "*dog*"))
    about = {**describe_run(source), "dataset": "<img src=x>|`", "torchvision": False, "never_strange": None}
    text = read_template("readme_pytorch.md", **about)
    assert "<img" not in text
    assert "| dataset | &lt;img src=x>\\|\\`, 2 classes |" in text
    json.dumps(about)
