"""The server: Streamlit's ASGI app behind a guard, and what happens when it starts and stops.

streamlit run streamlit_app.py                this machine only
streamlit run streamlit_app.py -- --room      the network, behind a passcode (also TUNEMYPETS_ROOM=1)
python streamlit_app.py --room --port 8501    the same
"""

import argparse
import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pkgutil import walk_packages
from typing import NoReturn

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from core.actor import Actor
from core.errors import TuneMyPetsError
from core.room.access import Room, RoomStore
from core.room.addresses import is_loopback
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler, needs_scheduler
from core.scheduling.shutdown import reopen, shut_down
from core.settings import PROJECT_ROOT, Settings
from core.sweeps.sweep_store import ensure_sweeper
from pages.server import batch_files, collect_page, export_files, farewell, thumbnail_files
from pages.server.frontend import Frontend
from pages.server.guard import Guard
from pages.server.room_address import room_url, url
from pages.server.upload_limits import UploadLimits

ROUTES = [*export_files.ROUTES, *batch_files.ROUTES, *collect_page.ROUTES, *thumbnail_files.ROUTES]
MIDDLEWARE = [Middleware(Guard), Middleware(Frontend), Middleware(UploadLimits)]
EVERYWHERE = "0.0.0.0"
ROOM = "TUNEMYPETS_ROOM"
ADDRESS = "STREAMLIT_SERVER_ADDRESS"
# imported once the first page is there: at the same time they would slow it down
AHEAD_SECONDS = 5.0
AHEAD = (
    "pandas",
    "pandas.io.formats.style",
    "plotly.graph_objects",
    "scipy.stats",
    "scipy.optimize",
)  # and pages.components; never torch

STOP_SECONDS = 3.0

log = logging.getLogger("tunemypets.web")


def prepare() -> None:
    """Decide what must be decided before the server starts: whether there is a room, and on which address.

    `streamlit run` has bound its address before it reads our first line, so a room starts the process again.
    """
    if "--room" in sys.argv[1:]:
        os.environ[ROOM] = "1"
    if _settings().room and config._server_mode == "starlette-app" and _address_is_only_a_default():
        _start_again()


def serve(app: st.App) -> None:
    """Serve without `streamlit run`: `python streamlit_app.py [--room] [--port 8501]`."""
    parser = argparse.ArgumentParser(description="TuneMyPets.")
    parser.add_argument("--room", action="store_true", help="open to the network, behind a passcode")
    parser.add_argument("--port", type=int, help="default 8501")
    chosen = parser.parse_args()
    options: dict[str, object] = {"server.port": chosen.port} if chosen.port else {}
    if _settings().room and ADDRESS not in os.environ:
        options["server.address"] = EVERYWHERE
    app.run(config=options)


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, object]]:
    """From start to end of the server."""
    del app
    if not is_loopback(config.get_option("server.address")):
        os.environ[ROOM] = "1"  # a server that others can reach asks who they are
    settings = _settings()
    _allow_many_connections()
    config.set_option("server.maxUploadSize", settings.upload_bytes // 2**20)  # what uploaders show and check, MB
    if settings.room:
        _announce(RoomStore(settings).open())
    else:
        print(f"\n  TuneMyPets: {url('localhost')}\n", flush=True)
    threading.Thread(target=_wake_scheduler, args=(settings,), daemon=True).start()
    ahead = threading.Timer(AHEAD_SECONDS, _import_ahead)
    ahead.daemon = True
    ahead.start()
    yield {}
    ahead.cancel()


def close(settings: Settings, by: Actor) -> threading.Thread:
    """Say goodbye on every page, pause all trainings, and end this process; returns the thread that does.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Shutting down")
    farewell.say_goodbye()
    closing = threading.Thread(target=_pause_and_stop, args=(settings, by))
    closing.start()
    return closing


def _pause_and_stop(settings: Settings, by: Actor) -> None:
    try:
        shut_down(settings, by)
    except (OSError, TuneMyPetsError):
        log.exception("not all trainings were paused")
    stop()


def stop() -> None:
    """End this process in a moment, as Ctrl+C does: pages draw their goodbye first."""
    timer = threading.Timer(STOP_SECONDS, os.kill, args=(os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()


def _settings() -> Settings:
    try:
        return Settings.from_environment()
    except TuneMyPetsError as error:
        sys.exit(str(error))


def _address_is_only_a_default() -> bool:
    """Whether no address was chosen for this start: the one in .streamlit/config.toml is a default."""
    chosen = "command-line" in config.get_where_defined("server.address")
    return not chosen and is_loopback(config.get_option("server.address"))


def _start_again() -> NoReturn:
    """Run the same command again, listening to the network."""
    os.environ.update({ROOM: "1", ADDRESS: EVERYWHERE})
    command = [sys.executable, *sys.orig_argv[1:]]
    sys.stdout.flush()
    if os.name == "posix":
        os.closerange(3, 4096)  # the socket on this machine only, among others
        os.execv(sys.executable, command)
    sys.exit(subprocess.run(command, check=False).returncode)


def _announce(room: Room) -> None:
    """Print the addresses of the room, for attendees and for the presenter."""
    import segno

    address = room_url()
    print(f"\n  The room is open: {address}   passcode {room.shown_passcode}\n", flush=True)
    segno.make(f"{address}?passcode={room.passcode}", error="l").terminal(compact=True)
    print(f"\n  Presenter (keep it to yourself): {address}/room?secret={room.secret}\n", flush=True)


def _allow_many_connections() -> None:
    """Raise the limit of open connections as far as the system allows: slow ones must not use them up."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if most == resource.RLIM_INFINITY else min(most, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _import_ahead() -> None:
    parts = walk_packages([str(PROJECT_ROOT / "pages" / "components")], "pages.components.")
    for name in (*AHEAD, *(found.name for found in parts)):
        try:
            importlib.import_module(name)
        except Exception:  # the page that needs it shows the error
            log.exception("%s was not imported", name)


def _wake_scheduler(settings: Settings) -> None:
    """Start queued runs and sweeps that have not ended, also before anyone opens a page."""
    try:
        reopen(settings)
        if any(needs_scheduler(run) for run in RunStore(settings).all()):
            ensure_scheduler(settings)
        ensure_sweeper(settings)
    except (OSError, TuneMyPetsError):
        log.exception("the scheduler was not started")
