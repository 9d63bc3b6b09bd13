"""Predicts pieces of a batch: several threads, each of which reads, decodes and computes its own piece.

A picture is read exactly as `python -m core predict` reads it, and the folded network answers in fp32, as it does for
the test result. One thread a piece beats all threads together on each: none waits for another one at a barrier.
"""

import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from core.batches.batch_rows import DECIMALS, PIECE, Row
from core.datasets.sources.source import Source, SourceEntry
from core.errors import ImageError
from core.formatting import readable
from core.novelty.conformal import Values
from core.novelty.not_sure import NotSure
from core.predict.predictor import Predictor, describe_not_finite
from core.runs.run import Run
from core.settings import Settings
from core.stores.pixels import Pixels, read_square
from core.training.feature_tap import find_head
from core.training.inference import logits_of


@dataclass(frozen=True)
class Piece:
    """Rows of one piece, and the bytes of its files that were read."""

    start: int
    rows: list[Row]
    bytes_read: int


class PiecePredictor:
    """Predicts files of a source with one run."""

    def __init__(self, settings: Settings, run: Run, promise: float) -> None:
        """
        Args:
            promise: for which each answer gets the set of classes that the picture may be.
        Raises:
            RunError: the run has no checkpoint, or a damaged one.
        """
        predictor = Predictor(settings)
        self.loaded = predictor.load(run)
        self.limits, self.hardware, self.threads = predictor.limits, predictor.hardware, settings.threads
        self.promise = promise
        self.novelty = predictor.novelty(run)
        self._seen = threading.local()
        find_head(self.loaded.folded).register_forward_pre_hook(self._see)
        shared = self.hardware.device.type != "cpu"  # a GPU takes one piece at a time
        self._turn = threading.Lock() if shared else nullcontext()
        torch.set_num_threads(1)

    def predict(self, source: Source, entries: Sequence[SourceEntry], start: int) -> Generator[Piece, None, None]:
        """The pieces from `start` on, in order; a bounded number is in flight, whatever the size of the batch."""
        places = iter(range(start, len(entries), PIECE))
        ahead: deque[Future[Piece]] = deque()
        with ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                while True:
                    while len(ahead) < self.threads + 2 and (place := next(places, None)) is not None:
                        ahead.append(pool.submit(self._predict_piece, source, entries[place : place + PIECE], place))
                    if not ahead:
                        return
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _predict_piece(self, source: Source, entries: Sequence[SourceEntry], start: int) -> Piece:
        rows: list[Row | None] = []
        pixels: list[Pixels] = []
        bytes_read = 0
        for entry in entries:
            name = readable(entry.name)
            try:
                data = source.read(entry, self.limits.max_bytes)
                bytes_read += len(data)
                pixels.append(read_square(data, name, self.limits, self.loaded.spec)[0])
                rows.append(None)
            except ImageError as error:
                rows.append(Row(entry.name, problem=readable(str(error))))
        answered = iter(self._answer(np.stack(pixels)) if pixels else ())
        answers = [row or self._row(entry, *next(answered)) for entry, row in zip(entries, rows, strict=True)]
        return Piece(start, answers, bytes_read)

    def _see(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Keep what the head reads, for this thread."""
        self._seen.features = inputs[0].detach().float().cpu().numpy()

    def _answer(self, pixels: Pixels) -> list[tuple[Values, NotSure | None]]:
        """Probabilities (C,) of each of these pictures (B, S, S, 3), and whether it is strange."""
        with self._turn:
            logits = logits_of(self.loaded.folded, pixels, self.loaded.spec, self.hardware)
            # in float64, as those of the evaluation and of a single picture
            probabilities = self.loaded.network.probabilities(logits.cpu().double()).numpy()
            features = self._seen.features
        if self.novelty is None or not np.isfinite(features).all() or not np.isfinite(probabilities).all():
            return [(each, None) for each in probabilities]
        return list(zip(probabilities, self.novelty.judge(features, probabilities, (self.promise,)), strict=True))

    def _row(self, entry: SourceEntry, probabilities: Values, known: NotSure | None) -> Row:
        if not np.isfinite(probabilities).all():
            return Row(entry.name, problem=describe_not_finite(readable(entry.name)))
        label = self.loaded.checkpoint.classes[int(probabilities.argmax())]
        row = Row(entry.name, label, tuple(float(value) for value in probabilities))
        if known is None:
            return row
        nearest = next(((one.index, one.label, round(one.distance, DECIMALS)) for one in known.nearest), None)
        return replace(row, p_value=known.p_value, may_be=known.set_at(self.promise), nearest=nearest)
