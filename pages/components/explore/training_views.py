"""What the model sees: the random views of one training picture, as the predictor makes them."""

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import TuneMyPetsError
from core.predict.predictor_client import AugmentationChoice
from core.settings import Settings
from models.catalog import CATALOG
from pages.components.shared import frame, gallery

VIEWS = 7


def show_views(settings: Settings, dataset: Dataset) -> None:
    """Draw the views of one training picture in one epoch, and the settings that make them."""
    st.caption(
        "In each epoch the network sees another view of every training picture. A frozen part sees a few stored views, "
        "by default the plain one alone."
    )
    columns = st.columns(4)
    names = [name for name in CATALOG if name != "scratch_cnn"]
    network = columns[0].selectbox(
        "Network", ["scratch_cnn", *names], format_func=lambda name: CATALOG[name].title, key="views-network",
        help="Each network has its own input size.",
    )  # fmt: skip
    crop = columns[1].toggle("Random crops", True, key="views-crop")
    flip = columns[1].toggle("Random flips", True, key="views-flip")
    colour = columns[2].toggle("Random colours", False, key="views-colour")
    strength = columns[2].slider(
        "Strength", 0.0, 1.0, 0.5, key="views-strength", help="0: no change; 1: strong changes."
    )
    train = dataset.rows_of("train")
    number = columns[3].number_input(
        "Training picture", 1, len(train), 1, key="views-picture", help="Number of the training picture."
    )
    seed = columns[3].number_input("Epoch", 0, 10_000, 0, key="views-seed", help="Each epoch has different views.")
    row = train[int(number) - 1]
    client = frame.predictor(settings)
    try:
        with st.spinner("Making the views; the first time takes a few seconds", show_time=True):
            described, views = client.views(
                dataset.read_image(row),
                network,
                AugmentationChoice(crop, flip, colour, strength),
                count=VIEWS,
                seed=int(seed),
                greys=dataset.greys,
            )
    except TuneMyPetsError as error:
        st.error(frame.plain(str(error)), icon=":material/block:")
        return
    tiles = [gallery.Tile(views[0], "Validation and test view", None, "centre crop, no random changes")]
    tiles += [gallery.Tile(view, f"Training view {place}") for place, view in enumerate(views[1:], start=1)]
    gallery.show_tiles(tiles, width_px=150)
    st.caption(f"{frame.plain(dataset.classes[row.label])}, {frame.plain(row.name)}. Random changes: {described}.")
