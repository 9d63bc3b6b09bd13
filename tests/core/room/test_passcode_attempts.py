"""How wrong passcodes slow the next one down."""

import json
from pathlib import Path

import pytest

from core.room.passcode_attempts import ADDRESS, PERSON, ROOM, PasscodeAttempts, sources


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(tmp_path: Path, clock: Clock) -> PasscodeAttempts:
    return PasscodeAttempts(tmp_path / "attempts.json", clock)


def test_the_sixth_wrong_one_of_a_person_waits_and_others_do_not(attempts: PasscodeAttempts) -> None:
    wrong = sources("passcode", "p-1", "10.0.0.1")
    for _ in range(PERSON.free):
        assert attempts.wait_seconds(wrong) == 0
        attempts.note_wrong(wrong)
    assert attempts.wait_seconds(wrong) == PERSON.first_seconds
    assert attempts.wait_seconds(sources("passcode", "p-2", "10.0.0.1")) == 0


def test_waiting_doubles_up_to_its_longest(attempts: PasscodeAttempts, clock: Clock) -> None:
    wrong, waits = sources("passcode", "p-1", "10.0.0.1"), []
    for _ in range(PERSON.free + 8):
        clock.now += attempts.wait_seconds(wrong)
        attempts.note_wrong(wrong)
        waits.append(attempts.wait_seconds(wrong[:1]))
    assert waits[PERSON.free - 1 :] == [15, 30, 60, 120, 240, 480, 900, 900, 900]


def test_a_new_token_for_every_try_still_has_the_address(attempts: PasscodeAttempts) -> None:
    for number in range(ADDRESS.free):
        attempts.note_wrong(sources("passcode", f"p-{number}", "10.0.0.1"))
    assert attempts.wait_seconds(sources("passcode", "p-new", "10.0.0.1")) == ADDRESS.first_seconds
    assert attempts.wait_seconds(sources("passcode", "p-new", "10.0.0.2")) == 0


def test_addresses_of_one_ipv6_network_count_as_one(attempts: PasscodeAttempts) -> None:
    for number in range(ADDRESS.free):
        attempts.note_wrong(sources("passcode", f"p-{number}", f"2001:db8::{number:x}"))
    assert attempts.wait_seconds(sources("passcode", "p-new", "2001:db8::ffff")) > 0
    assert attempts.wait_seconds(sources("passcode", "p-new", "2001:db8:0:1::1")) == 0


def test_an_ipv4_address_written_as_ipv6_is_the_same(attempts: PasscodeAttempts) -> None:
    for number in range(ADDRESS.free):
        attempts.note_wrong(sources("passcode", f"p-{number}", "::ffff:10.0.0.1"))
    assert attempts.wait_seconds(sources("passcode", "p-new", "10.0.0.1")) > 0


def test_a_flood_from_everywhere_makes_others_wait_a_second_at_most(attempts: PasscodeAttempts) -> None:
    for number in range(300):
        attempts.note_wrong(sources("passcode", f"p-{number}", f"10.0.{number // 200}.{number % 200}"))
    assert 0 < attempts.wait_seconds(sources("passcode", "p-new", "10.9.9.9")) <= ROOM.longest_seconds


def test_waiting_survives_a_restart_and_is_forgotten_after_an_hour(attempts: PasscodeAttempts, clock: Clock) -> None:
    wrong = sources("passcode", "p-1", "10.0.0.1")
    for _ in range(PERSON.free):
        attempts.note_wrong(wrong)
    again = PasscodeAttempts(attempts.path, clock)
    assert again.wait_seconds(wrong) == PERSON.first_seconds
    clock.now += 3601
    assert again.wait_seconds(wrong) == 0
    again.note_wrong(wrong)
    assert json.loads(attempts.path.read_text(encoding="utf-8"))["passcode/p-1"][0] == 1


def test_a_clock_that_was_set_back_lets_no_one_wait_longer_than_the_longest(
    attempts: PasscodeAttempts, clock: Clock
) -> None:
    wrong = sources("passcode", "p-1", "10.0.0.1")
    for _ in range(PERSON.free):
        attempts.note_wrong(wrong)
    clock.now -= 86_400
    assert attempts.wait_seconds(wrong) <= PERSON.longest_seconds


def test_passcode_and_secret_are_counted_apart(attempts: PasscodeAttempts) -> None:
    for _ in range(PERSON.free):
        attempts.note_wrong(sources("passcode", "p-1", "10.0.0.1"))
    assert attempts.wait_seconds(sources("secret", "p-1", "10.0.0.1")) == 0


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": ["x", null]}', "\x00"])
def test_a_damaged_file_keeps_no_one_out(attempts: PasscodeAttempts, text: str) -> None:
    attempts.path.write_text(text, encoding="utf-8")
    wrong = sources("passcode", "p-1", None)
    assert attempts.wait_seconds(wrong) == 0
    attempts.note_wrong(wrong)
    assert json.loads(attempts.path.read_text(encoding="utf-8"))["passcode/p-1"][0] == 1


def test_the_file_does_not_grow_without_end(
    attempts: PasscodeAttempts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.room.passcode_attempts.MAX_SOURCES", 50)
    for number in range(60):
        clock.now += 1
        attempts.note_wrong(sources("passcode", f"p-{number}", "10.0.0.1"))
    kept = json.loads(attempts.path.read_text(encoding="utf-8"))
    assert len(kept) == 50
    assert "passcode/room" in kept
    assert "passcode/p-0" not in kept
