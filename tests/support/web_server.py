"""A web server of a test: it serves bytes, continues where it is asked to, and misbehaves on demand."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

PIECE_BYTES = 2**14


@dataclass
class WebServer:
    """What is served, and how.

    Attributes:
        files: body by path.
        refusals: status and headers by path, for paths that are refused.
        cut_after: bytes of an answer, after which the connection ends; None for whole answers.
        ranges: whether it continues where it is asked to.
        tells_length: whether an answer says how long it is.
        seconds: before each piece of 16 KB.
        asked: path and range of each request, in their order.
        headers: of each request by path.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    refusals: dict[str, tuple[int, Mapping[str, str]]] = field(default_factory=dict)
    cut_after: int | None = None
    ranges: bool = True
    tells_length: bool = True
    seconds: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, Mapping[str, str]] = field(default_factory=dict)


@contextmanager
def serve() -> Iterator[WebServer]:
    """A server on a free port of this machine, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked = self.headers.get("Range", "")
            served.asked.append((path, asked))
            served.headers[path] = dict(self.headers)
            status, headers = served.refusals.get(path, (0, {}))
            body = served.files.get(path)
            if status or body is None:
                self.send_response(status or 404)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and served.ranges else 0
            if start >= len(body) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if served.tells_length:
                self.send_header("Content-Length", str(len(body) - start))
            if path.startswith("/api/"):
                self.send_header("Content-Type", "application/json")
            self.end_headers()
            self._send(body[start : None if served.cut_after is None else start + served.cut_after])

        def _send(self, body: bytes) -> None:
            try:
                for place in range(0, len(body), PIECE_BYTES):
                    time.sleep(served.seconds)
                    self.wfile.write(body[place : place + PIECE_BYTES])
            except OSError:
                return  # the client went away

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = WebServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
