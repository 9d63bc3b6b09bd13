"""Which column names the files and which the labels: by what the tables of public datasets look like."""

import pytest

from core.datasets.labels.file_columns import match_files
from core.datasets.labels.label_columns import ONE_HOT, label_columns, read_labels, split_column
from core.datasets.labels.label_tables import LabelTable, read_table
from core.datasets.labels.words import split_in_path, split_of


def table(text: str, name: str = "labels.csv") -> LabelTable:
    return read_table(name, text.encode())


def rows(header: str, line: str, count: int = 12) -> str:
    """A CSV whose lines have the row's number `n` and, in turn, the words of `{cat|dog}`."""
    pets = ("cat", "dog", "cat")
    return header + "\n" + "".join(line.format(n=n, pet=pets[n % 3], k=n % 3 % 2) + "\n" for n in range(count))


@pytest.mark.parametrize(
    ("header", "line", "file", "name", "columns"),
    [
        # Kaggle's dog breeds; a table of names without endings beside a folder
        ("id,breed", "00{n}ec,{pet}", "train/00{n}ec.jpg", "labels.csv", ["breed"]),
        # HAM10000 (a part)
        (
            "lesion_id,image_id,dx,dx_type,age,sex",
            "HAM_{n},ISIC_00{n},{pet},histo,{n}.5,male",
            "part_1/ISIC_00{n}.jpg",
            "HAM.csv",
            ["dx"],
        ),
        # birds: paths with splits, a number and a name for each class
        (
            "class id,filepaths,labels,data set",
            "{k},train/{pet}/{n}.jpg,{pet},train",
            "birds/train/{pet}/{n}.jpg",
            "birds/birds.csv",
            ["labels"],
        ),
        # traffic signs: semicolons, sizes, corners, a number as class
        (
            "Filename;Width;Height;Roi.X1;ClassId",
            "{n}.ppm;{k};30;5;{k}",
            "Train/{n}.ppm",
            "Train/GT.csv",
            ["ClassId"],
        ),
        # a table that pandas wrote with its index, whose numbers are names of files, too
        (",image,target", "{n},{n}.jpg,{pet}", "images/{n}.jpg", "train.csv", ["target"]),
        # numbers with a twin of names
        ("file_name,label,label_name", "{n}.png,{k},{pet}", "{n}.png", "metadata.csv", ["label_name"]),
        # numbers alone are the labels where there is nothing else
        ("file,z", "{n}.png,{k}", "{n}.png", "metadata.csv", ["z"]),
        # paths of the machine on which the table was made
        ("path,label", "C:\\data\\mine\\{n}.JPG,{pet}", "pets/{n}.jpg", "pets/list.csv", ["label"]),
        ("path,label", "/kaggle/input/x/{pet}/{n}.jpg,{pet}", "{pet}/{n}.jpg", "list.csv", ["label"]),
        ("path,label", "../images/{n}.jpg,{pet}", "images/{n}.jpg", "annotations/list.csv", ["label"]),
        ("path,label", "./images/{n}.jpg,{pet}", "x/images/{n}.jpg", "x/list.csv", ["label"]),
        # no header
        ("0.jpg,cat", "{n}.jpg,{pet}", "{n}.jpg", "list.csv", ["2"]),
        # the table says png, the files are JPEGs by now
        ("file,label", "{n}.png,{pet}", "{n}.jpg", "list.csv", ["label"]),
    ],
)
def test_files_and_labels_of_tables_as_people_have_them(header, line, file, name, columns):
    made = table(rows(header, line), name)
    pets = ("cat", "dog", "cat")
    names = [file.format(n=n, pet=pets[n % 3]) for n in range(12)]

    found = match_files(made, names)

    assert found is not None
    assert set(found.files.values()) == set(names)
    assert (found.distinct, found.ambiguous) == (12, 0)
    assert label_columns(made, found) == columns
    labels = read_labels(made, found, columns[0])
    of_file = {found.files[row]: label for row, label in labels.items()}
    same = {names[n]: pets[n % 3] for n in range(12)}
    assert len({(same[file], of_file[file]) for file in names}) == 2


def test_one_column_for_each_class_is_one_label():
    text = "image,MEL,NV,BCC,UNK\n" + "".join(
        f"ISIC_{n},{float(n % 3 == 0)},{float(n % 3 == 1)},{float(n % 3 == 2)},0.0\n" for n in range(9)
    )
    made = table(text)
    found = match_files(made, [f"ISIC_{n}.jpg" for n in range(9)])
    assert found is not None
    assert label_columns(made, found) == [ONE_HOT]
    assert list(read_labels(made, found, ONE_HOT).values()) == ["MEL", "NV", "BCC"] * 3


def test_a_row_of_zeros_has_no_label_and_several_ones_are_no_classes():
    files = [f"{n}.jpg" for n in range(6)]
    made = table("filename, cat, dog\n" + "".join(f"{n}.jpg, {n % 2}, {int(n in (0, 2))}\n" for n in range(6)))
    found = match_files(made, files)
    assert found is not None
    assert label_columns(made, found) == [ONE_HOT]
    assert list(read_labels(made, found, ONE_HOT).values()) == ["dog", "cat", "dog", "cat", "", "cat"]

    made = table("filename,smiling,hat\n" + "".join(f"{n}.jpg,{n % 2},{int(n < 3)}\n" for n in range(6)))
    found = match_files(made, files)
    assert found is not None
    assert label_columns(made, found) == ["smiling", "hat"]


def test_one_hot_columns_beside_their_label_are_no_question():
    made = table(
        "file,label,cat,dog\n" + "".join(f"{n}.jpg,{'dog' if n % 2 else 'cat'},{1 - n % 2},{n % 2}\n" for n in range(6))
    )
    found = match_files(made, [f"{n}.jpg" for n in range(6)])
    assert found is not None
    assert label_columns(made, found) == ["label"]


def test_several_possible_columns_come_the_likeliest_first_and_free_texts_not_at_all():
    lines = [("house", "cat", "tabby"), ("street", "cat", "persian"), ("house", "dog", "pug"), ("street", "dog", "pug")]
    text = "file,place,caption,price,breed,species\n" + "".join(
        f"{n}.jpg,{lines[n % 4][0]},picture {n},{n / 2 + 0.25},{lines[n % 4][2]},{lines[n % 4][1]}\n" for n in range(12)
    )
    made = table(text)
    found = match_files(made, [f"{n}.jpg" for n in range(12)])
    assert found is not None
    assert label_columns(made, found) == ["breed", "species", "place"]


def test_a_split_column_is_found_by_its_words_and_is_no_label():
    splits = ("train", "train", "valid", "test")
    text = "file,data set,fold,label\n" + "".join(f"{n}.jpg,{splits[n % 4]},{n % 5},{n % 3}\n" for n in range(20))
    made = table(text)
    found = match_files(made, [f"{n}.jpg" for n in range(20)])
    assert found is not None
    assert split_column(made, found) == "data set"
    assert label_columns(made, found) == ["label"]


def test_vehicles_called_train_are_labels_and_no_split():
    made = table("file,class\n" + "".join(f"{n}.jpg,{'train' if n % 2 else 'bus'}\n" for n in range(6)))
    found = match_files(made, [f"{n}.jpg" for n in range(6)])
    assert found is not None
    assert split_column(made, found) is None
    assert label_columns(made, found) == ["class"]


def test_one_name_in_two_folders_is_that_of_the_folder_the_table_speaks_of():
    train, test = [f"train/{n}.jpg" for n in range(6)], [f"test/{n}.jpg" for n in range(6)]
    made = table(rows("id,label", "{n},{pet}", 6), "train_labels.csv")
    found = match_files(made, [*test, *train])
    assert found is not None
    assert list(found.files.values()) == train

    # no word distinguishes them: the folder that has more of the rows
    made = table(rows("id,label", "{n},{pet}", 8), "labels.csv")
    found = match_files(made, [*(f"b/{n}.jpg" for n in range(6)), *(f"a/{n}.jpg" for n in range(8))])
    assert found is not None
    assert list(found.files.values()) == [f"a/{n}.jpg" for n in range(8)]

    # nothing distinguishes them: no guess
    found = match_files(made, [*(f"b/{n}.jpg" for n in range(8)), *(f"a/{n}.jpg" for n in range(8))])
    assert found is not None
    assert (found.rows, found.ambiguous) == (0, 8)


def test_a_row_of_another_folder_labels_no_file_of_the_same_name():
    made = table("file,label\ntest/1.jpg,cat\ntrain/2.jpg,dog\n", "train/labels.csv")
    found = match_files(made, ["train/1.jpg", "train/2.jpg"])
    assert found is not None
    assert found.files == {1: "train/2.jpg"}


def test_capitals_and_unicode_forms_are_overlooked_unless_they_tell_files_apart():
    made = table("file,label\nKA\u0308FER.JPG,beetle\na.jpg,ant\n")
    found = match_files(made, ["K\u00c4fer.jpg", "a.jpg", "A.jpg"])
    assert found is not None
    assert found.files == {0: "K\u00c4fer.jpg", 1: "a.jpg"}


def test_numbers_of_classes_are_no_names_of_files():
    made = table("label,text\n" + "".join(f"{n % 3},word {n}\n" for n in range(30)))
    assert match_files(made, [f"{n}.jpg" for n in range(30)]) is None
    assert match_files(made, ["a.jpg"]) is None


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Train", "train"),
        ("training_set", "train"),
        ("Train_data", "train"),
        ("01_train", "train"),
        ("trainset", "train"),
        ("Validate", "val"),
        ("dev", "val"),
        ("valid2", "val"),
        ("EVAL", "test"),
        ("test_images", "test"),
        ("cat", None),
        ("", None),
        ("train_station", None),
        ("train_test", None),
    ],
)
def test_a_word_for_a_split(text, split):
    assert split_of(text) == split


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train-00000-of-00002.parquet", "train"),
        ("default/validation/0000.parquet", "val"),
        ("food-test.parquet", "test"),
        ("train/part-0.parquet", "train"),
        ("pets.parquet", None),
        ("train_test.parquet", None),
    ],
)
def test_a_path_speaks_of_a_split(path, split):
    assert split_in_path(path) == split
