"""Joining: QR code, address and passcode as large as the screen allows, and the people who have arrived."""

import html

import streamlit as st

from core.formatting import format_count
from core.room.access import RoomStore
from core.room.people import PeopleStore
from core.settings import Settings
from pages.components.shared import door, visitors
from pages.components.shared.qr_code import draw_qr, reachable_address


def show_joining(settings: Settings) -> None:
    """Draw how to join the room; for the presenter."""
    room = RoomStore(settings).current() if settings.room else None
    if room is None:
        show_closed()
        return
    address = reachable_address()
    code = draw_qr(f"{address}?{door.PASSCODE}={room.passcode}")
    names = _here(settings)
    here = f"{format_count(len(names), 'attendee')} here" if names else "No one has joined yet"
    people = "".join(f"<span>{html.escape(name)}</span>" for name in names)
    st.html(
        f'<div class="join"><img class="join-code" alt="QR code of the room" src="{code}">'
        f'<div class="join-words"><div>Scan the code, or open</div>'
        f'<div class="join-address">{html.escape(address.removeprefix("http://"))}</div>'
        f'<div>Passcode</div><div class="join-passcode">{room.shown_passcode}</div>'
        f'<div class="join-count">{here}</div>'
        f'<div class="join-people">{people}</div></div></div>'
    )


def show_closed() -> None:
    """Draw why no phone can join, and what opens the room."""
    st.info(
        "The room is closed: only this machine can open the app. To let phones in, start it with "
        "`streamlit run streamlit_app.py -- --room`.",
        icon=":material/lock:",
    )


def _here(settings: Settings) -> list[str]:
    """The nicknames of the attendees who have the app open, the newest first."""
    people = PeopleStore(settings)
    found = [people.get(name) for name in dict.fromkeys(visit.person for visit in visitors.visits())]
    return [person.nickname for person in reversed(found) if person is not None and not person.presenter]
