"""Writes TensorFlow Lite in the form of Teachable Machine's files: a model of 224 px, and labels with their numbers.

The file takes other pictures than the run: the whole square at 224 px, where the run may have resized to another size
and cut the edges off. So its conversion is held against the same graph in torch on the same pictures, and its accuracy
against the run's.
"""

import runpy
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch

from core.errors import ExportError
from core.export.source.description import describe_run, read_template
from core.export.source.export_check import MAX_LOSS, Answers
from core.export.source.exported_run import MAX_PICTURES, ExportedRun, read_training_crops
from core.export.source.written import Folder, Written
from core.export.tflite.tflite_conversion import convert_run
from core.export.tflite.tflite_graph import SIDE_PX, TfliteGraph, app_pictures
from core.export.tflite.tflite_metadata import append_labels, describe_model, set_metadata
from core.export.tflite.tflite_quantization import quantize
from core.formatting import format_points
from core.statistics.comparison import paired_interval
from core.steps import run_step
from core.stores.pixels import Pixels

FLOATS, BYTES = "model_unquant.tflite", "model.tflite"  # Teachable Machine's names
# MediaPipe takes every output as scores of classes and refuses a second one with other numbers than labels; apps show
# every line of `labels.txt` as a class. So neither can hold what "not sure" needs, nor this sentence.
SCORES_ONLY = (
    'This file has class scores only and never says "not sure": it answers with one of its classes whatever the '
    "picture shows. The formats Phone page, PyTorch, ONNX and Hugging Face do."
)
CALIBRATION = 100  # training pictures whose activations give the ranges of 8 bits


def write_tflite(source: ExportedRun, folder: Folder) -> Written:
    """Write `model_unquant.tflite`, its labels and a script that predicts with it."""
    convert_run(source.run, folder.file(FLOATS))
    return _finish(source, folder, FLOATS, ("litert-torch",))


def write_tflite_int8(source: ExportedRun, folder: Folder) -> Written:
    """Write `model.tflite`, rounded to 8 bits by what training pictures look like inside, its labels and a script.

    Raises:
        ExportError: there are too few test pictures to show that rounding costs no accuracy.
    """
    _check_enough(source)
    return write_rounded(source, folder)


def write_rounded(source: ExportedRun, folder: Folder) -> Written:
    """Write the 8-bit files, whatever they lose."""
    floats = folder.path / FLOATS
    convert_run(source.run, floats)
    pictures = run_step(read_training_crops(source, CALIBRATION, app_pictures(source.spec)))
    quantize(floats, pictures, folder.file(BYTES))
    floats.unlink()
    return _finish(source, folder, BYTES, ("litert-torch", "ai-edge-quantizer"), rounded=True)


def _check_enough(source: ExportedRun) -> None:
    """Refuse a run whose test pictures could not show that at most 3 points are lost, before anything is made.

    Raises:
        ExportError: even the same answer to every picture would leave a larger loss possible.
    """
    asked = min(source.tested.n, MAX_PICTURES)
    right = round(asked * float(source.tested.correct.mean()))
    low = paired_interval(right, 0, 0, asked - right).low
    if low < -MAX_LOSS:
        raise ExportError(
            f"Run {source.run.id} has {asked} test pictures, too few to show that rounding to 8 bits loses at most "
            f"{format_points(MAX_LOSS)} points of accuracy: choose another format, or test on more pictures."
        )


def _finish(
    source: ExportedRun, folder: Folder, model: str, makers: Sequence[str], *, rounded: bool = False
) -> Written:
    path = folder.path / model
    about = describe_run(source)
    origin = f"Trained on {about['dataset']}; made by {about['made_by']} from run {about['run']}."
    set_metadata(path, describe_model(str(about["trained"]), f"{origin} {SCORES_ONLY}"))
    append_labels(path, source.classes)
    folder.write("labels.txt", "".join(f"{number} {name}\n" for number, name in enumerate(source.classes)))
    folder.write("predict.py", read_template("predict_tflite.txt", model=model, **about))
    values = {**about, "model": model, "rounded": rounded, "never_strange": SCORES_ONLY, "input_size": SIDE_PX}
    folder.write("README.md", read_template("readme_tflite.md", **values))
    script = runpy.run_path(str(folder.path / "predict.py"))  # as people will run it
    graph = TfliteGraph(source.network, source.spec).eval()

    def answers(crops: Pixels) -> Answers:
        return np.stack([script["predict"](crop) for crop in crops]).astype(np.float64)

    @torch.inference_mode()
    def reference(crops: Pixels) -> Answers:
        """Of the same graph in torch: (N, 224, 224, 3) uint8 -> (N, classes)."""
        pixels = torch.from_numpy(crops).float() / 127.5 - 1
        return torch.cat([graph(picture[None]) for picture in pixels]).double().numpy()

    return Written(
        answers,
        {name: version(name) for name in (*makers, "ai-edge-litert", "torch")},
        _notes(source),
        app_pictures(source.spec),
        reference,
        rounded,
    )


def _notes(source: ExportedRun) -> tuple[str, ...]:
    size = f"It takes pictures of {SIDE_PX} px and resizes them itself: its answers differ a little from the run's."
    match source.spec.fit:
        case "squeeze":
            return (
                size,
                SCORES_ONLY,
                "The run squeezed its pictures: squeeze them to a square, too, and do not crop them.",
            )
        case "pad":
            return (
                size,
                SCORES_ONLY,
                "The run added borders to its pictures: make them square that way, and do not crop them.",
            )
        case _:
            return (size, SCORES_ONLY)
