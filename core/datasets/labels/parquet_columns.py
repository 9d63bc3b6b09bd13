"""Columns of Parquet files as text, with the class names that Hugging Face keeps in a schema's metadata.

pyarrow is imported when it is needed: pages import this file's users, and must start fast.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.errors import DatasetError

UNLABELLED = ""
LFS_POINTER = b"version https://git-lfs"


def class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """Class names of each ClassLabel column of a pyarrow schema.

    Source: the key `huggingface` that `datasets` writes into a schema's metadata.
    """
    return {
        name: tuple(map(str, feature["names"]))
        for name, feature in hugging_face_features(schema).items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }


def hugging_face_features(schema: Any) -> dict[str, Any]:
    """The features of `datasets` in a schema's metadata, by column; none where there are none, or they are damaged."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_text_like(kind: Any) -> bool:
    """Whether values of a pyarrow type can be written as one short text: words, numbers, dates; no bytes, no lists."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return is_text_like(kind.value_type)
    if types.is_null(kind) or types.is_nested(kind):
        return False
    return not is_bytes(kind)


def is_bytes(kind: Any) -> bool:
    """Whether values of a pyarrow type are bytes."""
    from pyarrow import types

    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(test(kind) for test in tests)


@contextmanager
def readable_parquet(name: str) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into one sentence."""
    import pyarrow as pa

    try:
        yield
    except PermissionError as error:
        raise DatasetError(f"{name} cannot be read ({error.strerror}): check its permissions.") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetError(
            f"{name} is not a readable Parquet file (cut off or damaged): download or copy it again."
        ) from error


def read_texts(column: Any, names: tuple[str, ...] = ()) -> list[str]:
    """A pyarrow column as texts; what is missing is empty, and whole numbers have no `.0`.

    Args:
        names: of the classes, where the numbers of the column are their places; a place that is none is empty.
    """
    values: list[Any] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):  # its values are made once, not once a row
            shared = chunk.dictionary.to_pylist()
            values += [None if place is None else shared[place] for place in chunk.indices.to_pylist()]
        else:
            values += chunk.to_pylist()
    if names:
        return [names[value] if isinstance(value, int) and 0 <= value < len(names) else UNLABELLED for value in values]
    values = [None if value != value else value for value in values]
    numbers = [value for value in values if isinstance(value, float)]
    if numbers and all(value.is_integer() for value in numbers):
        values = [int(value) if isinstance(value, float) else value for value in values]
    return [UNLABELLED if value is None else _text(value) for value in values]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
