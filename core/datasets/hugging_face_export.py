"""Export of a dataset as a Hugging Face image folder, which `datasets` opens with the same labels and splits.

FOLDER/
    README.md               the card: how to load it, pictures of each class, fingerprint
    train/ validation/ test/
        metadata.parquet    file_name and label; the class names stand in its schema
        cat-00001.jpg …     the original bytes

Class folders would be read, too, but not for every name: `datasets` takes a class called `test` for a split, sorts the
names, and drops all labels without a word where a metadata file lies next to the folders or their depths differ. In a
CSV it would read `001` as 1 and `NA` as nothing. A Parquet table keeps any name, and their order.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.splits import SPLITS
from core.errors import DatasetError
from core.formatting import format_bytes
from core.storage import atomic_open, slug, sync_folder

SPLIT_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
METADATA = "metadata.parquet"
CARD = "README.md"
PROGRESS_SECONDS = 0.25
SPACE_BYTES = 16 * 2**20  # for tables, the card and the file system's own


@dataclass(frozen=True)
class ExportProgress:
    """Pictures written, of how many."""

    done: int
    total: int


@dataclass(frozen=True)
class ExportedDataset:
    """What was written: pictures per split, and their bytes."""

    images: dict[str, int]
    bytes_written: int


def export_dataset(dataset: Dataset, target: Path) -> Generator[ExportProgress, None, ExportedDataset]:
    """Write a dataset as an image folder at `target`, complete or not at all.

    Raises:
        DatasetError: one sentence: there is something at `target` already, its folder is not there or cannot be
            written, there is no room, or a picture of the dataset is missing or was changed.
    """
    target = target.resolve()
    _check_target(dataset, target)
    draft = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        draft.mkdir()
        written, last = 0, time.monotonic()
        for split in SPLITS:
            rows = dataset.rows_of(split)
            if not rows:
                continue
            folder = draft / SPLIT_FOLDERS[split]
            folder.mkdir()
            names: list[str] = []
            for row in rows:
                names.append(_file_name(dataset, row, len(names) + 1))
                (folder / names[-1]).write_bytes(dataset.read_image(row))
                written += 1
                if time.monotonic() - last > PROGRESS_SECONDS or written == len(dataset.rows):
                    last = time.monotonic()
                    yield ExportProgress(written, len(dataset.rows))
            _write_metadata(folder / METADATA, dataset.classes, names, [row.label for row in rows])
        with atomic_open(draft / CARD, "w") as file:
            file.write(write_card(dataset))
        if target.is_dir():
            target.rmdir()  # empty: some systems rename over no folder at all
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DatasetError(f"{target} cannot be written ({why}): make room, or choose another place.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    counts = {split: len(dataset.rows_of(split)) for split in SPLITS}
    return ExportedDataset(counts, sum(row.bytes for row in dataset.rows))


def _check_target(dataset: Dataset, target: Path) -> None:
    try:
        if target.is_dir():
            if any(target.iterdir()):
                raise DatasetError(f"The folder {target} is not empty: choose another name, or empty it.")
        elif target.exists() or target.is_symlink():
            raise DatasetError(f"{target} is there already: choose another name.")
        if not target.parent.is_dir():
            raise DatasetError(f"The folder {target.parent} is not there: make it first.")
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise DatasetError(f"{target} cannot be looked at ({error.strerror}): choose another place.") from error
    needed = sum(row.bytes for row in dataset.rows) + SPACE_BYTES
    if needed > free:
        raise DatasetError(
            f"The export takes about {format_bytes(needed)}, and {format_bytes(free)} are free: make room."
        )


def _file_name(dataset: Dataset, row: ImageRow, number: int) -> str:
    """A name that no system refuses, and that begins with the class where that can be written."""
    label = slug(dataset.classes[row.label], f"class-{row.label}")
    return f"{label}-{number:05d}{Path(row.path).suffix}"


def _write_metadata(path: Path, classes: Sequence[str], names: Sequence[str], labels: Sequence[int]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {
        "file_name": {"dtype": "string", "_type": "Value"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
    }
    table = pa.table({"file_name": pa.array(names, pa.string()), "label": pa.array(labels, pa.int64())})
    with atomic_open(path) as file:
        pq.write_table(
            table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), file
        )


def write_card(dataset: Dataset) -> str:
    """The text of the card: YAML for programs, then Markdown for people."""
    splits = [split for split in SPLITS if dataset.rows_of(split)]
    names = "".join(f"          '{place}': {_quoted(name)}\n" for place, name in enumerate(dataset.classes))
    files = "".join(f"  - split: {SPLIT_FOLDERS[split]}\n    path: {SPLIT_FOLDERS[split]}/**\n" for split in splits)
    counts = dataset.counts
    table = "".join(
        f"| {_plain(name)} | {' | '.join(f'{counts[name][split]:,}' for split in splits)} |\n"
        for name in dataset.classes
    )
    return f"""\
---
pretty_name: {_quoted(dataset.title)}
license: unknown
task_categories:
- image-classification
configs:
- config_name: default
  data_files:
{files}dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
{names}---

# {_plain(dataset.title)}

{len(dataset.rows):,} pictures of {len(dataset.classes):,} classes, for image classification.

| class | {" | ".join(SPLIT_FOLDERS[split] for split in splits)} |
| --- |{" ---: |" * len(splits)}
{table}
The licence of the pictures is unknown to the program that wrote this card: ask whoever took them before you publish
them, and put it here.

Each split is a folder with the original files and `{METADATA}`, which holds the name and the class of each file.

```python
from datasets import load_dataset

dataset = load_dataset("imagefolder", data_dir="this folder")
print(dataset["train"].features["label"].names)
```

Exported by TuneMyPets. Fingerprint of pictures, labels and splits: `{dataset.fingerprint}`
"""


def _quoted(text: str) -> str:
    """A text for YAML, whatever is in it: JSON's quotes, and escapes for characters that YAML takes for line ends."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _plain(text: str) -> str:
    """A text for one line of Markdown, without any markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#|~&!$:" else c for c in " ".join(text.split()))
