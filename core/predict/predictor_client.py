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
from core.config.train_config import TrainConfig
from core.errors import PredictorError, TuneMyPetsError
from core.jobs.launchers import start_single
from core.locks import is_held
from core.predict.explanations import Explanation, Filters, ImageMap, Method, Movement
from core.predict.image_prediction import Prediction
from core.predict.predictor_server import address_path, lock_path, receive, send
from core.settings import Settings
from core.storage import read_json

START_SECONDS = 60.0
PATIENCE_SECONDS = 10.0  # without an answer: then it is asked whether it still lives
SIGN_SECONDS = 15.0  # in which a predictor gives a sign of life, however much it computes
MAX_SECONDS = 300.0  # for one question
IMAGES_AT_ONCE = 50
MAX_NAME = 500

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class AugmentationChoice:
    """Random changes to show, as in a TrainConfig."""

    crop: bool
    flip: bool
    colour: bool
    strength: float

    @classmethod
    def from_config(cls, config: TrainConfig) -> "AugmentationChoice":
        return cls(config.augment_crop, config.augment_flip, config.augment_colour, config.augment_strength)


class PredictorClient:
    """Asks the predictor process, and starts it where it is missing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def warm_up(self) -> None:
        """Start the process in the background unless it is there."""
        if not is_held(lock_path(self.settings)):
            self.settings.home.mkdir(parents=True, exist_ok=True)
            start_single(self.settings, "core.predict.predictor_server", [], self.settings.logs_dir / "predictor.log")

    def predict(self, run_id: str, pictures: Sequence[tuple[str, bytes]], top: int = 5) -> list[Prediction]:
        """Classify pictures (name, bytes) with a run.

        Raises:
            TuneMyPetsError: if the run cannot be used or the predictor does not answer.
        """
        found: list[Prediction] = []
        for first in range(0, len(pictures), IMAGES_AT_ONCE):
            asked = pictures[first : first + IMAGES_AT_ONCE]
            names = [name[:MAX_NAME] for name, _ in asked]
            question = {"ask": "predict", "run": run_id, "names": names, "top": top}
            reply, _ = self._ask(question, [data for _, data in asked])
            found += [Prediction.from_json(record) for record in reply["predictions"]]
        return found

    def views(
        self, data: bytes, network: str, augmentation: AugmentationChoice, *, count: int, seed: int
    ) -> tuple[str, list[bytes]]:
        """What a network sees of a picture: a description and PNG files, the first without random changes.

        Raises:
            TuneMyPetsError: if the picture cannot be used or the predictor does not answer.
        """
        reply, parts = self._ask(
            {
                "ask": "views",
                "network": network,
                "augmentation": dataclasses.asdict(augmentation),
                "count": count,
                "seed": seed,
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
        tell: Tell | None = None,
    ) -> Explanation:
        """Heat maps of one picture; a class None stands for what the network answers; `tell` hears how far it is.

        Raises:
            TuneMyPetsError: if the run or the picture cannot be used, captum is missing, or the predictor is silent.
        """
        question = {
            "ask": "explain",
            "run": run_id,
            "name": name[:MAX_NAME],
            "classes": list(classes),
            "methods": list(methods),
        }
        return Explanation.from_message(*self._ask(question, [data], tell))

    def map_images(self, run_id: str, *, neighbours: bool = False, tell: Tell | None = None) -> ImageMap:
        """The test pictures as a run's network sees them; the first time takes seconds.

        Args:
            neighbours: laid out by t-SNE too.
            tell: hears how far it is, in a thread of its own.
        Raises:
            TuneMyPetsError: if the run or its dataset cannot be used, openTSNE is missing where it is needed, or the
                predictor does not answer.
        """
        question = {"ask": "map", "run": run_id, "neighbours": neighbours}
        return ImageMap.from_json(self._ask(question, [], tell)[0])

    def movement(self, run_id: str) -> Movement:
        """How far each block of a run moved in training.

        Raises:
            TuneMyPetsError: if the run cannot be used, its start cannot be had, or the predictor does not answer.
        """
        return Movement.from_json(self._ask({"ask": "movement", "run": run_id}, [])[0])

    def filters(self, run_id: str) -> Filters:
        """The first layer of a run's network as pictures.

        Raises:
            TuneMyPetsError: if the run cannot be used or the predictor does not answer.
        """
        return Filters.from_message(*self._ask({"ask": "filters", "run": run_id}, []))

    def _ask(
        self, record: dict[str, Any], parts: list[bytes], tell: Tell | None = None
    ) -> tuple[dict[str, Any], list[bytes]]:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.warm_up()
            try:
                where = read_json(address_path(self.settings))
                reply, reply_parts = self._wait(where, _Talk(where, record, parts, tell))
                break
            except (OSError, EOFError, ValueError, KeyError, TypeError, AuthenticationError) as error:
                # not up yet, or killed in the middle: start it again and ask again
                if time.monotonic() > deadline:
                    raise PredictorError(
                        "The predictor process does not answer: see logs/predictor.log in the data folder, "
                        "or restart the app."
                    ) from error
                time.sleep(0.1)
        if "error" in reply:
            raise TuneMyPetsError(str(reply["error"]))
        return reply, reply_parts

    def _wait(self, where: dict[str, Any], talk: "_Talk") -> tuple[dict[str, Any], list[bytes]]:
        """The answer; a predictor that gives no sign of life is ended, and the next one is asked."""
        until = time.monotonic() + MAX_SECONDS
        while not talk.over.wait(PATIENCE_SECONDS):
            if not _Talk(where, {"ask": "ping"}, []).over.wait(SIGN_SECONDS):
                _end(where)
                talk.over.wait(SIGN_SECONDS)
                break
            if time.monotonic() > until:
                raise PredictorError("The predictor has too much to do: try again in a minute, with fewer pictures.")
        if talk.error is not None:
            raise talk.error
        if talk.answer is None:
            raise TimeoutError("the predictor gives no sign of life")
        return talk.answer


def hear(connection: "Connection[Any, Any]", tell: Tell | None) -> tuple[dict[str, Any], list[bytes]]:
    """The answer to a question that was sent; `tell` hears what comes before it."""
    record, parts = receive(connection)
    while "step" in record:
        if tell is not None:
            tell(Progress(**record["step"]))
        record, parts = receive(connection)
    return record, parts


class _Talk:
    """One question in a thread of its own: nothing else can wait with a limit on every system."""

    def __init__(
        self, where: dict[str, Any], record: dict[str, Any], parts: list[bytes], tell: Tell | None = None
    ) -> None:
        self.tell = tell
        self.over = threading.Event()
        self.answer: tuple[dict[str, Any], list[bytes]] | None = None
        self.error: Exception | None = None
        threading.Thread(target=self._talk, args=(where, record, parts), daemon=True).start()

    def _talk(self, where: dict[str, Any], record: dict[str, Any], parts: list[bytes]) -> None:
        try:
            with Client(where["address"], authkey=bytes.fromhex(where["key"])) as connection:
                send(connection, record, parts)
                self.answer = hear(connection, self.tell)
        except Exception as error:
            self.error = error
        finally:
            self.over.set()


def _end(where: dict[str, Any]) -> None:
    """End a predictor that does nothing any more."""
    import psutil

    with suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
        process = psutil.Process(int(where["pid"]))
        if abs(process.create_time() - float(where["born"])) < 1.0:
            process.kill()
            process.wait(SIGN_SECONDS)
