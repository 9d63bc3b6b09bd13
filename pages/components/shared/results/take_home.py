"""Take it home: the files that other programs open, made on a click, each with the check that it passed."""

from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from core.errors import ExportError, ExtraMissingError
from core.export.exports import ExportState, Manifest, check_exportable, look, start_export
from core.export.formats import FORMATS, ExportFormat
from core.formatting import format_bytes, format_estimate, format_percent, format_points
from core.room.addresses import is_loopback
from core.runs.run import Run
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.qr_code import draw_qr, reachable_address
from pages.server.export_files import OPENED, address_of

REFRESH_SECONDS = 1.0
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
        st.fragment(_show_formats, run_every=REFRESH_SECONDS if _any_active(settings, run_id) else None)(
            settings, run_id
        )


def _any_active(settings: Settings, run_id: str) -> bool:
    run = frame.runs(settings).get(run_id)
    return any(look(settings, run, kind).active for kind in FORMATS.values())


def _show_formats(settings: Settings, run_id: str) -> None:
    with frame.explained():
        run = frame.runs(settings).get(run_id)
        check_exportable(run)
        states = {kind: look(settings, run, kind) for kind in FORMATS.values()}
        seen, key = any(state.active for state in states.values()), f"take-home-seen-{run_id}"
        if st.session_state.get(key, seen) != seen:  # the fragment starts or stops to refresh
            st.session_state[key] = seen
            st.rerun()
        st.session_state[key] = seen
        st.caption("Each file is checked on the test pictures before you get it.")
        for kind, state in states.items():
            with st.container(border=True, gap="xsmall", key=f"take-home-{kind.name}-{run_id}"):
                _show_format(settings, run, kind, state)


def _show_format(settings: Settings, run: Run, kind: ExportFormat, state: ExportState) -> None:
    st.markdown(f"**{kind.title}** · {kind.summary}")
    if state.manifest is not None:
        _show_files(settings, run, kind, state.manifest)
        return
    if state.active:
        progress = state.progress
        share = progress.done / progress.total if progress and progress.total else 0.0
        left = f" · {format_estimate(state.estimate)} in all" if state.estimate else ""
        st.progress(share, text=f"{progress.text if progress else 'Starting'} …{left}")
        return
    if state.problem:
        st.warning(frame.plain(state.problem), icon=":material/warning:")
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
    about = f" ({format_estimate(state.estimate)})" if state.estimate else ""
    if st.button(f"Make it{about}", key=f"make-{kind.name}-{run.id}", icon=":material/build:"):
        start_export(settings, run.id, kind.name)
        st.rerun()


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
