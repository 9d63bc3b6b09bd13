"""Layout: labels and splits from names alone."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.layout import MAX_CLASS_NAME, SPLIT_WORDS, read_layout
from core.errors import DatasetError

WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=8).filter(lambda text: text not in SPLIT_WORDS)


@given(classes=st.sets(WORDS, min_size=2, max_size=6), wrap=st.lists(WORDS, max_size=3), deep=st.booleans())
@settings(max_examples=60, deadline=None)
def test_classes_are_found_below_any_wrapping_folders(classes: set[str], wrap: list[str], deep: bool) -> None:
    names = [
        "/".join([*wrap, label, *(["inner"] if deep and number else []), f"{number}.jpg"])
        for label in classes
        for number in range(3)
    ]
    layout = read_layout(names)
    assert {item.label for item in layout.placed} == classes
    assert all(item.problem is None and item.split is None for item in layout.placed)


@given(order=st.permutations(range(8)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_names_does_not_change_labels(order: list[int]) -> None:
    names = [f"pets/{label}/{number}.jpg" for label in ("cat", "dog") for number in range(4)]
    straight = {item.name: item.label for item in read_layout(names).placed}
    shuffled = {item.name: item.label for item in read_layout([names[place] for place in order]).placed}
    assert straight == shuffled


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("val", ["val", "valid", "VALIDATION", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_split_folders_are_known_by_their_usual_names(train: str, val: str, test: str) -> None:
    names = [f"{split}/{label}/1.jpg" for split in (train, val, test) for label in ("a", "b")]
    layout = read_layout(names)
    assert layout.splits_given
    assert [item.split for item in layout.placed] == ["train", "train", "val", "val", "test", "test"]


def test_text_files_have_no_say_in_the_layout() -> None:
    layout = read_layout(["readme.txt", "pets/cat/1.jpg", "pets/dog/1.jpg", "notes/x.csv"])
    assert {item.label for item in layout.placed if item.problem is None} == {"cat", "dog"}
    assert [item.name for item in layout.placed if item.problem] == ["readme.txt", "notes/x.csv"]


def test_a_loose_picture_is_refused_with_its_reason() -> None:
    layout = read_layout(["cat/1.jpg", "dog/1.jpg", "loose.jpg"])
    assert [(item.name, "outside any class folder" in (item.problem or "")) for item in layout.placed][2] == (
        "loose.jpg",
        True,
    )


def test_class_names_are_cleaned_and_kept_apart() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    long = "x" * 300
    layout = read_layout([f"{label}/1.jpg" for label in (composed, decomposed, "a\u202eb\x07c", long)])
    labels = [item.label for item in layout.placed]
    assert len(set(labels)) == 4
    assert "abc" in labels
    assert max(map(len, labels)) == MAX_CLASS_NAME
    assert any("would both be called" in note for note in layout.notes)


def test_a_name_that_is_not_utf8_can_be_written() -> None:
    layout = read_layout(["a\udce9/1\udce9.jpg", "b/2.jpg"])
    for item in layout.placed:
        assert (item.name + item.label).encode("utf-8")


def test_too_many_classes_get_a_sentence() -> None:
    with pytest.raises(DatasetError, match="at most 1,000"):
        read_layout([f"class{number}/1.jpg" for number in range(1001)])


def test_the_wanted_layout_is_shown_where_there_is_one_class() -> None:
    with pytest.raises(DatasetError, match=r"pets/cat/one\.jpg and pets/dog/two\.jpg"):
        read_layout(["cat/1.jpg", "cat/2.jpg"])
