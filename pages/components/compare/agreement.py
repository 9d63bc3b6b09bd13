"""The agreement of two runs: the four groups of pictures behind McNemar's test, as a table and as a grid."""

import streamlit as st

from core.formatting import format_points
from core.settings import Settings
from core.statistics.aligned_predictions import Agreement, AlignedPredictions
from pages.components.compare import picture_grid, prediction_cache
from pages.components.shared import frame

GROUPS: dict[Agreement, str] = {
    "only_b": "Only B is right",
    "only_a": "Only A is right",
    "both_wrong": "Both are wrong",
    "both_right": "Both are right",
}


@st.fragment
def show_agreement(settings: Settings, pair: prediction_cache.Pair) -> None:
    """The 2 x 2 table, and the pictures of the chosen group."""
    st.subheader("Picture by picture")
    with frame.explained():
        (name_a, first), (name_b, second) = pair.first, pair.second
        answers = prediction_cache.align_predictions(settings, (first.id, second.id))
        st.markdown(f"**A** {frame.plain(name_a)}  \n**B** {frame.plain(name_b)}")
        st.html(draw_table(answers))
        st.caption(_explain(answers))
        chosen = st.pills(
            "Which pictures",
            list(GROUPS),
            default=next((name for name in GROUPS if len(answers.groups[name])), "both_right"),
            required=True,
            format_func=lambda name: f"{GROUPS[name]} ({len(answers.groups[name]):,})",
            help="The verdict rests on the first two groups.",
            key=f"groups-{first.id}-{second.id}",
            persist_state="page",
        )
        group: Agreement = chosen or "both_right"
        picture_grid.show_grid(
            settings,
            picture_grid.Grid(
                key=f"group-{group.replace('_', '-')}-{first.id}-{second.id}",
                answers=answers,
                names=(f"A: {name_a}", f"B: {name_b}"),
                dataset=prediction_cache.dataset_of(settings, first),
                first="disagreement" if group in ("only_a", "only_b") else "confidence",
            ),
            answers.groups[group],
            f"tunemypets-{group.replace('_', '-')}.csv",
        )


def draw_table(answers: AlignedPredictions) -> str:
    """The sizes of the groups as an HTML table; marks and frames carry the meaning, not colours."""
    count = {name: len(found) for name, found in answers.groups.items()}
    cell = 'style="padding:6px 12px;border:1px solid rgba(127,127,127,.4);text-align:right;font-size:1.05rem"'
    framed = 'style="padding:6px 12px;border:3px solid #D55E00;text-align:right;font-size:1.05rem;font-weight:700"'
    head = 'style="padding:6px 12px;text-align:left;font-weight:600"'
    rows = [
        f'<tr><td></td><th scope="col" {head}>B ✓ right</th><th scope="col" {head}>B ✗ wrong</th></tr>',
        f'<tr><th scope="row" {head}>A ✓ right</th><td {cell}>{count["both_right"]:,}</td>'
        f"<td {framed}>{count['only_a']:,}</td></tr>",
        f'<tr><th scope="row" {head}>A ✗ wrong</th><td {framed}>{count["only_b"]:,}</td>'
        f"<td {cell}>{count['both_wrong']:,}</td></tr>",
    ]
    label = ", ".join(f"{GROUPS[name]}: {count[name]:,}" for name in GROUPS)
    return f'<table aria-label="{label}" style="border-collapse:collapse">{"".join(rows)}</table>'


def _explain(answers: AlignedPredictions) -> str:
    only_a, only_b = len(answers.groups["only_a"]), len(answers.groups["only_b"])
    share = format_points((only_a + only_b) / answers.n) if answers.n else "0.0"
    return (
        f"The networks differ on {only_a + only_b:,} of {answers.n:,} {'picture' if answers.n == 1 else 'pictures'} "
        f"({share} %), framed. McNemar's test: how often would chance alone split them as unevenly as {only_a:,} to "
        f"{only_b:,}?"
    )
