"""Why networks answer as they do: where they look, how they see the pictures, how far their weights went."""

import hashlib
from collections.abc import Sequence

import streamlit as st

from core.errors import DatasetError
from core.predict.explanations import Explanation, Heat, Method
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from pages.components.compare import why_feature_space, why_figures, why_weights
from pages.components.compare.why_requests import SPLIT_WORDS, Named, ask, dataset_of, identity, predictions
from pages.components.shared import frame, gallery

MAX_RUNS = 2
IMAGE_TYPES = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "mpo"]
UPLOAD_MB = 64
UPLOAD = "A picture of your own"
SECTIONS = (why_feature_space.HEAT, "Map of the pictures", "What moved", "First filters")
ANSWER = "what each network answers"


def show_why(settings: Settings, named: Named) -> None:
    """Draw the section for one or two runs of one dataset."""
    st.subheader("Why do they answer like this?")
    usable = [(name, item) for name, item in named[:MAX_RUNS] if item.has_weights]
    for name, item in named[:MAX_RUNS]:
        if not item.has_weights:
            st.info(f"{frame.plain(name)}: This run has no saved weights: train it for at least one epoch.", icon="📦")
    if not usable:
        return
    frame.predictor(settings).warm_up()
    section = st.segmented_control(
        "Look at",
        SECTIONS,
        default=SECTIONS[0],
        required=True,
        key=why_feature_space.SECTION,
        help="Only what you look at is computed; what never changes is kept for everybody.",
    )
    match section:
        case "Map of the pictures":
            why_feature_space.show_maps(settings, usable)
        case "What moved":
            why_weights.show_movement(settings, usable)
        case "First filters":
            why_weights.show_filters(settings, usable)
        case _:
            _show_heat(settings, usable)


# heat maps


def _show_heat(settings: Settings, named: Named) -> None:
    st.caption(
        "Both networks look at the same picture. Light places speak most for the class. A map has only a few cells "
        "across and shows where, not why; each map has its own scale."
    )
    image = _choose_image(settings, named)
    classes = named[0][1].meta.classes
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    wanted = left.selectbox(
        "Heat for the class",
        ["", *classes],  # no class has no name
        format_func=lambda label: label or ANSWER,
        help="What speaks for another class than the answer, in the same picture?",
        key="why-class",
    )
    hide = right.toggle(
        "Check by hiding parts",
        key="why-hide",
        help="Hides one square after another and looks how far the probability falls: slower, a check.",
    )
    if image is None:
        return
    file, data, truth = image
    methods: tuple[Method, ...] = ("grad_cam", "occlusion") if hide else ("grad_cam",)
    labels: tuple[str | None, ...] = (None, wanted) if wanted else (None,)
    st.html(why_figures.heat_legend())
    columns = st.columns(len(named))
    for column, (name, item) in zip(columns, named, strict=True):
        with column:
            st.markdown(f"**{frame.plain(name)}**")
            key = (str(settings.home), *identity(item), hashlib.sha256(data).hexdigest(), file, labels, methods)
            found = ask(
                "Looking at the picture; the first time takes a few seconds",
                key,
                lambda tell, run_id=item.id: frame.predictor(settings).explain(
                    run_id, file, data, labels, methods, tell
                ),
            )
            if found is not None:
                _show_explanation(found, truth)


def _show_explanation(found: Explanation, truth: str | None) -> None:
    label, share = found.top[0]
    sign = "" if truth is None else ("✓ " if label == truth else "✗ ")
    is_truth = "" if truth is None else f" (is: {frame.plain(truth)})"
    st.markdown(f"{sign}Answers **{frame.plain(label)}**, {100 * share:.1f} %{is_truth}")
    tiles = [gallery.Tile(found.saw, "What it saw", detail="its crop, at its size")]
    tiles += [gallery.Tile(heat.drawing, _caption(heat), detail=_detail(heat)) for heat in found.heats]
    gallery.show_tiles(tiles, width_px=150)
    for heat in found.heats:
        st.caption(f"In words, {frame.plain(_caption(heat))}: {heat.words}.")


def _caption(heat: Heat) -> str:
    return f"for {heat.label}" if heat.method == "grad_cam" else f"hiding parts, for {heat.label}"


def _detail(heat: Heat) -> str:
    if heat.strength <= 0:
        return "nothing speaks for it"
    if heat.method == "grad_cam":
        return f"Grad-CAM, {heat.shape[0]} x {heat.shape[1]} cells"
    return f"probability falls by up to {100 * heat.strength:.1f} points"


def _choose_image(settings: Settings, named: Named) -> tuple[str, bytes, str | None] | None:
    """A name, the bytes, and the true class where it is known."""
    tables = [table for _, item in named if (table := predictions(settings, item)) is not None]
    dataset = dataset_of(settings, named[0][1])
    groups = _groups(tables) if dataset is not None and len(tables) == len(named) else {}
    if dataset is not None and not groups:
        split = "test" if dataset.rows_of("test") else "val"
        groups = {f"{SPLIT_WORDS[split].capitalize()} pictures": [r.index for r in dataset.rows_of(split)]}
    options = [f"{name} ({len(found)})" for name, found in groups.items() if found]
    by_option = {f"{name} ({len(found)})": found for name, found in groups.items()}
    clicked = st.session_state.get(why_feature_space.CHOSEN)
    start = next((place for place, option in enumerate(options) if clicked in by_option[option]), 0)
    if len(named) > 1:
        st.caption("; ".join(f"{letter}: {frame.plain(name)}" for letter, (name, _) in zip("AB", named, strict=False)))
    left, right = st.columns(2)
    group = left.selectbox(
        "Pictures",
        [*options, UPLOAD],
        index=start,
        help="Where the networks disagree there is most to learn.",
        key=f"why-group-{clicked}",
    )
    if group == UPLOAD:
        upload = right.file_uploader(
            "Picture", type=IMAGE_TYPES, max_upload_size=UPLOAD_MB, key="why-upload", help=f"At most {UPLOAD_MB} MB."
        )
        if upload is None:
            st.caption("Add a picture: the heat maps appear here.")
            return None
        return upload.name, upload.getvalue(), None
    assert dataset is not None
    indices = by_option[group]
    index = right.selectbox(
        "Picture",
        indices,
        index=indices.index(clicked) if clicked in indices else 0,
        format_func=lambda place: f"{dataset.rows[place].name} · {dataset.classes[dataset.rows[place].label]}",
        help="Type to search.",
        key=f"why-index-{group}-{clicked}",
    )
    row = dataset.rows[index]
    try:
        return row.name, dataset.read_image(row), dataset.classes[row.label]
    except DatasetError as error:
        st.warning(frame.plain(str(error)))
        return None


def _groups(tables: Sequence[PredictionTable]) -> dict[str, list[int]]:
    """Pictures by who is right; what is most worth a look first."""
    right = [{int(i): bool(c) for i, c in zip(t.indices, t.correct, strict=True)} for t in tables]
    if len(right) == 1:
        return {
            "Wrong": [index for index, correct in right[0].items() if not correct],
            "Right": [index for index, correct in right[0].items() if correct],
        }
    a, b = right
    both = [index for index in a if index in b]
    return {
        "Only B is right": [index for index in both if b[index] and not a[index]],
        "Only A is right": [index for index in both if a[index] and not b[index]],
        "Both are wrong": [index for index in both if not a[index] and not b[index]],
        "Both are right": [index for index in both if a[index] and b[index]],
    }
