"""How long explanations take, and how long a prediction waits meanwhile.

    python -m bench.explaining RUN [RUN …]

requests from the predictor of the data root: heatmaps of single test images, the projection of the test images, weight
changes and filters, all without the cache on disk; and predictions of single images, alone and during a projection.
RUN: its dataset must be there.
"""

import argparse
import shutil
import statistics
import threading
import time
from collections.abc import Callable

from core.predict.explanations.image_features import dataset_of
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
    """Request everything about one run."""
    client = PredictorClient(settings)
    dataset = dataset_of(settings, run)
    rows = dataset.rows_of("test") or dataset.rows_of("val")
    images = [(row.name, dataset.read_image(row)) for row in rows[:ALONE]]
    cache = settings.cache_dir / "explanations"
    print(f"{run.id} {run.config().title()}, {len(rows)} images")
    print_seconds("first heatmap, with the imports", seconds(lambda: client.explain(run.id, *images[0])))
    times = []
    for name, data in images[:REPEATS]:
        started = time.perf_counter()
        client.explain(run.id, name, data)
        times.append(time.perf_counter() - started)
    print_seconds("heatmap (median)", statistics.median(times))
    print_seconds("occlusion", seconds(lambda: client.explain(run.id, *images[0], (None,), ("occlusion",))))
    print(f"  {'predictions alone':36}{format_waits(waits(client, run.id, images, lambda: False))}")
    shutil.rmtree(cache, ignore_errors=True)
    took: list[float] = []
    requesting = threading.Thread(target=lambda: took.append(seconds(lambda: client.projection(run.id))))
    requesting.start()
    meanwhile = waits(client, run.id, images, requesting.is_alive)
    requesting.join()
    print_seconds("projection, the first time", took[0])
    print(f"  {'predictions meanwhile':36}{format_waits(meanwhile)}")
    shutil.rmtree(cache, ignore_errors=True)
    print_seconds("projection, alone", seconds(lambda: client.projection(run.id)))
    print_seconds("projection, cached", seconds(lambda: client.projection(run.id)))
    print_seconds("t-SNE", seconds(lambda: client.projection(run.id, tsne=True)))
    print_seconds("weight changes", seconds(lambda: client.weight_change(run.id)))
    print_seconds("filters", seconds(lambda: client.filters(run.id)))


def print_seconds(what: str, taken: float) -> None:
    """Print one figure."""
    print(f"  {what:36}{taken:8.3f} s", flush=True)


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def waits(
    client: PredictorClient, run_id: str, images: list[tuple[str, bytes]], is_going_on: Callable[[], bool]
) -> list[float]:
    """Seconds that single predictions take: while other work runs, or `ALONE` of them on an idle predictor."""
    out: list[float] = []
    busy = is_going_on()
    while is_going_on() or (not busy and len(out) < ALONE):
        out.append(seconds(lambda: client.predict(run_id, [images[len(out) % len(images)]])))
        time.sleep(0.02)
    return out


def format_waits(found: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(found)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{1000 * statistics.median(ordered):6.0f} ms (median), {1000 * p95:.0f} ms (95 %), n = {len(ordered)}"


if __name__ == "__main__":
    main()
