"""The section Check: the data doctor, the import report, numbers of classes and sizes, and possible shortcuts."""

import plotly.graph_objects as go
import streamlit as st

from core.datasets.dataset import Dataset
from core.settings import Settings
from pages.components.explore.check import dataset_charts, doctor_panel, import_report, leakage_lesson
from pages.components.shared import frame
from pages.components.shared.lessons import explain
from pages.components.shared.results import coach_findings


def show_inspection(settings: Settings, dataset: Dataset) -> None:
    """Draw the section."""
    doctor_panel.show_doctor(settings, dataset)
    with frame.explained():
        import_report.show_import_report(dataset)
    _show_numbers(dataset)
    leakage_lesson.show_leakage(settings, dataset)
    coach_findings.show_shortcuts(settings, dataset)


def _show_numbers(dataset: Dataset) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("##### Pictures per class and split")
        _draw(dataset_charts.class_counts(dataset), "counts", dataset_charts.format_counts(dataset))
        explain("validation-and-test")
    with right:
        st.markdown("##### Picture sizes")
        _draw(dataset_charts.image_sizes(dataset), "sizes", dataset_charts.format_sizes(dataset))
    st.markdown("##### File sizes by class")
    st.caption("If classes differ here, a network may learn how the files were made instead of what they show.")
    _draw(dataset_charts.file_sizes(dataset), "bytes", dataset_charts.format_bytes(dataset))
    hidden = len(dataset.classes) - dataset_charts.MAX_BOXES
    if hidden > 0:
        st.caption(f"{hidden:,} more classes are in the CSV.")
    frame.offer_csv(
        "Download class, split and size of every picture as CSV",
        lambda: dataset_charts.list_images(dataset),
        f"tunemypets-{dataset.id}-pictures.csv",
    )


def _draw(figure: go.Figure, key: str, words: str) -> None:
    st.plotly_chart(figure, key=key, alt=words, config={"displayModeBar": False})  # its tools would cover the legend
