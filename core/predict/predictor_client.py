"""The pages' side of the predictor process. Imports no torch."""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from typing import Any

from core.config.events import Progress
from core.errors import PredictorError, TuneMyPetsError
from core.jobs.launchers import live_process, start_single
from core.locks import is_held
from core.predict.explanations.explanation_answers import Explanation, Filters, Method, Projection, WeightChange
from core.predict.explanations.garden_answers import Garden
from core.predict.predictor_answers import Prediction, Strangers
from core.predict.predictor_server import address_path, lock_path, receive, send
from core.settings import Settings
from core.storage import read_json
from models.entry import OWN_RANGES, GreyRanges

START_SECONDS = 60.0
PATIENCE_SECONDS = 10.0  # without an answer, before a ping
SIGN_SECONDS = 15.0  # in which a living predictor answers a ping, however much it computes
MAX_SECONDS = 300.0  # for one request
IMAGES_AT_ONCE = 50
MAX_NAME = 500  # characters

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class AugmentationChoice:
    """The augmentation to show, as in a TrainConfig."""

    crop: bool
    flip: bool
    colour: bool
    strength: float


class PredictorClient:
    """Sends requests to the predictor process, and starts it where it is missing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def warm_up(self) -> None:
        """Start the process before the first question, in the background, unless it runs already."""
        self._start()

    def _start(self) -> None:
        if not is_held(lock_path(self.settings)):
            self.settings.home.mkdir(parents=True, exist_ok=True)
            start_single(self.settings, "core.predict.predictor_server", [], self.settings.logs_dir / "predictor.log")

    def predict(self, run_id: str, images: Sequence[tuple[str, bytes]], top: int = 5) -> list[Prediction]:
        """Classify images (name, bytes) with a run.

        Raises:
            TuneMyPetsError: if the run cannot be used or the predictor does not answer.
        """
        found: list[Prediction] = []
        for first in range(0, len(images), IMAGES_AT_ONCE):
            batch = images[first : first + IMAGES_AT_ONCE]
            names = [name[:MAX_NAME] for name, _ in batch]
            request = {"ask": "predict", "run": run_id, "names": names, "top": top}
            reply, _ = self._ask(request, [data for _, data in batch])
            found += [Prediction.from_json(record) for record in reply["predictions"]]
        return found

    def views(
        self,
        data: bytes,
        network: str,
        augmentation: AugmentationChoice,
        *,
        count: int,
        seed: int,
        greys: GreyRanges = OWN_RANGES,
    ) -> tuple[str, list[bytes]]:
        """A network's input for an image: a description and PNG files, the first without augmentation.

        Args:
            greys: of the dataset that the image belongs to.
        Raises:
            TuneMyPetsError: if the image cannot be used or the predictor does not answer.
        """
        reply, parts = self._ask(
            {
                "ask": "views",
                "network": network,
                "augmentation": dataclasses.asdict(augmentation),
                "count": count,
                "seed": seed,
                "greys": dataclasses.asdict(greys),
            },
            [data],
        )
        return str(reply["described"]), parts

    def explain(
        self,
        run_id: str,
        name: str,
        data: bytes,
        classes: Sequence[str | None] = (None,),
        methods: Sequence[Method] = ("grad_cam",),
        on_progress: OnProgress | None = None,
    ) -> Explanation:
        """The answer for one image, with heatmaps; a class None stands for the network's answer.

        Args:
            on_progress: called in a thread of its own.
        Raises:
            TuneMyPetsError: if the run or the image cannot be used, captum is missing, or the predictor does not
                answer.
        """
        request = {
            "ask": "explain",
            "run": run_id,
            "name": name[:MAX_NAME],
            "classes": list(classes),
            "methods": list(methods),
        }
        return Explanation.from_message(*self._ask(request, [data], on_progress))

    def projection(self, run_id: str, *, tsne: bool = False, on_progress: OnProgress | None = None) -> Projection:
        """The test images' features in two dimensions; the first time takes seconds.

        Args:
            tsne: by t-SNE too.
            on_progress: called in a thread of its own.
        Raises:
            TuneMyPetsError: if the run or its dataset cannot be used, openTSNE is missing where it is needed, or the
                predictor does not answer.
        """
        request = {"ask": "projection", "run": run_id, "tsne": tsne}
        return Projection.from_json(self._ask(request, [], on_progress)[0])

    def know_pictures(self, run_id: str, on_progress: OnProgress | None = None) -> bool:
        """Let a run of an earlier version know what its training pictures look like; takes seconds to minutes.

        Args:
            on_progress: called in a thread of its own.
        Raises:
            TuneMyPetsError: if the run or its dataset cannot be used, or the predictor does not answer.
        """
        return bool(self._ask({"ask": "know_pictures", "run": run_id}, [], on_progress)[0]["ok"])

    def strangers(self, run_id: str, dataset_id: str, on_progress: OnProgress | None = None) -> Strangers:
        """How strange the pictures of another dataset are to a run.

        Args:
            on_progress: called in a thread of its own.
        Raises:
            TuneMyPetsError: if the run or a dataset cannot be used, or the predictor does not answer.
        """
        request = {"ask": "strangers", "run": run_id, "dataset": dataset_id}
        return Strangers.from_json(self._ask(request, [], on_progress)[0])

    def weight_change(self, run_id: str) -> WeightChange:
        """How much training changed each block of a run.

        Raises:
            TuneMyPetsError: if the run cannot be used, its start is not available, or the predictor does not answer.
        """
        return WeightChange.from_json(self._ask({"ask": "weight_change", "run": run_id}, [])[0])

    def garden(self, run_id: str, on_progress: OnProgress | None = None) -> Garden:
        """The features that the head of a run uses most; the first time takes seconds.

        Raises:
            TuneMyPetsError: if the run or its dataset cannot be used or the predictor does not answer.
        """
        return Garden.from_json(self._ask({"ask": "garden", "run": run_id}, [], on_progress)[0])

    def feature_heatmaps(self, run_id: str, number: int) -> list[bytes]:
        """PNG files of the pictures that excite one of those features; none where the network has no map of it.

        Raises:
            TuneMyPetsError: if the run or its dataset cannot be used or the predictor does not answer.
        """
        return self._ask({"ask": "feature", "run": run_id, "feature": number}, [])[1]

    def filters(self, run_id: str) -> Filters:
        """The filters of a run's first layer, drawn.

        Raises:
            TuneMyPetsError: if the run cannot be used or the predictor does not answer.
        """
        return Filters.from_message(*self._ask({"ask": "filters", "run": run_id}, []))

    def _ask(
        self, record: dict[str, Any], parts: list[bytes], on_progress: OnProgress | None = None
    ) -> tuple[dict[str, Any], list[bytes]]:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._start()
            try:
                address = read_json(address_path(self.settings))
                reply, reply_parts = self._wait(address, _Request(address, record, parts, on_progress))
                break
            except (OSError, EOFError, ValueError, KeyError, TypeError, AuthenticationError) as error:
                # not up yet, or killed meanwhile: start it again and ask again
                if time.monotonic() > deadline:
                    raise PredictorError(
                        "The predictor process does not answer: see logs/predictor.log in the data folder, "
                        "or restart the app."
                    ) from error
                time.sleep(0.1)
        if "error" in reply:
            raise TuneMyPetsError(str(reply["error"]))
        return reply, reply_parts

    def _wait(self, address: dict[str, Any], request: "_Request") -> tuple[dict[str, Any], list[bytes]]:
        """The answer; a predictor that does not answer a ping is ended, so that the next try starts another one."""
        until = time.monotonic() + MAX_SECONDS
        while not request.done.wait(PATIENCE_SECONDS):
            if not _Request(address, {"ask": "ping"}, []).done.wait(SIGN_SECONDS):
                _end_process(address)
                request.done.wait(SIGN_SECONDS)
                break
            if time.monotonic() > until:
                raise PredictorError("The predictor is too busy: try again in a minute, with fewer pictures.")
        if request.error is not None:
            raise request.error
        if request.answer is None:
            raise TimeoutError("the predictor does not answer a ping")
        return request.answer


def receive_answer(
    connection: "Connection[Any, Any]", on_progress: OnProgress | None
) -> tuple[dict[str, Any], list[bytes]]:
    """The answer to a request that was sent; `on_progress` gets what comes before it."""
    record, parts = receive(connection)
    while "step" in record:
        if on_progress is not None:
            on_progress(Progress(**record["step"]))
        record, parts = receive(connection)
    return record, parts


class _Request:
    """One request in a thread of its own: a connection cannot wait with a time limit on every system."""

    def __init__(
        self,
        address: dict[str, Any],
        record: dict[str, Any],
        parts: list[bytes],
        on_progress: OnProgress | None = None,
    ) -> None:
        self.on_progress = on_progress
        self.done = threading.Event()
        self.answer: tuple[dict[str, Any], list[bytes]] | None = None
        self.error: Exception | None = None
        threading.Thread(target=self._run, args=(address, record, parts), daemon=True).start()

    def _run(self, address: dict[str, Any], record: dict[str, Any], parts: list[bytes]) -> None:
        try:
            with Client(address["address"], authkey=bytes.fromhex(address["key"])) as connection:
                send(connection, record, parts)
                self.answer = receive_answer(connection, self.on_progress)
        except Exception as error:
            self.error = error
        finally:
            self.done.set()


def _end_process(address: dict[str, Any]) -> None:
    """End a predictor that hangs."""
    process = live_process(address)
    if process is not None:
        import psutil

        with suppress(psutil.Error):
            process.kill()
            process.wait(SIGN_SECONDS)
