"""A folder of thousands of pictures, predicted by `core.batches`, against the bare decode and forward pass.

    python -m bench.many_pictures FOLDER --work EMPTY_FOLDER [--count 25000] [--odd FOLDER ...] [--spoilt 25]

FOLDER is a folder of class folders, which is imported; a head of petnet is trained on it. The pictures are linked under
other names until there are `count`, with the odd files among them, and so many spoilt copies of photographs: cut off,
overwritten, empty, or of another kind than their name says. In the middle the process is killed with `kill -9`
and resumed. The bare limit is measured between the two halves, on a sample, with as many processes of one thread as the
batch has threads: decode, resize, forward, and nothing else. On a machine that others use too, compare processor time,
not seconds.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from core.batches.batch import Batch
from core.batches.batch_rows import PIECE, read_rows
from core.batches.batch_store import BatchStore
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings

SAMPLE = 480
BARE = """
import sys, time, json
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)
from core.predict.predictor import Predictor
from core.runs.run_store import RunStore
from core.settings import Settings
from core.stores.pixels import square_pixels
from core.training.inference import logits_of
settings = Settings.from_environment()
predictor = Predictor(settings); torch.set_num_threads(1)
loaded = predictor.load(RunStore(settings).get(sys.argv[1]))
files = [Path(line) for line in sys.stdin.read().splitlines()]
size = loaded.spec.resize_px
logits_of(loaded.folded, np.zeros((16, size, size, 3), np.uint8), loaded.spec, predictor.hardware)
started, cpu = time.monotonic(), time.process_time()
for first in range(0, len(files), 16):
    part = [square_pixels(file, file.name, predictor.limits, loaded.spec) for file in files[first : first + 16]]
    logits_of(loaded.folded, np.stack(part), loaded.spec, predictor.hardware)
print(time.monotonic() - started, time.process_time() - cpu, flush=True)
"""


def spoil_pictures(source: Path, target: Path, count: int) -> None:
    """Write spoilt copies of photographs, each in another way or at another place."""
    rng = random.Random(2)
    target.mkdir(parents=True, exist_ok=True)
    pictures = rng.sample(sorted(path for path in source.rglob("*") if path.is_file()), count)
    for number, picture in enumerate(pictures):
        whole = picture.read_bytes()
        place = rng.randrange(len(whole) // 10, len(whole))
        spoilt = {
            0: whole[:place],
            1: whole[:place] + rng.randbytes(len(whole) - place),
            2: rng.randbytes(100) + whole[100:],
            3: whole[: number // 5],
            4: picture.name.encode() * 100,
        }[number % 5]
        (target / f"spoilt {number}{picture.suffix}").write_bytes(spoilt)


def link_pictures(source: Path, odd: list[Path], target: Path, count: int) -> int:
    """Link pictures under varied names; returns how many odd files are among them."""
    pictures = sorted(path for path in source.rglob("*") if path.is_file())
    others = sorted(path for folder in odd for path in folder.rglob("*") if path.is_file())
    places = set(random.Random(0).sample(range(count), len(others)))
    strange = iter(others)
    for number in range(count):
        path = next(strange) if number in places else pictures[number % len(pictures)]
        folder = target / f"{number // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"{number:06d} {path.name}"
        try:
            os.link(path, place)
        except OSError:
            place.symlink_to(path)
    return len(others)


def run_command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "core", *words], cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, check=True)


def job_of(batch: Batch) -> psutil.Process:
    """The process that predicts a batch."""
    while True:
        for process in psutil.process_iter(["cmdline"]):
            if str(batch.folder) in (process.info["cmdline"] or []):
                return process
        time.sleep(0.05)


def follow(batch: Batch, until: int) -> dict[str, float]:
    """Watch a batch until so many files are done: pictures a second between its first and last look, and memory."""
    process = job_of(batch)
    begun, rss, early, cpu = None, 0, 0, 0.0
    status = batch.status()
    while status.state == "running" and status.done < until:
        try:
            rss = max(rss, process.memory_info().rss)
            cpu = sum(process.cpu_times()[:2])
        except psutil.Error:
            break
        if status.text == "Predicting" and begun is None:
            begun = time.monotonic(), status.done, cpu
        if begun is not None and status.done > begun[1] + 40 * PIECE and not early:
            early = rss
        last = time.monotonic(), status.done, cpu
        time.sleep(0.3)
        status = batch.status()
    assert begun is not None, status
    return {
        "per_second": (last[1] - begun[1]) / max(0.001, last[0] - begun[0]),
        "cpu_ms_a_picture": 1000 * (last[2] - begun[2]) / max(1, last[1] - begun[1]),
        "early_mb": early / 2**20,
        "largest_mb": rss / 2**20,
    }


def measure_bare(run: str, files: list[Path], threads: int) -> dict[str, float]:
    """The bare decode and forward pass: pictures a second, and processor time of each."""
    parts = [files[number::threads] for number in range(threads)]
    command = ["nice", "-n", "5", sys.executable, "-c", BARE, run]
    started = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in parts
    ]
    for process, part in zip(started, parts, strict=True):
        assert process.stdin is not None
        process.stdin.write("\n".join(map(str, part)))
        process.stdin.close()
    found = [process.stdout.read().split()[-2:] for process in started if process.stdout]
    for process in started:
        process.wait()
    wall, cpu = ([float(each[place]) for each in found] for place in (0, 1))
    return {"per_second": len(files) / max(wall), "cpu_ms_a_picture": 1000 * sum(cpu) / len(files)}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=25_000)
    parser.add_argument("--odd", type=Path, nargs="*", default=[])
    parser.add_argument("--spoilt", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder on the disk of FOLDER")
    options = parser.parse_args()
    os.environ["TUNEMYPETS_HOME"] = str(options.work / "home")
    settings = Settings.from_environment()
    if not RunStore(settings).all():
        run_command("import", str(options.folder), "--name", "pictures")
        run_command("train", "pictures", "--model", "petnet", "--strategy", "head")
    run = RunStore(settings).all()[0].id
    spoil_pictures(options.folder, options.work / "spoilt", options.spoilt)
    odd = link_pictures(options.folder, [*options.odd, options.work / "spoilt"], options.work / "many", options.count)
    store = BatchStore(settings)
    started = time.monotonic()
    batch = store.start(run, options.work / "many")
    first = follow(batch, options.count // 2)
    os.kill(job_of(batch).pid, signal.SIGKILL)
    while batch.active:
        time.sleep(0.05)
    kept = sum(1 for _ in read_rows(batch.rows_path))
    half = time.monotonic() - started
    pictures = sorted(path for path in options.folder.rglob("*") if path.is_file())
    bare = measure_bare(run, random.Random(1).sample(pictures, min(SAMPLE, len(pictures))), settings.threads)
    started = time.monotonic()
    store.resume(batch)
    second = follow(batch, options.count)
    while batch.status().state == "running":
        time.sleep(0.1)
    names = [row.file for row in read_rows(batch.rows_path)]
    expected = {path.relative_to(options.work / "many").as_posix() for path in (options.work / "many").rglob("*.*")}
    found = {
        "files": options.count,
        "odd": odd,
        "state": batch.status().state,
        "problems": batch.status().problems,
        "seconds": half + time.monotonic() - started,
        "rows_when_killed": kept,
        "rows": len(names),
        "doubled": len(names) - len(set(names)),
        "lost": len(expected - set(names)),
        "bare": bare,
        "first_half": first,
        "second_half": second,
        "table_mb": batch.rows_path.stat().st_size / 2**20,
        "threads": settings.threads,
        "load": os.getloadavg(),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
