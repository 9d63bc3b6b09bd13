"""Cautions on a dataset before anything is trained."""

from core.coach.dataset_rules import find_cautions, other_notes
from core.datasets.dataset import Dataset
from core.settings import Settings
from tests.support.images import class_files, encoded, photo
from tests.support.uploads import imported


def cautions(dataset: Dataset) -> list[str]:
    return find_cautions(dataset, dataset.report())


def test_nothing_is_striking_in_many_pictures_of_equal_classes(settings: Settings) -> None:
    assert cautions(imported(settings, class_files({"cat": 150, "dog": 120}))) == []


def test_labels_and_copies_that_need_a_look_are_named_once(settings: Settings) -> None:
    files = class_files({"train/cat": 40, "train/dog": 40}) + class_files({"test/cat": 30, "test/dog": 30}, start=500)
    files += [("train/dog/same.png", dict(files)["train/cat/0.png"])]  # the same file in two classes
    files += [("test/cat/again.jpg", encoded(photo(3), "JPEG", quality=80))]  # photo 3 is train/cat/3.png
    files += class_files({"val/cat": 20, "val/dog": 20}, start=700)
    files += [("train/dog/near.jpg", encoded(photo(5), "JPEG", quality=80))]  # photo 5 is train/cat/5.png
    found = imported(settings, files)
    labels, near, copies, *rest = cautions(found)
    assert labels.startswith("2 files are the same picture in different classes")
    assert near.startswith("2 pictures look almost like one of another class")
    assert copies.startswith("1 of 61 test pictures look like copies of training pictures")
    assert rest == []
    report = found.report()
    noted = set(report.notes) - set(other_notes(report))
    assert len(noted) == 2, "the notes of the same two facts, in the import's own words"


def test_classes_of_unequal_size_and_few_pictures_are_named(settings: Settings) -> None:
    found = cautions(imported(settings, class_files({"cat": 60, "dog": 10, "owl": 9})))
    unequal, few, wide = found
    assert unequal.startswith("Classes differ in size: 36 training pictures of “cat”, 5 of “owl”")
    assert few == "Fewer than 10 training pictures of “dog” and “owl”: add more."
    assert wide.startswith("Only 16 test pictures: an accuracy of 87.5 % could mean anything from 64")


def test_of_many_small_classes_three_are_named(settings: Settings) -> None:
    names = {f"class {number:03d}": 3 for number in range(60)}
    few = next(line for line in cautions(imported(settings, class_files(names))) if line.startswith("Fewer"))
    assert few.endswith("“class 000”, “class 001”, “class 002” and 57 more classes: add more.")


def test_without_a_test_split_the_results_are_said_to_look_better(settings: Settings) -> None:
    files = class_files({"train/cat": 40, "train/dog": 40}) + class_files({"val/cat": 60, "val/dog": 60}, start=500)
    assert [line.partition(":")[0] for line in cautions(imported(settings, files))] == ["There is no test split"]
