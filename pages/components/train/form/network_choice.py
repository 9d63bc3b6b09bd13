"""Choosing a network: where its weights are, how accurate and fast it is, which one suits this dataset here."""

import streamlit as st

from core.estimates.recommended import Recommendation, milliseconds_per_image
from core.formatting import format_bytes, format_rough_duration
from core.settings import Settings
from models import weights
from models.catalog import CATALOG
from pages.components.shared.prefilled_form import field_key
from pages.components.train.form.form_fields import KEPT, Problems, choice, mark_problem, real, switch, whole

SCRATCH_CNN = "scratch_cnn"
LABELS = "network-labels"
HELP = (
    "Networks with their pretrained weights on this machine come first; the others are downloaded before they train. "
    "The percentage is the share of ImageNet’s pictures that the pretrained network classifies correctly. The "
    "milliseconds are the time for one picture on this machine, once it has been measured."
)


def network_names() -> list[str]:
    """Pretrained networks first, those that are here before those that need a download."""
    pretrained = [name for name in CATALOG if name != SCRATCH_CNN]
    return [*sorted(pretrained, key=lambda name: weights.find(CATALOG[name]) is None), SCRATCH_CNN]


def describe_choice(settings: Settings, name: str) -> str:
    """One line of the list."""
    entry = CATALOG[name]
    facts = [entry.title]
    if entry.weights is not None and weights.find(entry) is None:
        facts.append(f"download {format_bytes(entry.weights.bytes)}")
    if entry.imagenet_top1 is not None:
        facts.append(f"{100 * entry.imagenet_top1:.0f} %")
    milliseconds = milliseconds_per_image(settings, entry)
    if milliseconds is not None:
        facts.append(f"{milliseconds:.2g} ms")
    return " · ".join(facts)


def explain_recommendation(chosen: str, recommended: Recommendation) -> str:
    """Why a network was chosen at first, or which other one suits these pictures on this machine."""
    title = "It is" if recommended.network.name == chosen else f"For these pictures, {recommended.network.title} is"
    quickest = recommended.network.name == weights.WITHOUT_DOWNLOAD
    reason = "the quickest network here" if quickest else "the most accurate of the quick networks here"
    takes = "" if recommended.seconds is None else f"; a head takes about {format_rough_duration(recommended.seconds)}"
    doubt = " Not certain: other programs were busy while the networks were measured." if recommended.doubtful else ""
    return f"{title} {reason}{takes}.{doubt}"


def choose_network(
    settings: Settings, names: tuple[str, ...], recommended: Recommendation | None, problems: Problems
) -> None:
    """Draw the list, with what is to know of the chosen one below it."""
    # not changed while it is open: the browser names its choice by this text
    labels: dict[str, str] = st.session_state.setdefault(LABELS, {})
    for name in names:
        labels.setdefault(name, describe_choice(settings, name))
    choice("model", names, problems, shown=labels.__getitem__, help=HELP)
    chosen = st.session_state[field_key("model")]
    reason = explain_recommendation(chosen, recommended) if recommended else ""
    st.caption(f"{CATALOG[chosen].summary} {reason}")


def announce_download(name: str) -> None:
    """That weights are downloaded before the training; nothing where they are here."""
    entry = CATALOG[name]
    if entry.weights is None or weights.find(entry) is not None:
        return
    if entry.weights.url is None:
        st.warning(weights.missing(entry), icon=":material/warning:")
        return
    st.info(
        f"{entry.title} downloads {format_bytes(entry.weights.bytes)} of pretrained weights first.",
        icon=":material/download:",
    )
    with st.popover("How to download it before a workshop", type="tertiary"):
        st.markdown(f"On the machine that serves the app: `python -m core prefetch {entry.name}`")


def shape_scratch(problems: Problems) -> None:
    """Draw the fields of the small CNN."""
    columns = st.columns(3)
    with columns[0]:
        st.text_input(
            "Filters per block",
            help="Numbers separated by commas; each block halves the size of its input.",
            key=field_key("filters"),
            persist_state=KEPT,
        )
        mark_problem("filters", problems)
        choice("kernel_size", [3, 5, 7], problems)
    with columns[1]:
        choice("activation", ["relu", "gelu", "silu", "mish"], problems)
        real("dropout", problems, step=0.05, shown="%.2f")
        switch("batch_norm")
    with columns[2]:
        whole("dense_neurons", problems)
        whole("image_size", problems)


NETWORK_FIELDS = ("model", "filters", "kernel_size", "activation", "dropout", "dense_neurons", "image_size")
