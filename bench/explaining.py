"""How long the answers to why take, and how long a prediction waits meanwhile.

    python -m bench.explaining RUN [RUN …]

asks the predictor of the data root: heat maps of single test pictures, a map of the test pictures, movement and
filters, all without what is kept on disk; and predictions of single pictures while nothing else is asked, and while
maps are made. RUN: of a dataset that is there.
"""

import argparse
import shutil
import statistics
import threading
import time
from collections.abc import Callable

from core.predict.image_features import dataset_of
from core.predict.predictor_client import PredictorClient
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import Settings

REPEATS = 10
ALONE = 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    settings = Settings.from_environment()
    for run_id in parser.parse_args().runs:
        measure(settings, RunStore(settings).get(run_id))


def measure(settings: Settings, run: Run) -> None:
    """Ask everything about one run."""
    client = PredictorClient(settings)
    dataset = dataset_of(settings, run)
    rows = dataset.rows_of("test") or dataset.rows_of("val")
    pictures = [(row.name, dataset.read_image(row)) for row in rows[:ALONE]]
    kept = settings.cache_dir / "explanations"
    print(f"{run.id} {run.config().title()}, {len(rows)} pictures")
    print_status("first heat map, with the imports", seconds(lambda: client.explain(run.id, *pictures[0])))
    maps = []
    for name, data in pictures[:REPEATS]:
        started = time.perf_counter()
        client.explain(run.id, name, data)
        maps.append(time.perf_counter() - started)
    print_status("heat map (median)", statistics.median(maps))
    print_status("hiding parts", seconds(lambda: client.explain(run.id, *pictures[0], (None,), ("occlusion",))))
    print(f"  {'predictions, nothing else asked':36}{format_waits(waits(client, run.id, pictures, lambda: False))}")
    shutil.rmtree(kept, ignore_errors=True)
    taken: list[float] = []
    asking = threading.Thread(target=lambda: taken.append(seconds(lambda: client.projection(run.id))))
    asking.start()
    meanwhile = waits(client, run.id, pictures, asking.is_alive)
    asking.join()
    print_status("map of the pictures, the first time", taken[0])
    print(f"  {'predictions meanwhile':36}{format_waits(meanwhile)}")
    shutil.rmtree(kept, ignore_errors=True)
    print_status("map of the pictures, alone", seconds(lambda: client.projection(run.id)))
    print_status("map of the pictures, kept", seconds(lambda: client.projection(run.id)))
    print_status("t-SNE, when it is chosen", seconds(lambda: client.projection(run.id, tsne=True)))
    print_status("movement", seconds(lambda: client.weight_change(run.id)))
    print_status("filters", seconds(lambda: client.filters(run.id)))


def print_status(what: str, taken: float) -> None:
    """Print one figure."""
    print(f"  {what:36}{taken:8.3f} s", flush=True)


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def waits(
    client: PredictorClient, run_id: str, pictures: list[tuple[str, bytes]], going_on: Callable[[], bool]
) -> list[float]:
    """Seconds that single predictions take: while other work runs, or `ALONE` of them on an idle predictor."""
    out: list[float] = []
    busy = going_on()
    while going_on() or (not busy and len(out) < ALONE):
        out.append(seconds(lambda: client.predict(run_id, [pictures[len(out) % len(pictures)]])))
        time.sleep(0.02)
    return out


def format_waits(found: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(found)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{1000 * statistics.median(ordered):6.0f} ms (median), {1000 * p95:.0f} ms (95 %), n = {len(ordered)}"


if __name__ == "__main__":
    main()
