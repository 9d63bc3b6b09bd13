"""`pip install .`: one version, the data files, and the command `tunemypets`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT
from core.version import VERSION


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel of this checkout holds."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("core", "models"):
        shutil.copytree(PROJECT_ROOT / name, source / name, ignore=skipped)
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements.txt",
        "requirements-explain.txt",
        "requirements-heif.txt",
        "requirements-hub.txt",
        "requirements-notebook.txt",
    ):
        shutil.copy(PROJECT_ROOT / name, source)
    build = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build, str(target)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@pytest.mark.slow
def test_a_wheel_holds_the_version_the_command_and_what_the_app_needs(installed: Path) -> None:
    facts = installed / f"tunemypets-{VERSION}.dist-info"
    metadata = (facts / "METADATA").read_text(encoding="utf-8")
    assert f"\nVersion: {VERSION}\n" in metadata
    assert "\nRequires-Dist: torch" in metadata
    assert "\nProvides-Extra: explain\n" in metadata
    assert "tunemypets = core.cli.main:main" in (facts / "entry_points.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_installed_command_works_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import sys; sys.argv[0] = 'tunemypets'; from core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    environment = {name: value for name, value in os.environ.items() if name != "TUNEMYPETS_HOME"}
    environment |= {"PYTHONPATH": str(installed), "HOME": str(tmp_path)}

    def run(*words: str) -> str:
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Usage: tunemypets" in run("--help")
    assert "petnet.safetensors" in run("prefetch", "petnet")
    assert str(installed) in run("prefetch", "petnet")
    assert "No datasets yet" in run("datasets")
    assert (installed / "core" / "report" / "templates" / "report.html").exists()
    assert (installed / "core" / "export" / "templates" / "notebook_full.txt").exists()
