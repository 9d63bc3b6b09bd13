"""The machines of a Ray cluster, for the presenter: what each is, how fast, and what it trains now."""

import pandas as pd
import streamlit as st

from core.jobs.nodes import count_runs, describe_state, read_cluster
from core.runs.run import RunState
from core.settings import Settings
from pages.components.shared.snapshots.runs_snapshot import list_with_trials


def show_nodes(settings: Settings) -> None:
    """Draw one row for each machine, or why there is none."""
    cluster = read_cluster(settings)
    if cluster.obstacle:
        st.warning(f"{cluster.obstacle} Queued trainings wait; none is lost.", icon=":material/lan:")
    if not cluster.nodes:
        return
    runs = count_runs(
        settings.runs_dir / item.id for item in list_with_trials(settings) if item.state is RunState.RUNNING
    )
    rows = [
        {
            "Machine": node.name,
            "Training now": f"{runs[node.id]} of {places}" if (places := node.places(settings.threads)) else "",
            "State": describe_state(node),
            "Cores": node.cores,
            "GPUs": node.gpus,
            "Speed": node.speed or None,
            "Processor": node.processor,
        }
        for node in cluster.nodes
    ]
    speed = st.column_config.NumberColumn(
        "Speed of a thread (GFLOPS)",
        format="%.1f",
        help="Billions of additions and multiplications a second while it multiplies matrices, measured when it joined",
    )
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"Speed": speed})
