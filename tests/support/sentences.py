"""What a sentence about a fault has to be, wherever people read it."""

import re
from pathlib import Path

from core.settings import PROJECT_ROOT, Settings

REMEDIES = (
    "add", "again", "ask", "check", "choose", "convert", "crop", "delete", "export", "fetch", "give", "import",
    "leave", "look", "make", "move", "need", "open", "pack", "put", "remove", "rename", "run", "save", "scale", "train",
    "unpack", "used", "write",
)  # fmt: skip


def assert_plain(sentence: str, *names: str, settings: Settings) -> None:
    """One sentence with a remedy, which names what it is about, and nothing of the machine."""
    for name in names:
        assert name in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    rest = sentence
    for name in names:
        rest = rest.replace(name, "X")
    assert not re.search(r"[.!?] +[A-Z]", rest), f"more than one sentence: {sentence}"
    assert any(re.search(rf"\b{word}", rest, re.IGNORECASE) for word in REMEDIES), f"no remedy: {sentence}"
    assert_nothing_of_the_machine(sentence, settings)


def assert_nothing_of_the_machine(text: str, settings: Settings) -> None:
    """No traceback and no path of the server in what a person reads."""
    assert "Traceback" not in text
    assert 'File "' not in text
    for path in (settings.home, settings.home.parent, PROJECT_ROOT, Path.home(), Path("/tmp"), Path("/etc")):
        assert not re.search(rf"{re.escape(str(path))}(/|\b)", text), f"{path} is shown: {text}"
