"""How options are read: cut short, by their old spellings, several values after one option."""

from typing import Any

import pytest

from core.cli.main import COMMANDS, GROUP, OLD_NAMES, main


def read(command: str, words: str) -> dict[str, Any]:
    return GROUP.commands[command].make_context(command, words.split()).params


@pytest.mark.parametrize(
    ("command", "words", "name", "value"),
    [
        ("train", "pets --epo 3", "epochs", "3"),
        ("train", "pets --epo=3", "epochs", "3"),
        ("train", "pets --no-batch", "batch_norm", False),
        ("train", "--det pets", "detach", True),
        ("train", "pets --js", "as_json", True),
        ("train", "pets --note -1", "note", "-1"),
        ("import", "x --n pets", "name", "pets"),  # and not --names, which it begins
        ("import", "x --names cp866", "names", "cp866"),
        ("race", "pets --equal images --image-s 64", "equal", "images"),
        ("export-room", "r.zip --datasets cats dogs --runs all", "datasets", ("cats", "dogs")),
        ("queue", "--first a b --json", "first", ("a", "b")),
        ("queue", "--json --first", "first", ("",)),
        ("queue", "--go-on", "resume", True),
        ("queue", "--go", "resume", True),
        ("queue", "--resume", "resume", True),
    ],
)
def test_an_option_is_read_as_it_is_written(command, words, name, value):
    assert read(command, words)[name] == value


def test_an_option_with_several_values_takes_all_that_follow(capsys):
    assert main(["export-room", "--data", "cats", "room.zip"]) == 2
    assert "Missing argument 'FILE.zip'" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["pets --augment x", "pets --no-such 1", "pets --batch 2"])
def test_an_option_that_is_unclear_or_unknown_is_wrong_usage(words, capsys):
    assert main(["train", *words.split()]) == 2
    assert "No such option" in capsys.readouterr().err


def test_old_names_of_commands_work_and_no_help_shows_them(settings, capsys):
    assert main(["judge", "no-such-run"]) == 1
    assert "no-such-run" in capsys.readouterr().err
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command.name} " in shown for command in COMMANDS)
    assert not any(f"\n  {name} " in shown for name in OLD_NAMES)
    assert main(["queue", "-h"]) == 0
    assert "go-on" not in capsys.readouterr().out


def test_opposites_are_wrong_usage(settings, capsys):
    assert main(["queue", "--pause", "--resume"]) == 2
    assert "opposites" in capsys.readouterr().err
