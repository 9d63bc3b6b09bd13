"""Runs exported notebooks as their readers do: in a kernel of their own, which does not find this project."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import skip_or_fail

LAST = """
import importlib.util, json, sys
assert importlib.util.find_spec("core") is None and importlib.util.find_spec("models") is None
print(json.dumps({"correct": correct, "n": n, "inside": bool(inside), "torch": "torch" in sys.modules}))
"""


def run_notebook(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a notebook in a folder; returns its result, and its printed text by cell.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    try:
        import ipykernel  # noqa: F401
        import nbclient
        import nbformat
    except ImportError as error:
        skip_or_fail(f"This test runs a notebook: pip install -r requirements-dev.txt ({error.name} is missing).")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST, id="last"))
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    printed = {
        cell["id"]: "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    return {**json.loads(printed["last"]), "printed": printed}
