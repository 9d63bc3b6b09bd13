"""Converts the network of a run to TensorFlow Lite, in a process of its own.

    python -m core.export.tflite.tflite_conversion RUN_DIR FILE

litert-torch prints hundreds of lines and takes a gigabyte that no later step needs.
"""

import argparse
import logging
import signal
import subprocess
import sys
from pathlib import Path

from core.errors import ExportError
from core.runs.run import Run
from core.runs.run_files import BEST
from core.settings import PROJECT_ROOT

log = logging.getLogger("tunemypets.export")


def convert_run(run: Run, target: Path) -> None:
    """Write a run's network as a `.tflite` file of floats, in another process.

    Raises:
        ExportError: litert-torch cannot convert it.
        MemoryError: the process was killed, as systems do that run out of memory.
    """
    words = [sys.executable, "-m", "core.export.tflite.tflite_conversion", str(run.folder), str(target)]
    # what it prints goes where this process prints, which is a log
    ended = subprocess.run(words, cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, check=False)
    if ended.returncode == -getattr(signal, "SIGKILL", 9):
        raise MemoryError
    if ended.returncode or not target.exists():
        raise ExportError(f"TensorFlow Lite cannot hold the network of run {run.id}: choose another format.")


def main(arguments: list[str] | None = None) -> int:
    """Convert one run."""
    parser = argparse.ArgumentParser(
        prog="python -m core.export.tflite.tflite_conversion", description="Convert one run to TensorFlow Lite."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    import litert_torch
    import torch

    from core.checkpoints.checkpoint import load_network
    from core.export.tflite.tflite_graph import SIDE_PX, TfliteGraph

    network, checkpoint = load_network(Run(options.folder).checkpoints, BEST)
    graph = TfliteGraph(network, checkpoint.preprocessing).eval()
    litert_torch.convert(graph, (torch.zeros(1, SIDE_PX, SIDE_PX, 3),)).export(str(options.target))
    return 0


if __name__ == "__main__":
    sys.exit(main())
