"""The cookie that identifies a browser, for the server and the pages."""

from collections.abc import Iterable

from core.room.people import is_token, new_token

COOKIE = "tunemypets_visitor"
KEEP_SECONDS = 180 * 86_400


def token_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The visitor's token in the headers of a request; None if there is no valid one."""
    for name, value in headers:
        if name != b"cookie":
            continue
        for part in value.decode("latin-1").split(";"):
            key, _, text = part.strip().partition("=")
            if key == COOKIE and is_token(text):
                return text
    return None


def cookie_header(token: str | None, *, https: bool) -> bytes:
    """`Set-Cookie` that keeps a token for half a year, or a new one; scripts and other sites cannot read it."""
    secure = "; Secure" if https else ""
    value = f"{COOKIE}={token or new_token()}; Path=/; Max-Age={KEEP_SECONDS}; HttpOnly; SameSite=Lax{secure}"
    return value.encode("latin-1")
