"""A run as a small HTTP service: `POST /predict` with a picture, `GET /` for what it is. Answers are JSON.

    python -m core serve RUN

It listens on this machine alone, without a password: whoever may run programs here may ask. Pages of other sites may
not, even where they know the port: a foreign `Host` or `Origin` is refused.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import TuneMyPetsError
from core.formatting import format_limit
from core.predict.predictor import Predictor
from core.predict.predictor_answers import Prediction
from core.room.addresses import host_of, is_loopback
from core.runs.run import Run
from core.serving.request_body import Refusal, read_picture
from core.settings import Settings
from core.version import VERSION

MAX_TOP = 1000

log = logging.getLogger("tunemypets.serving")


@dataclass(frozen=True)
class ServiceLimits:
    """How much a service takes, and for how long it waits.

    Attributes:
        at_once: requests that are read, waiting or computed.
        read_seconds: for the body of a request.
        answer_seconds: for its answer, waiting included.
    """

    at_once: int = 32
    read_seconds: float = 30.0
    answer_seconds: float = 60.0


class Endpoint:
    """Answers requests with one run, one picture at a time."""

    def __init__(self, settings: Settings, run: Run, limits: ServiceLimits | None = None) -> None:
        """
        Raises:
            RunError: the run has no checkpoint, or a damaged one.
        """
        self.run, self.predictor, self.limits = run, Predictor(settings), limits or ServiceLimits()
        self.checkpoint = self.predictor.load(run).checkpoint
        self.max_bytes = self.predictor.limits.max_bytes
        self._turn, self._count = threading.Lock(), 0

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/", self.describe, methods=["GET"]),
                Route("/predict", self.predict, methods=["POST"]),
            ],
            middleware=[Middleware(_OwnHost)],
            exception_handlers={HTTPException: _explain_http, Exception: _explain_other},
        )

    def describe_limits(self) -> str:
        """The limits in one line."""
        return f"pictures up to {format_limit(self.max_bytes)}, {self.limits.at_once} requests at once"

    async def describe(self, _: Request) -> Response:
        """What this is, and that it is well."""
        config = self.checkpoint.config
        return JSONResponse(
            {
                "status": "ok",
                "program": f"TuneMyPets {VERSION}",
                "run": self.run.id,
                "network": config.title(),
                "dataset": config.dataset,
                "classes": list(self.checkpoint.classes),
                "predict": "POST /predict with a picture as the body, or as a file of a form; ?top=N for N classes",
                "limits": {
                    "bytes": self.max_bytes,
                    "at_once": self.limits.at_once,
                    "seconds_to_send": self.limits.read_seconds,
                    "seconds_to_answer": self.limits.answer_seconds,
                },
            }
        )

    async def predict(self, request: Request) -> Response:
        """The classes of a picture, most probable first."""
        limits = self.limits
        if self._count >= limits.at_once:
            return _refuse(503, f"{limits.at_once} requests are waiting: try again in a second.", {"retry-after": "1"})
        self._count += 1
        try:
            top = _read_top(request, len(self.checkpoint.classes))
            name, data = await read_picture(request, self.max_bytes, limits.read_seconds)
            async with asyncio.timeout(limits.answer_seconds):
                until = time.monotonic() + limits.answer_seconds
                found = await run_in_threadpool(partial(self._predict, name, data, top, until))
        except Refusal as refusal:
            return _refuse(refusal.status, str(refusal))
        except TimeoutError:
            return _refuse(504, f"No answer within {limits.answer_seconds:g} s: the machine is busy, try again later.")
        except TuneMyPetsError as error:
            return _refuse(500, str(error))
        finally:
            self._count -= 1
        if found.error is not None:
            return _refuse(422, found.error)
        return JSONResponse({"run": self.run.id, **found.to_json()})

    def _predict(self, name: str, data: bytes, top: int, until: float) -> Prediction:
        """
        Raises:
            TimeoutError: its turn has not come; whoever asked has given up.
        """
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            raise TimeoutError
        try:
            return self.predictor.predict(self.run, [(name, data)], top)[0]
        finally:
            self._turn.release()


def _read_top(request: Request, classes: int) -> int:
    text = request.query_params.get("top", str(classes))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_TOP:
        raise Refusal(400, f"top is {text[:20]!r}: give a whole number from 1 to {MAX_TOP}.")
    return int(text)


def _refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


async def _explain_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {
        404: f"There is nothing at {request.url.path[:60]}: ask GET / or POST /predict.",
        405: f"{request.method} is not possible here: ask GET / or POST /predict.",
    }
    headers = dict(error.headers) if error.headers else None
    return _refuse(error.status_code, sentences.get(error.status_code, str(error.detail)), headers)


async def _explain_other(_: Request, error: Exception) -> Response:
    log.error("a request could not be answered", exc_info=error)
    return _refuse(500, "The picture could not be answered: the terminal of `serve` shows why.")


class _OwnHost:
    """ASGI middleware: refuses what a page of another site makes a browser send."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through or refuse."""
        answer: Callable[[Scope, Receive, Send], Awaitable[Any]] = self.app
        if scope["type"] == "http":
            headers = Request(scope).headers
            origin = headers.get("origin")
            names = [host_of(headers.get("host", "")), *([host_of(urlsplit(origin).netloc)] if origin else [])]
            if not all(is_loopback(name) for name in names):
                answer = _refuse(403, "Only this machine may ask, as localhost or 127.0.0.1.")
        await answer(scope, receive, send)
