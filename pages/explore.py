"""Explore: add a dataset and look through it."""

import streamlit as st

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.decoder import Limits, render_preview
from core.datasets.drawn_sample import SAMPLE_NOTE
from core.errors import TuneMyPetsError
from core.formatting import SPLIT_NAMES, capitalise
from core.predict.predictor_client import AugmentationChoice
from core.settings import Settings
from models.catalog import CATALOG
from pages.components.explore import dataset_charts, import_form, import_report
from pages.components.shared import coach_findings, frame, gallery, import_progress
from pages.components.shared.dataset_cache import forget_datasets, open_dataset

PER_PAGE = 24
VIEWS = 7


def page() -> None:
    settings = frame.open_page("Explore", "Add a dataset and look through its pictures.")
    with frame.explained():
        summaries = frame.datasets(settings).summaries()
        job = st.query_params.get("import")
        if job:
            import_progress.follow(settings, job, then_page=frame.EXPLORE)
        if not summaries:
            st.subheader("Get a first dataset")
            import_form.show_import_form(settings)
            return
        with st.expander("Add a dataset", icon="➕"):
            import_form.show_import_form(settings)
        names = {item.id: item.title for item in summaries}
        asked = st.query_params.get("dataset")
        chosen = st.selectbox(
            "Dataset",
            list(names),
            index=list(names).index(asked) if asked in names else 0,
            format_func=lambda name: names[name],
            help="A dataset never changes after its import.",
        )
        st.query_params["dataset"] = chosen
        dataset = open_dataset(settings, chosen)
        _show(settings, dataset)
        _offer_changes(settings, dataset)


def _show(settings: Settings, dataset: Dataset) -> None:
    if dataset.drawn:
        st.info(SAMPLE_NOTE, icon="✏️")
    with st.container(horizontal=True, gap="large"):
        for label, count, text in (
            ("Pictures", len(dataset.rows), None),
            ("Classes", len(dataset.classes), None),
            ("Training", len(dataset.rows_of("train")), "The network learns from these."),
            ("Validation", len(dataset.rows_of("val")), "Settings are chosen on these."),
            ("Test", len(dataset.rows_of("test")), "Each run is evaluated on these once, after training."),
        ):
            st.metric(label, f"{count:,}", help=text, width="content")
    frame.link(frame.TRAIN, label="Start a race on these pictures", icon="🏁", query_params={"dataset": dataset.id})
    sections = ["Pictures", "Numbers", "Import report", "What the model sees"]
    section = st.segmented_control("Show", sections, default=sections[0], required=True, key="explore-section")
    if section == "Pictures":
        _gallery(settings, dataset)
    elif section == "Numbers":
        _numbers(dataset)
        coach_findings.show_shortcuts(settings, dataset)
    elif section == "Import report":
        import_report.show_import_report(dataset)
    else:
        _views(settings, dataset)


def _offer_changes(settings: Settings, dataset: Dataset) -> None:
    """Rename or delete the dataset; for its owner and the presenter."""
    owner = dataset.summary.owner
    if not frame.actor().may_change(owner):
        st.caption(f"{frame.only_owner(settings, owner)} can rename or delete this dataset.")
        return
    with st.popover("Rename or delete", icon="✏️", key=f"change-{dataset.id}"):
        title = st.text_input(
            "Title",
            dataset.title,
            max_chars=80,
            key=f"title-{dataset.id}-{dataset.title}",
            help="Shown in lists; existing runs stay as they are.",
        )
        if st.button("Rename", key=f"rename-{dataset.id}", icon="💾"):
            with frame.explained():
                frame.datasets(settings).rename(dataset.id, title, by=frame.actor())
                forget_datasets()
                st.rerun()
        st.caption("Deletes the pictures for good. Runs keep their results but no longer show pictures.")
        if st.button("Delete this dataset", key=f"delete-{dataset.id}", icon="🗑️"):
            with frame.explained():
                frame.runs(settings).delete_dataset(dataset.id, by=frame.actor())
                forget_datasets()
                st.query_params.pop("dataset", None)
                st.rerun()


def _numbers(dataset: Dataset) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("##### Pictures per class and split")
        st.plotly_chart(dataset_charts.class_counts(dataset), key="counts", alt=dataset_charts.format_counts(dataset))
    with right:
        st.markdown("##### Picture sizes")
        st.plotly_chart(dataset_charts.image_sizes(dataset), key="sizes", alt=dataset_charts.format_sizes(dataset))
    st.markdown("##### File sizes by class")
    st.caption("If classes differ here, a network may learn how the files were made instead of what they show.")
    st.plotly_chart(dataset_charts.file_sizes(dataset), key="bytes", alt=dataset_charts.format_bytes(dataset))
    frame.offer_csv(
        "Download class, split and size of every picture as CSV",
        lambda: dataset_charts.list_images(dataset),
        f"tunemypets-{dataset.id}-pictures.csv",
    )


def _gallery(settings: Settings, dataset: Dataset) -> None:
    left, right = st.columns(2)
    label = left.selectbox("Class", ["All classes", *dataset.classes], help="Show one class only.", key="gallery-class")
    split = right.selectbox(
        "Split",
        ["all", *SPLIT_NAMES],
        format_func=lambda name: capitalise(SPLIT_NAMES.get(name, "all splits")),
        help="Show one split only.",
        key="gallery-split",
    )
    rows = [
        row
        for row in dataset.rows
        if (label == "All classes" or dataset.classes[row.label] == label) and split in ("all", row.split)
    ]
    if not rows:
        st.info("This class has no pictures in this split.")
        return
    pages = -(-len(rows) // PER_PAGE)
    number = st.pagination(pages, key=f"gallery-page-{label}-{split}") if pages > 1 else 1
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    gallery.show_tiles(
        [
            gallery.Tile(
                dataset.thumbnail_path(row), dataset.classes[row.label], None, capitalise(SPLIT_NAMES[row.split])
            )
            for row in shown
        ]
    )
    st.caption(f"{len(rows):,} pictures, page {number} of {pages}.")
    lost = [row for row in shown if not dataset.thumbnail_path(row).exists()]
    if lost:
        more = f" and {len(lost) - 1} more are" if len(lost) > 1 else " is"
        st.warning(f"The thumbnail of {frame.plain(lost[0].name)}{more} missing: import the dataset again.", icon="⚠️")
    _detail(settings, dataset, shown)


def _detail(settings: Settings, dataset: Dataset, rows: list[ImageRow]) -> None:
    row = st.selectbox(
        "One picture in detail",
        rows,
        index=None,
        format_func=lambda item: f"{dataset.classes[item.label]}: {item.name}",
        placeholder="Choose a picture of this page",
        key=f"detail-{rows[0].index}",
    )
    if row is None:
        return
    left, right = st.columns([2, 1])
    with left:
        try:
            shown = render_preview(dataset.read_image(row), Limits.from_settings(settings), row.name)
        except TuneMyPetsError as error:
            st.error(frame.plain(str(error)), icon="🚫")
        else:
            st.image(shown, width="stretch", alt=f"{dataset.classes[row.label]}, {row.name}")
    with right:
        st.markdown(
            f"**{frame.plain(dataset.classes[row.label])}**, {SPLIT_NAMES[row.split]}\n\n"
            f"- file: {frame.plain(row.name)}\n- {row.width} × {row.height} pixels, {row.bytes / 1000:.0f} kB\n"
            + "".join(f"- {frame.plain(flag)}\n" for flag in row.flags)
            + f"- sha256: `{row.sha256[:16]}…`"
        )


def _views(settings: Settings, dataset: Dataset) -> None:
    st.caption("In each epoch the network sees another view of every training picture.")
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
            )
    except TuneMyPetsError as error:
        st.error(frame.plain(str(error)), icon="🚫")
        return
    tiles = [gallery.Tile(views[0], "Validation and test view", None, "centre crop, no random changes")]
    tiles += [gallery.Tile(view, f"Training view {place}") for place, view in enumerate(views[1:], start=1)]
    gallery.show_tiles(tiles, width_px=150)
    st.caption(f"{frame.plain(dataset.classes[row.label])}, {frame.plain(row.name)}. Random changes: {described}.")


page()
