"""What each block knew before training and how far it moved, and the forecast next to the result."""

import pandas as pd
import streamlit as st

from core.config.stages import plan_stages
from core.datasets.dataset import Dataset
from core.formatting import format_number, format_percent
from core.predict.explanations.explanation_answers import WeightChange
from core.probes.forecast import expect
from core.probes.forecast_score import describe_score, find_truths, score
from core.probes.ladder import Ladder
from core.settings import Settings
from core.statistics.metrics import Accuracy
from pages.components.compare.details.why_requests import Named, dataset_of, identity
from pages.components.shared import frame
from pages.components.shared.predictor_requests import request
from pages.components.shared.results.probe_panel import show_probes
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot, list_runs


def show_blocks(settings: Settings, named: Named) -> None:
    """Draw the part of each run, and how well the forecasts of all trainings hold."""
    st.caption(
        "Linear probes measure what each block of the pretrained network knows before any training; next to it, how "
        "far training moved the block."
    )
    for name, item in named:
        st.markdown(f"**{frame.plain(name)}**")
        dataset = dataset_of(settings, item)
        if not item.config.pretrained:
            st.caption("Trained from scratch: its blocks knew nothing before.")
        elif dataset is None:
            st.caption("The dataset of this run is gone or has changed: its blocks cannot be measured.")
        else:
            _show_run(settings, name, item, dataset)
    every = find_truths(settings, list_runs(settings))
    if every:
        st.caption(f"All trainings here: {describe_score(score(every))}")


def _show_run(settings: Settings, name: str, item: RunSnapshot, dataset: Dataset) -> None:
    def draw(ladder: Ladder) -> None:
        change = request(
            f"Comparing {name} with its start",
            (str(settings.home), "movement", *identity(item)),
            lambda _, run_id=item.id: frame.predictor(settings).weight_change(run_id),
        )
        if (expected := expect(ladder, item.config)) is not None:
            st.markdown(describe_outcome(expected, item))
        table = tabulate_blocks(ladder, item, change)
        st.dataframe(table, hide_index=True, key=f"why-blocks-{item.id}")
        frame.offer_csv(f"Download the blocks of {name} as CSV", table, f"tunemypets-{item.id}-blocks.csv")

    show_probes(settings, dataset, item.config.model, draw, f"why-{item.id}")


def describe_outcome(expected: Accuracy, item: RunSnapshot) -> str:
    """The forecast of a run next to what it reached, and whether chance explains the distance."""
    text = f"Forecast {format_percent(expected.value or 0)}"
    tested = item.history.tested
    if tested is None or tested.split != "test":
        return f"{text}; not evaluated on a test split."
    reached = Accuracy(tested.correct, tested.images)
    apart = reached.interval.low > expected.interval.high or reached.interval.high < expected.interval.low
    verdict = "their intervals do not meet" if apart else "within what chance explains"
    return f"{text}, test accuracy {format_percent(reached.value or 0)}: {verdict}."


def tabulate_blocks(ladder: Ladder, item: RunSnapshot, change: WeightChange | None) -> pd.DataFrame:
    """A row for each block."""
    points = list(ladder.entry.freeze_points)
    point = plan_stages(item.config, item.config.entry())[-1].freeze_point
    frozen = points.index(point) + 1 if point else 0
    moved = {block.name: block.relative for block in change.blocks} if change else {}
    return pd.DataFrame(
        [
            {
                "block": probe.block,
                "in this run": "frozen" if place < frozen else "trained",
                "known before (%)": round(100 * (ladder.accuracy(place).value or 0), 1),
                "moved (% of norm)": _format_moved(moved.get(probe.block)),
                "random weights (%)": round(100 * (ladder.untrained(place).value or 0), 1),
            }
            for place, probe in enumerate(ladder.blocks)
        ]
    )


def _format_moved(relative: float | None) -> str:
    return "unknown" if relative is None else format_number(100 * relative, 3)
