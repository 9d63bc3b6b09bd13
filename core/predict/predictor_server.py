"""The predictor process: answers requests of the pages, so that their own process never imports torch.

    python -m core.predict.predictor_server

Listens on a local socket (a named pipe on Windows) whose address and key lie in `predictor.json`, readable by the
owner only. A message is a JSON frame, followed by as many binary frames as it announces; nothing is ever unpickled.
A slow answer is preceded by progress messages, each with a `step`. The process holds `predictor.lock` while it lives
and ends after a quarter of an hour without a request.
"""

import contextlib
import json
import logging
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.config.events import Progress
from core.errors import PredictorError, TuneMyPetsError
from core.jobs.launchers import log_to_stderr
from core.locks import ASKER_SECONDS
from core.predict.priority_lock import PriorityLock
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import atomic_open
from models.catalog import get_entry
from models.entry import GreyRanges

IDLE_SECONDS = 900.0
STEP_SECONDS = 0.25
MAX_PARTS = 100
MAX_RECORD_BYTES = 2**20
SOCKET_PREFIX = "tunemypets-"

log = logging.getLogger("tunemypets.predictor")


def address_path(settings: Settings) -> Path:
    """The file with the address at which the predictor listens."""
    return settings.home / "predictor.json"


def lock_path(settings: Settings) -> Path:
    """The lock that the predictor holds."""
    return settings.home / "predictor.lock"


def send(connection: "Connection[Any, Any]", record: dict[str, Any], parts: list[bytes]) -> None:
    """Send one message."""
    connection.send_bytes(json.dumps({**record, "parts": len(parts)}).encode())
    for part in parts:
        connection.send_bytes(part)


def receive(connection: "Connection[Any, Any]") -> tuple[dict[str, Any], list[bytes]]:
    """Receive one message."""
    record = json.loads(connection.recv_bytes(MAX_RECORD_BYTES))
    count = int(record.pop("parts"))
    if not 0 <= count <= MAX_PARTS:
        raise PredictorError(f"One request holds at most {MAX_PARTS} pictures: choose fewer.")
    return record, [connection.recv_bytes() for _ in range(count)]


class ProgressSender:
    """Sends progress to the client, a few times a second; a client that has left does not stop the work."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._sent = time.monotonic()

    def __call__(self, step: Progress) -> None:
        if time.monotonic() - self._sent < STEP_SECONDS:
            return
        self._sent = time.monotonic()
        with contextlib.suppress(OSError):
            send(self._connection, {"step": asdict(step)}, [])


class Server:
    """One predictor, many connections, one computation at a time."""

    def __init__(self, settings: Settings) -> None:
        # torch is imported here, not above: the client imports this module and lives in the pages' process
        import torchvision  # noqa: F401 - not at the first question to a network that needs it

        from core.predict.explainer import Explainer
        from core.predict.predictor import Predictor
        from core.predict.strange_pictures import StrangePictures

        self.settings = settings
        self.store = RunStore(settings)
        self.predictor = Predictor(settings)
        self.last_request = time.monotonic()
        self._lock = PriorityLock()
        self.explainer = Explainer(settings, self.predictor, self._lock)
        self.strange_pictures = StrangePictures(settings, self.predictor, self._lock)

    def answer(
        self, record: dict[str, Any], parts: list[bytes], on_progress: Callable[[Progress], None]
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Answer one request: `ping`, `predict`, `views`, `explain`, `projection`, `garden`, `feature`, `filters`,
        `weight_change`, `know_pictures` or `strangers`."""
        from core.predict.predictor import augmented_views
        from core.stores.augmentation import Augmentation

        match record.get("ask"):
            case "ping":
                return {"ok": True}, []
            case "predict":
                run = self.store.get(str(record["run"]))
                named = list(zip([str(name) for name in record["names"]], parts, strict=True))
                with self._lock.urgent():
                    found = self.predictor.predict(run, named, max(1, int(record["top"])))
                return {"predictions": [item.to_json() for item in found]}, []
            case "views":
                augmentation = Augmentation(**record["augmentation"])
                spec = replace(get_entry(str(record["network"])).preprocessing, greys=GreyRanges(**record["greys"]))
                with self._lock.urgent():
                    views = augmented_views(
                        parts[0],
                        self.predictor.limits,
                        augmentation,
                        spec,
                        count=int(record["count"]),
                        seed=int(record["seed"]),
                    )
                return {"described": augmentation.describe()}, views
            case "explain":
                run = self.store.get(str(record["run"]))
                classes = [None if label is None else str(label) for label in record["classes"]]
                methods = [str(method) for method in record["methods"]]
                name = str(record["name"])
                return self.explainer.explain(run, name, parts[0], classes, methods, on_progress).to_message()
            case "projection":
                run = self.store.get(str(record["run"]))
                return self.explainer.project(run, on_progress, tsne=bool(record["tsne"])).to_json(), []
            case "garden":
                return self.explainer.garden(self.store.get(str(record["run"])), on_progress), []
            case "feature":
                run = self.store.get(str(record["run"]))
                return self.explainer.garden_pictures(run, int(record["feature"]), on_progress)
            case "know_pictures":
                self.strange_pictures.know_pictures(self.store.get(str(record["run"])), on_progress)
                return {"ok": True}, []
            case "strangers":
                run = self.store.get(str(record["run"]))
                return self.strange_pictures.measure(run, str(record["dataset"]), on_progress).to_json(), []
            case "weight_change":
                return self.explainer.weight_change(self.store.get(str(record["run"]))), []
            case "filters":
                return self.explainer.filters(self.store.get(str(record["run"])))
            case other:
                raise PredictorError(f"The predictor does not know the request {other!r}: restart the app.")

    def handle(self, connection: "Connection[Any, Any]") -> None:
        """Answer one connection's requests until it closes."""
        with connection:
            while True:
                try:
                    record, parts = receive(connection)
                except (EOFError, OSError, ValueError, KeyError, PredictorError):
                    return
                self.last_request = time.monotonic()
                try:
                    reply, reply_parts = self.answer(record, parts, ProgressSender(connection))
                except TuneMyPetsError as error:
                    reply, reply_parts = {"error": str(error)}, []
                except Exception:  # one bad request must not end the process
                    log.exception("a request could not be answered")
                    reply, reply_parts = {"error": "The predictor failed: see logs/predictor.log."}, []
                try:
                    send(connection, reply, reply_parts)
                except OSError:
                    return
                self.last_request = time.monotonic()


def serve(settings: Settings) -> None:
    """Answer requests until none has come for a while."""
    import psutil  # not above: the client imports this module

    server = Server(settings)
    key = secrets.token_bytes(32)
    path = address_path(settings)
    with Listener(_socket_path(), backlog=32, authkey=key) as listener:
        with atomic_open(path, "w") as file:
            if os.name == "posix":
                os.fchmod(file.fileno(), 0o600)
            born = psutil.Process().create_time()
            json.dump({"address": listener.address, "key": key.hex(), "pid": os.getpid(), "born": born}, file)
        threading.Thread(target=_exit_when_idle, args=(server, path), daemon=True).start()
        log.info("listening")
        while True:
            try:
                connection = listener.accept()
            except (AuthenticationError, OSError, EOFError):
                log.info("a connection was refused")
                continue
            threading.Thread(target=server.handle, args=(connection,), daemon=True).start()


def _socket_path() -> str | None:
    """The socket to listen on: a short name in the temporary folder; None lets Windows name its pipe."""
    if os.name != "posix":
        return None
    return str(Path(tempfile.gettempdir()) / f"{SOCKET_PREFIX}{secrets.token_hex(8)}.sock")


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed predictor left: its address, and its socket."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        socket = Path(json.loads(path.read_text(encoding="utf-8"))["address"])
        if socket.name.startswith(SOCKET_PREFIX):
            socket.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _exit_when_idle(server: Server, path: Path) -> None:
    while time.monotonic() - server.last_request < IDLE_SECONDS:
        time.sleep(1)
    log.info("no requests for a while: exiting")
    _remove_leftovers(path)
    os._exit(0)


def main() -> int:
    """Run the predictor of the environment's data root."""
    log_to_stderr()
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock_path(settings)).acquire(timeout=ASKER_SECONDS):
            _remove_leftovers(address_path(settings))
            serve(settings)
    except Timeout:
        log.info("another predictor is running already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
