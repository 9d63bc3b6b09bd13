"""Servers that the tests of the network start and ask."""

from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse

from tests.support.server import Server

Start = Callable[..., Server]
HTML = {"Accept": "text/html"}


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """One request; a header's underscores are hyphens."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    with closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return reply, reply.read()
