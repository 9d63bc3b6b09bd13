"""Names and addresses of this machine."""

import socket

import pytest

from core.room.addresses import host_of, is_loopback, is_named, own_names, room_address


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8501", "localhost"),
        ("LOCALHOST", "localhost"),
        ("pets.example.com.", "pets.example.com"),
        ("127.0.0.1:8501", "127.0.0.1"),
        ("[::1]:8501", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("", None),
        (":8501", None),
        ("a:b", None),
        ("a:80:80", None),
        ("[::1", None),
        ("[nonsense]", None),
        ("user@localhost", None),
        ("localhost/path", None),
        ("a b", None),
        ("localhost\r\nx", None),
        ("ＬＯＣＡＬＨＯＳＴ", None),
    ],
)
def test_a_host_header_gives_its_name_or_nothing(header: str, name: str | None) -> None:
    assert host_of(header) == name


def test_this_machine_knows_its_own_names() -> None:
    names = own_names()
    assert {"localhost", "127.0.0.1", "::1", socket.gethostname().lower()} <= names
    assert "example.com" not in names


def test_the_rooms_address_is_one_of_this_machine() -> None:
    assert room_address() in own_names()


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("", False),
        (None, False),
        ("pets.example.com", False),
    ],
)
def test_only_loopback_is_this_machine_alone(address: str | None, here: bool) -> None:
    assert is_loopback(address) is here


def test_names_may_stand_for_everything_below_them() -> None:
    allowed = ("pets.example.com", "*.lab.example.com")
    assert is_named("pets.example.com", allowed)
    assert is_named("a.lab.example.com", allowed)
    assert not is_named("lab.example.com", allowed)
    assert not is_named("evillab.example.com", allowed)
    assert not is_named("pets.example.com.evil.com", allowed)
