"""Which classes are, by name, among the 1,000 of ImageNet-1K, on which backbones are pretrained. No torch.

The names come with torchvision; its file is read as text, because importing it would import torch.
"""

import ast
import importlib.util
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

# general words for what ImageNet names by breed or species: its first and last such class
GENERAL = {
    "dog": (151, 268), "cat": (281, 285), "bird": (80, 100), "snake": (52, 68), "spider": (72, 77),
    "butterfly": (321, 326), "monkey": (371, 382), "fish": (389, 397), "shark": (2, 4), "bear": (294, 297),
    "lizard": (38, 48), "insect": (300, 326),
}  # fmt: skip
CLASSES = 1000


@lru_cache(maxsize=1)
def imagenet_names() -> tuple[str, ...]:
    """The 1,000 names in ImageNet's order; empty where torchvision is not installed or keeps them elsewhere."""
    try:
        spec = importlib.util.find_spec("torchvision")
        if spec is None or not spec.origin:
            return ()
        tree = ast.parse((Path(spec.origin).parent / "models" / "_meta.py").read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_IMAGENET_CATEGORIES":
                names = tuple(str(name) for name in ast.literal_eval(node.value))
                return names if len(names) == CLASSES else ()
    except (OSError, ValueError, SyntaxError, ImportError):
        pass
    return ()


@lru_cache(maxsize=256)
def seen_in_imagenet(classes: tuple[str, ...]) -> dict[str, str]:
    """Class name -> a class of ImageNet that is the same or a kind of it (`Dog` -> `Chihuahua`), where there is one."""
    names = imagenet_names()
    if not names:
        return {}
    known = {_words(name): name for name in names}
    found = {}
    for given in classes:
        words = _words(given)
        if not words:
            continue
        if words in known:
            found[given] = known[words]
        elif len(words) == 1 and words[0] in GENERAL:
            found[given] = names[GENERAL[words[0]][0]]
        else:
            kind = next((name for key, name in known.items() if key[-len(words) :] == words), None)
            if kind is not None:  # `terrier` -> `Boston terrier`
                found[given] = kind
    return found


def _words(name: str) -> tuple[str, ...]:
    """Lower-case words, the last one in the singular: `English_Springers` -> (english, springer)."""
    words: Sequence[str] = re.findall(r"[a-z0-9]+", name.lower())
    if not words:
        return ()
    last = words[-1]
    if len(last) > 3 and last.endswith("s") and not last.endswith(("ss", "us", "is")):
        last = last[:-1]
    return (*words[:-1], last)
