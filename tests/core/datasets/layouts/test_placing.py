"""Placing: labels, splits and clean class names from a source's files."""

import string
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.labels.class_names import MAX_CLASS_NAME
from core.datasets.labels.words import is_documentation, is_image_folder, is_mask_folder, is_variant, split_name
from core.datasets.layouts.placing import Layout, Placed
from core.datasets.layouts.placing import read_layout as read_source
from core.datasets.sources.source import MemorySource, SourceEntry
from core.errors import DatasetError

TELLING = (split_name, is_documentation, is_image_folder, is_mask_folder, is_variant)
WORDS = st.text(string.ascii_lowercase, min_size=2, max_size=8).filter(
    lambda text: not any(tells(text) for tells in TELLING)
)


def read_layout(names: Sequence[str]) -> Layout:
    return read_source(MemorySource("here", [(name, b"") for name in names]))


def placed_by(layout: Layout) -> list[Placed]:
    return [placed for _, placed in layout.files]


@given(classes=st.sets(WORDS, min_size=2, max_size=6), wrap=st.lists(WORDS, max_size=3), deep=st.booleans())
@settings(max_examples=60, deadline=None)
def test_classes_are_found_below_any_wrapping_folders(classes: set[str], wrap: list[str], deep: bool) -> None:
    names = [
        "/".join([*wrap, label, *(["inner"] if deep and number else []), f"{number}.jpg"])
        for label in classes
        for number in range(3)
    ]
    layout = read_layout(names)
    assert {item.label for item in placed_by(layout)} == classes
    assert all(item.problem is None and item.split is None for item in placed_by(layout))


@given(order=st.permutations(range(8)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_names_does_not_change_labels(order: list[int]) -> None:
    names = [f"pets/{label}/{number}.jpg" for label in ("cat", "dog") for number in range(4)]
    straight = {item.name: item.label for item in placed_by(read_layout(names))}
    shuffled = {item.name: item.label for item in placed_by(read_layout([names[place] for place in order]))}
    assert straight == shuffled


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("val", ["val", "valid", "VALIDATION", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_split_folders_are_known_by_their_usual_names(train: str, val: str, test: str) -> None:
    names = [f"{split}/{label}/1.jpg" for split in (train, val, test) for label in ("a", "b")]
    layout = read_layout(names)
    assert layout.splits_given
    assert [item.split for item in placed_by(layout)] == ["train", "train", "val", "val", "test", "test"]


def test_text_files_have_no_say_in_the_layout() -> None:
    layout = read_layout(["readme.txt", "pets/cat/1.jpg", "pets/dog/1.jpg", "notes/x.csv"])
    assert [item.label for item in placed_by(layout)] == ["cat", "dog"]
    assert layout.ignored == 2
    assert not layout.notes


def test_a_file_of_another_kind_outside_the_classes_is_named() -> None:
    layout = read_layout(["clip.mp4", "pets/cat/1.jpg", "pets/dog/1.jpg"])
    assert len(layout.files) == 2
    assert layout.notes == ["1 file outside the classes left out, as no pictures: clip.mp4."]


def test_a_text_in_a_class_folder_is_read_and_so_rejected_by_its_name() -> None:
    layout = read_layout(["cat/1.jpg", "cat/list.csv", "dog/1.jpg"])
    assert [item.name for item in placed_by(layout)] == ["cat/1.jpg", "cat/list.csv", "dog/1.jpg"]


def test_a_loose_picture_is_refused_with_its_reason() -> None:
    layout = read_layout(["cat/1.jpg", "dog/1.jpg", "loose.jpg"])
    assert "outside any class folder" in (placed_by(layout)[2].problem or "")


def test_one_name_in_two_unicode_forms_is_one_class() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    layout = read_layout([f"{label}/1.jpg" for label in (composed, decomposed, "tea")])
    assert [item.label for item in placed_by(layout)] == [composed, composed, "tea"]


@pytest.mark.parametrize("other", ["CAT", "cat ", "Ｃat".replace("Ｃ", "C")])
def test_one_name_in_other_capitals_in_another_split_is_one_class(other: str) -> None:
    layout = read_layout(
        [f"train/{label}/1.jpg" for label in ("cat", "dog")] + [f"test/{other}/2.jpg", "test/dog/2.jpg"]
    )
    assert {item.label for item in placed_by(layout)} == {"cat", "dog"}
    assert any("are one class" in note for note in layout.notes)


def test_two_names_in_one_folder_that_differ_in_capitals_stay_apart_with_a_note() -> None:
    layout = read_layout(["cat/1.jpg", "Cat/2.jpg", "dog/1.jpg"])
    assert {item.label for item in placed_by(layout)} == {"cat", "Cat", "dog"}
    assert any("capital letters" in note for note in layout.notes)


def test_class_names_are_cleaned_and_kept_apart() -> None:
    long = "x" * 300
    layout = read_layout([f"{label}/1.jpg" for label in ("a\u202eb\x07c", "abc", long, long + "y")])
    labels = [item.label for item in placed_by(layout)]
    assert len(set(labels)) == 4
    assert {"abc", "abc (2)"} <= set(labels)
    assert min(map(len, labels[2:])) == MAX_CLASS_NAME
    assert any("would both be called" in note for note in layout.notes)


def test_a_class_that_nothing_can_learn_is_left_out_with_the_remedy() -> None:
    names = [f"{split}/{label}/1.jpg" for split in ("train", "test") for label in ("cat", "dog")]
    layout = read_layout([*names, "test/fox/1.jpg"])
    assert {item.label for item in placed_by(layout)} == {"cat", "dog"}
    assert any("'fox' has no training picture" in note for note in layout.notes)


def test_labels_that_the_source_knows_are_taken_as_they_are() -> None:
    class Labelled(MemorySource):
        def entries(self) -> list[SourceEntry]:
            return [
                SourceEntry(f"row {n}", 0, "cat" if n % 2 else "dog", "train" if n < 6 else "test") for n in range(8)
            ]

    layout = read_source(Labelled("rows", []))
    assert layout.splits_given
    assert [(item.label, item.split) for item in placed_by(layout)][-2:] == [("dog", "test"), ("cat", "test")]


def test_an_unknown_layout_or_column_is_refused_with_what_there_is() -> None:
    source = MemorySource(
        "here", [(f"{group}/{label}/1.jpg", b"") for group in ("art", "photo") for label in ("a1", "b1")]
    )
    with pytest.raises(DatasetError, match="choose one of level"):
        read_source(source, layout="upside-down")
    with pytest.raises(DatasetError, match="no table of labels was found"):
        read_source(source, label_column="breed")


def test_the_column_that_a_person_names_holds_the_labels() -> None:
    rows = "".join(f"{n}.jpg,{'cat' if n % 2 else 'dog'},{'red' if n < 4 else 'grey'}\n" for n in range(8))
    files = [(f"images/{n}.jpg", b"") for n in range(8)] + [("t.csv", f"file,species,colour\n{rows}".encode())]
    assert {item.label for item in placed_by(read_source(MemorySource("t", files)))} == {"cat", "dog"}
    chosen = read_source(MemorySource("t", files), label_column="colour")
    assert {item.label for item in placed_by(chosen)} == {"red", "grey"}


def test_a_table_that_cannot_be_read_is_noted() -> None:
    files = [("a/1.jpg", b""), ("b/1.jpg", b""), ("a/metadata.csv", b'"')]
    layout = read_source(MemorySource("t", files))
    assert {item.label for item in placed_by(layout)} == {"a", "b"}


def test_a_name_that_is_not_utf8_can_be_written() -> None:
    layout = read_layout(["a\udce9/1\udce9.jpg", "b/2.jpg"])
    for item in placed_by(layout):
        assert (item.name + item.label).encode("utf-8")


def test_too_many_classes_get_a_sentence() -> None:
    with pytest.raises(DatasetError, match="at most 1,000"):
        read_layout([f"class{number}/1.jpg" for number in range(1001)])


def test_the_wanted_layout_is_shown_where_there_is_one_class() -> None:
    with pytest.raises(DatasetError, match=r"pets/cat/one\.jpg and pets/dog/two\.jpg"):
        read_layout(["cat/1.jpg", "cat/2.jpg"])
