"""The network as a column of blocks, input first: a tap on a block freezes the network up to it."""

import html

import streamlit as st

from core.config.stages import Plan, PlannedBlock, plan_training
from core.config.strategies import STRATEGIES
from core.config.train_config import TrainConfig
from core.formatting import format_percent
from models.catalog import CATALOG
from pages.components.shared import lessons
from pages.components.shared.prefilled_form import field_key
from pages.components.train.form.form_fields import KEPT, label_above

SHORT = {"head": "Head only", "partial": "Partial", "full": "Full", "gradual": "Gradual", "scratch": "From scratch"}
LESSON_OF = {
    "head": "feature-extraction",
    "partial": "fine-tuning",
    "full": "fine-tuning",
    "gradual": "gradual-unfreezing",
}  # of a strategy; the others get the general one
STATES = {  # whether a block is frozen in the first and in the last stage
    (True, True): ("frozen", ":material/ac_unit:"),
    (True, False): ("frozen, then trainable", ":material/mode_cool_off:"),
    (False, False): ("trainable", ":material/local_fire_department:"),
}
FREEZABLE = ("head", "partial", "full", "gradual")


def choose_strategy(strategies: tuple[str, ...]) -> None:
    """Draw the choice of a strategy, and what it does."""
    with label_above("Strategy", "Which blocks are trained and which stay frozen; a tap on a block chooses too."):
        st.segmented_control(
            "Strategy",
            strategies,
            required=True,
            format_func=SHORT.__getitem__,
            key=field_key("strategy"),
            label_visibility="collapsed",
            persist_state=KEPT,
        )
    chosen = st.session_state[field_key("strategy")]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(STRATEGIES[chosen][1], width="stretch")
        lessons.explain(LESSON_OF.get(chosen, "transfer-learning"), key="lesson-strategy")


def show_blocks(config: TrainConfig, classes: int) -> None:
    """Draw the blocks of a training."""
    plan = plan_training(config, classes)
    st.caption(_sum_up(plan))
    rows = list(zip(plan.stages[0][1], plan.stages[-1][1], strict=True))
    largest = max(block.parameters for block, _ in rows) or 1
    st.html(f"<style>{''.join(_bar(place, first, last, largest) for place, (first, last) in enumerate(rows))}</style>")
    with st.container(key="blocks", gap=None):
        for place, (first, last) in enumerate(rows):
            word, icon = STATES[first.frozen, last.frozen]
            st.button(
                f"**{first.name}** · {_short(first.parameters)} · {word}",
                icon=icon,
                key=f"block-{place}",
                help=html.escape(f"{first.title}: {first.parameters:,} parameters"),
                on_click=_freeze_up_to,
                args=(config.model, place),
                disabled=config.strategy not in FREEZABLE,
                width="stretch",
            )
    if config.strategy in FREEZABLE:
        st.caption("Tap a block to freeze up to it; tap the last frozen one to make it trainable.")


def _sum_up(plan: Plan) -> str:
    text = f"{plan.trainable:,} of {plan.total:,} parameters are trainable ({format_percent(plan.frozen_share)} frozen)"
    if len(plan.stages) == 1:
        return f"{text}."
    return f"{text}, in two stages: {', then '.join(name for name, _ in plan.stages)}."


def _bar(place: int, first: PlannedBlock, last: PlannedBlock, largest: int) -> str:
    """How many parameters a block has, as the width of the bar behind its name."""
    width = max(2, round(100 * (first.parameters / largest) ** 0.5))
    look = "frozen" if last.frozen else "later" if first.frozen else "trainable"
    return f".st-key-block-{place} button{{--share:{width}%;--look:var(--{look})}}"


def _freeze_up_to(model: str, place: int) -> None:
    """Take a tap on a block: freeze up to it, or make it trainable if it is the last frozen one."""
    points, state = CATALOG[model].freeze_points, st.session_state
    strategy = state[field_key("strategy")]
    last = len(points) - 1
    frozen = {"head": last, "full": -1}.get(strategy, _place(points, strategy, CATALOG[model].default_freeze))
    wanted = place - 1 if place == frozen else min(place, last)
    if strategy == "gradual" and wanted < last:
        state[field_key("freeze_point")] = points[wanted] if wanted >= 0 else None
        return
    state[field_key("strategy")] = "head" if wanted == last else "full" if wanted < 0 else "partial"
    state[field_key("freeze_point")] = points[wanted] if 0 <= wanted < last else None


def _place(points: tuple[str, ...], strategy: str, default: str) -> int:
    chosen = st.session_state[field_key("freeze_point")] or (default if strategy == "partial" else None)
    return points.index(chosen) if chosen else -1


def _short(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return str(count)
