"""Training beside other programs: what is left of its speed, and what it leaves to them.

    python -m bench.busy_machine [--kinds scratch partial prefix] [--beside 0 1 2] [--rounds 5]

A training computes as in a worker: its environment, priority and threads, in a session of its own. Beside it run so
many programs that never pause, each in its own session, at normal priority, as other people's are. The settings of
workers and those of earlier versions take turns. Kinds: steps of the scratch CNN (128 px, 32 pictures), steps of
MobileNetV2 above its default freeze point, and passes through the frozen part of that network, 16 pictures each. With
`--calls` the programs are calls instead: 30 frames a second of 10 ms each; then the share of frames that come more
than one frame late is shown. Whatever else computes on the machine spoils a figure: such a sample is repeated.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.jobs.launchers import NICENESS, WORKER_ENVIRONMENT, step_back
from core.jobs.workers.short_waits import ShortWaits
from core.settings import Settings
from core.stores.measurements import OtherPrograms

SETTLE_SECONDS = 2.5  # until a training has noticed what computes beside it; before what counts
SPOILT = 0.2  # cores that anything else used
MOST_TRIES = 200

BUSY = """
import time
steps = 0
began, computed = time.perf_counter(), time.process_time()
while True:
    steps += 1
    if steps % 100_000 == 0 and time.perf_counter() - began > 0.1:
        print(time.process_time() - computed, flush=True)
        began, computed = time.perf_counter(), time.process_time()
"""
CALL = """
import time
due = time.perf_counter()
while True:
    due += 1 / 30
    time.sleep(max(0.0, due - time.perf_counter()))
    computed = time.process_time()
    while time.process_time() - computed < 0.01:
        pass
    late = time.perf_counter() - due
    print(late, flush=True)
    due = max(due, time.perf_counter() - 0.2)
"""


@dataclass(frozen=True)
class Variant:
    """Settings of a worker."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)  # other than now
    niceness: int = NICENESS
    threads: int = Settings.from_environment().threads
    watches: bool = False  # other programs, to wait more briefly beside them


NOW = Variant("now", watches=True)
BEFORE = Variant("before", {"GOMP_SPINCOUNT": "100000"}, 10)


def work_of(kind: str) -> Callable[[], object]:
    """One step of a kind of work."""
    import torch
    from torch.nn import functional

    from core.config.train_config import TrainConfig
    from models.folding import fold_prefix
    from models.network import build

    config = TrainConfig(dataset="any", model="scratch_cnn" if kind == "scratch" else "mobilenet_v2")
    network = build(config.model, 2, seed=0).to(memory_format=torch.channels_last)
    side = config.entry().preprocessing.crop_px
    batch = torch.randn(32 if kind == "scratch" else 16, 3, side, side).to(memory_format=torch.channels_last)
    if kind == "prefix":
        network.freeze(list(network.blocks)[-1])
        module = fold_prefix(network)

        def look() -> None:
            with torch.inference_mode():
                module(batch)

        return look
    network.freeze(config.entry().default_freeze if kind == "partial" else None)
    network.train()
    inputs = network.frozen_prefix(batch)
    optimizer = torch.optim.Adam([value for value in network.parameters() if value.requires_grad])
    labels = torch.zeros(len(batch), dtype=torch.long)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(network.trainable_part(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def train(kind: str, niceness: int, threads: int, watches: bool) -> None:
    """A training, in a process of its own: each line that it is given is how many seconds to compute."""
    step_back(niceness)
    import torch

    torch.set_num_threads(threads)

    def compute() -> None:
        work = work_of(kind)
        work()
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < float(line):
                work()
                count += 1
            print(json.dumps(count / (time.perf_counter() - began)), flush=True)

    with ShortWaits(threads if watches else 1):
        thread = threading.Thread(target=compute)  # as in a worker
        thread.start()
        thread.join()


@contextmanager
def started(*words: str, environment: dict[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A Python process in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, *words], env={**os.environ, **(environment or {})}, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def training(kind: str, variant: Variant) -> Iterator["subprocess.Popen[str]"]:
    """A training that waits to be asked for steps."""
    environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": str(variant.threads), **variant.environment}
    words = (
        "-m",
        "bench.busy_machine",
        "train",
        kind,
        str(variant.niceness),
        str(variant.threads),
        str(int(variant.watches)),
    )
    with started(*words, environment=environment) as process:
        ask(process)
        yield process


def ask(process: "subprocess.Popen[str]", seconds: float | None = None) -> Any:
    """The next answer of a training: steps a second, where it was asked to compute for so long."""
    assert process.stdin is not None
    assert process.stdout is not None
    if seconds is not None:
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
    return json.loads(process.stdout.readline())


@dataclass(frozen=True)
class Sample:
    """A training beside programs for a moment.

    Attributes:
        speed: steps a second.
        others: the share of a core that each program got, or of its frames that came late.
    """

    speed: float
    others: list[float]


def sample(process: "subprocess.Popen[str]", programs: list[str], seconds: float) -> Sample:
    """Steps beside programs, repeated until nothing else has computed meanwhile."""
    for _ in range(MOST_TRIES):
        wait_for_quiet()
        with ExitStack() as stack:
            beside = [stack.enter_context(started("-c", program)) for program in programs]
            time.sleep(0.3)
            ask(process, SETTLE_SECONDS)
            watch, before = OtherPrograms(), computed(process, beside)
            began = time.perf_counter()
            speed = ask(process, seconds)
            passed = time.perf_counter() - began
            spent = [now - then for now, then in zip(computed(process, beside), before, strict=True)]
            if watch.cores() - sum(spent) / passed > SPOILT:
                continue
            shares = [value / passed for value in spent[1:]]
            if programs and programs[0] == CALL:
                shares = [late_share(item) for item in beside]
            return Sample(speed, shares)
    raise SystemExit("The machine is too busy with other programs: end them first.")


def wait_for_quiet() -> None:
    """Return when nothing computes."""
    while True:
        watch = OtherPrograms()
        time.sleep(0.5)
        if watch.cores() < SPOILT:
            return


def computed(*processes: Any) -> list[float]:
    """Processor seconds so far of a training, and of programs."""
    import psutil

    training_process, beside = processes
    times = [psutil.Process(item.pid).cpu_times() for item in (training_process, *beside)]
    return [item.user + item.system for item in times]


def late_share(process: "subprocess.Popen[str]") -> float:
    """Frames of a call that came more than a frame late."""
    process.send_signal(signal.SIGTERM)
    lines = process.communicate()[0].split()
    late = [float(line) for line in lines]
    return sum(value > 1 / 30 for value in late) / len(late)


def main() -> None:
    """Measure in turn, and print JSON."""
    if sys.argv[1:2] == ["train"]:
        train(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1")
        return
    parser = argparse.ArgumentParser(description="Training beside other programs.")
    parser.add_argument("--kinds", nargs="+", default=["scratch", "partial", "prefix"])
    parser.add_argument("--beside", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--calls", action="store_true", help="video calls in place of programs that never pause")
    parser.add_argument("--also", nargs="*", default=[], help="more settings: NICENESS:SPINCOUNT[:THREADS]")
    options = parser.parse_args()
    variants = [NOW, BEFORE]
    for text in options.also:
        nice, spin, *threads = text.split(":")
        variants.append(
            Variant(text, {"GOMP_SPINCOUNT": spin}, int(nice), int(threads[0]) if threads else Variant("").threads)
        )
    report: dict[str, Any] = {}
    for kind in options.kinds:
        found: dict[tuple[str, int], list[Sample]] = {}
        with ExitStack() as stack:
            waiting = {variant.name: stack.enter_context(training(kind, variant)) for variant in variants}
            for number in range(options.rounds):
                for count in options.beside:
                    for name, process in waiting.items():
                        got = sample(process, [CALL if options.calls else BUSY] * count, options.seconds)
                        found.setdefault((name, count), []).append(got)
                        print(time.strftime("%X"), number, kind, name, count, got, file=sys.stderr, flush=True)
        for name in waiting:
            idle = statistics.median(item.speed for item in found[name, options.beside[0]])
            for count in options.beside:
                rows = found[name, count]
                speed = statistics.median(item.speed for item in rows)
                line = {"steps_a_second": round(speed, 3), "of_first": round(speed / idle, 3)}
                if count:
                    line["others"] = round(statistics.median(sum(item.others) / count for item in rows), 3)
                report.setdefault(kind, {}).setdefault(name, {})[f"beside {count}"] = line
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
