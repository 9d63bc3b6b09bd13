"""Explore: add a dataset and look through it."""

import streamlit as st

from core.datasets.dataset import Dataset
from core.datasets.drawn_sample import SAMPLE_NOTE
from core.settings import Settings
from pages.components.explore import dataset_charts, dataset_gallery, import_form, import_report, training_views
from pages.components.shared import coach_findings, frame, import_progress
from pages.components.shared.dataset_cache import forget_datasets, open_dataset


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
        with st.expander("Add a dataset", icon=":material/add:"):
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
        st.info(SAMPLE_NOTE, icon=":material/edit:")
    with st.container(horizontal=True, gap="medium"):
        for label, count, text in (
            ("Pictures", len(dataset.rows), None),
            ("Classes", len(dataset.classes), None),
            ("Training", len(dataset.rows_of("train")), "The network learns from these."),
            ("Validation", len(dataset.rows_of("val")), "Settings are chosen on these."),
            ("Test", len(dataset.rows_of("test")), "Each run is evaluated on these once, after training."),
        ):
            st.metric(label, f"{count:,}", help=text, width="content")
    frame.link(
        frame.TRAIN,
        label="Start a race on these pictures",
        icon=":material/flag:",
        query_params={"dataset": dataset.id},
    )
    sections = ["Pictures", "Numbers", "Import report", "What the model sees"]
    section = st.segmented_control("Show", sections, default=sections[0], required=True, key="explore-section")
    if section == "Pictures":
        dataset_gallery.show_gallery(settings, dataset)
    elif section == "Numbers":
        _numbers(dataset)
        coach_findings.show_shortcuts(settings, dataset)
    elif section == "Import report":
        import_report.show_import_report(dataset)
    else:
        training_views.show_views(settings, dataset)


def _offer_changes(settings: Settings, dataset: Dataset) -> None:
    """Rename or delete the dataset; for its owner and the presenter."""
    owner = dataset.summary.owner
    if not frame.actor().may_change(owner):
        st.caption(f"{frame.only_owner(settings, owner)} can rename or delete this dataset.")
        return
    with st.popover("Rename or delete", icon=":material/edit:", key=f"change-{dataset.id}"):
        title = st.text_input(
            "Title",
            dataset.title,
            max_chars=80,
            key=f"title-{dataset.id}-{dataset.title}",
            help="Shown in lists; existing runs stay as they are.",
        )
        if st.button("Rename", key=f"rename-{dataset.id}", icon=":material/save:"):
            with frame.explained():
                frame.datasets(settings).rename(dataset.id, title, by=frame.actor())
                forget_datasets()
                st.rerun()
        st.caption("Deletes the pictures for good. Runs keep their results but no longer show pictures.")
        if st.button("Delete this dataset", key=f"delete-{dataset.id}", icon=":material/delete:"):
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


page()
