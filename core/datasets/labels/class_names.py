"""Class names as people may see them anywhere: what is invisible goes, what makes letters and emoji stays."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection

JOINERS = "\u200c\u200d"  # zero width non-joiner (Persian, Indic scripts) and joiner (emoji of several)
FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{2,16}\U000e007f")  # of England, Scotland …: UTS 51, ED-14a
MAX_CLASS_NAME = 100


def clean_labels(labels: Collection[str], notes: list[str]) -> dict[str, str]:
    """Labels as class names; those that differ in blanks or Unicode form only are one class.

    Args:
        notes: gets a sentence for every name that changed its meaning.
    """
    cleaned: dict[str, str] = {}
    taken: dict[str, str] = {}
    for label in sorted(set(labels)):
        same = " ".join(unicodedata.normalize("NFC", label).split())
        text = clean_class_name(label)[:MAX_CLASS_NAME] or "unnamed"
        number = 1
        while (shown := text if number == 1 else f"{text} ({number})") in taken and taken[shown] != same:
            number += 1
        if number > 1:
            notes.append(f"Two classes would both be called {text!r}: one is now {shown}.")
        taken[shown] = same
        cleaned[label] = shown
    folded = Counter(text.casefold() for text in set(cleaned.values()))
    for text, count in folded.items():
        if count > 1:
            notes.append(f"Classes differ only in capital letters ({text!r}): they are kept as separate classes.")
    return cleaned


def clean_class_name(name: str) -> str:
    """A name in Unicode's form NFC, without control, formatting and separating characters, and spaces around it.

    Kept are joiners between letters or emoji, and the tag characters of a flag; elsewhere such characters are
    invisible, hide text, or turn its direction.
    Source: Unicode Technical Reports 36 (bidirectional overrides) and 51 (emoji sequences).
    """
    text = unicodedata.normalize("NFC", name)
    tags = {place for flag in FLAG.finditer(text) for place in range(*flag.span())}
    kept = [
        letter
        for place, letter in enumerate(text)
        if place in tags
        or (letter in JOINERS and _joins(text[place - 1 : place]) and _joins(text[place + 1 : place + 2]))
        or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]
    return "".join(kept).strip()


def _joins(letter: str) -> bool:
    """Whether a joiner next to it means something: at letters, marks, emoji and what modifies them."""
    return bool(letter) and (
        unicodedata.category(letter)[0] in "LM" or unicodedata.category(letter) in ("So", "Sk", "Cn")
    )
