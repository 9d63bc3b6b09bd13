"""Pictures inside a source's Parquet files, and the question which column labels them."""

from contextlib import closing

from core.datasets.labels.parquet_source import ParquetSource, find_parquet_images
from core.datasets.layouts.placing import Choice, LayoutQuestionError, choose
from core.datasets.layouts.readings import COLUMN, Reading
from core.datasets.sources.source import Source
from core.errors import LabelColumnError
from core.formatting import readable
from core.settings import Settings


def open_pictures(settings: Settings, source: Source, *, layout: str = "", label_column: str = "") -> Source:
    """The pictures inside a source's Parquet files as a source; the source itself where there are none.

    Raises:
        LayoutQuestionError: several columns could hold the labels.
        DatasetError: one sentence: a file is damaged, there is too much, or no such column.
    """
    settings.imports_dir.mkdir(parents=True, exist_ok=True)
    column = label_column or (layout.removeprefix(COLUMN) if layout.startswith(COLUMN) else "")
    try:
        return _find(settings, source, column or None) or source
    except LabelColumnError as error:
        choices = [_choice(settings, source, name) for name in error.candidates]
        raise LayoutQuestionError(f"in {readable(source.title)}", [item for item in choices if item]) from error


def _find(settings: Settings, source: Source, column: str | None) -> ParquetSource | None:
    return find_parquet_images(
        source,
        column,
        max_files=settings.max_images,
        max_bytes=settings.max_dataset_bytes,
        spool=settings.imports_dir,
    )


def _choice(settings: Settings, source: Source, column: str) -> Choice | None:
    found = _find(settings, source, column)
    if found is None:
        return None
    with closing(found):
        entries = found.entries()
        labels = {number: entry.label for number, entry in enumerate(entries) if entry.label is not None}
        reading = Reading(f"{COLUMN}{column}", f"The column {column} names the classes", labels, {})
        return choose(reading, entries, found)
