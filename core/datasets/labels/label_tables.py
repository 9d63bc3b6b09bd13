"""Tables of labels as people bring them: CSV, TSV, JSON and Parquet, read as text exactly as it is written.

`001` stays `001` and `NA` stays `NA`: no column is taken for numbers or dates. Which column names the files and which
holds the labels is decided in `file_columns.py` and `label_columns.py`. Nothing here touches a file system.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import PurePosixPath
from typing import Any

from core.datasets.labels.parquet_columns import LFS_POINTER, class_names, is_text_like, read_texts, readable_parquet
from core.datasets.pictures.picture_formats import SUFFIX_FORMATS
from core.errors import DatasetError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
MAX_ROWS = 1_000_000
MAX_COLUMNS = 1000
MAX_CELLS = 20_000_000
MAX_TABLE_BYTES = 512 * 2**20  # of a Parquet table, unpacked
DELIMITERS = ",;\t"
SNIFFED_LINES = 50
_OTHER_FILES = (
    (LFS_POINTER, "is a pointer of Git LFS, not the table itself: run `git lfs pull`, or download the file again"),
    (b"PK\x03\x04", "is an Excel workbook or a zip, not a text table: save it as CSV UTF-8"),
    (b"\x1f\x8b", "is packed with gzip: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook, not a text table: save it as CSV UTF-8"),
)


@dataclass(frozen=True)
class LabelTable:
    """A table of texts.

    Attributes:
        name: its path in the source.
        columns: all different.
        rows: each as long as `columns`; what is missing is empty.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The texts of a column, row by row."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def read_table(name: str, data: bytes) -> LabelTable:
    """Read a table; its kind is seen from its bytes and its name.

    A table without a header, which is one whose first row names a picture, repeats a value of its column or has no
    letter, has the columns `1`, `2` and so on.

    Raises:
        DatasetError: one sentence with the table's name.
    """
    for start, sentence in _OTHER_FILES:
        if data.startswith(start):
            raise DatasetError(f"{name} {sentence}.")
    suffix = PurePosixPath(name).suffix.lower()
    if data.startswith(b"PAR1") or suffix == ".parquet":
        return _read_parquet(name, data)
    text = _decode(name, data)
    if not text.strip():
        raise DatasetError(f"{name} is empty: export the table again.")
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _read_json(name, text, by_line=suffix != ".json")
    return _read_delimited(name, text, "\t" if suffix == ".tsv" else None)


def _decode(name: str, data: bytes) -> str:
    start = data[:200]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings: tuple[str, ...] = ("utf-16",)
    elif len(start) > 1 and start[1::2].count(0) > len(start) // 3:
        encodings = ("utf-16-le",)
    elif len(start) > 1 and start[::2].count(0) > len(start) // 3:
        encodings = ("utf-16-be",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise DatasetError(f"{name} is not a text table: save it as CSV UTF-8.")


def _read_delimited(name: str, text: str, delimiter: str | None) -> LabelTable:
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:  # Excel's own first line
        delimiter, text = first.strip()[4], rest
    rows = _parse(name, text, delimiter or _find_delimiter(text))
    if not rows:
        raise DatasetError(f"{name} is empty: export the table again.")
    header = [cell.strip() for cell in rows[0]]
    while header and not header[-1] and all(len(row) < len(header) or not row[len(header) - 1] for row in rows):
        header.pop()  # every line ends with a delimiter
    if not _is_header(header, rows[1:]):
        header = [str(place + 1) for place in range(max(map(len, rows)))]
    else:
        rows = rows[1:]
    for number, row in enumerate(rows, 1):
        if any(row[len(header) :]):
            raise DatasetError(
                f"Row {number:,} of {name} has {len(row)} cells and its header {len(header)}: "
                "put quotes around cells that hold the delimiter."
            )
    width = len(header)
    return _table(name, header, ((*row[:width], *[""] * (width - len(row))) for row in rows), len(rows))


def _parse(name: str, text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True):
            if any(cell.strip() for cell in row):
                rows.append(row)
                _check_size(name, len(rows) - 1, len(row))
    except csv.Error as error:
        raise DatasetError(
            f"{name} cannot be read as a table near line {len(rows) + 1:,} ({error}): "
            "check its quotes, or export it again."
        ) from error
    return rows


def _find_delimiter(text: str) -> str:
    """The one that cuts the first lines into equally many cells."""
    start = "\n".join(text[: 2**18].splitlines()[:SNIFFED_LINES])
    best, found = (0.0, 0), DELIMITERS[0]
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in csv.reader(StringIO(start), delimiter=delimiter, skipinitialspace=True) if row]
        except csv.Error:
            continue
        widths = Counter(map(len, rows))
        width = len(rows[0]) if rows else 0
        if width > 1 and (widths[width] / len(rows), width) > best:
            best, found = (widths[width] / len(rows), width), delimiter
    return found


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    if any(PurePosixPath(cell).suffix.lower() in SUFFIX_FORMATS for cell in first):
        return False
    if not any(character.isalpha() for cell in first for character in cell):
        return False
    words = {(place, cell) for place, cell in enumerate(first) if any(character.isalpha() for character in cell)}
    repeats = (row for row in rows if any(pair in words for pair in enumerate(row)))
    return all([cell.strip() for cell in row] == list(first) for row in repeats)  # as where tables were joined


def _read_json(name: str, text: str, *, by_line: bool) -> LabelTable:
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)  # numbers as they are written
    lines = [line for line in text.split("\n") if line.strip()]
    value: Any = None
    for whole in (False, True) if by_line and not text.lstrip().startswith("[") else (True, False):
        try:
            value = decoder.decode(text.strip()) if whole else [decoder.decode(line.strip()) for line in lines]
            break
        except (ValueError, RecursionError):
            continue
    if value is None:
        raise DatasetError(f"{name} is damaged JSON: export it again.")
    if isinstance(value, dict) and "images" in value and {"annotations", "categories"} & set(value):
        raise DatasetError(f"{name} holds boxes for detection (COCO), which give no picture a class.")
    if isinstance(value, dict) and len(value) > 1 and all(isinstance(item, str) for item in value.values()):
        value = [{"file_name": key, "label": item} for key, item in value.items()]  # file -> label
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise DatasetError(
            f'{name} is no list of objects: write one object for each picture, such as {{"file_name": "1.jpg", '
            '"label": "cat"}.'
        )
    columns: dict[str, None] = {}
    for number, item in enumerate(value, 1):
        columns.update(dict.fromkeys(item))
        _check_size(name, number, len(columns))
    return _table(
        name, list(columns), (tuple(_json_text(item.get(column)) for column in columns) for item in value), len(value)
    )


def _json_text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        return _json_text(value[0])
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _read_parquet(name: str, data: bytes) -> LabelTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable_parquet(name):
        file = pq.ParquetFile(pa.BufferReader(data))
        schema = file.schema_arrow
        columns = [field.name for field in schema if is_text_like(field.type)]
        size = sum(file.metadata.row_group(place).total_byte_size for place in range(file.num_row_groups))
        _check_size(name, file.metadata.num_rows, len(columns))
        if size > MAX_TABLE_BYTES:
            raise DatasetError(f"{name} is too large for a table of labels: keep the file names and labels only.")
        texts = [column for column in columns if pa.types.is_string(schema.field(column).type)]
        table = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts).read(columns=columns, use_threads=False)
        names = class_names(schema)
        read = [read_texts(table.column(column), names.get(column, ())) for column in columns]
        return _table(name, columns, list(zip(*read, strict=True)), table.num_rows)


def _check_size(name: str, rows: int, columns: int) -> None:
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
        raise DatasetError(
            f"{name} is too large for a table of labels (at most {MAX_ROWS:,} rows, {MAX_COLUMNS:,} columns and "
            f"{MAX_CELLS:,} cells): keep the file names and labels only."
        )


def _table(name: str, columns: Sequence[str], rows: Iterable[tuple[str, ...]], count: int) -> LabelTable:
    _check_size(name, count, len(columns))
    named: dict[str, None] = {}
    for place, column in enumerate(columns, 1):
        text = column.strip() or f"column {place}"
        number = 1
        while (shown := text if number == 1 else f"{text} ({number})") in named:
            number += 1
        named[shown] = None
    return LabelTable(name, tuple(named), tuple(rows))
