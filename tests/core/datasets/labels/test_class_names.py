"""Class names keep what makes letters and emoji, and lose what nobody sees."""

import pytest

from core.datasets.labels.class_names import clean_class_name


@pytest.mark.parametrize(
    "name",
    ["👩‍🍳", "🐈‍⬛", "❤️‍🔥", "👩🏽‍🚒", "می‌خواهم", "क्‍ष", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇩🇪", "1️⃣", "🫎", "猫", "Kätzchen", "a b", "x" * 300],
)
def test_what_makes_letters_and_emoji_stays(name: str) -> None:
    assert clean_class_name(name) == name


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a\u202egnp", "agnp"),
        ("\u2066cat\u2069\u200e", "cat"),
        ("cat\u200d", "cat"),
        ("\u200ccat", "cat"),
        ("cat\u200d dog", "cat dog"),
        ("1\u200d2", "12"),
        ("a\u200d\u200db", "ab"),
        ("cat\U000e0067\U000e0062\U000e007f", "cat"),
        ("\U0001f3f4\U000e0067\U000e0062", "\U0001f3f4"),
        ("\ufeffcat\u00ad\u2060", "cat"),
        ("a\x00\x07\x9bb", "ab"),
        ("a\nb\u2028c", "abc"),
        (" cat\t", "cat"),
        ("Ka\u0308tzchen", "Kätzchen"),
        ("\ud83d", ""),
    ],
)
def test_what_nobody_sees_goes(name: str, clean: str) -> None:
    assert clean_class_name(name) == clean
    assert clean_class_name(clean) == clean
