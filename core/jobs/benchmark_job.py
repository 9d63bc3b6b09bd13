"""Measuring a configuration before its training, in a process of its own: the pages must not load torch.

    python -m core.jobs.benchmark_job CONFIG

CONFIG is a `TrainConfig` as JSON. The figures go to `cache/measurements.json`, where `estimate` finds them. One process
measures at a time, and none while a run trains: both would be slower, and the figures wrong.
"""

import logging
import sys
import time
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from core.config.train_config import TrainConfig, load_config
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.estimates.estimate import estimate
from core.jobs.launchers import start_detached, start_module, step_back
from core.jobs.shared_job import read_arguments
from core.locks import is_held
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from models import weights

LOCK_SECONDS = 60.0  # for another process that measures

log = logging.getLogger("tunemypets.benchmark")


def lock_path(settings: Settings) -> Path:
    """Held while a configuration is measured."""
    return settings.cache_dir / "calibrator.lock"


def start_benchmark(settings: Settings, config: TrainConfig) -> bool:
    """Start to measure a configuration; False if that has to wait for a training or another measurement."""
    if is_measuring(settings) or _is_training(settings):
        return False
    start_detached(
        settings, "core.jobs.benchmark_job", [config.model_dump_json()], settings.logs_dir / "calibrator.log"
    )
    return True


def can_be_measured(config: TrainConfig) -> bool:
    """Whether everything that a measurement needs is on this machine."""
    return not config.pretrained or weights.find(config.entry()) is not None


def is_measuring(settings: Settings) -> bool:
    """Whether some configuration is being measured."""
    return is_held(lock_path(settings))


def _is_training(settings: Settings) -> bool:
    return any(run.state().active for run in RunStore(settings).all())


def main(arguments: list[str] | None = None) -> int:
    """Measure one configuration."""
    (text,) = read_arguments("core.jobs.benchmark_job", ("config",), arguments)
    settings, config = Settings.from_environment(), load_config(text)
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock_path(settings)).acquire(timeout=LOCK_SECONDS):
            step_back(5)
            if _is_training(settings):
                log.info("a run trains: nothing is measured")
            else:
                _measure(settings, config)
    except Timeout:
        log.info("another process measures")
    except Stopped:
        log.info("a run has started: nothing is measured")
    except TuneMyPetsError:
        log.exception("%s could not be measured", config.title())
    return 0


def benchmark_and_wait(settings: Settings, config: TrainConfig) -> None:
    """Measure a configuration in a process with the memory settings of workers, and wait for its end."""
    log_file = settings.logs_dir / "calibrator.log"
    start_module(settings, "core.jobs.benchmark_job", [config.model_dump_json()], log_file).wait()


def _measure(settings: Settings, config: TrainConfig) -> None:
    dataset = DatasetStore(settings).get(config.dataset)
    known = estimate(settings, config, dataset)
    if known is not None and not known.outdated:
        return
    # torch costs seconds to import: the lock is taken before it
    from core.estimates.benchmark import measure_ahead
    from core.stores.hardware import prepare_torch

    started = time.monotonic()
    prepare_torch(settings, config.seed)
    # a run that starts meanwhile would be slowed down, and the figures would be wrong
    run_step(measure_ahead(settings, config, dataset, StopSignal(partial(_is_training, settings))))
    log.info("measured %s in %.1f s", config.title(), time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
