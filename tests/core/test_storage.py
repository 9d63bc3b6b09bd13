"""Ids from names: readable where they can be, unique where not, never a name that a system reserves."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.storage import TEMPORARY, is_id, list_ids, new_folder, slug, staged


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My Pets", "my-pets"),
        ("cats_dogs 2", "cats_dogs-2"),
        ("Kätzchen & Hündchen", "katzchen-hundchen"),
        ("Straße", "strasse"),
        ("Żółw Łoś", "zolw-los"),
        ("cats – dogs", "cats-dogs"),
        ("Smørrebrød", "smorrebrod"),
        ("", "untitled"),
        ("   ", "untitled"),
        ("a" * 90, "a" * 40),
    ],
)
def test_an_id_is_the_name_in_small_latin_letters(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_names_in_other_letters_have_different_ids_that_stay_the_same() -> None:
    names = ["猫と犬", "犬と猫", "Кошки", "Собаки", "🐈", "🐕", "猫 pets", "犬 pets", "con", "!!!", "???"]
    ids = [slug(name, "dataset") for name in names]
    assert len(set(ids)) == len(ids)
    assert ids[0] == slug("猫と犬 ", "dataset") == "dataset-" + ids[0].removeprefix("dataset-")
    assert ids[6].startswith("pets-")
    assert ids[8] == "con-" + ids[8].removeprefix("con-") != "con"
    assert slug("ガ", "dataset") == slug("カ\u3099", "dataset")  # the same name in two forms


@given(st.text(max_size=60))
def test_every_name_makes_an_id(name: str) -> None:
    assert is_id(slug(name))
    assert len(slug(name)) <= 40
    assert slug(slug(name)) == slug(name)


def test_a_staged_file_is_whole_until_it_is_renamed_and_gone_otherwise(tmp_path: Path) -> None:
    with staged(tmp_path, b"whole") as path:
        assert path.read_bytes() == b"whole"
        assert TEMPORARY.fullmatch(path.name)
        path.replace(tmp_path / "kept")
    with pytest.raises(RuntimeError), staged(tmp_path, b"other"):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_new_folder_appears_whole_and_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    with new_folder(tmp_path / "all" / "kept") as draft:
        (draft / "file").touch()
        assert list_ids(tmp_path / "all") == []
    with pytest.raises(RuntimeError), new_folder(tmp_path / "all" / "lost"):
        raise RuntimeError
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["kept"]
    assert list_ids(tmp_path / "all", "file") == ["kept"]
    assert list_ids(tmp_path / "all", "other") == list_ids(tmp_path / "none") == []
