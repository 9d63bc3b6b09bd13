"""The Why section: what supports an answer, how networks separate the pictures, and what training changed."""

import hashlib
from collections.abc import Sequence

import streamlit as st

from core.errors import DatasetError
from core.formatting import SPLIT_NAMES, format_percent
from core.predict.explanations.explanation_answers import Explanation, Method, SaliencyMap
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from pages.components.compare.details import why_blocks, why_feature_space, why_figures, why_garden, why_weights
from pages.components.compare.details.why_requests import Named, dataset_of, identity, predictions
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.components.shared.pictures import gallery
from pages.components.shared.predictor_requests import request

MAX_RUNS = 2
UPLOAD = "Your own picture"
SECTIONS = (why_feature_space.HEATMAPS, "Feature space", "Blocks", "Top features", "Weight changes", "First filters")
ANSWER = "each network's answer"


def show_why(settings: Settings, named: Named) -> None:
    """Draw the section for one or two runs of one dataset."""
    usable = [(name, item) for name, item in named[:MAX_RUNS] if item.has_weights]
    for name, item in named[:MAX_RUNS]:
        if not item.has_weights:
            st.info(
                f"{frame.plain(name)}: This run has no saved weights: train it for at least one epoch.",
                icon=":material/inventory_2:",
            )
    if not usable:
        return
    frame.predictor(settings).warm_up()
    section = st.segmented_control(
        "Show",
        SECTIONS,
        default=SECTIONS[0],
        required=True,
        key=why_feature_space.SECTION,
        help="Each part is computed when you open it, once for everyone.",
    )
    match section:
        case "Feature space":
            why_feature_space.show_feature_space(settings, usable)
        case "Blocks":
            why_blocks.show_blocks(settings, usable)
        case "Top features":
            why_garden.show_garden(settings, usable)
        case "Weight changes":
            why_weights.show_weight_changes(settings, usable)
        case "First filters":
            why_weights.show_filters(settings, usable)
        case _:
            _show_heatmaps(settings, usable)


# heatmaps


def _show_heatmaps(settings: Settings, named: Named) -> None:
    st.caption(
        "Saliency: light areas support the class most. A heatmap is coarse and shows where, not why; each has its own "
        "scale."
    )
    image = _choose_image(settings, named)
    classes = named[0][1].meta.classes
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    wanted = left.selectbox(
        "Heatmap for the class",
        ["", *classes],  # no class has an empty name
        format_func=lambda label: label or tell_apart(ANSWER, classes),
        help="Choose another class to see which parts of the same picture support it.",
        key="why-class",
    )
    hide = right.toggle(
        "Check by hiding parts",
        key="why-hide",
        help="Occlusion: covers one square after another and measures how far the probability drops. Slower.",
    )
    if image is None:
        return
    file, data, truth = image
    methods: tuple[Method, ...] = ("grad_cam", "occlusion") if hide else ("grad_cam",)
    labels: tuple[str | None, ...] = (None, wanted) if wanted else (None,)
    st.html(why_figures.heatmap_legend())
    columns = st.columns(len(named))
    for column, (name, item) in zip(columns, named, strict=True):
        with column:
            st.markdown(f"**{frame.plain(name)}**")
            key = (str(settings.home), *identity(item), hashlib.sha256(data).hexdigest(), file, labels, methods)
            found = request(
                "Computing heatmaps; the first takes a few seconds",
                key,
                lambda on_progress, run_id=item.id: frame.predictor(settings).explain(
                    run_id, file, data, labels, methods, on_progress
                ),
            )
            if found is not None:
                _show_explanation(found, truth)


def _show_explanation(found: Explanation, truth: str | None) -> None:
    label, share = found.top[0]
    mark = "" if truth is None else ("✓ " if label == truth else "✗ ")
    is_truth = "" if truth is None else f" (true class: {frame.plain(truth)})"
    st.markdown(f"{mark}Answer: **{frame.plain(label)}**, {format_percent(share)}{is_truth}")
    tiles = [gallery.Tile(found.input_png, "Input", detail="cropped, at the network's size")]
    tiles += [gallery.Tile(item.heatmap, _caption(item), detail=_detail(item)) for item in found.maps]
    gallery.show_tiles(tiles, width_px=150)
    for item in found.maps:
        st.caption(f"In words, {frame.plain(_caption(item))}: {item.description}.")


def _caption(item: SaliencyMap) -> str:
    return f"for {item.label}" if item.method == "grad_cam" else f"hiding parts, for {item.label}"


def _detail(item: SaliencyMap) -> str:
    if item.strength <= 0:
        return "no support for this class"
    if item.method == "grad_cam":
        return f"Grad-CAM, {item.shape[0]} × {item.shape[1]} cells"
    return f"probability drops by up to {100 * item.strength:.1f} points"


def _choose_image(settings: Settings, named: Named) -> tuple[str, bytes, str | None] | None:
    """A name, the bytes, and the true class where it is known."""
    tables = [table for _, item in named if (table := predictions(settings, item)) is not None]
    dataset = dataset_of(settings, named[0][1])
    groups = _group_by_correct(named, tables) if dataset is not None and len(tables) == len(named) else {}
    if dataset is not None and not groups:
        split = "test" if dataset.rows_of("test") else "val"
        groups = {f"{SPLIT_NAMES[split].capitalize()} pictures": [r.index for r in dataset.rows_of(split)]}
    options = [f"{name} ({len(found)})" for name, found in groups.items() if found]
    by_option = {f"{name} ({len(found)})": found for name, found in groups.items()}
    clicked = st.session_state.get(why_feature_space.CHOSEN)
    start = next((place for place, option in enumerate(options) if clicked in by_option[option]), 0)
    left, right = st.columns(2)
    group = left.selectbox(
        "Pictures",
        [*options, UPLOAD],
        index=start,
        help="Pictures on which the networks disagree show most.",
        key=f"why-group-{clicked}",
    )
    if group == UPLOAD:
        upload = right.file_uploader(
            "Picture",
            type=gallery.IMAGE_TYPES,
            max_upload_size=gallery.UPLOAD_MB,
            key="why-upload",
            help=f"At most {gallery.UPLOAD_MB} MB.",
        )
        if upload is None:
            st.caption("Add a picture to see its heatmaps.")
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


def _group_by_correct(named: Named, tables: Sequence[PredictionTable]) -> dict[str, list[int]]:
    """Images by which networks are right, the most instructive group first."""
    right = [{int(i): bool(c) for i, c in zip(t.indices, t.correct, strict=True)} for t in tables]
    if len(right) == 1:
        return {
            "Wrong": [index for index, correct in right[0].items() if not correct],
            "Right": [index for index, correct in right[0].items() if correct],
        }
    a, b = right
    (first, _), (second, _) = named
    both = [index for index in a if index in b]
    return {
        f"Only {second} right": [index for index in both if b[index] and not a[index]],
        f"Only {first} right": [index for index in both if a[index] and not b[index]],
        "Neither right": [index for index in both if not a[index] and not b[index]],
        "Both right": [index for index in both if a[index] and b[index]],
    }
