"""Pictures in Parquet files: the right bytes, labels and splits, and one sentence for what is wrong."""

import io
import json
import random
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.datasets.labels import parquet_images
from core.datasets.labels.parquet_source import ParquetSource, find_parquet_images
from core.datasets.sources.archive import ZipSource
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import MemorySource
from core.errors import DatasetError, ImageError, LabelColumnError
from core.settings import PROJECT_ROOT
from tests.support.hugging_face_forms import Labelled, image_table, write_parquet
from tests.support.images import encoded, photo

MANY = 10**8
PETS = ("cat", "dog")


def pictures(count: int = 12, splits: tuple[str | None, ...] = (None,)) -> list[Labelled]:
    """Different small files of two classes."""
    start = b"\xff\xd8\xff"
    return [
        Labelled(f"{n}.jpg", start + str(n).encode() * 300, PETS[n % 2], splits[n // 2 % len(splits)])
        for n in range(count)
    ]


def found(folder: Path, label_column: str | None = None) -> ParquetSource:
    source = find_parquet_images(open_source(folder), label_column)
    assert source is not None
    return source


def contents(source: ParquetSource) -> set[tuple[bytes, str | None, str | None]]:
    return {(source.read(entry, MANY), entry.label, entry.split) for entry in source.entries()}


def refused(folder: Path, label_column: str | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        find_parquet_images(open_source(folder), label_column)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def write_table(folder: Path, name: str, table: pa.Table, **options: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def plain_table(items: list[Labelled], **columns: object) -> pa.Table:
    return pa.table({"image": [{"bytes": item.data, "path": item.name} for item in items], **columns})


def test_shards_of_splits_give_bytes_labels_and_splits(tmp_path: Path):
    made = pictures(24, ("train", "train", "val", "test"))
    write_parquet(made, tmp_path)

    source = found(tmp_path)

    assert contents(source) == {(item.data, item.label, item.split) for item in made}
    assert len({entry.name for entry in source.entries()}) == 24
    assert all(entry.name.endswith(".jpg") for entry in source.entries())
    claimed = sum(entry.bytes_claimed for entry in source.entries())
    assert 1 <= claimed / sum(len(item.data) for item in made) < 2
    assert source.label_column == "label"
    source.close()


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.parquet", "test.parquet"), ("train", "test")),
        (("default/train/0000.parquet", "default/validation/0000.parquet"), ("train", "val")),
        (("data/training-00000-of-00001-1b2.parquet", "data/dev-00000-of-00001-3c4.parquet"), ("train", "val")),
        (("Train.PARQUET", "eval.parquet"), ("train", "test")),
        (("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"), (None, None)),
        (("part-0.parquet", "part-1.parquet"), (None, None)),
    ],
)
def test_names_of_files_give_the_splits_and_one_split_alone_is_none(tmp_path: Path, names, splits):
    made = pictures(8)
    for name, part in zip(names, (made[:4], made[4:]), strict=True):
        write_table(tmp_path, name, image_table(part, PETS))
    assert contents(found(tmp_path)) == {(item.data, item.label, splits[n // 4]) for n, item in enumerate(made)}


def test_a_zip_and_memory_give_the_same_as_a_folder(tmp_path: Path):
    made = pictures(40, ("train", "test"))
    folder = tmp_path / "set"
    write_parquet(made, folder)
    wanted = {(item.data, item.label, item.split) for item in made}
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in folder.rglob("*.parquet"):
            archive.write(path, path.relative_to(tmp_path))
    spool = tmp_path / "spool"
    spool.mkdir()
    files = [(path.name, path.read_bytes()) for path in folder.rglob("*.parquet")]
    for inner in (ZipSource(tmp_path / "set.zip"), MemorySource("memory", files)):
        source = find_parquet_images(inner, spool=spool)
        assert source is not None
        assert contents(source) == wanted
        source.close()
        assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"label": ["cat", "dog"] * 6},
        {"label": pa.array(["cat", "dog"] * 6).dictionary_encode()},
        {"caption": [f"words {'x' * 300} {n}" for n in range(12)], "label": ["cat", "dog"] * 6},
    ],
)
def test_labels_may_be_words(tmp_path: Path, columns):
    made = pictures()
    write_table(tmp_path, "pets.parquet", plain_table(made, **columns))
    assert contents(found(tmp_path)) == {(item.data, item.label, None) for item in made}


def test_pictures_may_be_plain_bytes_and_a_column_may_hold_the_splits(tmp_path: Path):
    made = pictures()
    columns = {
        "sound": [b"RIF" + item.data for item in made],
        "jpg": [item.data for item in made],
        "cls": pa.array([n % 2 for n in range(12)], pa.int32()),
        "split": ["train", "train", "test", "test"] * 3,
    }
    write_table(tmp_path, "pets.parquet", pa.table(columns))
    assert contents(found(tmp_path)) == {
        (item.data, str(n % 2), "train" if n % 4 < 2 else "test") for n, item in enumerate(made)
    }


def test_tables_without_pictures_are_no_source_of_pictures(tmp_path: Path):
    write_table(tmp_path, "metadata.parquet", pa.table({"file_name": ["1.jpg"], "label": ["cat"]}))
    sounds = {"audio": [{"bytes": b"fLaC" * 9, "path": "a.flac"}], "label": ["cat"]}
    write_table(tmp_path, "sounds.parquet", pa.table(sounds))
    assert find_parquet_images(open_source(tmp_path)) is None
    assert find_parquet_images(MemorySource("memory", [("cat/1.jpg", b"")])) is None


def test_rows_without_a_label_are_left_out_with_their_number(tmp_path: Path):
    made = pictures()
    write_table(tmp_path, "train.parquet", image_table(made, PETS))
    hidden = [Labelled(f"x{n}.jpg", b"\xff\xd8\xff" + bytes([n]), "") for n in range(5)]
    write_table(tmp_path, "test.parquet", image_table(hidden, PETS))

    source = found(tmp_path)

    assert contents(source) == {(item.data, item.label, "train") for item in made}
    assert "5 rows of the Parquet files have no label: left out." in source.notes


def test_a_row_without_a_picture_is_refused_when_it_is_read(tmp_path: Path):
    made = [*pictures(6), Labelled("lost.jpg", b"", "cat")]
    write_table(tmp_path, "pets.parquet", image_table(made, PETS))
    source = found(tmp_path)
    with pytest.raises(ImageError, match="has no picture"):
        source.read(source.entries()[-1], MANY)


def test_several_possible_columns_are_a_question_with_their_names(tmp_path: Path):
    made = pictures(24)
    columns = {
        "image": [{"bytes": item.data, "path": None} for item in made],
        "coarse_label": [n % 2 for n in range(24)],
        "fine_label": [n % 4 for n in range(24)],
    }
    features = {
        "image": {"_type": "Image"},
        "coarse_label": {"_type": "ClassLabel", "names": ["a", "b"]},
        "fine_label": {"_type": "ClassLabel", "names": ["k", "l", "m", "n"]},
    }
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    write_table(tmp_path, "train.parquet", table)

    with pytest.raises(LabelColumnError) as caught:
        find_parquet_images(open_source(tmp_path))

    assert caught.value.candidates == ("coarse_label", "fine_label")
    assert "coarse_label, fine_label" in str(caught.value)
    assert "--label-column" in str(caught.value)
    assert {entry.label for entry in found(tmp_path, "fine_label").entries()} == set("klmn")
    assert "no column 'breed'" in refused(tmp_path, "breed")


def test_a_mask_beside_the_picture_is_named_and_not_taken(tmp_path: Path):
    made = pictures()
    masks = [{"bytes": b"\x89PNG" + item.data, "path": None} for item in made]
    table = pa.table(
        {"mask": masks, **{name: plain_table(made, label=["cat", "dog"] * 6)[name] for name in ("image", "label")}}
    )
    write_table(tmp_path, "train.parquet", table)
    source = found(tmp_path)
    assert contents(source) == {(item.data, item.label, None) for item in made}
    assert any("'mask'" in note for note in source.notes)


@pytest.mark.parametrize("columns", [{}, {"caption": [f"picture {n}" for n in range(12)]}])
def test_pictures_without_any_label_are_one_sentence(tmp_path: Path, columns):
    write_table(tmp_path, "pets.parquet", plain_table(pictures(), **columns))
    assert "pets.parquet" in refused(tmp_path)


def test_variants_of_a_dataset_beside_each_other_are_not_mixed(tmp_path: Path):
    for variant in ("small", "large"):
        write_table(tmp_path, f"{variant}/train/0000.parquet", image_table(pictures(), PETS))
    assert "several sets of Parquet files (large, small)" in refused(tmp_path)


def test_a_damaged_file_is_named_wherever_it_is_cut(tmp_path: Path):
    path = write_table(tmp_path, "data/train.parquet", image_table(pictures(200), PETS))
    data = path.read_bytes()
    for end in (0, 3, 4, 100, len(data) // 2, len(data) - 9, len(data) - 1):
        path.write_bytes(data[:end])
        assert "data/train.parquet is not a readable Parquet file" in refused(tmp_path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "git lfs pull" in refused(tmp_path)


@pytest.mark.parametrize("at", [0, 1, -10])
def test_damage_within_a_file_costs_its_rows_and_no_others(tmp_path: Path, at):
    made = pictures(64)
    path = write_table(
        tmp_path,
        "train.parquet",
        image_table(made, PETS),
        row_group_size=16,
        use_dictionary=False,
        write_page_checksum=True,
    )
    part = pq.ParquetFile(path).metadata.row_group(2).column(0)
    data = bytearray(path.read_bytes())
    data[part.data_page_offset + at % part.total_compressed_size] ^= 0xFF
    path.write_bytes(data)
    source = found(tmp_path)
    read, lost = set(), set()
    for entry in source.entries():
        try:
            read.add(source.read(entry, MANY))
        except ImageError as error:
            lost.add(str(error))
    assert len(lost) == 16
    assert all("Parquet file is damaged" in sentence for sentence in lost)
    assert read == {item.data for n, item in enumerate(made) if n // 16 != 2}


def test_a_picture_above_the_limit_is_one_sentence(tmp_path: Path):
    write_parquet(pictures(), tmp_path)
    source = found(tmp_path)
    with pytest.raises(ImageError, match="larger than"):
        source.read(source.entries()[0], 10)


def test_limits_of_pictures_and_bytes(tmp_path: Path):
    write_parquet(pictures(), tmp_path)
    with pytest.raises(DatasetError, match="at most 11 are taken"):
        find_parquet_images(open_source(tmp_path), max_files=11)
    with pytest.raises(DatasetError, match="take more than"):
        find_parquet_images(open_source(tmp_path), max_bytes=100)


@pytest.mark.parametrize("order", ["forwards", "backwards", "shuffled"])
@pytest.mark.parametrize("pending", [0, 10_000, 10**9])
def test_any_order_of_many_threads_reads_every_picture(tmp_path: Path, monkeypatch, order, pending):
    monkeypatch.setattr(parquet_images, "PENDING_BYTES", pending)
    monkeypatch.setattr(parquet_images, "OPEN_STREAMS", 2)
    made = pictures(300)
    write_table(tmp_path, "train.parquet", image_table(made, PETS), row_group_size=70)
    source = found(tmp_path)
    entries = list(source.entries())
    if order != "forwards":
        entries.reverse()
    if order == "shuffled":
        random.Random(0).shuffle(entries)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda entry: source.read(entry, MANY), entries))
    by_name = {item.name: item.data for item in made}
    assert read == [by_name[entry.name.rpartition("-")[2]] for entry in entries]
    assert source.read(entries[0], MANY) == read[0]  # and again


def test_a_large_row_group_is_streamed_and_not_held(tmp_path: Path):
    """One group of 160 MB: pyarrow's own memory stays far below it."""
    size = 2**20
    kept = random.Random(0).randbytes(size)
    made = [Labelled(f"{n}.jpg", b"\xff\xd8\xff" + n.to_bytes(4, "big") + kept, PETS[n % 2]) for n in range(160)]
    table = image_table(made, PETS)
    options = {"compression": "none", "use_dictionary": False, "write_batch_size": 4}
    path = write_table(tmp_path, "train.parquet", table, row_group_size=1000, **options)
    assert pq.ParquetFile(path).num_row_groups == 1
    del table
    source = found(tmp_path)
    pa.default_memory_pool().release_unused()
    before, peak = pa.total_allocated_bytes(), 0
    for entry, item in zip(source.entries(), made, strict=True):
        assert source.read(entry, MANY) == item.data
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 100 * size


def test_importing_the_readers_loads_no_pyarrow(tmp_path: Path):
    """Pages import some of these modules, and start fast."""
    code = (
        "import sys, core.datasets.labels.parquet_source, core.datasets.labels.labelled_files\n"
        "import core.datasets.hugging_face_export\n"
        "print(*({'pyarrow', 'pandas', 'torch', 'datasets', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert done.stdout.strip() == ""


def test_a_decoder_reads_what_a_source_gives(tmp_path: Path):
    from PIL import Image

    made = [Labelled(f"{n}.png", encoded(photo(n), "PNG"), PETS[n % 2]) for n in range(4)]
    write_parquet(made, tmp_path)
    source = FolderSource(tmp_path)
    images = find_parquet_images(source)
    assert images is not None
    assert {Image.open(io.BytesIO(images.read(entry, MANY))).size for entry in images.entries()} == {(64, 48)}
