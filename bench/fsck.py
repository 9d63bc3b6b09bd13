"""How fast a data root is checked and carried, against reading the same files and against `sha256sum` of them.

    python -m bench.fsck [FOLDER] [--pictures 5000] [--model petnet]

A dataset of so many pictures (made as in `bench.large_import`) and two trainings on it fill a data root.
`python -m core fsck`, with its start, takes turns with `sha256sum` and with plain reading, all files in the system's
cache; medians of three. `export-room` and `import-room` run once. Of fsck's time some seconds
are its start: it imports torch to learn what shapes a network has. Limit: 500 MB of memory.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.large_import import command, make_folder, photographs
from core.settings import Settings
from tests.support.processes import end_processes

ROUNDS = 3


def files_of(home: Path) -> list[Path]:
    """Every file of a data root."""
    return [path for path in home.rglob("*") if path.is_file()]


def seconds_of(run: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def read_all(files: list[Path]) -> None:
    """Read every file in blocks."""
    buffer = bytearray(2**20)
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def measure(home: Path, elsewhere: Path) -> dict[str, Any]:
    """Check, read and hash in turns; then carry."""
    files = files_of(home)
    size = sum(path.stat().st_size for path in files)
    names = "\0".join(map(str, files)).encode()
    settings = dataclasses.replace(Settings.from_environment(), home=home)
    found: dict[str, list[float]] = {"fsck": [], "fsck_one_thread": [], "sha256sum": [], "read": []}
    peak = 0
    hashing = ["xargs", "-0", "sha256sum"]
    for _ in range(ROUNDS):
        found["read"].append(seconds_of(lambda: read_all(files)))
        found["sha256sum"].append(
            seconds_of(lambda: subprocess.run(hashing, input=names, stdout=subprocess.DEVNULL, check=True))
        )
        for kind, threads in (("fsck", settings.threads), ("fsck_one_thread", 1)):
            os.environ["TUNEMYPETS_THREADS"] = str(threads)
            value, taken = command(settings, "core", "fsck", "--json")
            assert value["clean"], value
            found[kind].append(taken["seconds"])
            peak = max(peak, taken["peak_megabytes"]["anonymous"])
    del os.environ["TUNEMYPETS_THREADS"]
    seconds = {kind: statistics.median(values) for kind, values in found.items()}
    archive = elsewhere / "room.zip"
    _, packed = command(settings, "core", "export-room", str(archive), "--json")
    there = dataclasses.replace(settings, home=elsewhere / "workspace")
    _, taken_in = command(there, "core", "import-room", str(archive), "--json")
    return {
        "files": len(files),
        "megabytes": round(size / 1e6),
        "seconds": {kind: round(value, 2) for kind, value in seconds.items()},
        "megabytes_a_second": {kind: round(size / 1e6 / value) for kind, value in seconds.items()},
        "fsck_against_sha256sum": round(seconds["fsck"] / seconds["sha256sum"], 2),
        "one_thread_against_sha256sum": round(seconds["fsck_one_thread"] / seconds["sha256sum"], 2),
        "fsck_against_read": round(seconds["fsck"] / seconds["read"], 2),
        "fsck_peak_anonymous_megabytes": peak,
        "export": {"seconds": packed["seconds"], "megabytes": round(archive.stat().st_size / 1e6)},
        "import_seconds": taken_in["seconds"],
        "import_peak_anonymous_megabytes": taken_in["peak_megabytes"]["anonymous"],
    }


def main() -> None:
    """Fill a data root, measure, and print JSON."""
    parser = argparse.ArgumentParser(description="Speed of fsck, export-room and import-room.")
    parser.add_argument("folder", type=Path, nargs="?", help="photographs (default: the drawn sample)")
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--model", default="petnet", help="of a head that is trained (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_folder(root / "pictures", options.pictures, photographs(options.folder))
        settings = dataclasses.replace(Settings.from_environment(), home=root / "workspace")
        (root / "elsewhere").mkdir()
        command(settings, "core", "import", str(root / "pictures"), "--name", "many", "--json")
        head = ("--model", options.model, "--strategy", "head", "--epochs", "1")
        scratch = ("--model", "scratch_cnn", "--strategy", "scratch", "--image-size", "64", "--epochs", "1")
        for words in (head, scratch):
            command(settings, "core", "train", "many", *words, "--json")
        end_processes(settings.home)
        print(json.dumps(measure(settings.home, root / "elsewhere"), indent=1))


if __name__ == "__main__":
    main()
