"""Listings that mislead: running numbers next to numbered classes, splits among other folders, tables in part."""

import pytest

from core.datasets.layouts.placing import LayoutQuestionError, read_layout
from core.errors import DatasetError
from tests.core.datasets.layouts.test_public_layouts import Listing, counts_of, source_of

PAIR = ("cat", "dog")
SIGNS = {f"GTSRB/Final_Training/Images/0000{c}/0000#_0000.ppm": 6 for c in (0, 1)} | {
    "GTSRB/Final_Test/Images/0000#.ppm": 4
}
PLANTS = ("Pepper__bell___healthy", "Potato___healthy")


def split_into(names: dict[str, int], classes: tuple[str, ...] = PAIR) -> Listing:
    return {f"{split}/{label}/#.jpg": count for split, count in names.items() for label in classes}


CERTAIN: dict[str, tuple[Listing, dict[str, str], dict[str, str]]] = {
    "traffic-signs-with-labels-of-the-test": (
        SIGNS,
        {"GTSRB/Final_Test/Images/GT-final_test.csv": "Filename;Width;Height;ClassId\n" + "".join(
            f"0000{n}.ppm;{20 + n};{30 + n};{(n + 1) % 2}\n" for n in range(4))},
        {"00000": "6/0/2", "00001": "6/0/2"},
    ),
    "traffic-signs-without": (SIGNS, {}, {"00000": "6", "00001": "6"}),
    "day-and-night": (
        split_into({"day_train": 6, "night_train": 5, "day_test": 3, "night_test": 2}),
        {},
        {"cat": "11/0/5", "dog": "11/0/5"},
    ),
    "german": (split_into({"Trainingsdaten": 6, "Validierung": 3, "Testdaten": 3}), {}, dict.fromkeys(PAIR, "6/3/3")),
    "spanish": (split_into({"entrenamiento": 6, "validación": 3, "prueba": 2}), {}, dict.fromkeys(PAIR, "6/3/2")),
    "chinese": (split_into({"训练集": 6, "验证集": 3, "测试集": 2}), {}, dict.fromkeys(PAIR, "6/3/2")),
    "plantvillage-twice": (
        {f"PlantVillage/{c}/#.jpg": 5 for c in PLANTS} | {f"plantvillage/PlantVillage/{c}/#.jpg": 5 for c in PLANTS},
        {},
        dict.fromkeys(PLANTS, "5"),
    ),
    "chest-xrays-in-numbered-folders": (
        {f"images_00{k}/images/0000{k}_00#.png": 4 for k in (1, 2, 3)},
        {"Data_Entry_2017.csv": "Image Index,Finding Labels,Patient ID\n" + "".join(
            f"0000{k}_00{n}.png,{'No Finding' if n % 2 else 'Mass'},{k}\n" for k in (1, 2, 3) for n in range(4))},
        {"Mass": "6", "No Finding": "6"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CERTAIN)
def test_the_classes_and_splits_are_found(name: str) -> None:
    listing, tables, expected = CERTAIN[name]
    assert counts_of(read_layout(source_of(listing, tables))) == expected


ASKED: dict[str, tuple[Listing, dict[str, str], dict[str, dict[str, str]]]] = {
    "flat-extra-beside-splits": (
        {"train/#.png": 6, "test/#.png": 6, "extra/#.png": 9},
        {},
        {"level-1": {"train": "6", "test": "6", "extra": "9"}},
    ),
    "a-class-beside-splits": (
        {**split_into({"train": 6, "test": 3}), "fish/#.jpg": 8},
        {},
        {"splits": {"cat": "6/0/3", "dog": "6/0/3"}},
    ),
    "classes-at-two-depths": (
        {"animals/cat/#.jpg": 6, "animals/dog/#.jpg": 6, "car/#.jpg": 6},
        {},
        {"level-1": {"animals": "12", "car": "6"}, "level-2": {"cat": "6", "dog": "6", "car": "6"}},
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_two_plausible_readings_are_a_question(name: str) -> None:
    listing, tables, answers = ASKED[name]
    with pytest.raises(LayoutQuestionError) as asked:
        read_layout(source_of(listing, tables))
    for key, expected in answers.items():
        assert key in [choice.key for choice in asked.value.choices]
        assert counts_of(read_layout(source_of(listing, tables), layout=key)) == expected


REFUSED: dict[str, tuple[Listing, dict[str, str], str]] = {}


@pytest.mark.parametrize("name", REFUSED)
def test_the_reason_of_a_refusal_is_true(name: str) -> None:
    listing, tables, reason = REFUSED[name]
    with pytest.raises(DatasetError, match=reason):
        read_layout(source_of(listing, tables))
