"""The same labelled pictures in each form that users of Hugging Face have.

python -m tests.support.hugging_face_forms CLASS_FOLDERS OUT      writes every form below OUT
"""

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SPLIT_FOLDERS = {None: "", "train": "train", "val": "validation", "test": "test"}
SHARDS = 2
GROUP_ROWS = 50


@dataclass(frozen=True)
class Labelled:
    """A picture with its label, and its split where one is given."""

    name: str
    data: bytes
    label: str
    split: str | None = None


def read_class_folders(folder: Path) -> list[Labelled]:
    """All files of a folder of class folders."""
    return [
        Labelled(path.name, path.read_bytes(), path.parent.name)
        for path in sorted(folder.glob("*/*"))
        if path.is_file() and not path.name.startswith(".")
    ]


def write_class_folders(pictures: Sequence[Labelled], target: Path) -> None:
    for number, item in enumerate(pictures):
        write(target / SPLIT_FOLDERS[item.split] / item.label / f"{number}-{item.name}", item.data)


def write_csv(pictures: Sequence[Labelled], target: Path) -> None:
    for folder, rows in write_flat(pictures, target).items():
        with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file_name", "label"), *rows])


def write_jsonl(pictures: Sequence[Labelled], target: Path) -> None:
    for folder, rows in write_flat(pictures, target).items():
        lines = [json.dumps({"file_name": name, "label": label}, ensure_ascii=False) + "\n" for name, label in rows]
        (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


def write_metadata_parquet(pictures: Sequence[Labelled], target: Path) -> None:
    for folder, rows in write_flat(pictures, target).items():
        columns = {"file_name": [name for name, _ in rows], "label": [label for _, label in rows]}
        pq.write_table(pa.table(columns), folder / "metadata.parquet")


def write_parquet(pictures: Sequence[Labelled], target: Path) -> None:
    """Shards as `datasets` pushes them to a hub."""
    (target / "data").mkdir(parents=True)
    names = sorted({item.label for item in pictures})
    parts: dict[str | None, list[Labelled]] = defaultdict(list)
    for item in pictures:
        parts[item.split].append(item)
    for split, part in parts.items():
        for shard in range(SHARDS):
            name = f"{SPLIT_FOLDERS[split] or 'train'}-{shard:05d}-of-{SHARDS:05d}.parquet"
            table = image_table(part[shard::SHARDS], names)
            pq.write_table(table, target / "data" / name, row_group_size=GROUP_ROWS)


def image_table(pictures: Sequence[Labelled], names: Sequence[str], **more: Any) -> pa.Table:
    """Pictures and class numbers, with the class names in the schema's metadata; `more` are further columns."""
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    images = [{"bytes": item.data, "path": item.name} for item in pictures]
    labels = [names.index(item.label) if item.label in names else -1 for item in pictures]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), "label": pa.array(labels, pa.int64()), **more})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write_flat(pictures: Sequence[Labelled], target: Path) -> dict[Path, list[tuple[str, str]]]:
    """Write the pictures of each split into one folder, without their labels; returns the rows of each folder."""
    rows: dict[Path, list[tuple[str, str]]] = defaultdict(list)
    for number, item in enumerate(pictures):
        folder = target / SPLIT_FOLDERS[item.split]
        name = f"images/{number}{Path(item.name).suffix}"
        write(folder / name, item.data)
        rows[folder].append((name, item.label))
    return rows


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


FORMS: dict[str, Callable[[Sequence[Labelled], Path], None]] = {
    "class-folders": write_class_folders,
    "metadata-csv": write_csv,
    "metadata-jsonl": write_jsonl,
    "metadata-parquet": write_metadata_parquet,
    "parquet": write_parquet,
}

if __name__ == "__main__":
    found = read_class_folders(Path(sys.argv[1]))
    for form, write_form in FORMS.items():
        write_form(found, Path(sys.argv[2]) / form)
    print(f"Wrote {len(found)} pictures in {len(FORMS)} forms to {sys.argv[2]}")
