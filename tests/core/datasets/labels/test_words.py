"""What the names of folders say."""

import pytest

from core.datasets.labels.words import (
    are_groups,
    are_numbered,
    are_parts,
    is_documentation,
    is_image_folder,
    is_mask_folder,
    split_name,
    split_of,
)

SPLITS = {
    "train": (
        "train", "Training", "training_set", "trainset", "Train_data", "Training Data", "01_train", "TrainData",
        "train2017", "seg_train",
    ),
    "val": ("val", "valid", "Validation", "validate", "dev", "valset", "02_val", "Val_data"),
    "test": ("test", "tests", "Testing", "test1", "test_set", "seg_test", "TEST_SIMPLE", "rps-test-set"),
    "eval": ("eval", "evaluation", "holdout"),
    "unlabelled": ("seg_pred", "unlabeled", "Prediction"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "split"), [(name, split) for split, names in SPLITS.items() for name in names])
def test_the_words_of_splits_are_known_in_all_their_forms(name: str, split: str) -> None:
    found = split_name(name)
    assert found is not None
    assert found.split == split


@pytest.mark.parametrize(
    "name", ["cat", "contest", "valley", "devon", "restrain", "testament", "trainable", "invalid", "1"]
)
def test_other_words_are_no_splits(name: str) -> None:
    assert split_name(name) is None


def test_a_text_that_says_more_than_a_split_is_none() -> None:
    assert [split_of(text) for text in ("train", "Test Data", "eval", "train_cats", "unlabeled", "")] == [
        "train", "test", "test", None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "names", [("fold1", "fold2"), ("part_a", "part_b"), ("HAM_images_part_1", "HAM_images_part_2")]
)
def test_parts_of_one_set_differ_by_a_number_or_letter(names: tuple[str, ...]) -> None:
    assert are_parts(names)
    assert are_groups(names)


@pytest.mark.parametrize("names", [("cat", "dog"), ("class_1", "class_2"), ("fold", "unfold"), ("part_1",)])
def test_other_names_are_no_parts(names: tuple[str, ...]) -> None:
    assert not are_parts(names)


def test_numbers_and_dates_are_groups_and_words_are_not() -> None:
    assert are_numbered(["2020-01", "2020-02"])
    assert are_groups(["patient_001", "patient_002"])
    assert not are_groups(["healthy", "rust"])


def test_names_that_only_say_what_kind_of_file_is_below() -> None:
    assert [is_image_folder(name) for name in ("images", "JPEGImages", "img_data", "images_cats")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert [is_mask_folder(name) for name in ("masks", "SegmentationClass", "masked_ball")] == [True, True, False]
    assert [is_documentation(name) for name in ("docs", "preview", "dog")] == [True, True, False]
