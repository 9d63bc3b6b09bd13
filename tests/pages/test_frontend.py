"""Streamlit's own files from memory."""

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pages.server.frontend import COMPONENTS, Frontend, read_styles
from tests.support.processes import run_apart

ELSEWHERE = 418
FOLDER = Path(Frontend(lambda *_: None).folder)  # type: ignore[arg-type, return-value]


def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request; what the middleware leaves alone is answered with 418."""
    answer: dict[str, Any] = {}

    async def inner(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": ELSEWHERE, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        answer.update(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    given = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": given}
    run_apart(Frontend(inner)(scope, receive, send))
    told = {key.decode(): value.decode() for key, value in answer["headers"]}
    return answer["status"], told, answer["body"]


def a_script() -> Path:
    return max((FOLDER / "js").glob("index.*.js"), key=lambda path: path.stat().st_size)


def test_a_script_comes_as_it_lies_on_disk_whether_compressed_or_not() -> None:
    path = f"/static/js/{a_script().name}"
    status, told, body = ask(path)
    assert (status, body) == (200, a_script().read_bytes())
    assert "content-encoding" not in told
    status, small_told, small = ask(path, accept_encoding="gzip, deflate, br")
    assert gzip.decompress(small) == body
    assert len(small) < len(body) / 2
    assert small_told["content-length"] == str(len(small))
    assert small_told["content-encoding"] == "gzip"
    for headers in (told, small_told):
        assert headers["content-type"] == "text/javascript"
        assert "immutable" in headers["cache-control"]
        assert headers["vary"] == "accept-encoding"


def test_every_file_that_the_first_page_names_is_answered_with_a_type() -> None:
    page = (FOLDER.parent / "index.html").read_text(encoding="utf-8")
    names = [part.split('"')[0] for part in page.split('"./')[1:] if part.startswith("static/")]
    assert len(names) > 20
    for name in names:
        status, told, _ = ask(f"/{name}")
        assert status == 200, name
        assert told["content-type"] != "application/octet-stream", name


def test_the_style_sheets_of_all_pages_come_with_streamlits_own_and_never_from_an_old_cache() -> None:
    (sheet,) = (FOLDER / "css").glob("index.*.css")
    path = f"/static/css/{sheet.name}"
    status, told, body = ask(path)
    assert (status, told["cache-control"]) == (200, "no-cache")
    assert body.startswith(sheet.read_bytes())
    ours = body.removeprefix(sheet.read_bytes()).decode()
    for own in COMPONENTS.rglob("*.css"):
        assert own.read_text(encoding="utf-8") in ours, own
    assert ours.count("{") == ours.count("}")
    again, _, nothing = ask(path, if_none_match=told["etag"])
    assert (again, nothing) == (304, b"")
    assert ask(path, if_none_match='W/"another"')[2] == body


def test_no_style_sheet_depends_on_what_an_element_holds() -> None:
    """With `:has()` every element that appears anywhere makes the browser style the whole page again: 15 ms each."""
    assert ":has(" not in read_styles().decode()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/train",
        "/static/js/none.ABCDEFGH.js",
        "/static/js/../../index.html",
        "/static/js/..%2f..%2findex.html",
        "/static/index.html",
        "/static/js/",
        "/app/static/js/x.ABCDEFGH.js",
        "/media/x.ABCDEFGH.png",
    ],
)
def test_everything_else_is_left_to_streamlit(path: str) -> None:
    assert ask(path)[0] == ELSEWHERE


def test_parts_of_a_file_and_other_methods_are_left_to_streamlit() -> None:
    path = f"/static/js/{a_script().name}"
    assert ask(path, range="bytes=0-99")[0] == ELSEWHERE
    assert ask(path, method="HEAD")[0] == ELSEWHERE
    assert ask(path, method="PUT")[0] == ELSEWHERE
