"""Commands that refuse what they were asked for."""

import pytest

from core.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one sentence, on stderr, with which a command refuses."""
    capsys.readouterr()
    assert main([*words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err
