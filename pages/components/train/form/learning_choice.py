"""The numbers behind a training: its limits, learning rate, regularisation, what it does to the pictures."""

import streamlit as st

from core.config.seen_views import sum_up_augmentation
from core.config.train_config import TrainConfig, default_views
from core.settings import Settings
from pages.components.shared.prefilled_form import field_key
from pages.components.train.form.form_fields import (
    FIELDS,
    FOUND,
    KEPT,
    Problems,
    choice,
    mark_problem,
    real,
    switch,
    title_of,
    whole,
)
from pages.components.train.form.length_choice import is_custom

CHOICES = {
    "optimizer": ["adam", "adamw", "sgd"],
    "schedule": ["constant", "cosine", "one-cycle"],
    "precision": ["auto", "fp32", "bf16", "fp16"],
    "head": ["softmax", "sigmoid"],
    "fit": ["crop", "pad", "squeeze"],
}
AUGMENTATION_FIELDS = ("augment_crop", "augment_flip", "augment_colour", "augment_strength", "stored_views", "fit")
LEARNING_FIELDS = (
    "epochs", "max_seconds", "max_images", "patience", "head_epochs", "learning_rate", "backbone_factor", "batch_size",
    "workers", "weight_decay", "label_smoothing", "class_weights", "gradient_clip", "head", "precision", "seed", "note",
)  # fmt: skip


def choose_learning(settings: Settings, problems: Problems) -> None:
    """Draw the fields, the usual ones first; workers only where there is a cluster, or some were filled in."""
    strategy = st.session_state[field_key("strategy")]
    left, middle, right = st.columns(3)
    with left:
        st.markdown("**Limits**: whichever comes first ends the training")
        if not is_custom():
            whole("epochs", problems)
        real("max_seconds", problems, step=5.0, shown="%g", placeholder="no limit")
        whole("max_images", problems, placeholder="no limit")
        whole("patience", problems)
        if strategy == "gradual":
            whole("head_epochs", problems, placeholder="a third of all epochs")
    with middle:
        st.markdown("**Steps**")
        switch("find_rate")
        found = st.session_state[field_key("find_rate")]
        real(
            "learning_rate", problems, step=0.0005, shown="%.5f", placeholder=FOUND if found else "chosen automatically"
        )
        if strategy in ("partial", "full", "gradual"):
            real("backbone_factor", problems, step=0.05, shown="%.3f")
        whole("batch_size", problems)
        if strategy != "head" and (settings.cluster or st.session_state[field_key("workers")] != 1):
            whole("workers", problems)
        for name in ("optimizer", "schedule"):
            choice(name, CHOICES[name], problems)
    with right:
        st.markdown("**Regularisation, format**")
        real("weight_decay", problems, step=0.01, shown="%.4f")
        real("label_smoothing", problems, step=0.01, shown="%.4f")
        st.selectbox(
            title_of("class_weights"), ["none", "balanced"], accept_new_options=True, key=field_key("class_weights"),
            help=FIELDS["class_weights"].description, persist_state=KEPT,
        )  # fmt: skip
        mark_problem("class_weights", problems)
        real("gradient_clip", problems, step=0.5, shown="%.4f")
        for name in ("head", "precision"):
            choice(name, CHOICES[name], problems)
        whole("seed", problems)


def choose_augmentation(config: TrainConfig | None, problems: Problems) -> None:
    """Draw the fields on what the network sees of each picture."""
    left, middle, right = st.columns(3)
    with left:
        for name in ("augment_crop", "augment_flip", "augment_colour"):
            switch(name)
    with middle:
        st.slider(
            title_of("augment_strength"), 0.0, 1.0, help=FIELDS["augment_strength"].description,
            key=field_key("augment_strength"), persist_state=KEPT,
        )  # fmt: skip
        mark_problem("augment_strength", problems)
        choice("fit", CHOICES["fit"], problems)
    with right:
        if config is None or config.strategy in ("head", "partial", "gradual"):
            whole("stored_views", problems, placeholder=f"automatic: {_automatic_views(config)}")
    if config is not None:
        st.caption(f"Augmentation: {sum_up_augmentation(config)}.")


def _automatic_views(config: TrainConfig | None) -> int:
    return 1 if config is None or config.budgeted else default_views(config.epochs)


def write_note(problems: Problems) -> None:
    """Draw the note."""
    st.text_input("Note", help=FIELDS["note"].description, key=field_key("note"), max_chars=500, persist_state=KEPT)
    mark_problem("note", problems)
