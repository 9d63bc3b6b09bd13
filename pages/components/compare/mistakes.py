"""The mistakes of a run, the most confident first."""

from collections.abc import Sequence

import streamlit as st

from core.formatting import count_images
from core.settings import Settings
from pages.components.compare import picture_grid, prediction_cache
from pages.components.shared import frame
from pages.components.shared.named_runs import Named


@st.fragment
def show_mistakes(settings: Settings, named: Sequence[Named]) -> None:
    """A choice of run, and its mistakes."""
    st.subheader("Most confident mistakes")
    with frame.explained():
        by_id = {item.id: (name, item) for name, item in named}
        chosen = named[0][1].id
        if len(by_id) > 1:
            chosen = st.pills(
                "Mistakes of",
                list(by_id),
                default=chosen,
                required=True,
                format_func=lambda run_id: frame.plain(by_id[run_id][0]),
                help="A confident mistake: the network learned something false, or the label is wrong.",
                key="mistakes-" + "-".join(by_id),
                persist_state="page",
            )
        name, item = by_id[chosen or named[0][1].id]
        answers = prediction_cache.align_predictions(settings, (item.id,))
        places = answers.mistakes(0)
        if not len(places):
            st.caption(f"{frame.plain(name)} makes no mistake on {count_images(answers.n, answers.split)}.")
            return
        st.caption(
            f"{frame.plain(name)} is wrong on {len(places):,} of {count_images(answers.n, answers.split)}. "
            "Where it is confident, check the label too."
        )
        picture_grid.show_grid(
            settings,
            picture_grid.Grid(
                key=f"mistakes-{item.id}",
                answers=answers,
                names=[name],
                dataset=prediction_cache.dataset_of(settings, item),
            ),
            places,
            f"tunemypets-mistakes-{item.id}.csv",
        )
