"""The door of an open room: the passcode, once per browser, then a nickname. Every page is behind it.

The passcode admits a browser; its cookie, or `st.login` where that is set up, identifies the person.
"""

import streamlit as st

from core.actor import OPERATOR, Actor
from core.errors import PeopleError
from core.room.access import RoomStore
from core.room.people import MAX_NICKNAME, PeopleStore, Person, is_token, person_id
from core.settings import Settings
from pages.server.visitor_cookie import COOKIE

PASSCODE, SECRET = "passcode", "secret"  # in the addresses that the terminal and the QR code give
COOKIE_NOTE = (
    "A secret cookie in this browser identifies you, so that other attendees cannot stop, rename or delete what is "
    "yours. It does not protect you from people who use this browser, run this machine, or read this network (unless "
    "the address begins with https). Without the cookie you are a new attendee."
)


def pass_or_stop(settings: Settings) -> None:
    """Let the script continue for an admitted person with a nickname; draw the door for anyone else."""
    if not settings.room:
        return
    rooms, browser = RoomStore(settings), browser_token()
    if not browser:
        st.error("Your browser blocks cookies for this page: allow them and reload.", icon=":material/block:")
        st.stop()
    _use_link(rooms, browser)
    if not rooms.is_admitted(person_id(browser)):
        _ask_passcode(rooms, browser)
        st.stop()
    person = visitor(settings)
    if person is None:
        _ask_nickname(settings)
        st.stop()
    if not person.presenter and rooms.is_presenter(person_id(browser)):
        PeopleStore(settings).appoint(person.id)


def actor(settings: Settings) -> Actor:
    """On whose behalf this session acts.

    Raises:
        PeopleError: if the passcode was changed, or the nickname removed, since the page was opened.
    """
    if not settings.room:
        return OPERATOR
    person = visitor(settings) if RoomStore(settings).is_admitted(person_id(browser_token())) else None
    if person is None:
        raise PeopleError("You are signed out: reload the page and enter the passcode.")
    return person.actor


def visitor(settings: Settings) -> Person | None:
    """The person of this session; None without a nickname."""
    return PeopleStore(settings).holder(_identity(settings))


def browser_token() -> str:
    """The token in this browser's cookie; empty where it keeps none."""
    token = st.context.cookies.get(COOKIE)
    return token if isinstance(token, str) and is_token(token) else ""


def _can_sign_in() -> bool:
    """Whether the operator set up an identity provider: docs/sign-in.md."""
    try:
        return "auth" in st.secrets
    except OSError:  # no secrets at all
        return False


def _address() -> str | None:
    """Where this session comes from; None on the machine itself."""
    return st.context.ip_address


def _identity(settings: Settings) -> str:
    """The token of the person who signed in, else of the browser."""
    room = RoomStore(settings).current()
    if room is not None and getattr(st.user, "is_logged_in", False) and st.user.get("sub"):
        return room.signed_in_token(str(st.user.get("iss", "")), str(st.user["sub"]))
    return browser_token()


def _use_link(rooms: RoomStore, browser: str) -> None:
    """Use the passcode or secret in the address, and remove it at once: it may be on the projector."""
    passcode, secret = st.query_params.get(PASSCODE), st.query_params.get(SECRET)
    for name in (PASSCODE, SECRET):
        if name in st.query_params:
            del st.query_params[name]
    try:
        if secret is not None:
            rooms.prove_presenter(browser, secret, _address())
        elif passcode is not None and not rooms.is_admitted(person_id(browser)):
            rooms.enter(browser, passcode, _address())
    except PeopleError as error:
        st.error(str(error), icon=":material/block:")


def _ask_passcode(rooms: RoomStore, browser: str) -> None:
    with st.form("door-passcode", width=420):
        typed = st.text_input(
            "Passcode of the room", key="door-typed", max_chars=40, help="Eight digits; the presenter shows them."
        )
        sent = st.form_submit_button("Come in", type="primary", icon=":material/login:")
    if sent:
        try:
            rooms.enter(browser, typed, _address())
        except PeopleError as error:
            st.error(str(error), icon=":material/block:")
        else:
            st.rerun()


def _ask_nickname(settings: Settings) -> None:
    known = str(st.user.get("name") or "")[:MAX_NICKNAME] if getattr(st.user, "is_logged_in", False) else ""
    with st.form("door-nickname", width=420):
        nickname = st.text_input(
            "Your nickname",
            known,
            key="door-nickname",
            max_chars=MAX_NICKNAME,
            help="Shown next to your runs.",
        )
        sent = st.form_submit_button("Begin", type="primary", icon=":material/pets:")
    if (
        _can_sign_in()
        and not known
        and st.button("Sign in", icon=":material/key:", help="Use your organisation's account.")
    ):
        st.login()
    st.caption(COOKIE_NOTE)
    if sent:
        try:
            PeopleStore(settings).name(_identity(settings), nickname)
        except PeopleError as error:
            st.error(str(error), icon=":material/block:")
        else:
            st.rerun()
