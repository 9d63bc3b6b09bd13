"""Checks every request before the app runs: pages, files and websockets.

A page on the internet can make a browser send requests to this server under another name (DNS rebinding), or open a
websocket to it. So the name must be ours, and only our own pages may open a websocket. In an open room, files and
uploads need an admitted browser; the pages ask for the passcode themselves (`pages/components/shared/door.py`).
"""

import logging
import time
from functools import cached_property
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from core.room.access import RoomStore
from core.room.addresses import host_of, is_named, own_names
from core.room.people import person_id
from core.settings import PROJECT_ROOT, Settings
from pages.server import batch_files, collect_page, export_files, thumbnail_files
from pages.server.security_headers import policy_headers
from pages.server.visitor_cookie import cookie_header, token_in

# they describe the server, and no page needs them; the metrics open for the operator's measurements only
METRICS = "/_stcore/metrics"
CLOSED = ("/_stcore/script-health-check", "/_stcore/agent")
BEHIND_THE_DOOR = (
    "/media/",
    "/_stcore/upload_file/",
    export_files.PATH,
    batch_files.PATH,
    thumbnail_files.PATH,
    collect_page.INSIDE,
)
POLICY = b"content-security-policy"
NAMES_SECONDS = 10.0  # a laptop's address changes with its network
MAX_SOCKETS = 1000

PLACE = str(PROJECT_ROOT).encode()
DOTS = b"." * len(PLACE)

log = logging.getLogger("tunemypets.web")


class Refusal(Exception):
    """A request that is refused."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class Guard:
    """ASGI middleware: refuses requests, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.base = str(config.get_option("server.baseUrlPath") or "").strip("/")
        self.sockets = 0
        self._names: frozenset[str] = frozenset()
        self._names_time = float("-inf")

    @cached_property
    def settings(self) -> Settings:
        """As of the first request: whether there is a room is decided while the server starts."""
        return Settings.from_environment()

    @cached_property
    def rooms(self) -> RoomStore:
        """Who was admitted to the room."""
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
            headers = {name.decode(): value.decode() for name, value in policy_headers("localhost")}
            await PlainTextResponse(str(refusal), refusal.status, headers)(scope, receive, send)
            return
        extra = policy_headers(host)
        names = {name for name, _ in extra}
        own_policy = self._path(scope).startswith(export_files.PATH)  # stricter than ours
        asks_for_page = scope["method"] == "GET" and "text/html" in _header(scope, b"accept")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                if own_policy and any(key.lower() == POLICY for key, _ in given):
                    kept, added = names - {POLICY}, [pair for pair in extra if pair[0] != POLICY]
                else:
                    kept, added = names, extra
                message["headers"] = [*(pair for pair in given if pair[0].lower() not in kept), *added]
                # also for answers without a type (304), to a browser that has the page already
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
                raise Refusal(503, "Too many open connections: close some tabs.")
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
            raise Refusal(403, f"This app is not known as {shown}: its operator can add the name to TUNEMYPETS_HOSTS.")

    def _own_names(self) -> frozenset[str]:
        now = time.monotonic()
        if now - self._names_time > NAMES_SECONDS:
            self._names, self._names_time = own_names(), now
        return self._names

    def _check_origin(self, scope: Scope) -> None:
        """A browser names the page that opens a websocket, or changes something; other programs need not."""
        origin = _header(scope, b"origin")
        if not origin:
            return
        parts, host = urlsplit(origin), _header(scope, b"host")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Refusal(403, "This connection was opened by a page of another site.")
        if parts.netloc.lower() == host.lower():
            return
        name = host_of(parts.netloc)
        if name is None or not is_named(name, self.settings.hosts):
            raise Refusal(403, "This connection was opened by a page of another site.")
        # a proxy rewrote Host: Streamlit compares the two as well, and would look up our address on the internet
        headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope["headers"] = [*headers, (b"host", parts.netloc.encode("latin-1"))]

    def _check_path(self, scope: Scope) -> None:
        path = self._path(scope)
        if path.startswith(CLOSED) or (path.startswith(METRICS) and not self.settings.metrics):
            raise Refusal(404, "Not found.")
        if self.settings.room and path.startswith(BEHIND_THE_DOOR):
            token = token_in(scope["headers"])
            if token is None or not self.rooms.is_admitted(person_id(token)):
                raise Refusal(403, "Enter the room passcode first.")
        if path.startswith(collect_page.PAGE) and scope["method"] not in ("GET", "HEAD"):
            self._check_origin(scope)

    def _path(self, scope: Scope) -> str:
        """Of the request, below the address of the app."""
        path = str(scope["path"])
        return path.removeprefix(f"/{self.base}") if self.base else path


def _without_paths(send: Send) -> Send:
    """Streamlit sends every browser the path of its script on the server's disk; dots replace it."""

    async def send_without(message: Message) -> None:
        data = message.get("bytes")
        if data and PLACE in data:
            message["bytes"] = data.replace(PLACE, DOTS)  # of the same length: the message stays valid
        await send(message)

    return send_without


def _header(scope: Scope, name: bytes) -> str:
    """A header; repeated ones are joined, which is neither a valid `Host` nor a valid `Origin`."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)
