"""The predictor without its process: for tests of what it answers and of the pages that ask it."""

import threading
from multiprocessing import Pipe
from typing import Any

from core.errors import TuneMyPetsError
from core.predict.predictor_client import OnProgress, PredictorClient, receive_answer
from core.predict.predictor_server import Server, send
from core.settings import Settings


class InProcessClient(PredictorClient):
    """A client that talks to a predictor in a thread of this process: both sides as they are, without the start."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.server = Server(settings)

    def warm_up(self) -> None:
        """There is no process to start."""

    def _ask(
        self, record: dict[str, Any], parts: list[bytes], on_progress: OnProgress | None = None
    ) -> tuple[dict[str, Any], list[bytes]]:
        mine, other = Pipe()
        threading.Thread(target=self.server.handle, args=(other,), daemon=True).start()
        with mine:
            send(mine, record, parts)
            reply, found = receive_answer(mine, on_progress)
        if "error" in reply:
            raise TuneMyPetsError(str(reply["error"]))
        return reply, found
