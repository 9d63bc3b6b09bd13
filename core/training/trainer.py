"""The training loop, as a generator of events: no callbacks, no printing, no files.

While the generator waits at a `yield`, the network holds exactly the weights the event speaks of: the caller saves
them when an `EpochDone` is `best`, and may snapshot the whole training. Tests are `list(trainer.fit(...))`.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from core.checkpoints.snapshot import Position, Snapshot
from core.config.events import BatchDone, EpochDone, Event, Message, PhaseStarted, Progress, SamplesPredicted
from core.config.stages import Allowance, Stage, describe_end, fitted_rate, share_out
from core.config.train_config import TrainConfig
from core.errors import DivergedError
from core.estimates.estimate import VALIDATION_COST
from core.formatting import format_duration
from core.steps import StopSignal, relay
from core.stores.hardware import Hardware
from core.stores.training_data import Indices, TrainingData
from core.training.feeds import Feed
from core.training.gradients import Batch, Compute, Gradients, trainable_state
from core.training.inference import predict_split
from core.training.monitor import Clock, Meter, choose_samples, describe_samples
from core.training.optimization import (
    SMALLEST_SCALE,
    build_optimizer,
    build_schedule,
    clip_gradients,
    enlargement,
)
from core.training.outlook import Outlook
from core.training.training_state import TrainingState, is_finite
from models.network import Network

EVENT_SECONDS = 0.1  # what follows more quickly is merged: an epoch of a head takes milliseconds


class Trainer:
    """Trains a network in stages; a snapshot can be taken whenever `fit` waits at a `yield`.

    Args:
        network: on the device of `hardware`; trained in place.
        stages: from `plan_stages`.
        feeds: one for each stage, from `open_feed`.
        first_rate: learning rate of the first stage, if one was found: it suits what is trained there.
        charges: seconds of each stage that count as training although they passed before it, or in another run:
            those of its frozen part. None are charged without them.
        evaluated: images that the run predicts after the training, for the estimate of the time that is left.
        seconds_left: until the run has to be evaluated; the training then ends as early as that needs.
        share: lets other processes compute parts of each step.
        now: the clock of all reported times and of a budget of seconds.
    """

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        config: TrainConfig,
        stages: Sequence[Stage],
        feeds: Sequence[Feed],
        hardware: Hardware,
        first_rate: float | None = None,
        *,
        charges: Sequence[float] = (),
        evaluated: int = 0,
        seconds_left: Callable[[], float] | None = None,
        share: Callable[[Gradients], Compute] = lambda gradients: gradients.compute,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.network, self.data, self.config = network, data, config
        self._first_rate = first_rate
        self.stages, self.feeds, self.device = stages, feeds, hardware.device
        self.position = Position()
        self.allowances = share_out(config, stages, len(data.train))
        self._total = sum(item.images + item.epochs * VALIDATION_COST * len(data.val) for item in self.allowances)
        self._charges, self._now = charges, now
        self._evaluated, self._until_deadline = evaluated, seconds_left
        self._scaler = hardware.scaler()
        self._gradients = Gradients(network, data, config, feeds, hardware.device)
        self._compute = share(self._gradients)
        self._samples = choose_samples(data.val, config.seed)
        self._state: TrainingState | None = None
        self._restored: Snapshot | None = None

    def fit(self, signal: StopSignal) -> Iterator[Event]:
        """Train until the stages or the budget end, or patience runs out.

        Raises:
            Stopped: `signal` was set.
            DivergedError: the loss, a gradient or a weight is not finite; the network then holds the weights of the
                last step, which may not be finite either.
        """
        at = self.position
        self._clock = Clock(at, self._charges, self._now)
        self._outlook = self._look_ahead()
        self._meter = Meter(self._now, EVENT_SECONDS)
        self._sampled = -math.inf
        yield PhaseStarted("training", "Training")
        while at.stage < len(self.stages):
            stage, feed = self.stages[at.stage], self.feeds[at.stage]
            self._clock.enter_stage()
            self._enter(stage)
            if not at.stage_epoch and not at.step:
                yield from self._introduce(stage)
            self._over = self._is_over()
            while not self._over:
                if self.config.patience and at.waiting >= self.config.patience:
                    yield Message(
                        "info",
                        f"Stopped early: {at.waiting} epochs in a row brought no better validation accuracy.",
                    )
                    return
                yield from self._epoch(stage, feed, signal)
            at.stage, at.stage_epoch = at.stage + 1, 0
        if self._outlook.late:
            yield Message("info", f"Ended in epoch {at.epoch}, so that it is evaluated before its deadline.")
            return
        text = describe_end(self.config, at.images_seen, at.epoch, self._clock.seconds, at.charged)
        if text:
            yield Message("info", text)

    @property
    def begun(self) -> bool:
        """Whether a stage has begun: from then on a snapshot is possible."""
        return self._state is not None

    @property
    def passed(self) -> float:
        """Seconds of training so far, in all processes, without what was charged."""
        return self._clock.passed

    def snapshot(self) -> Snapshot:
        """Everything that `restore` needs, as copies; while `fit` waits at a `yield` or has ended, and has begun."""
        assert self._state is not None
        self.position.seconds = self._clock.passed
        return self._state.snapshot(self.position)

    def restore(self, snapshot: Snapshot) -> None:
        """Resume from a snapshot of a training with the same configuration; call it before `fit`."""
        self.position = dataclasses.replace(snapshot.position)
        self._restored = snapshot

    def _look_ahead(self) -> Outlook:
        val, views = len(self.data.val), self.config.views if self.config.augmented else 1
        return Outlook(
            self.position, self._clock, self._total, validated=val, evaluated=self._evaluated,
            frozen_seconds=sum(self._charges) / (views * len(self.data.train) + val), seconds_left=self._until_deadline,
        )  # fmt: skip

    def _enter(self, stage: Stage) -> None:
        """Freeze, and build optimizer and schedule, or restore them from a snapshot."""
        self._outlook.enter_stage()
        self.network.freeze(stage.freeze_point)
        # without pretrained weights there is nothing to protect by a smaller rate
        factor = self.config.backbone_factor if self.config.pretrained else 1.0
        allowed = self.allowances[self.position.stage]
        self._rate = self._choose_rate(stage, allowed)
        groups = self.network.parameter_groups(self._rate, factor)
        optimizer = build_optimizer(self.config, groups)
        share = None if allowed.seconds is None else partial(self._clock.share, allowed)
        schedule = build_schedule(self.config, optimizer, allowed.steps, share)
        self._state = TrainingState(self.network, optimizer, schedule, self._scaler, self.device)
        if self._restored is not None:
            self._state.restore(self._restored)
            self._restored = None

    def _choose_rate(self, stage: Stage, allowed: Allowance) -> float:
        """The learning rate of a stage: found by a search, given, or fitted to its steps."""
        if self.position.stage == 0 and self._first_rate:
            return self._first_rate
        if self.config.learning_rate:
            return self.config.learning_rate
        head_only = stage.freeze_point == list(self.network.blocks)[-1]
        return fitted_rate(self.config, allowed.likely_steps(self.position.stage_began), head_only=head_only)

    def _introduce(self, stage: Stage) -> Iterator[Message]:
        """Messages before a stage begins."""
        allowed = self.allowances[self.position.stage]
        if len(self.stages) > 1:
            most = f"at most {allowed.epochs}" if allowed.seconds is not None else f"{allowed.epochs}"
            yield Message("info", f"Stage “{stage.name}”: {most} epochs, {_trainable_text(self.network)}.")
        if self._clock.is_up(allowed):
            assert allowed.seconds is not None
            yield Message(
                "warning",
                f"Before the first step, {format_duration(self._clock.seconds)} were used of the "
                f"{allowed.seconds:g} s that were given until here, so one step and a validation follow: "
                "give it more seconds.",
            )

    def _epoch(self, stage: Stage, feed: Feed, signal: StopSignal) -> Iterator[Event]:
        """One epoch, or the rest of it."""
        at, config = self.position, self.config
        allowed = self.allowances[at.stage]
        started = self._now()
        number = at.epoch + 1
        self.network.train()
        order = self.data.train.shuffled(np.random.default_rng([config.seed, number, 0]))
        steps = allowed.steps_of(at.stage_epoch)
        meter = self._meter
        meter.begin_epoch()
        # array_split keeps batches nearly equal: a last batch of one image would break BatchNorm
        batches = np.array_split(order[: allowed.images_of(at.stage_epoch)], steps)[at.step :]
        if at.step and self._clock.is_up(allowed):
            batches = []  # it was paused after its last step
        for places in batches:
            signal.check()
            at.rate, loss, correct = self._step(places)
            meter.add(loss, correct, len(places))
            at.step += 1
            at.loss += loss * len(places)
            at.correct += correct
            at.images += len(places)
            at.images_seen += len(places)
            at.done += len(places)
            self._outlook.note_step()
            ends = at.step == steps or self._is_up(allowed)
            if meter.due() or (ends and self._last()):
                yield self._batch_event(meter, number, steps)
            if ends:
                break
        validating = self._now()
        logits = partial(feed.val_logits, self.network)
        step = predict_split(self.network, self.data.val, config, logits, signal, feed.evaluation_batch)
        found = yield from relay(step, self._describe_validation)
        if not math.isfinite(found.loss):
            raise self._diverged(number, steps)
        if not is_finite(trainable_state(self.network)):
            # batch norm divides by what grew without limit, so the loss alone may not show it
            raise self._diverged(number, steps, "The weights stopped being finite numbers")
        at.validating += self._now() - validating
        improved = (found.accuracy, -found.loss) > (at.best_accuracy, -at.best_loss)
        done = EpochDone(
            epoch=number,
            stage=stage.name,
            train_loss=at.loss / at.images,
            train_accuracy=at.correct / at.images,
            val_loss=found.loss,
            val_accuracy=found.accuracy,
            learning_rate=at.rate,
            epoch_seconds=self._now() - started,
            seconds=self._clock.seconds,
            images_seen=at.images_seen,
            images_per_second=meter.rate,
            best=improved,
        )
        # the epoch ends before its event: a snapshot taken now resumes with the next one
        at.done += VALIDATION_COST * len(self.data.val)
        at.waiting = 0 if found.accuracy > at.best_accuracy else at.waiting + 1
        if improved:
            at.best_accuracy, at.best_loss = found.accuracy, found.loss
        at.epoch, at.stage_epoch = number, at.stage_epoch + 1
        at.step, at.loss, at.correct, at.images = 0, 0.0, 0, 0
        self._over = self._is_over()
        yield done
        last = self._over and at.stage == len(self.stages) - 1
        if last or (config.patience and at.waiting >= config.patience) or self._now() - self._sampled >= EVENT_SECONDS:
            self._sampled = self._now()
            yield SamplesPredicted(number, describe_samples(self._samples, self.data.val, found.probabilities))

    def _describe_validation(self, done: int) -> Progress | None:
        return Progress("training", "Validating", done, len(self.data.val), None) if self._meter.due() else None

    def _is_over(self) -> bool:
        """Whether the current stage has used its epochs or its time; between two epochs only."""
        assert self._state is not None
        allowed = self.allowances[self.position.stage]
        begun = self._state.schedule.last_epoch > 0  # every stage has one step at least
        return self.position.stage_epoch >= allowed.epochs or (begun and self._is_up(allowed))

    def _is_up(self, allowed: Allowance) -> bool:
        """Whether the stage's time is used up, or that until a deadline."""
        return self._outlook.late or self._clock.is_up(allowed)

    def _last(self) -> bool:
        """Whether the current epoch, whose steps are done, is the last of all."""
        at = self.position
        allowed = self.allowances[at.stage]
        ends = at.stage_epoch == allowed.epochs - 1 or self._is_up(allowed)
        return at.stage == len(self.stages) - 1 and ends

    def _step(self, places: Indices) -> tuple[float, float, int]:
        """One training step: learning rate, mean loss, images predicted correctly.

        Where the scaler had enlarged a gradient beyond fp16, the weights and the schedule stay where they are, and the
        next step is made with half the scale.
        """
        assert self._state is not None
        at, optimizer = self.position, self._state.optimizer
        rate = float(optimizer.param_groups[-1]["lr"])
        optimizer.zero_grad(set_to_none=True)
        found = self._compute(
            Batch(at.stage, at.epoch + 1, at.images_seen, places, enlargement(self._scaler, self.device))
        )
        if not math.isfinite(found.loss):
            raise self._diverged(at.epoch + 1, at.step + 1)
        norm = clip_gradients(optimizer, self._scaler, self._gradients.trainable(), self.config.gradient_clip)
        usable = bool(torch.isfinite(norm))
        if not usable and self._scaler.get_scale() <= SMALLEST_SCALE:
            raise self._diverged(at.epoch + 1, at.step + 1)
        self._scaler.step(optimizer)
        self._scaler.update()
        if usable:
            self._state.schedule.step()
        return rate, found.loss, found.correct

    def _diverged(self, epoch: int, step: int, what: str = "The loss stopped being a finite number") -> DivergedError:
        other = ", or the precision fp32" if self._scaler.is_enabled() else ""
        return DivergedError(
            f"{what} in epoch {epoch}, step {step}: choose a learning rate below {self._rate:.10g}, "
            f"for example {self._rate / 10:.10g}{other}."
        )

    def _batch_event(self, meter: Meter, epoch: int, steps: int) -> BatchDone:
        at = self.position
        passed = self._clock.passed
        progress = min(1.0, at.done / self._total)
        left = self._clock.left(self.allowances[-1])
        if left is not None and passed > 0:
            progress = max(progress, passed / (passed + left))
        loss, accuracy, images_per_second = meter.read()
        return BatchDone(
            epoch=epoch,
            step=at.step,
            steps=steps,
            images_seen=at.images_seen,
            loss=loss,
            accuracy=accuracy,
            learning_rate=at.rate,
            images_per_second=images_per_second,
            seconds=self._clock.seconds,
            eta_seconds=self._outlook.estimate(left, last_stage=at.stage == len(self.stages) - 1),
            progress=progress,
        )


def _trainable_text(network: Network) -> str:
    total, trainable = network.parameter_counts()
    return f"{trainable:,} of {total:,} parameters are trainable"
