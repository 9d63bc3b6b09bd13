"""The data doctor on Check: started by a button, followed while it runs, its findings in four parts.

Drawn as a fragment that refreshes itself while an examination runs, whoever started it.
"""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.coach.shortcuts import CUES
from core.datasets.dataset import Dataset
from core.doctor.doctor_findings import Findings, findings_path, read_findings
from core.doctor.examination import cancel_examination, list_backbones, look, start_examination
from core.doctor.findings_in_words import (
    describe_balance,
    describe_copies,
    describe_first,
    describe_known_copies,
    describe_labels,
    describe_levels,
    describe_quality,
    describe_trial,
    describe_unexamined,
    describe_usual,
    explained,
)
from core.formatting import capitalise, format_day, format_duration
from core.jobs.shared_job import JobState
from core.settings import Settings
from core.storage import stamp_of
from models.catalog import CATALOG
from pages.components.explore import corrections_bar
from pages.components.explore.check import doctor_pictures
from pages.components.shared import frame, progress_bar
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.snapshots.shared_cache import SharedCache

PARTS: dict[str, Callable[[Findings], int]] = {
    "Labels": lambda found: found.suspicious if found.estimate is None else found.estimate.wrong,
    "Near-copies": lambda found: found.copies_found,
    "Hard to see": lambda found: len(found.qualities),
    "Classes": lambda _: 0,
}

_found: SharedCache[tuple[object, ...], Findings | None] = SharedCache(None, max_entries=16)


def show_doctor(settings: Settings, dataset: Dataset) -> None:
    """Draw the panel."""
    keep_up(
        settings,
        f"doctor-{dataset.id}",
        lambda: _look(settings, dataset, _chosen(dataset)),
        lambda state: state.active,
        lambda state: _show(settings, dataset, state),
    )


def _chosen(dataset: Dataset) -> str:
    names = list_backbones()
    chosen = st.session_state.get(f"doctor-backbone-{dataset.id}")
    return chosen if chosen in names else names[0]


def _look(settings: Settings, dataset: Dataset, backbone: str) -> JobState[Findings]:
    """How far it is."""
    found = _read(settings, dataset, backbone)
    return look(settings, dataset, backbone) if found is None else JobState(found)


def _read(settings: Settings, dataset: Dataset, backbone: str) -> Findings | None:
    """Finished findings, read once for all sessions; None where there are none."""
    path = findings_path(settings, dataset, backbone)
    if (stamp := stamp_of(path)) is None:
        return None
    # rows in another order have other numbers: datasets of the same fingerprint share the file
    return _found.get((dataset.folder, path, stamp), lambda: read_findings(path, dataset))


def _show(settings: Settings, dataset: Dataset, state: JobState[Findings]) -> None:
    names, backbone = list_backbones(), _chosen(dataset)
    st.markdown("##### Data doctor")
    if state.active:
        progress_bar.show_job(
            state,
            dataset.summary.owner,
            lambda by: cancel_examination(settings, dataset, backbone, by=by),
            f"doctor-cancel-{dataset.id}",
            result=", and everyone sees what it finds",
        )
    elif state.result is not None:
        _show_findings(settings, dataset, state.result)
    else:
        _offer_others(settings, dataset, [name for name in names if name != backbone])
        _offer(settings, dataset, backbone, state)
    if len(names) > 1:  # also while it runs: the choice would be lost otherwise
        st.selectbox(
            "Network",
            names,
            format_func=lambda name: CATALOG[name].title,
            help="The network that looks at the pictures; each has its own findings.",
            width=320,
            key=f"doctor-backbone-{dataset.id}",
        )


def _offer_others(settings: Settings, dataset: Dataset, names: list[str]) -> None:
    """Findings of other networks, the newest first, so that a dataset is not examined twice by mistake."""
    read = filter(None, (_read(settings, dataset, name) for name in names))
    for found in sorted(read, key=lambda item: item.made, reverse=True):
        st.button(
            f"Show the findings of {CATALOG[found.backbone].title} from {format_day(found.made)}",
            key=f"doctor-other-{dataset.id}-{found.backbone}",
            icon=":material/history:",
            on_click=_choose,
            args=(dataset, found.backbone),
        )


def _choose(dataset: Dataset, backbone: str) -> None:
    st.session_state[f"doctor-backbone-{dataset.id}"] = backbone


def _offer(settings: Settings, dataset: Dataset, backbone: str, state: JobState[Findings]) -> None:
    st.markdown(
        "Looks for labels that may be wrong, near-copies, and pictures that are hard to see, and states how far to "
        "trust it. It changes nothing."
    )
    progress_bar.offer_job(
        state,
        "Examine the pictures",
        f"doctor-start-{dataset.id}",
        ":material/stethoscope:",
        lambda: start_examination(settings, dataset, backbone, by=frame.actor()),
    )


def _show_findings(settings: Settings, dataset: Dataset, found: Findings) -> None:
    st.caption(
        f"{found.pictures:,} pictures, seen by {CATALOG[found.backbone].title} in {format_duration(found.seconds)}."
    )
    if found.nothing:
        st.success("Nothing to correct was found.", icon=":material/check_circle:")

    def label(part: str) -> str:
        count = PARTS[part](found)
        return f"{part} ({count:,})" if count else part

    part = st.segmented_control(
        "Show findings",
        list(PARTS),
        format_func=label,
        default="Labels",
        required=True,
        key=f"doctor-part-{dataset.id}",
        label_visibility="collapsed",
    )
    if part == "Labels":
        _show_labels(settings, dataset, found)
    elif part == "Near-copies":
        st.markdown(f"{describe_copies(dataset, found)} {describe_known_copies(dataset.report())}")
        _offer_together(settings, dataset, found)
        doctor_pictures.show_pairs(settings, dataset, found.copies)
    elif part == "Hard to see":
        for sentence in (describe_quality(found), *describe_usual(found)):
            st.markdown(sentence)
        doctor_pictures.show_qualities(settings, dataset, found.qualities)
    else:
        _show_classes(dataset, found)


def _offer_together(settings: Settings, dataset: Dataset, found: Findings) -> None:
    """The revision that keeps near-copies in one split, for whom the dataset belongs to."""
    if not found.divided(dataset) or not frame.actor().may_change(dataset.summary.owner):
        return
    if st.button(
        "Keep near-copies in one split",
        key=f"doctor-together-{dataset.id}",
        icon=":material/join_inner:",
        help="Makes a revision: near-copies become groups, and those in several splits move to one. All other pictures "
        "stay where they are.",
    ):
        corrections_bar.make_revision(settings, dataset, found.chains)


def _show_labels(settings: Settings, dataset: Dataset, found: Findings) -> None:
    said = " ".join(filter(None, (f"**{describe_labels(found)}**", describe_first(found))))
    if found.estimate is not None and not found.estimate.wrong:
        st.success(said, icon=":material/check_circle:")
    else:
        st.markdown(said)
    for sentence in (describe_trial(found), frame.plain(describe_unexamined(dataset, found))):
        if sentence:
            st.caption(sentence)
    doctor_pictures.show_suspicions(settings, dataset, found.suspicions)


def _show_classes(dataset: Dataset, found: Findings) -> None:
    st.markdown(frame.plain(describe_balance(dataset)))
    levels = found.levels
    if levels is None:
        st.caption("Too few held-out pictures to measure shortcuts.")
        return
    sentences = describe_levels(found)
    st.markdown(sentences[0] if sentences else "No cue other than the picture itself predicts the class.")
    titles = {cue.name: cue.title for cue in CUES}
    rows = [
        {
            "seen": capitalise(titles.get(cue.name, cue.name)),
            "right (%)": round(100 * cue.correct / levels.held_out, 1),
            "part of the gain (%)": round(100 * explained(cue.correct, cue.baseline, levels.features)),
        }
        for cue in levels.cues
        if cue.found
    ]
    network = {
        "seen": f"Features of {CATALOG[found.backbone].title}",
        "right (%)": round(100 * levels.features / levels.held_out, 1),
        "part of the gain (%)": 100,
    }
    st.dataframe(pd.DataFrame([*rows, network]), hide_index=True, key=f"doctor-levels-{dataset.id}")
    st.caption(f"Fitted on training pictures, evaluated on {levels.held_out:,} validation and test pictures.")
