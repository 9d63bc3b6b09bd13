"""What the section that tells why asks the predictor, once for all sessions, and what it reads beside the answers."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import DatasetError, RunError, TuneMyPetsError
from core.evaluation.predictions import PredictionTable
from core.explaining.answers import Explanation, Filters, Movement, PictureMap
from core.settings import Settings
from pages.components import frame
from pages.components.judged import read_once
from pages.components.live import load_dataset
from pages.components.shared import Shared
from pages.components.snapshot import RunSnapshot

SPLIT_WORDS = {"test": "test", "val": "validation"}

Named = Sequence[tuple[str, RunSnapshot]]
Answer = TypeVar("Answer", Explanation, PictureMap, Movement, Filters)

# whatever the key holds decides the answer, so it is asked once for all sessions
_answers: Shared[tuple[Any, ...], Any] = Shared(None, most=128)


def ask(words: str, key: tuple[Any, ...], question: Callable[[], Answer]) -> Answer | None:
    """An answer of the predictor, asked once; None after its sentence was shown."""
    try:
        with st.spinner(frame.plain(words), show_time=True):
            found: Answer = _answers.get(key, question)
            return found
    except TuneMyPetsError as error:
        st.warning(frame.plain(str(error)))
        return None


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
        return load_dataset(str(settings.home), item.config.dataset, item.meta.dataset_fingerprint)
    except DatasetError:
        return None
