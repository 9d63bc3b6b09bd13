"""Which runs of one dataset the Compare page shows: the address names them, and a choice changes the address."""

from collections.abc import Sequence

import streamlit as st

from core.runs.summary import RunSummary
from pages.components.shared.results.recent_runs import short_result

MAX_RUNS = 6
RUNS = "runs"  # in the address


def choose_runs(summaries: Sequence[RunSummary]) -> list[RunSummary]:
    """At most six runs, the baseline first. What is shown at first is not written to the address: Back leaves."""
    by_id = {item.id: item for item in summaries}
    named = [run_id for run_id in st.query_params.get(RUNS, "").split(",") if run_id]
    wanted = [run_id for run_id in named if run_id in by_id]
    if len(wanted) < len(named):
        st.warning("A run in this address no longer exists: choose another one.", icon=":material/delete:")
    names = list(dict.fromkeys(item.config.dataset for item in summaries))
    first = by_id[wanted[0]].config.dataset if wanted else names[0]
    left, right = st.columns([1, 3])
    dataset = left.selectbox(
        "Dataset",
        names,
        index=names.index(first),
        key="compare-dataset",
        help="Only runs on the same pictures can be compared.",
    )
    options = [item.id for item in summaries if item.config.dataset == dataset]
    if dataset != first or not wanted:
        wanted = _default_runs([by_id[run_id] for run_id in options])
    key = f"compare-runs-{dataset}"
    chosen = right.multiselect(
        "Runs",
        options,
        default=[run_id for run_id in wanted if run_id in options][:MAX_RUNS],
        format_func=lambda run_id: (
            f"{by_id[run_id].title}, seed {by_id[run_id].config.seed} · {short_result(by_id[run_id])}"
        ),
        max_selections=MAX_RUNS,
        help="The first is the baseline: differences are the second minus the first.",
        key=key,
        on_change=_write_address,
        args=(key,),
    )
    return [by_id[run_id] for run_id in chosen]


def _write_address(key: str) -> None:
    st.query_params[RUNS] = ",".join(st.session_state[key])


def _default_runs(summaries: Sequence[RunSummary]) -> list[str]:
    """One run of each arm of the newest race, or the two newest runs; scratch first, as the baseline."""
    newest = next((item.meta.race for item in summaries if item.meta.race), None)
    found = [item for item in reversed(summaries) if item.meta.race == newest] if newest else list(summaries[:2])
    if newest:  # one seed of each arm
        found = list({item.meta.arm: item for item in reversed(found)}.values())
    return [item.id for item in sorted(found, key=lambda item: (item.config.strategy != "scratch", item.meta.created))]
