"""The settings of the server's door, from the environment."""

import pytest

from core.errors import SettingsError
from core.settings import Settings


def test_a_closed_room_with_no_names_is_the_default() -> None:
    settings = Settings.from_environment({})
    assert (settings.room, settings.hosts, settings.metrics) == (False, (), False)


def test_names_are_separated_by_commas_and_told_apart_from_nonsense() -> None:
    names = Settings.from_environment({"TUNEMYPETS_HOSTS": " Pets.Example.com. , *.lab.example.com,10.0.0.5, "}).hosts
    assert names == ("pets.example.com", "*.lab.example.com", "10.0.0.5")
    for nonsense in ("http://pets.example.com", "pets example", "*", "a/b", "pets.example.com:80"):
        with pytest.raises(SettingsError, match="TUNEMYPETS_HOSTS"):
            Settings.from_environment({"TUNEMYPETS_HOSTS": nonsense})


@pytest.mark.parametrize("name", ["UPLOAD_MB", "SESSION_UPLOAD_MB", "ALL_UPLOAD_MB"])
def test_limits_of_uploads_are_whole_megabytes(name: str) -> None:
    field = name.lower().replace("_mb", "_bytes")
    assert getattr(Settings.from_environment({f"TUNEMYPETS_{name}": "3"}), field) == 3 * 2**20
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({f"TUNEMYPETS_{name}": "0"})
