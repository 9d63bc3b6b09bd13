"""The most confident mistakes of a run: where a network is wrong and sure of it."""

from collections.abc import Sequence

import streamlit as st

from core.settings import Settings
from pages.components.compare import comparison_cache, picture_grid
from pages.components.shared import frame


@st.fragment
def show_mistakes(settings: Settings, named: Sequence[comparison_cache.Named]) -> None:
    """The mistakes of one of the runs, the most confident first."""
    st.subheader("Most confident mistakes")
    with frame.explained():
        by_id = {item.id: (name, item) for name, item in named}
        chosen = named[0][1].id
        if len(by_id) > 1:
            chosen = st.pills(
                "Whose mistakes",
                list(by_id),
                default=chosen,
                required=True,
                format_func=lambda run_id: frame.plain(by_id[run_id][0]),
                help="A network that is wrong and sure has learned something that is not so, or the label is wrong.",
                key="mistakes-" + "-".join(by_id),
                persist_state="page",
            )
        name, item = by_id[chosen or named[0][1].id]
        answers = comparison_cache.answers_once(str(settings.home), (item.id,))
        places = answers.mistakes(0)
        if not len(places):
            st.caption(
                f"{frame.plain(name)} makes no mistake on {comparison_cache.images_text(answers.n, answers.split)}."
            )
            return
        total = comparison_cache.images_text(answers.n, answers.split)
        st.caption(
            f"{frame.plain(name)} is wrong on {len(places):,} of {total}. "
            "Where it is sure of a wrong answer, look at the label too."
        )
        picture_grid.show_sheet(
            settings,
            picture_grid.Sheet(
                key=f"mistakes-{item.id}",
                answers=answers,
                names=[name],
                dataset=comparison_cache.dataset_of(settings, item),
            ),
            places,
            f"tunemypets-mistakes-{item.id}.csv",
        )
