"""What training did to the weights: the change of each block, and the filters of the first layer."""

from collections.abc import Sequence

import streamlit as st

from core.formatting import format_number
from core.predict.explanations.explanation_answers import Filters, WeightChange
from core.settings import Settings
from models import weights
from pages.components.compare.details import why_figures
from pages.components.compare.details.why_requests import Named, identity
from pages.components.shared import frame
from pages.components.shared.predictor_requests import request
from pages.components.shared.results.named_runs import style_runs
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

LOG_RATIO = 30.0  # of the largest to the smallest change: from here on the axis is logarithmic at first


def show_weight_changes(settings: Settings, named: Named) -> None:
    """Bars and a table of the change of each block."""
    st.caption("Change of each block's weights, in % of their norm at the start. Hatched blocks are unchanged.")
    found: list[tuple[str, WeightChange]] = []
    for name, item in named:
        answer = request(
            f"Comparing {name} with its start",
            (str(settings.home), "movement", *identity(item)),
            lambda _, run_id=item.id: frame.predictor(settings).weight_change(run_id),
        )
        if answer is not None:
            found.append((name, answer))
    if not found:
        return
    logarithmic = st.toggle(
        "Logarithmic axis",
        value=_is_wide(found),
        key="why-log",
        help="Shows small changes next to large ones.",
    )
    for name, change in found:
        words = why_figures.describe_weight_change(change)
        st.markdown(f"**{frame.plain(name)}**: {frame.plain(words)}")
        # one chart for each run, since two networks have different blocks; the axis is the same
        st.plotly_chart(
            why_figures.weight_change_bars([(name, change)], style_runs(named), logarithmic=logarithmic, among=found),
            key=f"why-moved-{name}",
            config={"displayModeBar": False},
            alt=f"Weight change of each block of {name}. {words}",
        )
    table = why_figures.tabulate_weight_changes(found)
    with st.expander("All numbers, with BatchNorm statistics"):
        st.dataframe(table, hide_index=True, key="why-moved-table")
    frame.offer_csv("Download the weight changes as CSV", table, "tunemypets-movement.csv")


def show_filters(settings: Settings, named: Named) -> None:
    """The first layer's filters of each run, before and after training."""
    st.caption(
        "The first layer reads colours: grey is 0, light positive, dark negative. Trained filters show edges and "
        "colours, untrained ones noise."
    )
    columns = st.columns(len(named))
    for column, (name, item) in zip(columns, named, strict=True):
        with column:
            st.markdown(f"**{frame.plain(name)}**")
            found = request(
                f"Reading the first layer of {name}",
                (str(settings.home), "filters", _has_start(item), *identity(item)),
                lambda _, run_id=item.id: frame.predictor(settings).filters(run_id),
            )
            if found is not None:
                _show_grid(name, found)


def _is_wide(found: Sequence[tuple[str, WeightChange]]) -> bool:
    changes = [block.relative for _, change in found for block in change.blocks if block.relative]
    return bool(changes) and max(changes) > LOG_RATIO * min(changes)


def _has_start(item: RunSnapshot) -> bool:
    """Whether the pretrained weights are here, if there are any: they may be downloaded later."""
    entry = item.config.entry()
    return entry.weights is None or weights.find(entry) is not None


def _show_grid(name: str, found: Filters) -> None:
    size = f"{found.side_px} × {found.side_px} px"
    what = (
        f"the first {found.shown} principal components of {found.count} filters of {size}"
        if found.components
        else f"{found.shown} of {found.count} filters of {size}"
    )
    start = "before training: " + ("pretrained" if found.pretrained else "random")
    shown = [("after training", found.trained), *([] if found.start is None else [(start, found.start)])]
    for column, (title, drawing) in zip(st.columns(2), shown, strict=False):
        column.image(drawing, caption=title.capitalize(), width="stretch", alt=f"{name}, {title}: {what}")
    change = (
        ""
        if found.relative is None
        else " Unchanged by training."
        if found.relative == 0
        else f" Changed by {format_number(100 * found.relative, 3)} % of their norm."
    )
    st.caption(f"{what[0].upper()}{what[1:]}.{change}")
    if found.trouble:
        st.caption(f"The start is not shown. {frame.plain(found.trouble)}")
