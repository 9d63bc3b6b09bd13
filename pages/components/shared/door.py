"""The door of an open room: one form for passcode and nickname, once per browser. Every page is behind it.

The passcode admits a browser; its cookie, or `st.login` where that is set up, identifies the person.
"""

import streamlit as st

from core.actor import OPERATOR, Actor
from core.errors import PeopleError
from core.room.access import RoomStore
from core.room.people import MAX_NICKNAME, PeopleStore, Person, is_token, person_id
from core.settings import Settings
from pages.components.shared.names import plain
from pages.server.visitor_cookie import COOKIE

PASSCODE, SECRET = "passcode", "secret"  # in the addresses that the terminal and the QR code give
COOKIE_NOTE = (
    "A cookie remembers your nickname in this browser, so that other attendees cannot change your work by accident. It "
    "is no protection against people who share this browser, run this machine, or watch this network."
)


def pass_or_stop(settings: Settings) -> None:
    """Let the script continue for an admitted person with a nickname; draw the door for anyone else."""
    if not settings.room:
        return
    rooms, browser = RoomStore(settings), browser_token()
    if not browser:
        st.error("Your browser blocks cookies for this page: allow them and reload.", icon=":material/block:")
        st.stop()
    problem = _use_link(rooms, browser)
    person = visitor(settings)
    if person is None or not rooms.is_admitted(person_id(browser)):
        _ask(settings, rooms, browser, problem)
        st.stop()
    if problem:
        st.error(problem, icon=":material/block:")
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


def is_presenter(settings: Settings) -> bool:
    """Whether this browser gave the presenter's secret, also while its person is not noted as the presenter yet."""
    browser = browser_token()
    return bool(browser) and RoomStore(settings).is_presenter(person_id(browser))


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


def _use_link(rooms: RoomStore, browser: str) -> str:
    """Use the passcode or secret in the address, and remove it at once: it may be on the projector.

    Returns:
        What is wrong with it; empty if nothing is.
    """
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
        return str(error)
    return ""


def _ask(settings: Settings, rooms: RoomStore, browser: str, problem: str) -> None:
    """Ask for what is missing: the passcode, unless the link brought it, and the nickname, unless it is known."""
    admitted, person = rooms.is_admitted(person_id(browser)), visitor(settings)
    signed_in = getattr(st.user, "is_logged_in", False)
    nickname = passcode = ""
    with st.form("door", width=420):
        if person is not None:
            st.markdown(f"Welcome back, **{plain(person.nickname)}**.")
        else:
            nickname = st.text_input(
                "Your nickname",
                str(st.user.get("name") or "")[:MAX_NICKNAME] if signed_in else "",
                key="door-nickname",
                max_chars=MAX_NICKNAME,
                help="Shown next to your runs.",
            )
        if not admitted:
            passcode = st.text_input(
                "Room passcode",
                key="door-passcode",
                max_chars=40,
                help="Eight digits; the presenter shows them.",
            )
        place = st.container()
        sent = st.form_submit_button("Join", type="primary", icon=":material/login:", width="stretch")
    if (
        _can_sign_in()
        and not signed_in
        and st.button("Sign in", icon=":material/key:", help="Use your organisation's account.")
    ):
        st.login()
    st.caption(COOKIE_NOTE)
    if sent:
        try:
            if not admitted:  # first: only people who know it learn which nicknames are taken
                if not passcode.strip():
                    raise PeopleError("The passcode is missing: enter the one on the screen.")
                rooms.enter(browser, passcode, _address())
            if person is None:
                PeopleStore(settings).name(_identity(settings), nickname)
            st.rerun()
        except PeopleError as error:
            problem = str(error)
    if problem:
        place.error(plain(problem), icon=":material/block:")
