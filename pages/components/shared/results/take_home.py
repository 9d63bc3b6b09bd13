"""Take it home: the files that other programs open, made on a click, each with the check that it passed."""

from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from core.errors import ExportError, ExtraMissingError
from core.export.exports import Manifest, check_exportable, look, start_export
from core.export.formats import FORMATS, ExportFormat
from core.formatting import format_bytes, format_percent, format_points
from core.jobs.shared_job import JobState
from core.room.addresses import is_loopback
from core.runs.run import Run
from core.settings import Settings
from pages.components.shared import frame, progress_bar
from pages.components.shared.qr_code import draw_qr, reachable_address
from pages.components.shared.refresh_rate import keep_up
from pages.server.export_files import OPENED, address_of

ICON = ":material/download:"


def offer_exports(settings: Settings, run_id: str, name: str = "") -> None:
    """The formats of a run that has its test result, folded.

    Args:
        name: of the network, where the page shows several.
    """
    label = f"Take it home: {frame.plain(name)}" if name else "Take it home"
    with st.expander(label, icon=ICON, key=f"take-home-{run_id}", on_change="rerun") as place:
        if not place.open:
            return
        run = frame.runs(settings).get(run_id)
        keep_up(
            settings,
            f"take-home-formats-{run_id}",
            lambda: {kind: look(settings, run, kind) for kind in FORMATS.values()},
            lambda states: any(state.active for state in states.values()),
            lambda states: _show_formats(settings, run, states),
        )


def _show_formats(settings: Settings, run: Run, states: dict[ExportFormat, JobState[Manifest]]) -> None:
    check_exportable(run)
    st.caption("Each file is checked on the test pictures before you get it.")
    for kind, state in states.items():
        with st.container(border=True, gap="xsmall", key=f"take-home-{kind.name}-{run.id}"):
            _show_format(settings, run, kind, state)


def _show_format(settings: Settings, run: Run, kind: ExportFormat, state: JobState[Manifest]) -> None:
    st.markdown(f"**{kind.title}** · {kind.summary}")
    if state.result is not None:
        _show_files(settings, run, kind, state.result)
        return
    if state.active:
        progress_bar.draw_job(state)
        return
    try:
        kind.check_holds(run.config().entry())
        kind.check_installed()
    except ExtraMissingError as error:
        text = str(error) if frame.actor().presenter else f"{kind.title} is not installed here: ask the presenter."
        st.caption(frame.plain(text))
        return
    except ExportError as error:
        st.caption(frame.plain(str(error)))
        return
    progress_bar.offer_job(
        state,
        "Make it",
        f"make-{kind.name}-{run.id}",
        ":material/build:",
        lambda: start_export(settings, run.id, kind.name),
    )


def _show_files(settings: Settings, run: Run, kind: ExportFormat, manifest: Manifest) -> None:
    check = manifest.check
    found = check.accuracy
    accuracy = "unknown" if found.value is None else format_percent(found.value)
    st.markdown(
        f":green-badge[:material/check_circle: checked] {check.same:,} of {check.images:,} test pictures in the same "
        f"class as the run; accuracy {accuracy} ({format_points(found.interval.low)} to "
        f"{format_points(found.interval.high)} %, n = {check.images:,})"
        + ("." if manifest.ms_per_picture is None else f"; {manifest.ms_per_picture:.0f} ms a picture here.")
    )
    for note in filter(None, (manifest.conversion_text, *manifest.notes)):
        st.caption(frame.plain(note))
    with st.container(horizontal=True, gap="small"):
        for name, size in manifest.files.items():
            address = address_of(run.id, kind.name, name)
            opened = Path(name).suffix == OPENED
            if opened:
                st.link_button(
                    "Open it", address, icon=":material/open_in_new:", key=f"open-{kind.name}-{name}-{run.id}"
                )
            st.link_button(
                f"{name} ({format_bytes(size)})",
                f"{address}?save" if opened else address,
                icon=ICON,
                key=f"take-{kind.name}-{name}-{run.id}",
            )
    if kind.single and settings.room:
        _show_code(address_of(run.id, kind.name, next(iter(manifest.files))))


def _show_code(address: str) -> None:
    """A QR code with which the phones of the room open the page."""
    room = reachable_address()
    if is_loopback(urlsplit(room).hostname):
        return
    code = draw_qr(f"{room}/{address}")
    st.html(
        f'<img alt="QR code of the phone page" src="{code}" width="200" height="200" style="border-radius: .5rem">'
        "<div>Take it with you: scan the code with a phone that has joined the room, then save the page.</div>"
    )
