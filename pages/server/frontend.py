"""Streamlit's own scripts, styles and fonts from memory, compressed once: a first visit asks for about sixty of them.

Our own style sheets come at the end of Streamlit's: what comes later, as an element of a page, moves what it styles.

Streamlit reads and compresses them for each visitor: thirty phones that open the app within five seconds cost the
server five seconds of processor, and 2.9 MB each; from here one second, and 1.1 MB each. The file names carry a hash
of the content, so neither this memory nor a browser's cache ever has to ask again, but for the style sheet.
"""

import asyncio
import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

NAME = re.compile(r"/static/((?:js|css|media)/[A-Za-z0-9_.-]+)")
HASHED = re.compile(r"[.-][A-Za-z0-9_-]{8}\.[a-z0-9]+$")  # a hash of the content is part of the name
COMPRESSIBLE = (".js", ".css", ".svg", ".json")
LARGEST_BYTES = 8 * 2**20
LEVEL = 6
STYLED = re.compile(r"index\.[A-Za-z0-9_-]{8}\.css")
COMPONENTS = Path(__file__).parents[1] / "components"
YEAR = "public, immutable, max-age=31536000"
ASK = "no-cache"  # our part may change while Streamlit's name for the file does not


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    kind: str
    body: bytes
    compressed: bytes | None
    kept: str
    tag: str


class Frontend:
    """ASGI middleware: answers requests for files of the frontend, and passes on everything else.

    It takes as much memory as the files that browsers asked for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.folder = Path(str(resources.files("streamlit"))) / "static" / "static"
        self._assets: dict[str, Asset] = {}
        self._reading: dict[str, asyncio.Task[Asset | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for these files, else pass the request on."""
        asset = await self._find(scope)
        if asset is None:
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        headers = {"etag": asset.tag, "cache-control": asset.kept, "vary": "accept-encoding"}
        if asked.get("if-none-match") == asset.tag:
            answer = Response(status_code=304, headers=headers)
        else:
            headers["content-type"] = asset.kind
            body = asset.body
            if asset.compressed is not None and "gzip" in asked.get("accept-encoding", ""):
                body, headers["content-encoding"] = asset.compressed, "gzip"
            answer = Response(body, headers=headers)
        await answer(scope, receive, send)

    async def _find(self, scope: Scope) -> Asset | None:
        if scope["type"] != "http" or scope["method"] != "GET" or "range" in Headers(scope=scope):
            return None
        named = NAME.fullmatch(scope["path"])
        if named is None or not HASHED.search(named[1]):
            return None
        name = named[1]
        if name in self._assets:
            return self._assets[name]
        if name not in self._reading:
            self._reading[name] = asyncio.create_task(asyncio.to_thread(read_asset, self.folder / name))
        try:
            asset = await asyncio.shield(self._reading[name])
        finally:
            self._reading.pop(name, None)
        if asset is not None:
            self._assets[name] = asset
        return asset


def read_asset(path: Path) -> Asset | None:
    """Read and compress a file; None where there is none, or it is too large for memory."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        body = path.read_bytes()
    except OSError:
        return None
    styled = STYLED.fullmatch(path.name) is not None
    if styled:
        body += read_styles()
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    compressed = gzip.compress(body, LEVEL, mtime=0) if path.suffix in COMPRESSIBLE else None
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Asset(kind or "application/octet-stream", body, compressed, ASK if styled else YEAR, tag)


def read_styles() -> bytes:
    """The style sheets of all pages, the shared one first, each rule stronger than what Streamlit makes later."""
    paths = sorted(COMPONENTS.rglob("*.css"), key=lambda path: ("shared" not in path.parts, path))
    return b"\n:is(body, #root) {\n" + b"".join(path.read_bytes() for path in paths) + b"}\n"
