"""Rounds a TensorFlow Lite file to 8 bits, and lets it take and give bytes."""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from core.stores.pixels import Pixels

THREADS = 2  # of the calibration
# what a byte means: pixels are (byte - 128) / 127.5, half a step from what training saw; probabilities are byte / 256
PIXELS = 1 / 127.5, 128
PROBABILITIES = 1 / 256, 0


def quantize(floats: Path, pictures: Pixels, target: Path) -> None:
    """Write the 8-bit form of a model of floats, with bytes at both ends.

    Args:
        pictures: (N, 224, 224, 3) uint8; what they give inside sets the ranges of all numbers.
    """
    from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(recipe.static_wi8_ai8())
    scaled = [{"args_0": picture[None].astype(np.float32) / 127.5 - 1} for picture in pictures]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to look at all numbers inside takes memory, which is meant
        # the widest ranges: the average ones that are usual cut off what few pictures show
        seen = calibrator.Calibrator(
            str(floats),
            num_threads=THREADS,
            mode=calibrator.CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS,
            qsv_update_func=qsv_utils.min_max_update,
        )
        seen.calibrate({"serving_default": scaled}, rules)
        work = quantizer.Quantizer(str(floats), rules.get_quantization_recipe())
        rounded = work.quantize(seen.get_model_qsvs()).quantized_model
    target.write_bytes(put_bytes_at_both_ends(bytes(rounded)))


def put_bytes_at_both_ends(model: bytes) -> bytes:
    """The same model with uint8 input and output: one operation more before the first and after the last one.

    ai-edge-quantizer gives int8, which apps for pictures do not take.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    whole = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    (graph,) = whole.subgraphs
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    whole.operatorCodes.append(code)

    def change(inner: int, name: bytes, meaning: tuple[float, int]) -> tuple[int, Any]:
        """A tensor of bytes like this one, and the operation between the two."""
        outer = copy.deepcopy(graph.tensors[inner])
        outer.name, outer.type, outer.buffer = name, schema.TensorType.UINT8, 0
        outer.quantization = schema.QuantizationParametersT()
        outer.quantization.scale, outer.quantization.zeroPoint = [meaning[0]], [meaning[1]]
        graph.tensors.append(outer)
        operation = schema.OperatorT()
        operation.opcodeIndex = len(whole.operatorCodes) - 1
        return len(graph.tensors) - 1, operation

    (inner_in,), (inner_out,) = graph.inputs, graph.outputs
    outer_in, first = change(inner_in, b"image", PIXELS)
    outer_out, last = change(inner_out, b"probability", PROBABILITIES)
    first.inputs, first.outputs = [outer_in], [inner_in]
    last.inputs, last.outputs = [inner_out], [outer_out]
    graph.operators = [first, *graph.operators, last]
    graph.inputs, graph.outputs = [outer_in], [outer_out]
    for signature in whole.signatureDefs or []:
        signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = outer_in, outer_out
    return bytes(flatbuffer_utils.convert_object_to_bytearray(whole))
