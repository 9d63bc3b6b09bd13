"""Why files make no dataset, as far as their names show it: one sentence with what to do instead."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from core.datasets.labels.words import is_image_folder, listed
from core.datasets.layouts.tables import SourceTables
from core.datasets.sources.source import SourceEntry
from core.formatting import readable

WANTED = "put the pictures of each class into a folder of its own, such as pets/cat/one.jpg and pets/dog/two.jpg."
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
NETWORKS = (
    ".tflite", ".keras", "keras_model.h5", ".onnx", ".pt", ".pth", ".pt2", ".safetensors", "weights.bin",
)  # fmt: skip
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
OTHERS = (  # endings of files, what these are, the remedy
    (NETWORKS, "a trained network",
     'import the pictures that it was trained on (in Teachable Machine: "Download project as file").'),
    (VIDEOS, "videos", "save single frames as JPEG, in a folder for each class."),
    (ARCHIVES, "archives", "import one of them, or unpack them and import the folder."),
)  # fmt: skip
NAMED_FILES = 2


def why_no_pictures(names: Sequence[str], where: str) -> str:
    """Why no file is a picture: what people took for a dataset.

    Args:
        where: how the sentence calls the place, such as `in pets.zip`.
    """
    for endings, what, remedy in OTHERS:
        if found := [name for name in names if name.lower().endswith(endings)]:
            return f"There are no pictures {where}, only {what} ({listed(found, NAMED_FILES)}): {remedy}"
    return f"There are no pictures {where}: {WANTED}"


def why_no_labels(
    entries: Sequence[SourceEntry], paths: Mapping[int, tuple[str, ...]], where: str, tables: SourceTables
) -> str:
    """Why pictures have no labels, as far as their neighbours show it."""
    names = [entry.name.lower() for entry in entries]
    problems, unused = tables.problems, [readable(name) for name in tables.unused]
    used = sorted(readable(entries[number].name) for number in tables.used)
    folders = sorted({parts[-2] for parts in paths.values() if len(parts) > 1})
    stems = {parts[-1].rpartition(".")[0].lower() for parts in paths.values()}
    if any(name.endswith(".txt") and PurePosixPath(name).stem in stems for name in names):
        reason = "the labels next to them are boxes for detection (YOLO), which give no picture a class"
    elif any(name.endswith(".xml") for name in names):
        reason = "the .xml files next to them are boxes for detection, which give no picture a class"
    elif any(name.endswith((".xlsx", ".xls")) for name in names):
        reason = "an Excel workbook next to them may hold labels, and is not read: save it as CSV"
    elif used:
        reason = f"no column of {listed(used)} gives most of them one label each"
    elif unused:
        reason = f"no row of {listed(unused)} names one of them"
    elif len(folders) == 1 and not is_image_folder(folders[0]):
        return f"There is only the class {folders[0]!r} {where}, and a classifier needs at least two: {WANTED}"
    else:
        reason = "no folder, file name or table of labels says what they show"
    if problems:
        return f"The {len(paths):,} pictures {where} have no labels, since a table could not be used: {problems[0]}"
    return f"The {len(paths):,} pictures {where} have no labels, since {reason}: {WANTED}"
