"""The features that a head uses most: the pictures that excite each, where, and what the head is without it."""

import streamlit as st

from core.datasets.dataset import Dataset
from core.formatting import SPLIT_NAMES, format_count, format_percent
from core.predict.explanations.garden_answers import BOUND, Garden, HeadFeature
from core.settings import Settings
from core.statistics.metrics import Accuracy
from pages.components.compare.details.why_requests import Named, dataset_of, identity
from pages.components.shared import frame
from pages.components.shared.pictures import gallery
from pages.components.shared.predictor_requests import request
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

TILE_PX = 100  # three next to each other on a phone of 390 px


def show_garden(settings: Settings, named: Named) -> None:
    """Draw the features of each run that trained a head only."""
    heads = [(name, item) for name, item in named if item.config.strategy == "head"]
    if not heads:
        st.info(
            "Features are shown only for runs that trained the head alone: their backbone is the pretrained one. Train "
            "one with the strategy Head only.",
            icon=":material/local_florist:",
        )
        return
    for name, item in heads:
        st.markdown(f"**{frame.plain(name)}**")
        garden = request(
            f"Computing the features of {name}",
            (str(settings.home), "garden", *identity(item)),
            lambda on_progress, run_id=item.id: frame.predictor(settings).garden(run_id, on_progress),
        )
        dataset = dataset_of(settings, item)
        if garden is not None and dataset is not None:
            _show_run(settings, item, garden, dataset)


def _show_run(settings: Settings, item: RunSnapshot, garden: Garden, dataset: Dataset) -> None:
    st.markdown(describe_garden(garden))
    st.caption(
        "A feature is one number that the backbone computes from a picture. The head uses one more, the more it varies "
        "from picture to picture and the more its weights differ between classes."
    )
    features = {feature.number: feature for feature in garden.features}
    number = st.pills(
        "Feature",
        list(features),
        format_func=lambda number: f"{number} · {dataset.classes[features[number].label]}",
        default=garden.features[0].number,
        required=True,
        help="The most used ones, most used first, with the class for which each has its largest weight.",
        key=f"garden-{item.id}",
    )
    feature = features[number]
    st.markdown(describe_feature(garden, feature, dataset.classes[feature.label]))
    _show_pictures(settings, item, garden, feature, dataset)
    if feature.flips:
        st.markdown(f"**{describe_flips(feature)}**")
        tiles = []
        for flip in feature.flips:
            row = dataset.rows[flip.index]
            before, after = dataset.classes[flip.before], dataset.classes[flip.after]
            mark = "right" if flip.after == row.label else "wrong"
            detail = f"is: {dataset.classes[row.label]}"
            tiles.append(gallery.Tile(dataset.thumbnail_path(row), f"{before} → {after}", mark, detail))
        gallery.show_tiles(tiles, TILE_PX)


def _show_pictures(
    settings: Settings, item: RunSnapshot, garden: Garden, feature: HeadFeature, dataset: Dataset
) -> None:
    rows = [dataset.rows[index] for index in feature.pictures]
    drawn = None
    if garden.mapped:
        drawn = request(
            "Drawing where the feature is excited",
            (str(settings.home), "feature", feature.number, *identity(item)),
            lambda _, run_id=item.id: frame.predictor(settings).feature_heatmaps(run_id, feature.number),
        )
    else:
        st.caption("This network does not average maps into its features, so there is no place to show.")
    tiles = [
        gallery.Tile(
            drawn[place] if drawn else dataset.thumbnail_path(row),
            dataset.classes[row.label],
            None,
            f"{value:.2f}, {SPLIT_NAMES[row.split]}",
        )
        for place, (row, value) in enumerate(zip(rows, feature.values, strict=True))
    ]
    gallery.show_tiles(tiles, TILE_PX)


def describe_garden(garden: Garden) -> str:
    """How few features the classifier needs, and how much one of them counts."""
    flips = [feature.flipped for feature in garden.features]
    most = format_count(max(flips), "answer")
    each = f"changes up to {most}" if max(flips) else "changes no answer"
    return (
        f"This classifier needs **{garden.needed:,} of {garden.width:,}** features: with them alone "
        f"{format_percent(garden.kept / garden.images)} of {garden.images:,} validation pictures are right, with all "
        f"{garden.accuracy.text()}; the others may cost at most {100 * BOUND:.0f} point. Silencing one of the "
        f"{len(flips)} below {each}."
    )


def describe_feature(garden: Garden, feature: HeadFeature, label: str) -> str:
    """What one feature does, and what the head is without it."""
    text = (
        f"Feature {feature.number} has {format_percent(feature.share)} of all use, and its weight is largest for "
        f"{frame.plain(label)}. Silenced (held at its mean), "
    )
    if not feature.flipped:
        return f"{text}it changes no answer. Below, the pictures that excite it most, and where."
    without = Accuracy(feature.correct, garden.images)
    return (
        f"{text}it changes {format_count(feature.flipped, 'answer')}: {format_percent(garden.accuracy.value or 0)} "
        f"become {format_percent(without.value or 0)} of {garden.images:,} validation pictures. "
        "Below, the pictures that excite it most, and where."
    )


def describe_flips(feature: HeadFeature) -> str:
    """What the second row of pictures shows."""
    shown = len(feature.flips)
    some = f"{shown} of {feature.flipped:,}" if shown < feature.flipped else f"{shown}"
    return f"Validation pictures that are answered differently without it: {some}"
