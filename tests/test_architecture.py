"""Arrows run one way, and the pages' process never imports torch."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT

LOWER = {"core": {"pages", "streamlit", "streamlit_app"}, "models": {"pages", "core", "streamlit", "streamlit_app"}}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", LOWER)
def test_arrows_run_from_pages_to_core_to_models(package: str) -> None:
    files = sorted((PROJECT_ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(path): imported(path) & LOWER[package] for path in files}
    assert not {path: found for path, found in wrong.items() if found}


PAGE_FILES = {path.stem for path in (PROJECT_ROOT / "pages").glob("*.py")}


def imported_parts(path: Path) -> set[str]:
    """Modules of pages that a file imports, anywhere in it; of packages, the modules taken from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if (PROJECT_ROOT / (name.replace(".", "/") + ".py")).is_file() and "pages." in name}


@pytest.mark.parametrize("page", sorted(PAGE_FILES))
def test_a_page_is_made_of_its_own_parts_and_shared_ones(page: str) -> None:
    packages = {
        name.split(".")[2] for name in imported_parts(PROJECT_ROOT / "pages" / f"{page}.py") if "components" in name
    }
    assert packages <= {page, "shared"}


def test_no_file_of_the_pages_imports_itself_through_others() -> None:
    files = sorted((PROJECT_ROOT / "pages").rglob("*.py"))
    graph = {".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts): imported_parts(path) for path in files}
    assert len(graph) > 50
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {path.stem for package in ("core", "models", "pages") for path in (PROJECT_ROOT / package).rglob("*.py")}
    assert not names & {"utils", "common", "helpers", "manager", "misc"}


def test_nothing_that_the_pages_import_loads_torch() -> None:
    code = (
        "import sys, importlib, pathlib\n"
        "paths = sorted(p for part in ('components', 'server') for p in pathlib.Path('pages', part).rglob('*.py'))\n"
        "assert len(paths) > 40\n"
        "for path in paths:\n"
        "    importlib.import_module('.'.join(path.with_suffix('').parts))\n"
        "assert 'torch' not in sys.modules and 'torchvision' not in sys.modules, 'torch was imported'\n"
        "assert 'scipy' not in sys.modules, 'scipy was imported'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


DEEDS = {
    "create", "create_race", "request_stop", "resume", "delete", "delete_dataset", "rename", "rename_race",
    "start_judging", "make_demo_dataset", "start_demo",
}  # fmt: skip


def test_whatever_a_page_changes_it_says_on_whose_behalf() -> None:
    files = [PROJECT_ROOT / "streamlit_app.py", *sorted((PROJECT_ROOT / "pages").rglob("*.py"))]
    found, wrong = 0, []
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in DEEDS or (name == "start" and node.args):
                found += 1
                if "by" not in {keyword.arg for keyword in node.keywords}:
                    wrong.append(f"{path.name}:{node.lineno} {name}")
    assert found >= 10
    assert not wrong
