"""What known pictures look like to a run of an earlier version, and how strange those of another dataset are to it."""

import time
from collections.abc import Generator

import numpy as np

from core.checkpoints.checkpoint import load_network
from core.config.events import Progress
from core.datasets.dataset_store import DatasetStore
from core.errors import ImageError, RunError
from core.novelty.novelty import Novelty, write_novelty
from core.predict.explanations.image_features import OnProgress, dataset_of
from core.predict.predictor import Predictor
from core.predict.predictor_answers import Strangers
from core.predict.priority_lock import PriorityLock
from core.runs.run import Run
from core.runs.run_files import BEST, NOVELTY
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.pixels import open_store, read_square
from core.training.evaluation import SplitPredictor, exact_hardware
from core.training.feature_tap import tapped
from core.training.inference import logits_of

MAX_STRANGERS = 400  # an interval of 5 percentage points at most


def know_pictures(settings: Settings, run: Run, signal: StopSignal) -> Generator[Progress, None, Novelty]:
    """Compute what known pictures look like to a run, and keep it in the run's folder.

    Raises:
        RunError: if the run has no weights, they are damaged, or it is still training.
        DatasetError: if its pictures are gone or have changed.
    """
    if run.state().active:
        raise RunError("This run is still training: wait until it has finished.")
    dataset = dataset_of(settings, run)
    network, checkpoint = load_network(run.checkpoints, BEST)
    hardware = exact_hardware(settings, None)
    hardware.place(network)
    spec = checkpoint.preprocessing
    store = yield from open_store(settings, dataset, spec, signal)
    predictor = SplitPredictor(dataset, settings, checkpoint.config, spec, network, store, hardware, signal)
    found = yield from predictor.measure_novelty(checkpoint.epoch)
    try:
        write_novelty(run.folder / NOVELTY, found)
    except FileNotFoundError as error:
        raise RunError(f"Run {run.id} was deleted meanwhile: choose another one.") from error
    return found


class StrangePictures:
    """Answers about strange pictures with the networks that the predictor has loaded."""

    def __init__(self, settings: Settings, predictor: Predictor, lock: PriorityLock) -> None:
        self.settings, self.predictor, self.lock = settings, predictor, lock

    def know_pictures(self, run: Run, on_progress: OnProgress) -> Novelty:
        """What known pictures look like to a run, computed where it is not known yet.

        Raises:
            RunError, DatasetError: each with a sentence for people.
        """
        with self.lock.background():  # another request may have computed it meanwhile
            known = self.predictor.novelty(run)
            if known is not None:
                return known
            signal = StopSignal(self.lock.let_urgent_pass)
            return run_step(know_pictures(self.settings, run, signal), on_progress)

    def measure(self, run: Run, dataset_id: str, on_progress: OnProgress) -> Strangers:
        """How strange the pictures of another dataset are to a run.

        Raises:
            RunError, DatasetError: each with a sentence for people.
        """
        dataset = DatasetStore(self.settings).get(dataset_id)
        novelty = self.know_pictures(run, on_progress)
        rows = dataset.rows
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_STRANGERS)).astype(np.int64))
        features, confidences = [], []
        started = time.monotonic()
        for done, place in enumerate(chosen, start=1):
            row = rows[place]
            with self.lock.background():  # predictions go first
                loaded, hardware = self.predictor.load(run), self.predictor.hardware
                try:
                    pixels, _ = read_square(dataset.read_image(row), row.name, self.predictor.limits, loaded.spec)
                except ImageError:
                    continue
                with tapped(loaded.folded) as seen:
                    logits = logits_of(loaded.folded, pixels[np.newaxis], loaded.spec, hardware)
                confidences.append(float(loaded.network.probabilities(logits.cpu().double()).max()))
                features.append(seen.features())
            left = (time.monotonic() - started) / done * (len(chosen) - done)
            on_progress(Progress("testing", "Looking at strangers", done, len(chosen), left))
        if not features:
            raise RunError(f"No picture of {dataset_id} can be read: choose another dataset.")
        p_values = novelty.p_values(novelty.reference.scores(np.concatenate(features)))
        return Strangers(tuple(p_values.tolist()), tuple(confidences), len(rows))
