"""The training loop, as a generator of events: no callbacks, no printing, no files.

While the generator waits at a `yield`, the network holds exactly the weights the event speaks of: the caller saves
them when an `EpochDone` says `best`. Tests are `list(fit(...))`.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from core.errors import DivergedError
from core.training.config import TrainConfig
from core.training.data import SplitData, TrainingData
from core.training.events import BatchDone, EpochDone, Event, Message, PhaseStarted, Progress, StripUpdated
from core.training.feeds import Feed
from core.training.inference import Outcome, evaluate
from core.training.optimization import build_optimizer, build_schedule, loss_of
from core.training.plan import Stage
from models.network import Network

BATCH_EVENT_SECONDS = 0.1  # shorter steps are merged into one event
STRIP_PICTURES = 10

Indices = npt.NDArray[np.int64]


def choose_strip(val: SplitData, seed: int, count: int = STRIP_PICTURES) -> Indices:
    """Fixed validation pictures to watch: dataset indices, all classes in turn."""
    order = np.random.default_rng([seed, 7]).permutation(len(val))
    by_class: dict[int, list[int]] = {}
    for place in order:
        by_class.setdefault(int(val.labels[place]), []).append(int(val.indices[place]))
    queues = [by_class[label] for label in sorted(by_class)]
    chosen: list[int] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return np.array(sorted(chosen), dtype=np.int64)


def fit(
    network: Network,
    data: TrainingData,
    config: TrainConfig,
    stages: Sequence[Stage],
    feeds: Sequence[Feed],
    device: torch.device,
    stop: Callable[[], bool],
) -> Iterator[Event]:
    """Train; ends early when `stop` answers True or patience runs out.

    Args:
        network: on `device`; trained in place.
        stages: from `plan_stages`.
        feeds: one for each stage, from `open_feed`.
    Raises:
        DivergedError: the loss or a gradient is not finite; the network then holds the last finite weights.
    """
    strip = choose_strip(data.val, config.seed)
    pace = _Pace(sum(stage.epochs for stage in stages), len(data.train), len(data.val))
    best = (-1.0, -math.inf)  # accuracy, then minus the loss
    waiting = 0
    epoch = 0
    yield PhaseStarted("training", "Training")
    for stage, feed in zip(stages, feeds, strict=True):
        network.freeze(stage.freeze_point)
        if len(stages) > 1:
            yield Message("info", f"Stage “{stage.name}”: {stage.epochs} epochs, {_trainable_text(network)}.")
        steps = math.ceil(len(data.train) / config.batch_size)
        # from scratch there is no pretrained part to be gentle with
        factor = config.backbone_factor if config.pretrained else 1.0
        optimizer = build_optimizer(config, network.parameter_groups(config.learning_rate, factor))
        schedule = build_schedule(config, optimizer, stage.epochs * steps)
        for _ in range(stage.epochs):
            epoch += 1
            epoch_started = time.perf_counter()
            network.train()
            meter = _Meter()
            order = np.random.default_rng([config.seed, epoch, 0]).permutation(len(data.train))
            feed.start_epoch(epoch)
            # array_split keeps batches nearly equal: a last batch of one picture would break BatchNorm
            for step, places in enumerate(np.array_split(order, steps), start=1):
                if stop():
                    return
                labels = torch.from_numpy(data.train.labels[places]).to(device)
                rate = float(optimizer.param_groups[-1]["lr"])
                optimizer.zero_grad(set_to_none=True)
                logits = feed.train_logits(network, places)
                loss = loss_of(config, logits, labels)
                loss_value = float(loss.detach())
                if not math.isfinite(loss_value):
                    raise _diverged(config, epoch, step)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                norm = torch.nn.utils.clip_grad_norm_(
                    [p for p in network.parameters() if p.requires_grad], config.gradient_clip or math.inf
                )
                if not bool(torch.isfinite(norm)):
                    raise _diverged(config, epoch, step)
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    predicted = network.probabilities(logits.detach()).argmax(dim=1)
                meter.add(loss_value, int((predicted == labels).sum()), len(places))
                pace.trained(len(places))
                if meter.due() or step == steps:
                    yield meter.event(epoch, step, steps, rate, pace)
            outcome: Outcome | None = None
            answers = partial(feed.val_logits, network)
            for item in evaluate(network, data.val, config, answers, stop, feed.evaluation_batch):
                if isinstance(item, Outcome):
                    outcome = item
                else:
                    yield Progress("training", "Validating", item, len(data.val), None)
            if outcome is None:
                return
            pace.validated(len(data.val))
            if not math.isfinite(outcome.loss):
                raise _diverged(config, epoch, steps)
            score = (outcome.accuracy, -outcome.loss)
            improved = score > best
            waiting = 0 if outcome.accuracy > best[0] else waiting + 1
            best = max(best, score)
            yield EpochDone(
                epoch=epoch,
                stage=stage.name,
                train_loss=meter.total_loss / meter.total,
                train_accuracy=meter.total_correct / meter.total,
                val_loss=outcome.loss,
                val_accuracy=outcome.accuracy,
                learning_rate=rate,
                epoch_seconds=time.perf_counter() - epoch_started,
                seconds=pace.seconds,
                images_seen=pace.images_seen,
                images_per_second=meter.total / meter.seconds,
                best=improved,
            )
            yield StripUpdated(epoch, _strip(strip, data.val, outcome))
            if config.patience and waiting >= config.patience:
                yield Message(
                    "info",
                    f"Stopped early: {waiting} epochs in a row brought no better validation accuracy.",
                )
                return


def _strip(strip: Indices, val: SplitData, outcome: Outcome) -> list[dict[str, object]]:
    places = {int(index): place for place, index in enumerate(val.indices)}
    out: list[dict[str, object]] = []
    for index in strip:
        row = outcome.probabilities[places[int(index)]]
        predicted = int(row.argmax())
        out.append(
            {
                "index": int(index),
                "predicted": predicted,
                "probability": round(float(row[predicted]), 4),
                "correct": predicted == int(val.labels[places[int(index)]]),
            }
        )
    return out


def _trainable_text(network: Network) -> str:
    total, trainable = network.parameter_counts()
    return f"{trainable:,} of {total:,} parameters learn"


def _diverged(config: TrainConfig, epoch: int, step: int) -> DivergedError:
    return DivergedError(
        f"The loss stopped being a finite number in epoch {epoch}, step {step}: "
        f"choose a learning rate below {config.learning_rate:.10g}, for example {config.learning_rate / 10:.10g}."
    )


class _Pace:
    """Time and pictures since training began, and what they say about the rest."""

    VALIDATION_COST = 0.4  # of a training picture, for the estimate only

    def __init__(self, epochs: int, train: int, val: int) -> None:
        self.started = time.perf_counter()
        self.images_seen = 0
        self._done = 0.0
        self._total = epochs * (train + self.VALIDATION_COST * val)

    def trained(self, images: int) -> None:
        self.images_seen += images
        self._done += images

    def validated(self, images: int) -> None:
        self._done += self.VALIDATION_COST * images

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def progress(self) -> float:
        return min(1.0, self._done / self._total)

    @property
    def eta_seconds(self) -> float | None:
        return self.seconds * (1 - self.progress) / self.progress if self.progress > 0 else None


class _Meter:
    """Sums over an epoch, and over the steps since the last event."""

    def __init__(self) -> None:
        self.total_loss = 0.0
        self.total_correct = self.total = 0
        self.started = self._last = time.perf_counter()
        self._loss, self._correct, self._images = 0.0, 0, 0

    def add(self, loss: float, correct: int, images: int) -> None:
        self.total_loss += loss * images
        self.total_correct += correct
        self.total += images
        self._loss += loss * images
        self._correct += correct
        self._images += images
        self.seconds = time.perf_counter() - self.started

    def due(self) -> bool:
        return time.perf_counter() - self._last >= BATCH_EVENT_SECONDS

    def event(self, epoch: int, step: int, steps: int, rate: float, pace: _Pace) -> BatchDone:
        now = time.perf_counter()
        event = BatchDone(
            epoch=epoch,
            step=step,
            steps=steps,
            images_seen=pace.images_seen,
            loss=self._loss / self._images,
            accuracy=self._correct / self._images,
            learning_rate=rate,
            images_per_second=self._images / max(now - self._last, 1e-9),
            seconds=pace.seconds,
            eta_seconds=pace.eta_seconds,
            progress=pace.progress,
        )
        self._last = now
        self._loss, self._correct, self._images = 0.0, 0, 0
        return event
