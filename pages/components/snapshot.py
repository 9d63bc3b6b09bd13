"""One shared reading of the runs for all sessions of the server: disk is read once a second, not once a viewer."""

from dataclasses import dataclass

import streamlit as st

from core.errors import RunError
from core.jobs.scheduler import queue_position
from core.runs.run import RunHistory, RunMeta, RunResult, RunState, RunSummary
from core.runs.store import RunStore
from core.settings import Settings
from core.training.config import TrainConfig

LIVE_SECONDS = 0.7


@dataclass(frozen=True)
class RunSnapshot:
    """Everything a page shows of one run, as of one moment."""

    id: str
    config: TrainConfig
    meta: RunMeta
    state: RunState
    result: RunResult | None
    history: RunHistory
    runs_before: int  # only for a queued run
    has_weights: bool

    @property
    def arm(self) -> str:
        """What the charts call it: the arm in a race, or its network and strategy."""
        return f"{self.meta.arm} ({self.config.model})" if self.meta.arm else self.config.title()

    @property
    def stamp(self) -> tuple[object, ...]:
        """Changes exactly when something shown has changed."""
        history = self.history
        return (
            self.id,
            self.state,
            self.runs_before,
            len(history.batches),
            len(history.epochs),
            history.progress,
            len(history.messages),
            history.tested,
        )


def look_at(settings: Settings, run_id: str) -> RunSnapshot:
    """The newest snapshot of a run, at most `LIVE_SECONDS` old, shared by all sessions.

    Raises:
        RunError: if there is no such run.
    """
    return _look_at(str(settings.home), run_id)


@st.cache_resource(ttl=LIVE_SECONDS, max_entries=64, show_spinner=False)
def _look_at(home: str, run_id: str) -> RunSnapshot:
    settings = Settings.from_environment()
    if str(settings.home) != home:
        raise RunError("The data folder was changed: reload the page.")
    run = RunStore(settings).get(run_id)
    state = run.state()
    return RunSnapshot(
        id=run.id,
        config=run.config(),
        meta=run.meta(),
        state=state,
        result=run.result(),
        history=run.history(),
        runs_before=queue_position(settings, run) if state is RunState.QUEUED else 0,
        has_weights=run.has_weights,
    )


def list_runs(settings: Settings) -> list[RunSummary]:
    """Every run, newest first, at most `LIVE_SECONDS` old, shared by all sessions."""
    return _list_runs(str(settings.home))


@st.cache_resource(ttl=LIVE_SECONDS, show_spinner=False)
def _list_runs(home: str) -> list[RunSummary]:
    del home  # part of the cache's key
    return RunStore(Settings.from_environment()).summaries()


def forget() -> None:
    """Drop what was read, after this session changed something."""
    _look_at.clear()
    _list_runs.clear()
