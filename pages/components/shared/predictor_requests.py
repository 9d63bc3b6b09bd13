"""Requests to the predictor that take a while, made once for all sessions, with a progress bar meanwhile."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config.events import Progress
from core.errors import TuneMyPetsError
from core.predict.explanations.explanation_answers import Explanation, Filters, Projection, WeightChange
from core.predict.explanations.garden_answers import Garden
from core.predict.predictor_answers import Strangers
from core.predict.predictor_client import OnProgress
from pages.components.shared import frame, progress_bar
from pages.components.shared.snapshots.shared_cache import SharedCache

Answer = TypeVar("Answer", Explanation, Projection, WeightChange, Filters, Strangers, Garden, list[bytes], bool)
QUICK_SECONDS = 0.3  # an answer within this time shows no progress bar
REDRAW_SECONDS = 0.5


class Request(Generic[Answer]):
    """A request to the predictor in a thread of its own, shared by all sessions that wait for the answer."""

    def __init__(self, send: Callable[[OnProgress], Answer]) -> None:
        self.done = threading.Event()
        self.progress: Progress | None = None  # the latest that the predictor sent
        self._answer: Answer | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, args=(send,), daemon=True).start()

    def _run(self, send: Callable[[OnProgress], Answer]) -> None:
        try:
            self._answer = send(self._note)
        except Exception as error:
            self._error = error  # raised for each session that waits
        finally:
            self.done.set()

    def _note(self, progress: Progress) -> None:
        self.progress = progress

    def answer(self) -> Answer:
        """The answer, once it is there; raises what went wrong."""
        if self._error is not None:
            raise self._error
        assert self._answer is not None, "only after it is done"
        return self._answer


# the key decides the answer, so each is requested once for all sessions
_requests: SharedCache[tuple[Any, ...], Request[Any]] = SharedCache(None, max_entries=128)


def request(words: str, key: tuple[Any, ...], send: Callable[[OnProgress], Answer]) -> Answer | None:
    """An answer of the predictor, with a progress bar meanwhile; None after an error was shown."""
    found: Request[Answer] = _requests.get(key, lambda: Request(send))
    if not found.done.wait(QUICK_SECONDS):
        with st.spinner(frame.plain(words), show_time=True):
            bar = st.empty()
            while not found.done.wait(REDRAW_SECONDS):
                _draw(bar, found.progress)  # the script ends here if its session has left
            bar.empty()
    try:
        return found.answer()
    except TuneMyPetsError as error:
        _requests.drop(key, found)  # the next try may succeed
        st.warning(frame.plain(str(error)))
        return None
    except Exception:
        _requests.drop(key, found)
        raise


def _draw(bar: DeltaGenerator, progress: Progress | None) -> None:
    if progress is None or not progress.total:
        bar.empty()
        return
    progress_bar.draw_bar(progress.text, progress.done, progress.total, progress.eta_seconds, place=bar)
