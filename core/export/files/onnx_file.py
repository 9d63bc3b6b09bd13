"""Writes ONNX: one file, [0, 1] pixels in, probabilities out, with labels and preprocessing in its metadata."""

import json
import logging
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

from core.export.files.known_pictures import write_known_pictures
from core.export.source.description import describe_run, label_lines, read_template, why_never_strange
from core.export.source.export_check import Answers, Outcomes
from core.export.source.exported_run import BATCH, ExportedRun, Standalone
from core.export.source.written import Folder, Written
from core.stores.pixels import Pixels

MODEL = "model.onnx"
ZIP_ONLY = 'Only `predict.py` of the zip says "not sure": the .onnx file by itself gives probabilities and features.'

log = logging.getLogger("tunemypets.export")


def write_onnx(source: ExportedRun, folder: Folder) -> Written:
    """Write `model.onnx`, a script that predicts with it, and labels."""
    import onnx

    path = folder.file(MODEL)
    size = source.spec.crop_px
    whole = Standalone(source.network, source.spec).eval()
    example = torch.rand(2, 3, size, size)
    program = torch.onnx.export(
        whole,
        (example,),
        dynamo=True,
        external_data=False,
        dynamic_shapes=({0: torch.export.Dim("pictures")},),
        input_names=["pixels"],
        output_names=["probabilities", "features"],
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)
    model = onnx.load(path)
    about = describe_run(source)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    folder.write("labels.txt", label_lines(source.classes))
    folder.write("predict.py", read_template("predict_onnx.py"))
    folder.write("README.md", read_template("readme_onnx.md", **about, never_strange=why_never_strange(source)))
    judge, file = write_known_pictures(source, folder), OnnxFile(folder.path / MODEL)

    def outcomes(crops: Pixels) -> Outcomes:
        assert judge is not None
        probabilities, features = file.run(crops)
        return judge(features, probabilities.astype(np.float64))

    return Written(
        file.answers,
        {name: version(name) for name in ("onnx", "onnxscript", "onnxruntime", "torch")},
        (ZIP_ONLY,) if judge is not None else (),
        outcomes=outcomes if judge is not None else None,
    )


class OnnxFile:
    """A finished file, run by ONNX Runtime on the processor."""

    def __init__(self, path: object) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def answers(self, crops: Pixels) -> Answers:
        """(N, S, S, 3) uint8 -> (N, classes)."""
        return self.run(crops)[0].astype(np.float64)

    def run(self, crops: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, S, S, 3) uint8 -> (N, classes), and (N, F) what the head reads."""
        parts = []
        for first in range(0, len(crops), BATCH):
            pixels = np.ascontiguousarray(crops[first : first + BATCH].transpose(0, 3, 1, 2), dtype=np.float32) / 255
            parts.append(self._session.run(["probabilities", "features"], {"pixels": pixels}))
        probabilities, features = (np.concatenate(part) for part in zip(*parts, strict=True))
        return probabilities, features
