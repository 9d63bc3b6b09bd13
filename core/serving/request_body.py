"""The picture of a request: its whole body, or the first file of a form. Counted while it arrives, and not waited for
too long."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from core.formatting import format_limit

FORM_BYTES = 2**16  # around the file of a form
DRAINED = 4  # times the limit: a refused body up to that is read, so that the client sees why
FORM = "multipart/form-data"


class Refusal(Exception):
    """A request that gets no answer.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


async def read_picture(request: Request, max_bytes: int, seconds: float) -> tuple[str, bytes]:
    """The name and the bytes of the picture that was sent.

    Args:
        seconds: for the whole body.
    Raises:
        Refusal: there is none, it is too large, or it comes too slowly.
    """
    is_form = request.headers.get("content-type", "").lower().startswith(FORM)
    limit = max_bytes + FORM_BYTES if is_form else max_bytes
    try:
        async with asyncio.timeout(seconds):
            await _check_length(request, limit, max_bytes)
            counted = _count(request, limit, max_bytes)
            name, data = await _read_form(request, counted) if is_form else ("", b"".join([p async for p in counted]))
    except TimeoutError:
        raise Refusal(408, f"The picture did not arrive within {seconds:g} s: send it again.") from None
    except ClientDisconnect:
        raise Refusal(400, "The connection was closed before the picture had arrived.") from None
    if not data:
        raise Refusal(400, "There is no picture: send one as the body, or as a file of a form.")
    return name or "The picture", data


async def _check_length(request: Request, limit: int, max_bytes: int) -> None:
    """Refuse what announces to be too large, once a client that only then reads the answer has sent it."""
    announced = request.headers.get("content-length", "")
    if not announced.isdigit() or int(announced) <= limit:
        return
    if int(announced) <= DRAINED * max_bytes:
        async for _ in request.stream():
            pass
    raise _too_large(max_bytes)


async def _count(request: Request, limit: int, max_bytes: int) -> AsyncGenerator[bytes, None]:
    count = 0
    async for piece in request.stream():
        count += len(piece)
        if count > limit:
            raise _too_large(max_bytes)
        yield piece


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(413, f"The picture is larger than {format_limit(max_bytes)}: send a smaller one.")


async def _read_form(request: Request, body: AsyncGenerator[bytes, None]) -> tuple[str, bytes]:
    try:
        form = await MultiPartParser(request.headers, body, max_files=1, max_fields=20).parse()
    except (MultiPartException, KeyError) as error:
        raise Refusal(400, "The form cannot be read: send one picture as a file of the form.") from error
    try:
        for value in form.values():
            if isinstance(value, UploadFile):
                return value.filename or "", await value.read()
        return "", b""
    finally:
        await form.close()
