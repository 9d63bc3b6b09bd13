"""Imports run one way, names mean one thing, documents name what exists, and the server never imports torch."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
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


def test_a_requirements_file_names_every_package_that_is_imported() -> None:
    named = set()
    for path in PROJECT_ROOT.glob("requirements*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.match(r"[\w.-]+(?=[~<>=\[;])", line)
            named |= {_normal(found[0])} if found else set()
    ours = {path.name for path in PROJECT_ROOT.iterdir()} | {"core", "models", "pages"} | sys.stdlib_module_names
    folders = (PROJECT_ROOT / package for package in ("core", "models", "pages"))
    outside = {name for folder in folders for path in folder.rglob("*.py") for name in imported(path)} - ours
    packages = packages_distributions()
    unnamed = {name for name in outside if not named & {_normal(each) for each in (name, *packages.get(name, ()))}}
    assert unnamed == {"markupsafe", "pydantic_core"}, "which are parts of jinja2 and pydantic"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def module_files() -> dict[str, Path]:
    """Every module of the program by its dotted name."""
    found = {}
    for path in (path for package in ("core", "models", "pages") for path in (PROJECT_ROOT / package).rglob("*.py")):
        parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def import_graph() -> dict[str, set[str]]:
    """The modules that each module imports: at its top, in functions and for type checkers alike."""
    files = module_files()
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        named: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= whole & files.keys() or {node.module}
        graph[module] = (named & files.keys()) - {module}
    return graph


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_imports_itself_through_others() -> None:
    assert len(import_graph()) > 150
    assert cycle_in(import_graph()) == []


def test_no_package_imports_itself_through_others() -> None:
    def package_of(module: str) -> str:
        return module if module_files()[module].name == "__init__.py" else module.rpartition(".")[0]

    packages: dict[str, set[str]] = {}
    for module, imports in import_graph().items():
        there = {package_of(name) for name in imports}
        packages.setdefault(package_of(module), set()).update(there - {package_of(module)})
    for single in ("core", "pages"):  # files of their own: the graph of files holds for them
        packages.pop(single, None)
    packages = {name: imports - {"core", "pages"} for name, imports in packages.items()}
    assert "core.training" in packages["core.jobs.workers"]
    assert cycle_in(packages) == []


@pytest.mark.parametrize("page", sorted(path.stem for path in (PROJECT_ROOT / "pages").glob("*.py")))
def test_a_page_is_made_of_its_own_parts_and_shared_ones(page: str) -> None:
    parts = {name.split(".")[2] for name in import_graph()[f"pages.{page}"] if name.startswith("pages.components.")}
    assert parts <= {page, "shared"}


def test_a_file_name_has_one_meaning() -> None:
    private = {"__init__", "__main__"}
    names = Counter(path.stem for path in module_files().values() if path.stem not in private)
    assert {name for name, count in names.items() if count > 1} <= {"errors"}  # core.errors draws the whole tree
    assert not names.keys() & {"utils", "common", "helpers", "manager", "misc"}


DOCUMENTS = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "CHANGELOG.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]
TOP = ("core", "models", "pages", "tests", "bench", "docs", "tools", ".ci", ".streamlit")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT_ROOT).as_posix())
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = {
        PROJECT_ROOT / path for path in re.findall(rf"(?<![\w/.-])(?:{'|'.join(map(re.escape, TOP))})/[\w./-]*\w", text)
    }
    linked = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    named |= {(document.parent / link) for link in linked}
    for module in re.findall(r"python -m ((?:core|bench|docs|tools)[\w.]*)", text):
        place = PROJECT_ROOT / module.replace(".", "/")
        named.add(place if place.is_dir() else place.with_suffix(".py"))
    named.discard(PROJECT_ROOT / ".streamlit" / "secrets.toml")  # written by whoever wants to sign in
    missing = {path.relative_to(PROJECT_ROOT).as_posix() for path in named if not path.resolve().exists()}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT_ROOT).as_posix())
def test_every_heading_that_a_document_links_to_exists(document: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_the_readme_leads_to_every_page_of_the_documentation() -> None:
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    pages = {f"docs/{path.name}" for path in (PROJECT_ROOT / "docs").glob("*.md")}
    assert pages <= set(re.findall(r"\]\((docs/[^)#\s]+)", text))


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
    "create", "create_race", "start_race", "request_stop", "resume", "delete", "delete_dataset", "rename",
    "rename_race", "start_evaluation", "make_demo_dataset", "start_demo",
    "stop_race", "restart_race", "evaluate_race", "delete_race",
    "start_examination", "cancel_examination", "start_probes", "cancel_probes",
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


def test_the_architecture_names_each_package_of_core_on_its_floor() -> None:
    table = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Processes")[0]
    floors: dict[int, set[str]] = {}
    for floor, package in re.findall(r"^\| (\d+) \| `(\w+)/` \|", table, re.MULTILINE):
        floors.setdefault(int(floor), set()).add(package)
    contracts = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (item["layers"] for item in contracts["contracts"] if item.get("containers") == ["core"])
    there = {path.parent.name for path in (PROJECT_ROOT / "core").glob("*/__init__.py")}
    held = [packages for layer in layers if (packages := set(layer.split(" | ")) & there)]
    assert [floors[floor] for floor in sorted(floors, reverse=True)] == held
    files = {path.stem for path in (PROJECT_ROOT / "core").glob("*.py")} - {"__init__", "__main__"}
    assert files <= set(re.findall(r"`(\w+)`", table))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT_ROOT).as_posix())
def test_every_module_that_a_document_names_without_its_path_exists(document: Path) -> None:
    there = {path.name for path in PROJECT_ROOT.glob("*.py")}
    there |= {path.name for top in TOP for path in (PROJECT_ROOT / top).rglob("*.py")}
    assert set(re.findall(r"`([a-z_]+\.py)`", document.read_text(encoding="utf-8"))) <= there
