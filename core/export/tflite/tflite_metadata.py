"""The metadata of a TensorFlow Lite file by which MediaPipe and others know its input and its labels.

A table of its own format inside the model, and the labels as a file that is appended to it: the end of a `.tflite` is a
zip. Source: `metadata_schema.fbs` of MediaPipe, version 1.5.0; the numbers below are places of fields in its tables.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HALF = 127.5  # of the range of pixels: (x - 127.5) / 127.5 is in [-1, 1]
LABELS = "labels.txt"
NAME, IDENTIFIER = b"TFLITE_METADATA", b"M001"
_IMAGE, _FEATURE, _NORMALISATION = 2, 1, 1  # kinds in unions
_RGB, _AXIS_LABELS = 1, 2


def describe_model(title: str, about: str) -> bytes:
    """The table: one picture in, scaled with one mean and one deviation; one probability a label out."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    scaling = _table(builder, {0: _floats(builder, [HALF]), 1: _floats(builder, [HALF])})
    unit = _table(builder, {0: _Byte(_NORMALISATION), 1: scaling})
    image = _table(builder, {0: _Byte(_RGB)})
    picture = _table(
        builder,
        {
            0: builder.CreateString("image"),
            1: builder.CreateString("The picture to classify, RGB."),
            3: _table(builder, {0: _Byte(_IMAGE), 1: image}),
            4: _vector(builder, [unit]),
            5: _table(builder, {0: _floats(builder, [1.0]), 1: _floats(builder, [-1.0])}),
        },
    )
    labels = _table(
        builder,
        {
            0: builder.CreateString(LABELS),
            1: builder.CreateString("The classes, in the order of the probabilities."),
            2: _Byte(_AXIS_LABELS),
        },
    )
    score = _table(
        builder,
        {
            0: builder.CreateString("probability"),
            1: builder.CreateString("How probable each class is; together 1."),
            3: _table(builder, {0: _Byte(_FEATURE), 1: _table(builder, {})}),
            5: _table(builder, {0: _floats(builder, [1.0]), 1: _floats(builder, [0.0])}),
            6: _vector(builder, [labels]),
        },
    )
    graph = _table(builder, {2: _vector(builder, [picture]), 3: _vector(builder, [score])})
    model = _table(
        builder,
        {
            0: builder.CreateString(title),
            1: builder.CreateString(about),
            3: _vector(builder, [graph]),
            7: builder.CreateString("1.0.0"),
        },
    )
    builder.Finish(model, IDENTIFIER)
    return bytes(builder.Output())


def set_metadata(path: Path, table: bytes) -> None:
    """Put the table into a finished model."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(table)
    model.buffers.append(buffer)
    entry.name, entry.buffer = NAME, len(model.buffers) - 1
    model.metadata = [*(item for item in model.metadata or [] if item.name != NAME), entry]
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def append_labels(path: Path, classes: Sequence[str]) -> None:
    """Put the labels behind a finished model, one plain name a line."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(LABELS, "".join(f"{name}\n" for name in classes))


class _Byte(int):
    """A number that lies in its table itself."""


def _table(builder: Any, fields: dict[int, int]) -> int:
    """A table with these fields: numbers of one byte, and places of what was written before."""
    builder.StartObject(max(fields, default=-1) + 1)
    for slot, value in fields.items():
        if isinstance(value, _Byte):
            builder.PrependInt8Slot(slot, value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _vector(builder: Any, places: Sequence[int]) -> int:
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())
