"""Notebooks from templates: Markdown, with code in fences that name what their cell does."""

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

FENCE = re.compile(r"^```python ([a-z ]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HIDDEN = "hidden"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        name: of a code cell, such as `network`; empty for text.
        hidden: its code is folded, because it is long and nothing to read.
    """

    source: str
    name: str = ""
    hidden: bool = False


def split_cells(text: str) -> list[Cell]:
    """The cells of a template with its values in place."""
    return list(_split(text))


def _split(text: str) -> Iterator[Cell]:
    end = 0
    for fence in FENCE.finditer(text):
        if words := text[end : fence.start()].strip():
            yield Cell(words)
        *marks, name = fence[1].split()
        yield Cell(fence[2].rstrip(), name, HIDDEN in marks)
        end = fence.end()
    if words := text[end:].strip():
        yield Cell(words)


def write_cells(cells: Iterable[Cell], *, accelerator: bool) -> str:
    """The text of a notebook file.

    Args:
        accelerator: whether Colab should offer a GPU.
    """
    import nbformat

    metadata: dict[str, Any] = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "colab": {"provenance": []},
    }
    if accelerator:
        metadata["accelerator"] = "GPU"
    written = [_write_cell(number, cell) for number, cell in enumerate(cells)]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": written}
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _write_cell(number: int, cell: Cell) -> dict[str, Any]:
    source = cell.source.splitlines(keepends=True)
    if not cell.name:
        return {"cell_type": "markdown", "id": f"text-{number}", "metadata": {}, "source": source}
    metadata = {"cellView": "form", "jupyter": {"source_hidden": True}} if cell.hidden else {}
    values = {"metadata": metadata, "source": source, "outputs": [], "execution_count": None}
    return {"cell_type": "code", "id": cell.name, **values}


def run_cells(cells: Iterable[Cell], names: Iterable[str], namespace: dict[str, Any]) -> None:
    """Run the cells of these names, in the order of the notebook, as its reader will."""
    wanted = set(names)
    with redirect_stdout(io.StringIO()):
        for cell in cells:
            if cell.name in wanted:
                exec(compile(cell.source, f"<{cell.name}>", "exec"), namespace)
