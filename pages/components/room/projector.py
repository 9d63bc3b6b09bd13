"""The door for the projector: address, passcode and QR code, large."""

import html
from functools import lru_cache
from urllib.parse import urlsplit

import segno
import streamlit as st

from core.actor import Actor
from core.room.access import RoomStore
from core.room.addresses import is_loopback
from core.settings import Settings
from pages.components.shared import door
from pages.server.room_address import room_url


def show_door(settings: Settings, by: Actor) -> None:
    """Draw how to join the room; for the presenter."""
    room = RoomStore(settings).current() if settings.room else None
    if room is None:
        st.info(
            "The room is closed: only this machine can open the app. Start it with --room to let others in.",
            icon=":material/lock:",
        )
        return
    address = _address()
    left, right = st.columns([2, 3], vertical_alignment="center")
    left.html(_qr(f"{address}?{door.PASSCODE}={room.passcode}"))
    right.html(
        '<div style="font-size:clamp(1.1rem,2.4vw,2.2rem);overflow-wrap:anywhere">'
        f"{html.escape(address.removeprefix('http://'))}</div>"
        '<div style="font-size:.95rem;opacity:.75;margin-top:.8rem">Passcode</div>'
        '<div style="font-size:clamp(2.2rem,6vw,5rem);font-weight:700;letter-spacing:.06em;line-height:1.1;'
        f'font-variant-numeric:tabular-nums">{room.shown_passcode}</div>'
    )
    _offer_change(settings, by)


def _address() -> str:
    """The address that this browser uses, unless it is localhost, which others cannot open."""
    parts = urlsplit(st.context.url or "")
    if parts.hostname and not is_loopback(parts.hostname):
        return f"{parts.scheme}://{parts.netloc}"
    return room_url()


def _offer_change(settings: Settings, by: Actor) -> None:
    with st.popover("New passcode", icon=":material/key:"):
        st.caption("Everyone must enter the new passcode at their next click; nicknames and runs stay.")
        if st.button("Change it", key="door-change"):
            RoomStore(settings).change_passcode(by, door.browser_token())
            st.rerun()


@lru_cache(maxsize=8)
def _qr(address: str) -> str:
    """The code as an image that fills its column; black on white in dark mode too, or phones cannot read it."""
    data = segno.make(address, error="m").svg_data_uri(scale=8, border=3, light="#fff")
    return f'<img alt="QR code of the room" src="{data}" style="width:100%;max-width:420px;border-radius:12px">'
