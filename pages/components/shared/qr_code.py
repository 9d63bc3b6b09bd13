"""QR codes that open pages of the room on a phone."""

from functools import lru_cache
from urllib.parse import urlsplit

import segno
import streamlit as st

from core.room.addresses import is_loopback
from pages.server.room_address import room_url


def reachable_address() -> str:
    """The address that this browser uses, unless it is localhost, which others cannot open."""
    parts = urlsplit(st.context.url or "")
    if parts.hostname and not is_loopback(parts.hostname):
        return f"{parts.scheme}://{parts.netloc}"
    return room_url()


@lru_cache(maxsize=8)
def draw_qr(address: str) -> str:
    """The code as the address of an image; black on white in dark mode too, or phones cannot read it."""
    return str(segno.make(address, error="m").svg_data_uri(scale=8, border=3, light="#fff"))
