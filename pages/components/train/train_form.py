"""The training form: labels, help and bounds of its widgets come from the fields of TrainConfig."""

import html
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.config.seen_views import sum_up_augmentation
from core.config.stages import Plan, plan_training
from core.config.train_config import STRATEGIES, TrainConfig, default_views, parse_config
from core.errors import ConfigError, DatasetError
from core.formatting import format_bytes, format_percent
from core.settings import Settings
from core.training.recommended import recommend_network
from models import weights
from models.catalog import CATALOG
from pages.components.shared import frame, lessons
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.prefilled_form import field_key
from pages.components.train import network_choice

FIELDS = TrainConfig.model_fields
LESSON_OF = {
    "head": "feature-extraction",
    "partial": "fine-tuning",
    "full": "fine-tuning",
    "gradual": "gradual-unfreezing",
}  # of a strategy; the others get the general one
EXPERT = (
    "optimizer", "schedule", "weight_decay", "label_smoothing", "gradient_clip", "precision", "patience", "seed",
    "head", "fit", "max_images", "max_seconds"
)  # fmt: skip
NETWORK_LABELS = "network-labels"
BUDGETS = ("max_images", "max_seconds")


def _choice(name: str, options: Sequence[str], default: str | None = None, **arguments: Any) -> str:
    field = FIELDS[name]
    if default is None:
        default = field.get_default(call_default_factory=True, validated_data={})
    arguments.setdefault("help", field.description)
    chosen = st.selectbox(
        field.title or name,
        options,
        index=list(options).index(default) if default in options else 0,
        key=field_key(name),
        **arguments,
    )
    return str(chosen)


def _whole(name: str, default: int | None = None, key: str | None = None) -> int:
    field = FIELDS[name]
    return int(
        st.number_input(
            field.title or name,
            value=int(field.default if default is None else default),
            step=1,
            help=f"{field.description}",
            key=key or field_key(name),
        )
    )


def _real(name: str, step: float, shown: str) -> float:
    field = FIELDS[name]
    return float(
        st.number_input(
            field.title or name,
            value=float(field.default),
            step=step,
            format=shown,
            help=field.description,
            key=field_key(name),
        )
    )


def _optional(values: dict[str, Any], name: str) -> None:
    """A budget: left out if only the epochs end the training."""
    field = FIELDS[name]
    chosen = st.number_input(
        field.title or name,
        value=None,
        step=1 if name == "max_images" else 5.0,
        format="%d" if name == "max_images" else "%g",
        placeholder="no limit",
        help=field.description,
        key=field_key(name),
    )
    if chosen is not None:
        values[name] = chosen


def _learning_rate(values: dict[str, Any]) -> None:
    """Typed, found before training, or chosen automatically."""
    values["find_rate"] = _switch("find_rate")
    field = FIELDS["learning_rate"]
    chosen = st.number_input(
        field.title or "",
        value=None,
        step=0.0005,
        format="%.5f",
        placeholder="found before training" if values["find_rate"] else "chosen automatically",
        help=field.description,
        key=field_key("learning_rate"),
        disabled=values["find_rate"],
    )
    if chosen is not None and not values["find_rate"]:
        values["learning_rate"] = float(chosen)


def _switch(name: str) -> bool:
    field = FIELDS[name]
    return st.toggle(field.title or name, value=bool(field.default), help=field.description, key=field_key(name))


def fill_in(settings: Settings, dataset_ids: Sequence[str], preferred: str | None) -> TrainConfig | ConfigError:
    """Draw the form; returns what was chosen, or what is wrong with it by field."""
    if st.session_state.get(field_key("dataset")) not in dataset_ids:  # nothing chosen yet, or deleted
        st.session_state[field_key("dataset")] = preferred if preferred in dataset_ids else dataset_ids[0]
    values: dict[str, Any] = {}
    left, middle, right = st.columns([5, 4, 4])  # a line of the list of networks fits
    with left:
        values["dataset"] = _choice("dataset", dataset_ids)
        values["model"] = _network(settings, values["dataset"])
        entry = CATALOG[values["model"]]
    with middle:
        offered = list(STRATEGIES) if entry.weights is not None else ["scratch"]
        offered = [name for name in ("head", "partial", "full", "gradual", "scratch") if name in offered]
        values["strategy"] = _choice("strategy", offered, format_func=lambda name: STRATEGIES[name][0])
        st.caption(STRATEGIES[values["strategy"]][1])
        lessons.explain(LESSON_OF.get(values["strategy"], "transfer-learning"), key="lesson-strategy")
        if values["strategy"] in ("partial", "gradual"):
            _freeze_point(values, entry.freeze_points, entry.default_freeze)
        if values["strategy"] in ("partial", "full", "gradual"):
            values["backbone_factor"] = _real("backbone_factor", 0.05, "%.3f")
    with right:
        values["epochs"] = _whole("epochs")
        if values["strategy"] == "gradual":
            values["head_epochs"] = _whole("head_epochs", max(1, values["epochs"] // 3))
        _format_limits()
        values["batch_size"] = _whole("batch_size")
        _learning_rate(values)
    if values["model"] == "scratch_cnn":
        _scratch_fields(values)
    _augmentation_fields(values)
    _expert_fields(values)
    values["note"] = st.text_input("Note", help=FIELDS["note"].description, key=field_key("note"), max_chars=500)
    try:
        return parse_config(values)
    except ConfigError as error:
        return error


def _network(settings: Settings, dataset_id: str) -> str:
    try:
        recommended = recommend_network(settings, open_dataset(settings, dataset_id))
    except DatasetError:
        recommended = None  # said where the run would be started
    # not changed while it is open: the browser names its choice by this text
    if field_key("model") not in st.session_state or NETWORK_LABELS not in st.session_state:
        names = network_choice.network_names()
        st.session_state[NETWORK_LABELS] = {name: network_choice.describe_choice(settings, name) for name in names}
    labels: dict[str, str] = st.session_state[NETWORK_LABELS]
    default = recommended.network.name if recommended else None
    chosen = _choice("model", list(labels), default, format_func=labels.__getitem__, help=network_choice.HELP)
    reason = network_choice.explain_recommendation(chosen, recommended) if recommended else ""
    st.caption(f"{CATALOG[chosen].summary} {reason}")
    return chosen


def _format_limits() -> None:
    """The limits that may end the training before its epochs do; they are set further down."""
    seconds, images = (st.session_state.get(field_key(name)) for name in ("max_seconds", "max_images"))
    limits = [f"{seconds:g} seconds of training"] if seconds else []
    limits += [f"{images:,} pictures seen"] if images else []
    if limits:
        st.caption(f"Ends after {' or '.join(limits)} at the latest (see More settings).")


def _freeze_point(values: dict[str, Any], points: Sequence[str], default: str) -> None:
    gradual = values["strategy"] == "gradual"
    options = ["", *points] if gradual else list(points)
    chosen = st.selectbox(
        "Freeze point",
        options,
        index=0 if gradual else options.index(default),
        format_func=lambda name: f"frozen up to {name}" if name else "all blocks are trained in stage two",
        help="Everything up to this block keeps its pretrained weights.",
        key=f"{field_key('freeze_point')}-{values['model']}-{values['strategy']}",
    )
    if chosen:
        values["freeze_point"] = chosen


def _scratch_fields(values: dict[str, Any]) -> None:
    with st.expander("The scratch network: filters, kernel, activation, dropout, size", expanded=False):
        columns = st.columns(3)
        with columns[0]:
            text = st.text_input(
                "Filters per block",
                value=", ".join(str(count) for count in FIELDS["filters"].default),
                help="Numbers separated by commas; each block halves the size of its input.",
                key=field_key("filters"),
            )
            values["filters"] = [part.strip() for part in text.split(",") if part.strip()]
            values["kernel_size"] = int(_choice("kernel_size", ["3", "5", "7"]))
        with columns[1]:
            values["activation"] = _choice("activation", ["relu", "gelu", "silu", "mish"])
            values["dropout"] = _real("dropout", 0.05, "%.2f")
            values["batch_norm"] = _switch("batch_norm")
        with columns[2]:
            values["dense_neurons"] = _whole("dense_neurons")
            values["image_size"] = _whole("image_size")


def _augmentation_fields(values: dict[str, Any]) -> None:
    with st.expander("Augmentation: random crops, flips, colours"):
        if values["strategy"] in ("head", "partial", "gradual"):
            # the budgets are further down: these values are from the previous run of the page
            budgeted = any(st.session_state.get(field_key(name)) is not None for name in BUDGETS)
            default = default_views(values["epochs"]) if values["epochs"] >= 1 and not budgeted else 1
            values["stored_views"] = _whole("stored_views", default, key=f"{field_key('stored_views')}-{default}")
            if values["stored_views"] == 1 and values["strategy"] != "gradual":
                st.caption(
                    "One stored view is the plain one: crops, flips and colours take effect with 0, or with 2 or more."
                )
        columns = st.columns(4)
        for column, name in zip(columns, ("augment_crop", "augment_flip", "augment_colour"), strict=False):
            with column:
                values[name] = _switch(name)
        with columns[3]:
            values["augment_strength"] = st.slider(
                FIELDS["augment_strength"].title or "",
                0.0,
                1.0,
                float(FIELDS["augment_strength"].default),
                help=FIELDS["augment_strength"].description,
                key=field_key("augment_strength"),
            )


def _expert_fields(values: dict[str, Any]) -> None:
    choices = {
        "optimizer": ["adam", "adamw", "sgd"],
        "schedule": ["constant", "cosine", "one-cycle"],
        "precision": ["auto", "fp32", "bf16", "fp16"],
        "head": ["softmax", "sigmoid"],
        "fit": ["crop", "pad", "squeeze"],
    }
    with st.expander("More settings: optimizer, schedule, regularisation, precision, seed, budget"):
        columns = st.columns(3)
        for place, name in enumerate(EXPERT):
            with columns[place % 3]:
                if name in choices:
                    values[name] = _choice(name, choices[name])
                elif name in BUDGETS:
                    _optional(values, name)
                elif name in ("patience", "seed"):
                    values[name] = _whole(name)
                else:
                    values[name] = _real(name, 0.01 if name != "gradient_clip" else 0.5, "%.4f")


def show_plan(config: TrainConfig, classes: int) -> None:
    """Draw what will be trained: parameters, frozen share, the blocks with the freeze point."""
    plan = plan_training(config, classes)
    st.markdown(
        f"**What will be trained** — {plan.trainable:,} of {plan.total:,} parameters are trainable "
        f"({format_percent(plan.frozen_share)} frozen)" + (", in two stages." if len(plan.stages) > 1 else ".")
    )
    st.html("".join(_blocks_html(plan, stage) for stage in range(len(plan.stages))))
    st.caption(f"Augmentation: {sum_up_augmentation(config)}.")
    entry = config.entry()
    if config.pretrained and entry.weights is not None and weights.find(entry) is None:
        if entry.weights.url is None:
            st.warning(weights.missing(entry), icon=":material/warning:")
            return
        st.info(
            "The pretrained weights are not on this machine yet: "
            f"the run downloads {format_bytes(entry.weights.bytes)} first. "
            f"Before a workshop, run `python -m core prefetch {entry.name}`; networks marked as here need no download.",
            icon=":material/download:",
        )


def _blocks_html(plan: Plan, stage: int) -> str:
    name, blocks = plan.stages[stage]
    largest = max(block.parameters for block in blocks) or 1
    cells = []
    for block in blocks:
        height = 26 + round(46 * (block.parameters / largest) ** 0.5)
        look = (
            "background:rgba(86,180,233,.25);border:2px dashed #56B4E9"
            if block.frozen
            else "background:rgba(213,94,0,.28);border:2px solid #D55E00"
        )
        sign = ":material/ac_unit:" if block.frozen else ":material/local_fire_department:"
        word = "frozen" if block.frozen else "trained"
        cells.append(
            f'<div title="{html.escape(block.title)}: {block.parameters:,} parameters, {word}" '
            'style="display:flex;flex-direction:column;align-items:center;justify-content:flex-end;'
            'flex:0 1 72px;min-width:34px">'  # nine blocks fit a phone
            f'<div style="width:100%;height:{height}px;border-radius:6px;{look};display:flex;align-items:center;'
            f'justify-content:center">{sign}</div>'
            f'<div style="font-size:.72rem;text-align:center;overflow-wrap:anywhere">{html.escape(block.name)}<br>'
            f'<span style="opacity:.7">{_short(block.parameters)}, {word}</span></div></div>'
        )
    heading = f'<div style="font-size:.85rem;opacity:.8">{html.escape(name)}</div>' if len(plan.stages) > 1 else ""
    return (
        f'{heading}<div role="img" aria-label="Blocks from input to head" style="display:flex;gap:3px;'
        f'align-items:flex-end;overflow-x:auto;padding:6px 0 10px">{"".join(cells)}</div>'
    )


def _short(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return str(count)


def show_problems(error: ConfigError) -> None:
    """One sentence for each field that is wrong."""
    for sentence in error.problems.values():
        st.error(frame.plain(sentence), icon=":material/block:")
