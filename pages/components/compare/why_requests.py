"""What the section that tells why asks the predictor, once for all sessions, and what it reads beside the answers."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.errors import DatasetError, RunError, TuneMyPetsError
from core.predict.explanations import Explanation, Filters, ImageMap, Movement
from core.predict.predictor_client import Tell
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from pages.components.compare.comparison_cache import read_once
from pages.components.shared import frame
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.runs_snapshot import RunSnapshot
from pages.components.shared.shared_cache import SharedCache

SPLIT_WORDS = {"test": "test", "val": "validation"}

Named = Sequence[tuple[str, RunSnapshot]]
Answer = TypeVar("Answer", Explanation, ImageMap, Movement, Filters)
QUICK_SECONDS = 0.3  # an answer that is there by then shows no bar
LOOK_SECONDS = 0.5


class Question(Generic[Answer]):
    """A question to the predictor, asked in a thread of its own, for everybody who waits for the answer."""

    def __init__(self, ask_predictor: Callable[[Tell], Answer]) -> None:
        self.over = threading.Event()
        self.step: Progress | None = None  # how far the answer is, once the predictor tells it
        self._answer: Answer | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._ask, args=(ask_predictor,), daemon=True).start()

    def _ask(self, ask_predictor: Callable[[Tell], Answer]) -> None:
        try:
            self._answer = ask_predictor(self._note)
        except Exception as error:
            self._error = error  # for those who wait
        finally:
            self.over.set()

    def _note(self, step: Progress) -> None:
        self.step = step

    def answer(self) -> Answer:
        """The answer, once it is over. What went wrong goes to everybody who waited."""
        if self._error is not None:
            raise self._error
        assert self._answer is not None, "only after it is over"
        return self._answer


# whatever the key holds decides the answer, so it is asked once for all sessions
_questions: SharedCache[tuple[Any, ...], Question[Any]] = SharedCache(None, max_entries=128)


def ask(words: str, key: tuple[Any, ...], question: Callable[[Tell], Answer]) -> Answer | None:
    """An answer of the predictor, asked once, with a bar while it takes; None after its sentence was shown."""
    asked: Question[Answer] = _questions.get(key, lambda: Question(question))
    if not asked.over.wait(QUICK_SECONDS):
        with st.spinner(frame.plain(words), show_time=True):
            bar = st.empty()
            while not asked.over.wait(LOOK_SECONDS):
                _draw(bar, asked.step)  # here the script ends if its person has gone on
            bar.empty()
    try:
        return asked.answer()
    except TuneMyPetsError as error:
        _questions.drop(key, asked)  # whoever asks again may be luckier
        st.warning(frame.plain(str(error)))
        return None
    except Exception:
        _questions.drop(key, asked)
        raise


def _draw(bar: DeltaGenerator, step: Progress | None) -> None:
    if step is None or not step.total:
        bar.empty()
        return
    left = "" if step.eta_seconds is None else f" · about {frame.seconds_text(max(1, step.eta_seconds))} left"
    bar.progress(min(1.0, step.done / step.total), text=f"{step.text}: {step.done:,} of {step.total:,}{left}")


def identity(item: RunSnapshot) -> tuple[Any, ...]:
    """What tells weights of a run from later ones of the same run."""
    best = item.history.best
    return item.id, item.state.value, best.epoch if best else None


def predictions(settings: Settings, item: RunSnapshot) -> PredictionTable | None:
    """The stored predictions of a run; None where there are none."""
    if item.history.tested is None:
        return None
    try:
        return read_once(str(settings.home), item.id)
    except RunError:
        return None


def dataset_of(settings: Settings, item: RunSnapshot) -> Dataset | None:
    """The pictures of a run; None where they are gone."""
    try:
        return open_dataset(settings, item.config.dataset, item.meta.dataset_fingerprint)
    except DatasetError:
        return None
