"""Connections that break find their session or at least their run again."""

import asyncio

import pytest

from core.config.train_config import TrainConfig
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.faults.servers import Start
from tests.support.load.ledger import Ledger
from tests.support.load.session import Session
from tests.support.processes import run_apart, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def watched(settings: Settings, drawn: object, small_config: TrainConfig) -> str:
    """A run that lasts longer than the test, unless it is stopped."""
    return (
        RunStore(settings)
        .create(small_config.model_copy(update={"epochs": 1000, "filters": (32, 64, 64), "image_size": 96}))
        .id
    )


@pytest.mark.parametrize("seconds", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_a_dropped_connection_finds_its_session_again(
    settings: Settings, watched: str, start: Start, seconds: float
) -> None:
    server = start()

    async def visit() -> tuple[str, str, bool]:
        async with Session(server.address, "phone", Ledger()) as phone:
            await phone.open("train", f"run={watched}")
            before = phone._session_id
            await phone.drop()
            await asyncio.sleep(seconds)
            await phone.reconnect()
            return before, phone._session_id, phone.live

    before, after, live = run_apart(visit())
    assert before == after
    assert live
    assert RunStore(settings).get(watched).state().active


def test_after_a_drop_longer_than_sessions_are_kept_the_address_still_names_the_run(
    settings: Settings, watched: str, start: Start
) -> None:
    server = start(STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL="1")
    run = RunStore(settings).get(watched)

    async def visit() -> tuple[str, str, bool]:
        async with Session(server.address, "phone", Ledger()) as phone:
            await phone.open("train", f"run={watched}")
            before = phone._session_id
            await phone.drop()
            wait_for(lambda: run.state() is RunState.RUNNING)
            await asyncio.sleep(6)
            async with Session(server.address, "other", Ledger()) as other:  # a visitor comes: what is old is swept out
                await other.open("train")
            await phone.reconnect()
            return before, phone._session_id, phone.live

    before, after, live = run_apart(visit())
    assert live
    assert before != after
    assert run.state() is RunState.RUNNING


def test_a_reload_in_the_middle_shows_the_run_at_once(settings: Settings, watched: str, start: Start) -> None:
    server = start()
    run = RunStore(settings).get(watched)

    async def visit() -> bool:
        async with Session(server.address, "browser", Ledger()) as browser:
            await browser.open("train", f"run={watched}")
            wait_for(lambda: run.state() is RunState.RUNNING)
            await browser.drop()
            browser._session_id = ""  # a reload is another session
            await browser.open("train", f"run={watched}")
            return browser.live

    assert run_apart(visit())
    assert run.state() is RunState.RUNNING
