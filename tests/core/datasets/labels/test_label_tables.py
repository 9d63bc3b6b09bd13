"""Tables of labels are read as text, exactly as written, whatever program wrote them."""

import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.datasets.labels import label_tables
from core.datasets.labels.label_tables import LabelTable, read_table
from core.errors import DatasetError

ROWS = (("1.jpg", "001"), ("2.jpg", "NA"), ("3.jpg", "Käfer, grün"))
HEADER = ("file_name", "label")


def parquet(columns: dict[str, object], **options: object) -> bytes:
    table = pa.table(columns)
    if "metadata" in options:
        table = table.replace_schema_metadata({"huggingface": json.dumps(options["metadata"])})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def refused(name: str, data: bytes) -> str:
    with pytest.raises(DatasetError) as caught:
        read_table(name, data)
    text = str(caught.value)
    assert name in text
    assert text.endswith(".")
    assert text.count("\n") == 0
    return text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_reads_the_same_in_every_encoding_and_with_every_delimiter(encoding, delimiter, end):
    lines = [HEADER, *ROWS]
    text = "".join(delimiter.join(f'"{cell}"' for cell in line) + end for line in lines)
    assert read_table("a/labels.csv", text.encode(encoding)) == LabelTable("a/labels.csv", HEADER, ROWS)


def test_all_kinds_of_files_give_the_same_table():
    objects = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    lines = "\n".join(json.dumps(item, ensure_ascii=False) for item in objects)
    for name, data in (
        ("m.jsonl", lines.encode()),
        ("m.jsonl", json.dumps(objects).encode()),
        ("m.json", json.dumps(objects).encode()),
        ("m.json", json.dumps(dict(ROWS)).encode()),
        ("m.parquet", parquet({"file_name": [row[0] for row in ROWS], "label": [row[1] for row in ROWS]})),
    ):
        table = read_table(name, data)
        assert (table.columns, table.rows) == (HEADER, ROWS)


def test_numbers_stay_as_they_are_written():
    data = (
        b'{"f": "a.jpg", "n": 1, "x": 1.50, "big": 12345678901234567890, "none": null, "yes": true, "one": ["cat"]}\n'
    )
    assert read_table("m.jsonl", data).rows == (("a.jpg", "1", "1.50", "12345678901234567890", "", "true", "cat"),)
    assert read_table("m.csv", b"f,n\na.jpg,1.0\nb.jpg,007\n").rows == (("a.jpg", "1.0"), ("b.jpg", "007"))


def test_a_key_that_some_objects_lack_is_empty_there():
    table = read_table("m.jsonl", b'{"f": "a.jpg", "label": "cat"}\n\n{"label": "dog", "f": "b.jpg", "more": "x"}\n')
    assert table == LabelTable("m.jsonl", ("f", "label", "more"), (("a.jpg", "cat", ""), ("b.jpg", "dog", "x")))


def test_a_line_separator_inside_a_json_text_ends_no_line():
    data = json.dumps({"f": "a.jpg", "label": "a\u2028b"}, ensure_ascii=False).encode() + b"\n"
    assert read_table("m.jsonl", data).rows == (("a.jpg", "a\u2028b"),)


def test_numbers_of_a_parquet_table_have_no_point_zero_and_class_numbers_become_names():
    features = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    data = parquet(
        {
            "file_name": ["a.jpg", "b.jpg", "c.jpg"],
            "label": pa.array([1, -1, None], pa.int64()),
            "whole": [1.0, None, 3.0],
            "word": pa.array(["x", None, "x"]).dictionary_encode(),
            "picture": [b"a", b"b", b"c"],
        },
        metadata={"info": {"features": features}},
    )
    table = read_table("metadata.parquet", data)
    assert table.columns == ("file_name", "label", "whole", "word")
    assert table.rows == (("a.jpg", "dog", "1", "x"), ("b.jpg", "", "", ""), ("c.jpg", "", "3", "x"))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a.jpg,cat\nb.jpg,dog\n", ("1", "2")),
        ("000bec,cat\n001513,dog\n002211,cat\n", ("1", "2")),
        ("17,3\n18,3\n", ("1", "2")),
        ("id,breed\n000bec,cat\n001513,dog\n", ("id", "breed")),
        ("image,0,1\na,0,1\nb,1,0\n", ("image", "0", "1")),
        ("image,label\na.jpg,cat\nimage,label\nb.jpg,dog\n", ("image", "label")),  # two tables joined
        (",file,label\n0,a.jpg,cat\n1,b.jpg,dog\n", ("column 1", "file", "label")),
        ("file,label,label\na.jpg,cat,x\n", ("file", "label", "label (2)")),
        ("file, cat, dog\na.jpg, 1, 0\n", ("file", "cat", "dog")),
        ("file,label,\na.jpg,cat,\n", ("file", "label")),
        ("sep=;\nfile;label\na.jpg;x,y\n", ("file", "label")),
        ("file;size;label\na.jpg;0,5;cat\nb.jpg;1,5;dog\n", ("file", "size", "label")),
    ],
)
def test_a_header_is_distinguished_from_rows(text, columns):
    table = read_table("labels.csv", text.encode())
    assert table.columns == columns
    assert all(len(row) == len(columns) for row in table.rows)
    first = columns == ("1", "2")
    assert len(table.rows) == text.removeprefix("sep=;\n").count("\n") - (0 if first else 1)


def test_quoted_cells_keep_delimiters_quotes_and_line_breaks():
    table = read_table("l.csv", b'file,label,note\r\na.jpg,"cat, ""tabby""","two\r\nlines"\r\nb.jpg,dog\r\n')
    assert table.rows == (("a.jpg", 'cat, "tabby"', "two\r\nlines"), ("b.jpg", "dog", ""))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf \n", "is empty"),
        ("a.csv", b"PK\x03\x04rest", "Excel"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x81", "not a text table"),
        ("a.csv", b"file,label\na.jpg,cat,black\n", "Row 1 of a.csv has 3 cells and its header 2"),
        ("a.csv", b"file,label\na.jpg," + b"x" * 200_000 + b"\n", "near line"),
        ("a.jsonl", b'{"file_name": "a.jpg"}\n{"file_name": ', "damaged JSON"),
        ("a.jsonl", b"[1]\n[2]\n", "no list of objects"),
        ("a.json", b"[" * 100_000, "damaged JSON"),
        ("a.json", b'{"images": [], "annotations": []}', "boxes for detection"),
        ("a.parquet", b"PAR1 and nothing more", "not a readable Parquet file"),
        ("a.parquet", b"text", "not a readable Parquet file"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_what_is_no_table_is_one_sentence(name, data, words):
    assert words in refused(name, data)


def test_a_parquet_table_cut_off_anywhere_is_one_sentence():
    data = parquet({"file_name": [f"{n}.jpg" for n in range(300)], "label": ["cat", "dog"] * 150})
    for end in range(10, len(data), 97):
        assert "not a readable Parquet file" in refused("metadata.parquet", data[:end])


def test_a_parquet_table_with_random_damage_is_a_table_or_one_sentence():
    whole = parquet({"file_name": [f"{n}.jpg" for n in range(300)], "label": ["cat", "dog"] * 150})
    rng = random.Random(1)
    outcomes = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 2, 5))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            outcomes.add(len(read_table("metadata.parquet", bytes(data)).rows))
        except DatasetError as error:
            outcomes.add(str(error))
    assert 300 in outcomes
    assert any("not a readable Parquet file" in str(outcome) for outcome in outcomes)


@pytest.mark.parametrize(("limit", "value"), [("MAX_ROWS", 2), ("MAX_COLUMNS", 1), ("MAX_CELLS", 5)])
def test_a_table_above_a_limit_is_refused_whatever_its_kind(monkeypatch, limit, value):
    objects = [{"f": f"{n}.jpg", "label": "cat"} for n in range(3)]
    text = "f,label\n" + "".join(f"{item['f']},cat\n" for item in objects)
    forms = {
        "a.csv": text.encode(),
        "a.json": json.dumps(objects).encode(),
        "a.parquet": parquet({"f": [item["f"] for item in objects], "label": ["cat"] * 3}),
    }
    for name, data in forms.items():
        assert len(read_table(name, data).rows) == 3
    monkeypatch.setattr(label_tables, limit, value)
    for name, data in forms.items():
        assert "too large for a table of labels" in refused(name, data)
