"""The forms of a larger race (arms, seeds, budget) and of a learning curve."""

import streamlit as st

from core.config.race_plan import BUDGETS, MAX_ARMS, MAX_SEEDS, MAX_TITLE, Budget
from core.config.train_config import TrainConfig
from core.formatting import format_count
from core.races.learning_curve import plan_curve, start_curve
from core.races.presets import DEFAULT_ARMS, PRESETS, VIEWS, Views, make_arms, plan_race, share_views
from core.races.race_actions import start_race
from core.settings import Settings
from pages.components.shared import frame
from pages.components.train.form import time_estimate
from pages.components.train.form.start_bar import open_started

BUDGET_HELP = {
    "epochs": "Epochs: how often each training picture is seen.",
    "images": "Training pictures seen by each arm, repeats included.",
    "seconds": "Seconds of training for each arm on this machine.",
}
CURVE_EPOCHS = 5
DEFAULT_AMOUNTS = {"images": 2000.0, "seconds": 60.0}


def offer_race(settings: Settings, chosen: TrainConfig) -> None:
    """Draw the form, and start the race; all other settings come from the form above."""
    box = st.expander(
        "Experiment: a race of more arms, several seeds, equal time",
        icon=":material/science:",
        key="race",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        st.caption(
            "All arms train on the same pictures with the settings above. Several seeds show how much of a difference "
            "is luck."
        )
        arms = st.multiselect(
            "Arms",
            list(PRESETS),
            default=_arms_of(chosen),
            format_func=lambda name: PRESETS[name][0],
            max_selections=MAX_ARMS,
            key="race-arms",
            help="Scratch is the small network; all others are the chosen pretrained one.",
        )
        for name in arms:
            st.caption(f"**{PRESETS[name][0]}**: {PRESETS[name][1]}")
        left, middle, right = st.columns(3)
        seeds = left.slider(
            "Seeds", 1, MAX_SEEDS, 1, key="race-seeds", help="Trainings per arm; three or more show how much is luck."
        )
        budget: Budget = middle.segmented_control(
            "Equal for all",
            list(BUDGETS),
            default=_budget_of(chosen),
            required=True,
            format_func=lambda name: name.capitalize() if name != "images" else "Pictures",
            key="race-budget",
            help="Every arm gets the same amount of this.",
        )
        amount = right.number_input(
            BUDGETS[budget].capitalize(),
            min_value=1.0,
            value=_amount_of(chosen, budget),
            step=1.0 if budget == "epochs" else 10.0,
            format="%.0f",
            key=f"race-amount-{budget}",
            help=BUDGET_HELP[budget],
        )
        chosen = _choose_views(chosen, "race-views")
        title = st.text_input(
            "Title of the race", max_chars=MAX_TITLE, key="race-title", placeholder="its arms", help="Shown in lists."
        )
        with frame.explained():
            plan, planned = plan_race(chosen, arms, seeds=seeds, budget=budget, amount=float(amount), title=title)
            each = format_count(seeds, "seed")
            total = time_estimate.format_total(settings, [arm.config for arm in planned], plan)
            st.caption(f"{len(planned)} runs, in turns: {len(plan.arms)} arms with {each} each. {total}")
            if st.button("Start this race", type="primary", icon=":material/flag:", key="race-start"):
                open_started(settings, lambda: {"race": start_race(settings, plan, planned, by=frame.actor())[0]})


def _choose_views(chosen: TrainConfig, key: str) -> TrainConfig:
    """The settings above with what the arms see of the pictures."""
    views: Views = st.segmented_control(
        "Augmentation",
        list(VIEWS),
        default="own",
        required=True,
        format_func=lambda name: VIEWS[name][0],
        key=key,
        help="Random crops, flips and colours, as set above.",
    )
    st.caption(VIEWS[views][1])
    return share_views(chosen, views)


def _arms_of(chosen: TrainConfig) -> list[str]:
    """Scratch, and the strategy of the form above."""
    return list(DEFAULT_ARMS) if chosen.strategy == "scratch" else ["scratch", chosen.strategy]


def _budget_of(chosen: TrainConfig) -> Budget:
    """What ends the training that the form above describes."""
    return "seconds" if chosen.max_seconds else "images" if chosen.max_images else "epochs"


def _amount_of(chosen: TrainConfig, budget: Budget) -> float:
    given = {"epochs": chosen.epochs, "images": chosen.max_images, "seconds": chosen.max_seconds}[budget]
    return float(given or DEFAULT_AMOUNTS[budget])


def offer_curve(settings: Settings, chosen: TrainConfig) -> None:
    """Draw the form of a learning curve, and start it."""
    box = st.expander(
        "Experiment: how many pictures are enough? A learning curve",
        icon=":material/trending_up:",
        key="curve",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        st.caption(
            "Each arm trains on 1, 2, 5, 10 … and all pictures per class, always tested on the same pictures. Fast for "
            "a frozen backbone; from scratch it takes as long as a few trainings."
        )
        left, right = st.columns([3, 1])
        arms = left.multiselect(
            "Arms",
            list(PRESETS),
            default=list(DEFAULT_ARMS),
            format_func=lambda name: PRESETS[name][0],
            max_selections=MAX_ARMS,
            key="curve-arms",
            help="Every arm sees the same pictures at each size.",
        )
        seeds = right.slider(
            "Seeds", 1, MAX_SEEDS, 3, key="curve-seeds", help="Each seed draws other pictures and initial weights."
        )
        epochs = st.number_input(
            "Epochs of each point",
            min_value=1,
            value=CURVE_EPOCHS if chosen.budgeted else chosen.epochs,
            key="curve-epochs",
            help="A learning curve trains every point for all of its epochs: a limit in seconds does not count here.",
        )
        chosen = _choose_views(chosen, "curve-views")
        if not arms:
            st.info("Choose at least one arm.", icon=":material/touch_app:")
            return
        numbers = range(chosen.seed, chosen.seed + seeds)
        with frame.explained():
            planned = make_arms(chosen, arms, "epochs", epochs, chosen.seed)
            plan = plan_curve(settings, planned, seeds=numbers)
            total = time_estimate.format_total(settings, [arm.config for arm in planned], plan)
            each = format_count(seeds, "seed")
            st.caption(f"{len(plan.sizes)} sizes ({', '.join(map(str, plan.sizes))}) with {each} each. {total}")
            if st.button("Start this curve", type="primary", icon=":material/trending_up:", key="curve-start"):
                open_started(
                    settings, lambda: {"race": start_curve(settings, planned, seeds=numbers, by=frame.actor())[0]}
                )
