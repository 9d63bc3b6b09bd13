"""The form of a sweep: what is searched, how, and for how long."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config.race_plan import MAX_SEEDS, MAX_TITLE
from core.config.sweep_plan import (
    MAX_MINUTES,
    MAX_TRIALS,
    PRUNERS,
    SAMPLERS,
    Choices,
    Range,
    Space,
    SweepPlan,
    parse_space,
    plan_sweep,
)
from core.config.train_config import TrainConfig
from core.errors import ConfigError
from core.formatting import format_count
from core.scheduling.cluster_team import describe_place
from core.settings import Settings
from core.sweeps.final_race import SEEDS
from core.sweeps.sweep_presets import (
    SWEEP_PRESETS,
    SweepPreset,
    apply_preset,
    searchable_fields,
    suggest_values,
)
from core.sweeps.sweep_store import SweepStore, ensure_sweeper
from pages.components.shared import frame
from pages.components.shared.snapshots.sweep_snapshot import forget_sweeps
from pages.components.train.form import time_estimate
from pages.components.train.form.form_fields import FIELDS, show_value, title_of
from pages.components.train.form.form_values import Chosen

OWN = "own"
OWN_PRESET = SweepPreset("My own", "Choose the settings and their values yourself.", ())
FIRST = ("learning_rate", "batch_size")  # searched in a space of one's own, to begin with
EPOCHS = 5
GRAMMAR = (
    "`relu,gelu` one of these · `0..0.5` all numbers in between · `log:1e-4..1e-1` the same, every factor of ten alike "
    "· `on,off` · lists: `[32,64]|[64,128]`"
)

Places = dict[str, DeltaGenerator]  # field -> where its problem is shown


def offer_sweep(settings: Settings, chosen: Chosen) -> None:
    """Draw the form, and start the sweep; all other settings come from the form above."""
    box = st.expander(
        "Experiment: find good settings (a sweep)", icon=":material/travel_explore:", key="sweep", on_change="rerun"
    )
    if not box.open or chosen.config is None:
        return
    with box:
        st.caption(
            "A sweep tries many settings, one training each, and keeps those that are best on the validation pictures. "
            "At the end they and yours are trained again and compared on the test pictures."
        )
        presets = {**SWEEP_PRESETS, OWN: OWN_PRESET}
        name = st.selectbox(
            "What is searched",
            list(presets),
            format_func=lambda key: presets[key].title,
            key="sweep-preset",
            help="A space that is worth searching, or one of your own.",
        )
        st.caption(presets[name].summary)
        places: Places = {"preset": st.empty()}
        problems: dict[str, str] = {}
        base, space = _choose_own(chosen, places, problems) if name == OWN else _apply(name, chosen.config, problems)
        epochs, options = _choose_effort(name, presets[name], base, places)
        plan = _plan(base, epochs, space, options, problems)
        for field, sentence in problems.items():
            places.get(field, st).error(frame.plain(sentence), icon=":material/error:")
        if plan is None:
            return
        st.caption(_describe(settings, plan))
        if st.button("Start this sweep", type="primary", icon=":material/travel_explore:", key="sweep-start"):
            _start(settings, plan)


def _apply(name: str, base: TrainConfig, problems: dict[str, str]) -> tuple[TrainConfig, Space]:
    """The base and the space of a preset, with its space in words."""
    try:
        base, space, _ = apply_preset(name, base)
    except ConfigError as error:
        problems.update(error.problems)
        return base, {}
    words = [f"**{title_of(field)}** {_name_values(item)}" for field, item in space.items()]
    st.caption(" · ".join(words))
    return base, space


def _name_values(dimension: Choices | Range) -> str:
    """A dimension in words."""
    if isinstance(dimension, Range):
        return frame.plain(f"{dimension.low:g} to {dimension.high:g}{' (logarithmic)' if dimension.log else ''}")
    return ", ".join(show_value(value) for value in dimension.values)


def _choose_own(chosen: Chosen, places: Places, problems: dict[str, str]) -> tuple[TrainConfig, Space]:
    """Fields and their values, as text; what is wrong with them goes into `problems`."""
    base = chosen.arms[-1]
    if chosen.is_race:
        arms = dict(zip(("Transfer", "Scratch"), reversed(chosen.arms), strict=True))
        arm = st.segmented_control(
            "Network",
            list(arms),
            default="Transfer",
            required=True,
            key="sweep-arm",
            help="The network of the race above whose settings are searched.",
        )
        base = arms[arm]
    fields = searchable_fields(base)
    kind = "scratch" if base.model == "scratch_cnn" else base.strategy
    names = st.multiselect(
        "Searched settings",
        fields,
        default=FIRST,
        format_func=title_of,
        key=f"sweep-fields-{kind}",
        help="All others stay as they are above.",
    )
    places["space"] = st.empty()
    if names:
        st.caption(GRAMMAR)
    space: Space = {}
    for place, name in enumerate(names):
        if place % 2 == 0:
            columns = st.columns(2)
        with columns[place % 2]:
            text = st.text_input(
                title_of(name),
                suggest_values(name, base),
                key=f"sweep-values-{kind}-{name}",
                help=FIELDS[name].description,
            )
            places[name] = st.empty()
        try:
            if not (text or "").strip():
                raise ConfigError({name: f"{title_of(name)} is empty: give its values, or do not search it."})
            space |= parse_space([f"{name}={text}"], base)
        except ConfigError as error:
            problems[name] = next(iter(error.problems.values()))
    return base, space


def _choose_effort(name: str, preset: SweepPreset, base: TrainConfig, places: Places) -> tuple[int, dict[str, object]]:
    """Epochs of each trial; how many trials, how long, and how they are drawn. Each preset has its own usual values."""
    columns = st.columns(3)
    st.session_state.setdefault(f"sweep-trials-{name}", preset.trials)  # so that it can be emptied
    with columns[0]:
        trials = st.number_input(
            "Trials",
            min_value=1,
            max_value=MAX_TRIALS,
            value=None,
            step=5,
            key=f"sweep-trials-{name}",
            placeholder="no limit",
            help="How many settings are tried. Empty: until the time is up.",
        )
        places["trials"] = st.empty()
    with columns[1]:
        epochs = st.number_input(
            "Epochs of each",
            min_value=1,
            max_value=1000,
            value=EPOCHS if base.budgeted else base.epochs,
            key=f"sweep-epochs-{name}",
            help="Every trial is trained for all of them: a limit in seconds or pictures does not count here.",
        )
        places["epochs"] = st.empty()
    with columns[2]:
        minutes = st.number_input(
            "Minutes at most",
            min_value=0.5,
            max_value=MAX_MINUTES,
            value=None,
            step=5.0,
            format="%g",
            key=f"sweep-minutes-{name}",
            placeholder="no limit",
            help="Whichever comes first ends the sweep; its best settings are then trained again.",
        )
        places["minutes"] = st.empty()
    with st.expander("Seeds, sampler, pruner, title", icon=":material/tune:", key="sweep-more"):
        seeds = st.number_input(
            "Seeds of each",
            min_value=1,
            max_value=MAX_SEEDS,
            value=preset.seeds,
            key=f"sweep-seeds-{name}",
            help="Trainings of each trial; their mean counts. More make luck smaller.",
        )
        left, right = st.columns(2)
        with left:
            sampler = _choose_way(
                "Sampler", SAMPLERS, preset.sampler, f"sweep-sampler-{name}", "How settings are drawn."
            )
        with right:
            pruner = _choose_way(
                "Pruner", PRUNERS, preset.pruner, f"sweep-pruner-{name}", "What ends a hopeless trial early."
            )
        title = st.text_input(
            "Title of the sweep",
            max_chars=MAX_TITLE,
            key="sweep-title",
            placeholder="what it searches",
            help="For lists.",
        )
    own = preset.title if name != OWN else ""
    return epochs, {
        "trials": trials,
        "minutes": minutes,
        "seeds": seeds,
        "sampler": sampler,
        "pruner": pruner,
        "title": title or own,
    }


def _choose_way(label: str, ways: Mapping[str, tuple[str, str]], usual: str, key: str, help: str) -> str:
    names = list(ways)
    way = st.selectbox(
        label, names, index=names.index(usual), format_func=lambda name: ways[name][0], key=key, help=help
    )
    st.caption(ways[way][1])
    return way


def _plan(
    base: TrainConfig, epochs: int, space: Space, options: dict[str, object], problems: dict[str, str]
) -> SweepPlan | None:
    """The sweep; None where something is wrong with it, which is then in `problems`."""
    if problems:
        return None
    try:
        return plan_sweep(base.variant(epochs=epochs, max_images=None, max_seconds=None), space, **options)
    except ConfigError as error:
        problems.update(error.problems)
        return None


def _describe(settings: Settings, plan: SweepPlan) -> str:
    """How much it is, and how long it may take."""
    combinations = plan.combinations
    sentences = []
    if combinations is not None:
        sentences.append(f"{format_count(combinations, 'combination')} in all.")
    if plan.trials is not None:
        tried = plan.trials if combinations is None else min(plan.trials, combinations)
        each = format_count(plan.seeds, "seed")
        sentences.append(f"{format_count(tried, 'trial')} with {each} each, then {2 * SEEDS} trainings to compare.")
        total = time_estimate.format_trainings(settings, plan.base, tried * plan.seeds + 2 * SEEDS)
        if total:
            faster = ", less where trials are ended early" if plan.pruner != "none" else ""
            sentences.append(
                f"About {total} {describe_place(settings)} if each takes as long as with the settings above{faster}."
                f"{time_estimate.describe_doubt(settings, [plan.base])}"
            )
    return ":material/timer: " + " ".join(sentences) if sentences else ""


def _start(settings: Settings, plan: SweepPlan) -> None:
    """Begin the sweep and open its page, or show why not."""
    with frame.explained():
        sweep = SweepStore(settings).create(plan, by=frame.actor())
        ensure_sweeper(settings)
        forget_sweeps()
        frame.go(frame.TRAIN, query_params={"sweep": sweep.id})
