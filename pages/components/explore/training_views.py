"""What the model sees: the random views of one training picture, as the predictor makes them."""

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import TuneMyPetsError
from core.predict.predictor_client import AugmentationChoice
from core.settings import Settings
from models.catalog import CATALOG
from pages.components.shared import frame
from pages.components.shared.pictures import gallery

VIEWS = 7


def show_views(settings: Settings, dataset: Dataset) -> None:
    """Draw the views of one training picture in one epoch, then the settings that make them."""
    st.fragment(_show, key=f"views-{dataset.id}")(settings, dataset)


def _show(settings: Settings, dataset: Dataset) -> None:
    st.caption(
        "In each epoch the network sees every training picture changed a little. A frozen part sees only a few stored "
        "views, by default the plain picture."
    )
    place = st.container(key="views")
    train = dataset.rows_of("train")
    with st.container(border=True):
        left, middle, right = st.columns(3)
        number = left.number_input(
            "Training picture", 1, len(train), 1, key="views-picture", help="Number of the training picture."
        )
        seed = left.number_input("Epoch", 0, 10_000, 0, key="views-seed", help="Each epoch has different views.")
        crop = middle.toggle("Random crops", True, key="views-crop")
        flip = middle.toggle("Random flips", True, key="views-flip")
        colour = middle.toggle("Random colours", False, key="views-colour")
        strength = right.slider(
            "Strength of random colours", 0.0, 1.0, 0.5, key="views-strength", disabled=not colour,
            help="0: no change; 1: strong changes.",
        )  # fmt: skip
        names = [name for name in CATALOG if name != "scratch_cnn"]
        network = right.selectbox(
            "Network", ["scratch_cnn", *names], format_func=lambda name: CATALOG[name].title, key="views-network",
            help="Each network has its own input size.",
        )  # fmt: skip
    row = train[int(number) - 1]
    client = frame.predictor(settings)
    with place:
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
        tiles += [gallery.Tile(view, f"Training view {turn}") for turn, view in enumerate(views[1:], start=1)]
        gallery.show_tiles(tiles, width_px=104)
        st.caption(f"{frame.plain(dataset.classes[row.label])}, {frame.plain(row.name)}. Random changes: {described}.")
