"""Limits of uploads, checked before a body is read: Streamlit keeps every upload in memory until its session ends.

They go by the length that a request announces (uvicorn enforces it): of one upload, of a session in memory and in a
minute, and of all sessions together. A body that arrives too slowly is refused.
"""

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime

from core.formatting import format_limit
from core.settings import Settings

PATH = re.compile(r"/_stcore/upload_file/([^/]{1,128})/[^/]{1,128}$")
FRAME_BYTES = 2**20  # of the form around a file
SILENT_SECONDS = 30.0  # longest pause within a body
SLOWEST_BYTES_PER_SECOND = 16 * 1024
MAX_DRAINED_BYTES = 256 * 2**20
MB = 2**20


@dataclass
class Sender:
    """The uploads of one session: running, and of the last minute."""

    coming_bytes: int = 0
    coming: int = 0
    sent: deque[tuple[float, int]] = field(default_factory=deque)  # (monotonic seconds, bytes)

    def minute_bytes(self, now: float) -> int:
        """Bytes that were announced in the last minute."""
        while self.sent and now - self.sent[0][0] > 60:
            self.sent.popleft()
        return sum(size for _, size in self.sent)


class UploadLimits:
    """ASGI middleware in front of Streamlit's upload endpoint."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.settings = Settings.from_environment()
        self.senders: dict[str, Sender] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an upload through, or answer 411, 413 or 429 with a sentence."""
        found = PATH.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        session, size = found[1], _announced_bytes(scope)
        refusal = self._refusal(session, size)
        if refusal is not None or size is None:
            status, sentence = refusal or (411, "An upload must announce its length.")
            await _drain(receive, size)
            await _refuse(status, sentence)(scope, receive, send)
            return
        sender = self.senders.setdefault(session, Sender())
        sender.sent.append((time.monotonic(), size))
        sender.coming_bytes += size
        sender.coming += 1
        try:
            await self.app(scope, _Patience(receive, size), send)
        except TimeoutError:
            await _refuse(408, "The upload was too slow: try again with a smaller file.")(scope, receive, send)
        finally:
            sender.coming_bytes -= size
            sender.coming -= 1
            self._tidy()

    def _refusal(self, session: str, size: int | None) -> tuple[int, str] | None:
        if size is None:
            return 411, "An upload must announce its length."
        limits = self.settings
        if size > limits.upload_bytes + FRAME_BYTES:
            return 413, f"The upload is larger than {format_limit(limits.upload_bytes)}: send a smaller one."
        held = {key: sum(len(file.data) for file in list(files.values())) for key, files in _held()}
        sender = self.senders.get(session, Sender())
        frame = FRAME_BYTES * (1 + sender.coming)
        if held.get(session, 0) + sender.coming_bytes + size > limits.session_upload_bytes + frame:
            most = limits.session_upload_bytes // MB
            return 413, f"You have {most} MB of uploads open: remove some, or reload the page."
        if sender.minute_bytes(time.monotonic()) + size > limits.session_upload_bytes + frame:
            return 429, "You have uploaded a lot: wait a minute, then try again."
        coming = sum(other.coming_bytes for other in self.senders.values())
        if sum(held.values()) + coming + size > limits.all_upload_bytes + frame:
            return 429, "Others are uploading a lot: wait a minute, then try again."
        return None

    def _tidy(self) -> None:
        now = time.monotonic()
        for key in [key for key, other in self.senders.items() if not other.coming and not other.minute_bytes(now)]:
            del self.senders[key]


class _Patience:
    """A body that must keep arriving."""

    def __init__(self, receive: Receive, size: int) -> None:
        self.receive = receive
        self.deadline = time.monotonic() + SILENT_SECONDS + size / SLOWEST_BYTES_PER_SECOND

    async def __call__(self) -> Message:
        left = min(SILENT_SECONDS, self.deadline - time.monotonic())
        async with asyncio.timeout(max(0.0, left)):
            return await self.receive()


def _held() -> list[tuple[str, dict[str, object]]]:
    """The uploads that Streamlit holds in memory, by session."""
    return list(Runtime.instance().uploaded_file_mgr.file_storage.items())  # type: ignore[attr-defined]


def _announced_bytes(scope: Scope) -> int | None:
    text = Headers(scope=scope).get("content-length", "")
    return int(text) if text.isdigit() else None


async def _drain(receive: Receive, size: int | None) -> None:
    """Read and drop a refused body: a browser whose upload is cut off shows no reason."""
    if size is None or size > MAX_DRAINED_BYTES:
        return
    patience, left = _Patience(receive, size), size
    try:
        while left > 0:
            message = await patience()
            left -= len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return
    except TimeoutError:
        return


def _refuse(status: int, sentence: str) -> Response:
    """A refusal whose body was not read: its connection is useless."""
    return PlainTextResponse(sentence, status, {"connection": "close"})
