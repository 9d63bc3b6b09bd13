"""Ways to evaluate a frozen prefix: milliseconds a picture, seconds to get ready, and how far from fp32 the result is.

    TORCH_HOME=… python -m bench.engines FOLDER [--model mobilenet_v2] [--compile]

FOLDER holds photographs, at any depth. Eager PyTorch as it is, channels-last, with BatchNorm folded, each in fp32 and
bf16; ONNX Runtime and OpenVINO; with `--compile` torch.compile (half a minute more). Batches of 16, in turn, median of
15 rounds after a warm-up, all in one process with the memory settings that workers have. Prints JSON.
"""

import argparse
import copy
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.datasets.pictures.decoder import Limits
from core.jobs.launchers import WORKER_ENVIRONMENT
from core.settings import Settings
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import autocast
from core.stores.pixels import square_pixels
from models import weights
from models.catalog import get_entry
from models.folding import fold_prefix
from models.network import build_pretrained

BATCH = 16
ROUNDS = 15
CPU = torch.device("cpu")
Engine = Callable[[Tensor], Tensor]


class Prefix(nn.Module):
    """The frozen prefix as a module that can be exported."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """What leaves the frozen part."""
        found: Tensor = self.network.frozen_prefix(x)  # type: ignore[operator]
        return found


def eager(module: Callable[[Tensor], Tensor], precision: str, layout: torch.memory_format) -> Engine:
    """A module as PyTorch runs it."""

    def run(batch: Tensor) -> Tensor:
        with torch.inference_mode(), autocast(CPU, precision):
            return module(batch.contiguous(memory_format=layout)).float()

    return run


def in_bf16(module: nn.Module) -> Engine:
    """A copy whose weights are in bf16 for good."""
    cast = copy.deepcopy(module).to(torch.bfloat16)

    def run(batch: Tensor) -> Tensor:
        with torch.inference_mode():
            found: Tensor = cast(batch.to(torch.bfloat16)).float()
            return found

    return run


def openvino(network: nn.Module, side: int, precision: str) -> Engine:
    """Converted and compiled by OpenVINO."""
    import openvino as ov

    model = ov.convert_model(Prefix(network), example_input=torch.randn(1, 3, side, side), input=[-1, 3, side, side])
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = ov.Core().compile_model(model, "CPU", options)
    return lambda batch: torch.from_numpy(compiled(batch.contiguous().numpy())[0])


def onnx_runtime(network: nn.Module, side: int, folder: Path) -> Engine:
    """Exported to ONNX, run by ONNX Runtime."""
    import onnxruntime

    path = folder / "prefix.onnx"
    torch.onnx.export(
        Prefix(network), (torch.randn(2, 3, side, side),), path, dynamo=True, verbose=False,
        input_names=["x"], dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options)
    return lambda batch: torch.from_numpy(np.asarray(session.run(None, {"x": batch.contiguous().numpy()})[0]))


def get_ready(make: Callable[[], Engine], batch: Tensor) -> tuple[Engine, float, Tensor]:
    """An engine, the seconds until its first answer, and that answer."""
    started = time.perf_counter()
    engine = make()
    found = engine(batch).flatten(1)
    return engine, time.perf_counter() - started, found


def main() -> None:
    """Measure every engine, and print JSON."""
    parser = argparse.ArgumentParser(description="Ways to evaluate a frozen prefix.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    settings = Settings.from_environment()
    torch.set_num_threads(settings.threads)
    entry = get_entry(options.model)
    spec = entry.preprocessing
    path = weights.find(entry)
    if path is None:
        sys.exit(f"The weights of {entry.title} are missing: set TORCH_HOME to where they are.")
    files = sorted(file for file in options.folder.rglob("*.jpg"))
    files = files[:: max(1, len(files) // BATCH)][:BATCH]
    limits = Limits.from_settings(settings)
    pixels = np.stack([square_pixels(file, file.name, limits, spec) for file in files])
    batch = normalise(centre_crop(to_channels_first(pixels), spec), spec, CPU)
    network = build_pretrained(options.model, 2, seed=0, weights_file=path).eval()
    network.freeze(entry.freeze_points[-1])
    rows, last = torch.contiguous_format, torch.channels_last
    laid_out = copy.deepcopy(network).to(memory_format=torch.channels_last)
    makers: dict[str, Callable[[], Engine]] = {
        "eager, fp32": lambda: eager(copy.deepcopy(network).frozen_prefix, "fp32", rows),
        "channels-last, fp32": lambda: eager(laid_out.frozen_prefix, "fp32", last),
        "channels-last, bf16": lambda: eager(laid_out.frozen_prefix, "bf16", last),
        "folded, fp32": lambda: eager(fold_prefix(laid_out), "fp32", last),
        "folded, bf16": lambda: eager(fold_prefix(laid_out), "bf16", last),
        "folded, weights in bf16": lambda: in_bf16(fold_prefix(laid_out)),
        "OpenVINO, fp32": lambda: openvino(network, spec.crop_px, "f32"),
        "OpenVINO, bf16": lambda: openvino(network, spec.crop_px, "bf16"),
    }
    if options.compile:
        makers["torch.compile, folded, bf16"] = lambda: eager(torch.compile(fold_prefix(laid_out)), "bf16", last)
    report: dict[str, Any] = {}
    engines: dict[str, Engine] = {}
    wanted: Tensor | None = None
    with tempfile.TemporaryDirectory() as name:
        makers["ONNX Runtime, fp32"] = lambda: onnx_runtime(network, spec.crop_px, Path(name))
        for title, make in makers.items():
            try:
                engines[title], ready, found = get_ready(make, batch)
            except ImportError as error:
                report[title] = f"not installed: {error.name}"
                continue
            wanted = found if wanted is None else wanted
            error_ = ((found - wanted).norm(dim=1) / wanted.norm(dim=1)).mean()
            report[title] = {"ready_s": round(ready, 2), "error": float(f"{float(error_):.2g}")}
        times: dict[str, list[float]] = {title: [] for title in engines}
        for _ in range(ROUNDS):
            for title, engine in engines.items():
                started = time.perf_counter()
                engine(batch)
                times[title].append(1000 * (time.perf_counter() - started) / len(batch))
    medians = {title: statistics.median(values) for title, values in times.items()}
    for title, milliseconds in medians.items():
        report[title] |= {
            "ms": round(milliseconds, 2), "times_the_fastest": round(milliseconds / min(medians.values()), 2)
        }  # fmt: skip
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in WORKER_ENVIRONMENT.items()):
        # the allocator and OpenMP read their settings when the process starts
        os.execve(
            sys.executable, [sys.executable, "-m", "bench.engines", *sys.argv[1:]], {**os.environ, **WORKER_ENVIRONMENT}
        )
    main()
