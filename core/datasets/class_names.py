"""Class names as people may see them anywhere: one Unicode form, no control characters, bounded, all different."""

import unicodedata
from collections import Counter
from collections.abc import Collection

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
        text = clean_name(label)[:MAX_CLASS_NAME] or "unnamed"
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


def clean_name(name: str) -> str:
    """A name in composed form, without control characters and outer blanks."""
    composed = unicodedata.normalize("NFC", name)
    return " ".join("".join(c for c in composed if unicodedata.category(c)[0] != "C").split())
