"""The network that answers: the best one by itself, another one a tap away, and the one it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.config.arm_names import describe_arm, name_arm, name_configs
from core.formatting import SPLIT_NAMES, bind_percent
from core.palette import ArmStyle, style_arms
from core.predict.suggestion import find_partner, suggest_run
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared import frame

RUN = "run"  # in the address: one network, or two with a comma between them
KEPT = "predict-kept"  # the network that was suggested first: a better one that ends meanwhile does not replace it
COMPARE = "predict-compare"


@dataclass(frozen=True)
class Chosen:
    """A network that answers, with its name and its look on this page."""

    run: RunSummary
    name: str
    style: ArmStyle

    @property
    def identity(self) -> tuple[object, ...]:
        """What distinguishes its weights from later ones of the same run."""
        return self.run.id, self.run.state.value, self.run.best_val_accuracy


def choose(settings: Settings, usable: Sequence[RunSummary]) -> list[Chosen]:
    """Draw which network answers, and return it; with the one it is compared with, two; none without a choice.

    Args:
        usable: runs that can predict, newest first.
    """
    by_id = {item.id: item for item in usable}
    wanted = [name for name in st.query_params.get(RUN, "").split(",") if name]
    named = [by_id[name] for name in wanted if name in by_id][:2]
    if len(named) < len(wanted[:2]):
        st.warning("That network was deleted: another one answers.", icon=":material/delete:")
    first = named[0] if named else _keep_suggestion(settings, by_id, usable)
    partner = named[1] if len(named) > 1 else first and find_partner(first, usable)
    with st.container(key="predict-network", gap="xsmall"):
        if first is None:
            st.markdown("Networks are still being trained. Wait for the first one to finish, or try one as it is now.")
        line = st.container(horizontal=True, vertical_alignment="center", gap="small")
        if first is not None:
            line.markdown(_describe(settings, first), width="stretch")
        with line.popover("Change network", icon=":material/swap_horiz:"):
            _offer_others(settings, usable, first)
        compared = partner is not None and line.toggle(
            f"Compare with {name_arm(partner.config)}",
            len(named) > 1,
            key=COMPARE,
            help="The network of the other strategy answers too: from the same race, or the best one on this dataset.",
        )
        if compared and partner is not None:
            st.markdown(_describe(settings, partner))
    if first is None:
        return []
    runs = [first, partner] if compared and partner is not None else [first]
    names, styles = name_configs([run.config for run in runs]), style_arms([run.config.strategy for run in runs])
    return [Chosen(*parts) for parts in zip(runs, names, styles, strict=True)]


def _keep_suggestion(
    settings: Settings, by_id: dict[str, RunSummary], usable: Sequence[RunSummary]
) -> RunSummary | None:
    kept = by_id.get(st.session_state.get(KEPT, ""))
    if kept is None:
        kept = suggest_run(usable, [item.id for item in frame.datasets(settings).summaries()])
        st.session_state[KEPT] = kept.id if kept else ""
    return kept


def _describe(settings: Settings, run: RunSummary) -> str:
    """Which network it is, and how good, in one line."""
    owner = frame.owner_name(settings, run.meta.owner)
    name = f"**{name_arm(run.config)}** ({frame.plain(describe_arm(run.config))}) on {frame.plain(run.config.dataset)}"
    if owner:
        name += f", by {frame.plain(owner)}"
    if run.state.active:
        return f"{name} {frame.format_state(run.state)} its answers still change"
    if run.tested is None or run.accuracy is None:
        return f"{name} {frame.format_state(run.state)} not evaluated"
    return f"{name}: {SPLIT_NAMES[run.tested.split]} accuracy {bind_percent(frame.plain(run.accuracy.text()))}"


def _offer_others(settings: Settings, usable: Sequence[RunSummary], first: RunSummary | None) -> None:
    names = {run.id: _name(settings, run) for run in usable}
    # another key for other names: the choice itself is in the address, so it never gets lost with the list
    key = f"predict-network-{hash(tuple(names.values()))}"

    def change() -> None:
        st.query_params[RUN] = st.session_state[key]

    st.selectbox(
        "Network",
        list(names),
        index=list(names).index(first.id) if first else None,
        format_func=names.__getitem__,
        key=key,
        on_change=change,
        placeholder="Choose a network",
        help="Newest first. Type to search.",
    )


def _name(settings: Settings, run: RunSummary) -> str:
    owner = frame.owner_name(settings, run.meta.owner)
    value = run.accuracy.value if run.accuracy else None
    result = f"{100 * value:.1f} %" if value is not None else run.state.value
    return f"{f'{owner}: ' if owner else ''}{run.title} on {run.config.dataset} · {result} · {run.id[-6:]}"
