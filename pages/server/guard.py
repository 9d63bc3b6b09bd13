"""Who gets through to the app: asked before anything of it runs, for pages, files and websockets alike.

A page on the internet can make a browser ask this server under a name of its own (DNS rebinding), or open a websocket
to it. So the name must be ours, and what opens a websocket must be our own page. In an open room, files and uploads
want somebody who gave the passcode; the pages ask for it themselves (`pages/components/shared/door.py`).
"""

import logging
import time
from functools import cached_property
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from core.room.access import RoomStore
from core.room.addresses import host_of, is_named, own_names
from core.room.people import person_id
from core.settings import PROJECT_ROOT, Settings
from pages.server.security_headers import policy_headers
from pages.server.visitor_cookie import cookie_header, token_in

# what tells about the server and no page needs; the first only opens for the operator's own measuring
METRICS = "/_stcore/metrics"
CLOSED = ("/_stcore/script-health-check", "/_stcore/agent")
BEHIND_THE_DOOR = ("/media/", "/_stcore/upload_file/")
NAMES_SECONDS = 10.0  # a laptop's address changes with its network
MAX_SOCKETS = 1000

PLACE = str(PROJECT_ROOT).encode()
DOTS = b"." * len(PLACE)

log = logging.getLogger("tunemypets.web")


class Refusal(Exception):
    """A request that is not let through."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class Guard:
    """ASGI middleware: refuses, and gives every answer its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.base = str(config.get_option("server.baseUrlPath") or "").strip("/")
        self.sockets = 0
        self._names: frozenset[str] = frozenset()
        self._names_time = float("-inf")

    @cached_property
    def settings(self) -> Settings:
        """As of the first request: only the start of the server settles whether there is a room."""
        return Settings.from_environment()

    @cached_property
    def rooms(self) -> RoomStore:
        """The door's book."""
        return RoomStore(self.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through or refuse."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host")
        try:
            self._check_host(host)
            self._check_path(scope)
        except Refusal as refusal:
            await _answer(send, refusal.status, str(refusal), policy_headers("localhost"))
            return
        extra = policy_headers(host)
        names = {name for name, _ in extra}
        asks_for_page = scope["method"] == "GET" and "text/html" in _header(scope, b"accept")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                message["headers"] = [*(pair for pair in given if pair[0].lower() not in names), *extra]
                # also where a browser has the page already, and is told so without a type
                if asks_for_page or any(key == b"content-type" and b"text/html" in value for key, value in given):
                    https = scope["scheme"] == "https"
                    cookie = cookie_header(token_in(scope["headers"]), https=https)
                    message["headers"].append((b"set-cookie", cookie))
            await send(message)

        await self.app(scope, receive, send_with_headers)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_host(_header(scope, b"host"))
            self._check_origin(scope)
            if self.sockets >= MAX_SOCKETS:
                raise Refusal(503, "Too many browsers are here: close some tabs.")
        except Refusal as refusal:
            log.warning("websocket refused: %s", refusal)
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)[:120]})
            return
        self.sockets += 1
        try:
            await self.app(scope, receive, _without_paths(send))
        finally:
            self.sockets -= 1

    def _check_host(self, header: str) -> None:
        name = host_of(header)
        if name is None or not (name in self._own_names() or is_named(name, self.settings.hosts)):
            shown = name or "no valid name"
            raise Refusal(
                403, f"This app does not go by the name {shown}: whoever runs it can add it to TUNEMYPETS_HOSTS."
            )

    def _own_names(self) -> frozenset[str]:
        now = time.monotonic()
        if now - self._names_time > NAMES_SECONDS:
            self._names, self._names_time = own_names(), now
        return self._names

    def _check_origin(self, scope: Scope) -> None:
        """A browser says which page opens a websocket; programs of people who have a shell say nothing."""
        origin = _header(scope, b"origin")
        if not origin:
            return
        parts, host = urlsplit(origin), _header(scope, b"host")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Refusal(403, "The page that opens this connection is not known here.")
        if parts.netloc.lower() == host.lower():
            return
        name = host_of(parts.netloc)
        if name is None or not is_named(name, self.settings.hosts):
            raise Refusal(403, "The page that opens this connection is not known here.")
        # a proxy rewrote Host: Streamlit compares the two as well, and would ask the internet for our address
        headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope["headers"] = [*headers, (b"host", parts.netloc.encode("latin-1"))]

    def _check_path(self, scope: Scope) -> None:
        path = str(scope["path"])
        if self.base:
            path = path.removeprefix(f"/{self.base}")
        if path.startswith(CLOSED) or (path.startswith(METRICS) and not self.settings.metrics):
            raise Refusal(404, "Not found.")
        if self.settings.room and path.startswith(BEHIND_THE_DOOR):
            token = token_in(scope["headers"])
            if token is None or not self.rooms.is_admitted(person_id(token)):
                raise Refusal(403, "Give the passcode of the room first.")


def _without_paths(send: Send) -> Send:
    """Streamlit tells every browser where its script lies on the server's disk; ours are told as many dots."""

    async def send_without(message: Message) -> None:
        data = message.get("bytes")
        if data and PLACE in data:
            message["bytes"] = data.replace(PLACE, DOTS)  # of the same length, so that the message stays whole
        await send(message)

    return send_without


def _header(scope: Scope, name: bytes) -> str:
    """A header; several of one name are joined, which makes no valid `Host` and no valid `Origin`."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


async def _answer(send: Send, status: int, sentence: str, extra: list[tuple[bytes, bytes]]) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
