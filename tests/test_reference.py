"""docs/cli.md and docs/settings.md: made from the code, complete, and not out of date."""

import re

import click
import pytest

from core.cli.main import COMMANDS
from core.settings import PROJECT_ROOT
from docs.reference import PAGES

CODE = [PROJECT_ROOT / "streamlit_app.py", *(PROJECT_ROOT / name for name in ("core", "models", "pages"))]


def read(name: str) -> str:
    return (PROJECT_ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name):
    assert read(name) == PAGES[name](), f"{name} is out of date: run `python -m docs.reference`"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_and_option_is_documented_with_help(command):
    text = read("docs/cli.md")
    assert f"\n## {command.name}\n" in text
    assert command.help
    for option in (param for param in command.params if isinstance(param, click.Option)):
        assert option.help, option.name
        for spelling in (*option.opts, *option.secondary_opts):
            assert re.search(rf"`[^`\n]*{spelling}[ `]", text), f"{command.name} {spelling}"


def test_every_variable_that_the_code_reads_is_documented():
    files = [file for place in CODE for file in ([place] if place.is_file() else place.rglob("*.py"))]
    found = {
        name for file in files for name in re.findall(r"TUNEMYPETS_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))
    }
    text = read("docs/settings.md")
    assert len(found) > 20
    assert [name for name in sorted(found) if f"| `{name}` |" not in text] == []
