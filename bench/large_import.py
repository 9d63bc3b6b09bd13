"""Importing very many pictures, and opening them in the explorer: seconds, cores and memory for each picture.

    python -m bench.large_import [FOLDER] [--pictures 5000 25000] [--train]
    python -m bench.large_import FOLDER --photographs --pictures 25000 --doctor petnet [--work EMPTY_FOLDER]

The pictures are crops of the photographs anywhere below FOLDER (of the drawn sample without one), 200 x 200 JPEG,
each with a brightness and noise of its own, so that none is a copy; their first half by name is one class. Each
count is imported by `python -m core import` into an empty data root, opened by pages/explore.py in a fresh process,
and corrected in a thousand places. `--train` also trains two networks for one epoch on the largest count. Limits: the
last count within 10 % of the first per picture, two cores busy, under 1 GB; a run under 2.5 GB.

`--photographs` makes what a phone holds: larger crops, some mirrored, each in other colours, 320 px, under the folder
that each was in. `--doctor` examines the last count with this backbone, as `python -m core doctor` does, makes the
revision that keeps near-copies together, and clicks through Explore in Chromium (limit: 1 s a click, no process above
1 GB). Crops of one photograph are near-copies, so most of this dataset straddles: the worst case.

Memory is the peak of samples ten times a second, over the process and all its children, in Linux's words: `rss` counts
shared pages in every process and the page cache of mapped files (stored pixels, activations), `pss` shares out what is
shared, `anonymous` is without mapped files: what the system cannot simply drop when others want room.
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image, ImageEnhance, ImageOps

from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.pictures.decoder import Limits, decode
from core.datasets.pictures.picture_formats import SUFFIX_FORMATS
from core.revisions.corrections import relabel
from core.revisions.revision import read_revision, revise
from core.settings import PROJECT_ROOT, Settings
from core.steps import run_step
from tests.support.processes import end_processes, processes_of

SIDE_PX = 200
LONG_SIDE_PX = 320
MAX_PHOTOGRAPHS = 1000
SAMPLE_SECONDS = 0.1
MEGABYTE = 10**6
CORRECTIONS = 1000
TRAININGS = {
    "petnet head": ("--model", "petnet", "--strategy", "head"),
    "scratch_cnn 64": ("--model", "scratch_cnn", "--strategy", "scratch", "--image-size", "64"),
}


def photographs(folder: Path | None, most: int = MAX_PHOTOGRAPHS) -> list[Path | bytes]:
    """At most so many to cut pictures from, evenly chosen, in the order of their names."""
    if folder is None:
        drawn = sorted(draw_sample(count_per_class=60, size_px=320))
        return [data for _, data in drawn]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIX_FORMATS)
    if len(found) > most:
        found = [found[int(place)] for place in np.linspace(0, len(found) - 1, most)]
    return list(found)


def make_images(folder: Path, numbers: range, given: list[Path | bytes]) -> None:
    """Write the pictures of these numbers; a number gives the same picture always."""
    limits = Limits.from_settings(Settings.from_environment())
    for number in numbers:
        label, place = number % 2, number // 2
        half = given[: len(given) // 2] if label == 0 else given[len(given) // 2 :]
        rng = np.random.default_rng(number)
        image = decode(half[place % len(half)], limits, "photograph.jpg", at_least_px=2 * SIDE_PX).image
        side = int(min(image.size) * rng.uniform(0.4, 0.95))
        left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
        cut = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        values = np.asarray(cut, dtype=np.float32) * rng.uniform(0.7, 1.2)
        noise = rng.normal(0, 4, (SIDE_PX, SIDE_PX, 1))
        target = folder / ("first", "second")[label] / f"{place:06d}.jpg"
        Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8)).save(target, quality=88)


def make_photographs(folder: Path, numbers: range, given: list[Path]) -> None:
    """The same, of whole photographs: their class is the folder that they were in."""
    limits = Limits.from_settings(Settings.from_environment())
    for number in numbers:
        rng, source = np.random.default_rng(number), given[number % len(given)]
        image = decode(source, limits, source.name, at_least_px=2 * LONG_SIDE_PX).image
        width, height = (int(side * rng.uniform(0.5, 0.95)) for side in image.size)
        left, top = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
        image = image.crop((left, top, left + width, top + height))
        image.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX))
        for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
            image = enhance(image).enhance(rng.uniform(0.75, 1.25))
        target = folder / source.parent.name / f"{number:06d}.jpg"
        (ImageOps.mirror(image) if rng.random() < 0.5 else image).save(target, quality=int(rng.integers(75, 93)))


def make_folder(folder: Path, count: int, given: list[Path | bytes], *, photographs: bool = False) -> None:
    """Write so many pictures of two classes, or of as many as the photographs have, on all cores."""
    for label in {source.parent.name for source in given} if photographs else ("first", "second"):
        (folder / label).mkdir(parents=True)
    parts = [range(start, min(count, start + 500)) for start in range(0, count, 500)]
    make = make_photographs if photographs else make_images
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(make, folder, given=given), parts))


@contextmanager
def sampled(processes: Callable[[], list[psutil.Process]]) -> Iterator[dict[str, int]]:
    """The peak memory of processes that come and go, in bytes: filled in while the block runs."""
    peak = {"rss": 0, "pss": 0, "anonymous": 0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            sums = dict.fromkeys(peak, 0)
            for process in processes():
                with suppress(OSError):  # it ended a moment ago
                    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                        kind, _, rest = line.partition(":")
                        if kind.lower() in sums:
                            sums[kind.lower()] += int(rest.split()[0]) * 1024
            for kind in peak:
                peak[kind] = max(peak[kind], sums[kind])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def megabytes(peak: dict[str, int]) -> dict[str, int]:
    """Bytes as whole megabytes."""
    return {kind: round(value / MEGABYTE) for kind, value in peak.items()}


def own_children() -> list[psutil.Process]:
    """All processes that this one started."""
    return psutil.Process().children(recursive=True)


def running(settings: Settings, module: str) -> Callable[[], list[psutil.Process]]:
    """The processes of a data root that run a module, looked for only while none is known: that takes a while."""
    known: list[psutil.Process] = []

    def look() -> list[psutil.Process]:
        known[:] = [process for process in known if process.is_running()] or processes_of(settings.home, module)
        return known

    return look


def command(settings: Settings, *arguments: str) -> tuple[Any, dict[str, Any]]:
    """Run a Python module: its JSON, and what it took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with sampled(own_children) as peak:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT_ROOT,
            env={**os.environ, "TUNEMYPETS_HOME": str(settings.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    taken = {
        "seconds": round(seconds, 2),
        "user_seconds": round(user, 2),
        "system_seconds": round(system, 2),
        "cores_busy": round((user + system) / seconds, 2),
        "peak_megabytes": megabytes(peak),
    }
    return json.loads(done.stdout), taken


def explore(dataset_id: str) -> dict[str, float]:
    """Open the explorer on a dataset in this process, look at its sections and return: seconds of each step."""
    started = time.perf_counter()
    from streamlit.testing.v1 import AppTest

    classes = DatasetStore(Settings.from_environment()).get(dataset_id).classes
    app = AppTest.from_file(str(PROJECT_ROOT / "pages" / "explore.py"), default_timeout=120)
    app.query_params["dataset"] = dataset_id
    found = {"start": time.perf_counter() - started}

    def step(name: str, run: Callable[[], object]) -> None:
        began = time.perf_counter()
        run()
        found[name] = time.perf_counter() - began
        if app.exception or app.error:
            raise RuntimeError(f"{name}: {app.exception or app.error}")

    step("first page", app.run)
    step("same page again", app.run)
    step("one class", lambda: app.selectbox(key="gallery-class").set_value(classes[-1]).run())
    step("check, first time", lambda: app.segmented_control(key="explore-section").set_value("Check").run())
    step("check again", app.run)
    return {name: round(value, 3) for name, value in found.items()}


def correct(settings: Settings, dataset_id: str) -> dict[str, float]:
    """Relabel `CORRECTIONS` pictures one by one in this process, and make the revision: seconds of each."""
    dataset = DatasetStore(settings).get(dataset_id)
    began = time.perf_counter()
    for place in range(CORRECTIONS):
        relabel(dataset, [place * len(dataset.rows) // CORRECTIONS], dataset.classes[1 - place % 2])
    noted = time.perf_counter()
    run_step(revise(settings, dataset))
    ended = time.perf_counter()
    return {"corrections": round(noted - began, 3), "revision": round(ended - noted, 3)}


def train(settings: Settings, dataset_id: str, options: tuple[str, ...]) -> dict[str, Any]:
    """One epoch: seconds, and the peak memory of the worker process."""

    started = time.perf_counter()
    with sampled(running(settings, "core.jobs.workers.worker")) as peak:
        result, _ = command(settings, "core", "train", dataset_id, *options, "--epochs", "1", "--json")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "worker_peak_megabytes": megabytes(peak),
        "test_accuracy": result["test_accuracy"],
    }


def examine(settings: Settings, dataset_id: str, backbone: str) -> dict[str, Any]:
    """The doctor's whole path, then the revision that keeps near-copies together: what each took."""
    with sampled(running(settings, "core.doctor.doctor_job")) as peak:
        found, taken = command(settings, "core", "doctor", dataset_id, "--backbone", backbone, "--json")
    result = {
        "seconds": taken["seconds"],
        "peak_megabytes": megabytes(peak),
        "estimate": found["estimate"],
        "near_copies": found["copies_found"],
        "chains": len(found["chains"]),
    }
    rows = DatasetStore(settings).get(dataset_id).rows
    if any(len({rows[index].split for index in chain}) > 1 for chain in found["chains"]):
        revised, revising = command(settings, "core", "revise", dataset_id, "--near-copies", "--json")
        facts = read_revision(settings.datasets_dir / revised["dataset"])
        result["revision"] = {"moved": facts.moved if facts else None, **revising}
    return result


def measure(
    root: Path, count: int, given: list[Path | bytes], options: argparse.Namespace, *, last: bool
) -> dict[str, Any]:
    """Make so many pictures, import them, open them."""
    pictures = root / "pictures"
    if not pictures.exists():
        make_folder(pictures, count, given, photographs=options.photographs)
    settings = dataclasses.replace(Settings.from_environment(), home=root / "workspace")
    data, taken = command(settings, "core", "import", str(pictures), "--name", "many", "--json")
    shown, explored = command(settings, "bench.large_import", "--explore", data["dataset"])
    found = {
        "pictures": data["images"],
        "copies_left_out": data["duplicates"],
        "fingerprint": data["fingerprint"],
        "import": taken,
        "explorer": {**shown, "process": explored},
        "import_ms_per_picture": round(1000 * taken["seconds"] / count, 3),
        "ready_ms_per_picture": round(1000 * (taken["seconds"] + shown["start"] + shown["first page"]) / count, 3),
    }
    if options.doctor and last:
        found["doctor"] = examine(settings, data["dataset"], options.doctor)
        found["clicks"], _ = command(settings, "bench.explore_page", data["dataset"], "--backbone", options.doctor)
    corrected, correcting = command(settings, "bench.large_import", "--correct", data["dataset"])
    found["corrected"] = {**corrected, "process": correcting}
    if options.train and last:
        found["training"] = {name: train(settings, data["dataset"], chosen) for name, chosen in TRAININGS.items()}
    end_processes(settings.home)
    return found


def main() -> None:
    """Measure each count, and print JSON."""
    parser = argparse.ArgumentParser(description="Import of very many pictures.")
    parser.add_argument("folder", type=Path, nargs="?", help="photographs (default: the drawn sample)")
    parser.add_argument("--pictures", type=int, nargs="+", default=[5000, 25_000])
    parser.add_argument("--train", action="store_true", help="also train on the last count, for one epoch")
    parser.add_argument("--photographs", action="store_true", help="larger pictures, under the folders of FOLDER")
    parser.add_argument("--doctor", metavar="BACKBONE", help="also examine the last count, and click through Explore")
    parser.add_argument("--work", type=Path, help="keep pictures and data roots there (default: a temporary folder)")
    parser.add_argument("--explore", metavar="DATASET", help=argparse.SUPPRESS)
    parser.add_argument("--correct", metavar="DATASET", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.explore:
        print(json.dumps(explore(options.explore)))
        return
    if options.correct:
        print(json.dumps(correct(Settings.from_environment(), options.correct)))
        return
    if options.photographs and options.folder is None:
        parser.error("--photographs needs a FOLDER of photographs")
    most = max(options.pictures) if options.photographs else MAX_PHOTOGRAPHS
    given, counts, found = photographs(options.folder, most), options.pictures, []
    # one folder for all, removed at the end: ext4 makes files more slowly for minutes after many were deleted
    with nullcontext(options.work) if options.work else tempfile.TemporaryDirectory() as name:
        for place, count in enumerate(counts):
            found.append(measure(Path(name) / str(place), count, given, options, last=place == len(counts) - 1))
    report: dict[str, Any] = {"counts": found}
    if len(found) > 1:
        for kind in ("import", "ready"):
            name = f"{kind}_ms_per_picture"
            report[f"{kind}_last_against_first"] = round(found[-1][name] / found[0][name], 3)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
