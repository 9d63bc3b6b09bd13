"""Twenty seconds of a small room: a load in which nothing may go wrong. How fast it goes is measured in bench/load."""

import asyncio
import re
import subprocess
import sys
import time

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT
from tests.support.load.ledger import Ledger, quantile
from tests.support.load.page import Page
from tests.support.load.room import Room
from tests.support.load.session import Session
from tests.support.processes import run_apart

SESSIONS = 10
SECONDS = 20.0
PATIENCE_SECONDS = 120.0


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    for name in ("TUNEMYPETS_HOME", "TUNEMYPETS_WORKERS", "TUNEMYPETS_THREADS", "TUNEMYPETS_ROOM"):
        monkeypatch.setenv(name, "1")  # the room sets them, and they are as before afterwards
    return Room(workers=1, pictures_per_class=20, size_px=64, guarded=True)


@pytest.mark.slow
def test_ten_people_see_a_run_move_and_finish_and_nothing_goes_wrong(room: Room) -> None:
    with room:
        room.make_dataset()
        room.server.start()
        ledger, moved = run_apart(watch_one_run(room))
        assert ledger.errors == []
        assert room.trouble() == []
        assert len(moved) == SESSIONS
        assert all(steps >= 2 for steps in moved.values()), moved
        assert len(ledger.seconds["refresh"]) > SESSIONS
        assert len(ledger.seconds["click"]) >= 2 * SESSIONS
        [run] = RunStore(room.settings).all()
        assert run.state() is RunState.FINISHED


async def watch_one_run(room: Room) -> tuple[Ledger, dict[str, int]]:
    """Ten sessions look at one run, each clicks; how often each saw it move."""
    ledger = Ledger()
    moved: dict[str, int] = {}
    # an epoch is far below a second: enough of them for the run to go on while everybody looks
    run = room.store.create(room.config(epochs=400, image_size=32, filters=(4, 8), dense_neurons=8))
    await asyncio.to_thread(room.wait_until_training, [run])
    people = [room.session(f"session {place + 1}", ledger) for place in range(SESSIONS)]

    async def attend(person: Session, place: int) -> None:
        async with person:
            await person.open("train", f"run={run.id}", files=place == 0)
            person.expect("running")
            seen: set[str] = set()
            until = time.monotonic() + SECONDS
            while time.monotonic() < until and not _has(person, "finished"):
                seen |= {text for text in person.page.texts() if text.startswith("Epoch ")}
                await asyncio.sleep(0.2)
            await person.follow(("Home", "Explore", "Predict", "Compare")[place % 4])
            await person.follow("Home", "Hello")
            await person.open("train", f"run={run.id}")
            until = time.monotonic() + PATIENCE_SECONDS
            while not _has(person, "finished") and time.monotonic() < until:
                await asyncio.sleep(0.2)
            person.expect("finished")
            person.expect("accuracy (test)")
            moved[person.name] = len(seen)

    await asyncio.gather(*(attend(person, place) for place, person in enumerate(people)))
    return ledger, moved


def _has(person: Session, text: str) -> bool:
    return any(text in there for there in person.page.texts())


def element(path: list[int], text: str, run: str, fragment: str = "") -> ForwardMsg:
    message = ForwardMsg()
    message.metadata.delta_path.extend(path)
    message.delta.fragment_id = fragment
    message.delta.new_element.markdown.body = text
    return message


def test_a_virtual_page_drops_what_a_finished_run_did_not_draw_again() -> None:
    page = Page(run="first")
    page.draw(element([0, 0], "title", "first"))
    page.draw(element([0, 1, 0], "step 1", "first", "live"))
    page.draw(element([0, 1, 1], "starting", "first", "live"))
    page.sweep("first", [])
    page.run = "second"  # of the fragment alone
    page.draw(element([0, 1, 0], "step 2", "second", "live"))
    page.sweep("second", ["live"])
    assert page.texts() == ["title", "step 2"]


def test_a_virtual_page_keeps_a_message_that_the_server_refers_to_and_forgets_an_old_one() -> None:
    page = Page(run="first")
    large = element([0, 0], "large", "first")
    large.hash, large.metadata.cacheable = "abc", True
    page.resolve(large.SerializeToString())
    reference = ForwardMsg(ref_hash="abc")
    reference.metadata.delta_path.extend([0, 5])
    resolved = page.resolve(reference.SerializeToString())
    assert resolved.delta.new_element.markdown.body == "large"
    assert list(resolved.metadata.delta_path) == [0, 5]
    for _ in range(page.cache_age + 1):
        page.sweep("first", [])
    with pytest.raises(KeyError):
        page.resolve(reference.SerializeToString())


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.95, 4.0), (1.0, 4.0), (0.25, 1.0)])
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == expected
    assert quantile([], share) is None


def test_the_documented_loads_are_those_of_the_command() -> None:
    command = [sys.executable, "-m", "bench.load", "--help"]
    printed = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    loads = re.search(r"{([a-z,]+)}", printed)
    assert loads is not None
    documented = (PROJECT_ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert set(loads.group(1).split(",")) == set(re.findall(r"python -m bench\.load ([a-z]+)", documented))
