"""Distil petnet's weights from unlabelled pictures and a pretrained teacher.

    python -m tools.distill --pictures FOLDER [--out FOLDER] [--work FOLDER] [--rounds 40] …

An interrupted training resumes when the same command is given again. At its end the folder `--out`
holds petnet.safetensors and petnet.json; copied into models/weights/, they are what the program uses.
"""

import argparse
import dataclasses
import logging
import sys
import time
from pathlib import Path

from core.errors import TuneMyPetsError
from core.settings import Settings
from core.steps import run_step
from tools.distill.options import PRECISIONS, DistillOptions

OUT = Path("petnet")


def main(arguments: list[str] | None = None) -> int:
    """Parse, distil, export; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.distill", description="Distil petnet's weights from unlabelled pictures and a teacher."
    )
    parser.add_argument("--pictures", type=Path, required=True, help="folder of unlabelled pictures")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the weights (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="folder for the state of the training (default: that of --out)")
    for field in dataclasses.fields(DistillOptions):
        if field.name == "pictures":
            continue
        flag = f"--{field.name.replace('_', '-')}"
        kind = type(field.default)
        choices = PRECISIONS if field.name == "precision" else None
        parser.add_argument(flag, type=kind, default=field.default, choices=choices, help="default: %(default)s")
    given = vars(parser.parse_args(arguments))
    out, work = given.pop("out"), given.pop("work")
    logging.basicConfig(level=logging.WARNING)
    try:
        _run(DistillOptions(**given), out, work or out)
    except TuneMyPetsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped: the same command resumes from the last complete pass.", file=sys.stderr)
        return 130
    return 0


def _run(options: DistillOptions, out: Path, work: Path) -> None:
    from core.datasets.pictures.decoder import Limits
    from tools.distill.pool import read_images

    settings = Settings.from_environment()
    pictures = run_step(
        read_images(options.pictures, Limits.from_settings(settings), options.seed),
        lambda done: _show(f"Reading pictures: {done[0]:,} of {done[1]:,}"),
    )
    _show(f"{len(pictures.pixels):,} pictures, {len(pictures.unreadable)} unreadable", end=True)
    for sentence in pictures.unreadable[:10]:
        print(f"  {sentence}")

    from core.stores.hardware import choose_device, prepare_torch
    from models.catalog import get_entry
    from tools.distill.distillation import distill
    from tools.distill.student import Student
    from tools.distill.student_file import export_student

    prepare_torch(settings, options.seed)
    device = choose_device(settings)
    student = Student(get_entry(options.teacher).feature_width, options.seed)
    progress = None
    shown = 0.0
    for report in distill(options, pictures, work, device, student=student):
        progress = report.progress
        line = f"{report.text} · step {report.steps_done:,} of {report.steps:,}"
        if report.eta_seconds is not None:
            line += f" · about {_duration(report.eta_seconds)} left"
        if report.pass_done:
            line += f" · distance to the teacher {progress.train_cosine:.4f}, held out {progress.held_out_cosine:.4f}"
        if report.pass_done or time.monotonic() - shown > 1:
            shown = time.monotonic()
            _show(line, end=report.pass_done)
    assert progress is not None
    path = export_student(out, student, options, pictures, progress, device)
    _show(f"Weights: {path} ({path.stat().st_size / 1e6:.2f} MB)", end=True)


def _show(line: str, *, end: bool = False) -> None:
    """One line that replaces the last one on a terminal; into a file only the lines that stay."""
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="\n" if end else "", flush=True)
    elif end:
        print(line, flush=True)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
