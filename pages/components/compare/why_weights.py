"""What training did to the weights: how far each block went, and the first layer as pictures."""

from collections.abc import Sequence

import streamlit as st

from core.formatting import format_number
from core.predict.explanations import Filters, Movement
from core.settings import Settings
from models import weights
from pages.components.compare import why_figures
from pages.components.compare.why_requests import Named, ask, identity
from pages.components.shared import frame
from pages.components.shared.runs_snapshot import RunSnapshot

WIDE = 30.0  # times: from here on little movements beside large ones are seen on a logarithmic axis only


def show_movement(settings: Settings, named: Named) -> None:
    st.caption(
        "How far the weights of each block are from where they began: the length of the change, in per cent of the "
        "length that they had. Hatched blocks did not change by one bit."
    )
    found: list[tuple[str, Movement]] = []
    for name, item in named:
        answer = ask(
            f"Building the start of {name} again and comparing",
            (str(settings.home), "movement", *identity(item)),
            lambda _, run_id=item.id: frame.predictor(settings).movement(run_id),
        )
        if answer is not None:
            found.append((name, answer))
    if not found:
        return
    logarithmic = st.toggle(
        "Logarithmic axis",
        value=_is_wide(found),
        key="why-log",
        help="Small movements beside large ones become visible.",
    )
    for name, movement in found:
        st.markdown(f"**{frame.plain(name)}**: {frame.plain(why_figures.movement_words(movement))}")
        # one chart for each run: two networks have different blocks; the axis is the same
        st.plotly_chart(
            why_figures.movement_bars([(name, movement)], logarithmic=logarithmic, among=found),
            key=f"why-moved-{name}",
            config={"displayModeBar": False},
            alt=f"Movement of each block of {name}. {why_figures.movement_words(movement)}",
        )
    table = why_figures.movement_table(found)
    with st.expander("All numbers, BatchNorm's statistics apart"):
        st.dataframe(table, hide_index=True, key="why-moved-table")
    frame.offer_csv("Download the movement as CSV", table, "tunemypets-movement.csv")


def show_filters(settings: Settings, named: Named) -> None:
    st.caption(
        "The first layer reads red, green and blue directly, so its filters can be looked at: grey counts for nothing, "
        "light for, dark against. Trained networks hold edges and colours; noise has not learned yet."
    )
    columns = st.columns(len(named))
    for column, (name, item) in zip(columns, named, strict=True):
        with column:
            st.markdown(f"**{frame.plain(name)}**")
            found = ask(
                f"Reading the first layer of {name}",
                (str(settings.home), "filters", _has_start(item), *identity(item)),
                lambda _, run_id=item.id: frame.predictor(settings).filters(run_id),
            )
            if found is not None:
                _show_grid(name, found)


def _is_wide(found: Sequence[tuple[str, Movement]]) -> bool:
    changes = [block.relative for _, movement in found for block in movement.blocks if block.relative]
    return bool(changes) and max(changes) > WIDE * min(changes)


def _has_start(item: RunSnapshot) -> bool:
    """Whether the pretrained weights are here, if there are any: they may come later."""
    entry = item.config.entry()
    return entry.weights is None or weights.find(entry) is not None


def _show_grid(name: str, found: Filters) -> None:
    size = f"{found.side_px} × {found.side_px} px"
    what = (
        f"the {found.shown} directions in which {found.count} filters of {size} differ most"
        if found.components
        else f"{found.shown} of {found.count} filters of {size}"
    )
    start = "before training: " + ("pretrained" if found.pretrained else "random")
    shown = [("after training", found.trained), *([] if found.start is None else [(start, found.start)])]
    for column, (title, drawing) in zip(st.columns(2), shown, strict=False):
        column.image(drawing, caption=title.capitalize(), width="stretch", alt=f"{name}, {title}: {what}")
    moved = (
        ""
        if found.relative is None
        else " They are exactly the same as before."
        if found.relative == 0
        else f" These weights alone moved by {format_number(100 * found.relative, 3)} % of their length."
    )
    st.caption(f"{what[0].upper()}{what[1:]}.{moved}")
    if found.trouble:
        st.caption(f"How they began is not shown. {frame.plain(found.trouble)}")
