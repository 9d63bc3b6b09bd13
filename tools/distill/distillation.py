"""The distillation itself: a generator of reports, resumed from where its folder says it stopped.

In every round each picture gives one view, the teacher answers for it once, and the student learns from these answers
a few times. All that is random follows from the seed and the place in the training, so nothing of it is stored: a
resumed training draws the views of its round again and ends with the weights of an uninterrupted one.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import DatasetError
from models.catalog import CATALOG, NetworkEntry
from tools.distill.options import DistillOptions
from tools.distill.pool import Images
from tools.distill.state import Progress, load_state, save_state
from tools.distill.student import Student, StudentOptimizer
from tools.distill.teacher import Objective, Teacher, normalise
from tools.distill.views import draw_views, order_of, resize

ANSWERING_BATCH = 40  # views that the teacher sees at once


@dataclass(frozen=True)
class Report:
    """Where a distillation stands."""

    text: str
    steps_done: int
    steps: int
    seconds: float  # of this process
    eta_seconds: float | None
    progress: Progress  # at the end of the last complete pass
    pass_done: bool  # whether that was just now


def distill(
    options: DistillOptions, pictures: Images, work: Path, device: torch.device, *, student: Student | None = None
) -> Iterator[Report]:
    """Train a student; its state is in `work` after every pass over a round.

    Args:
        student: the one to train, for callers that want it afterwards; None makes it from the options.
    Raises:
        DatasetError: there are too few pictures.
        NetworkError, WeightsError: the teacher cannot be had.
        RunError: `work` holds another distillation, or a damaged one.
    """
    entry = CATALOG["petnet"]
    held_out = pictures.pixels[: options.hold_out]
    pixels = pictures.pixels[options.hold_out :]
    if len(pixels) < options.batch_size:
        raise DatasetError(
            f"There are {len(pictures.pixels)} readable pictures, {options.hold_out} of them held out, and a batch has "
            f"{options.batch_size}: give more pictures, or lower --hold-out or --batch-size."
        )
    teacher = Teacher(options.teacher, device, options.precision)
    student = student or Student(teacher.entry.feature_width, options.seed)
    student.to(device=device).to(memory_format=torch.channels_last)
    steps_a_pass = len(pixels) // options.batch_size
    steps = steps_a_pass * options.repeats * options.rounds
    optimizer = StudentOptimizer(student, options.learning_rate, steps)
    progress, objective = load_state(work, options, pictures.fingerprint, student, optimizer, teacher)
    started, seconds_before, steps_before = time.perf_counter(), progress.seconds, progress.passes * steps_a_pass

    def report(text: str, steps_done: int, *, pass_done: bool = False) -> Report:
        seconds = time.perf_counter() - started
        fresh = steps_done - steps_before
        eta = seconds / fresh * (steps - steps_done) if fresh else None
        return Report(text, steps_done, steps, seconds, eta, progress, pass_done)

    yield report("Ready", steps_before)
    while progress.passes < options.rounds * options.repeats:
        round_number, first_pass = divmod(progress.passes, options.repeats)
        here = f"Round {round_number + 1} of {options.rounds}"
        views, answers = _empty_round(len(pixels), options.side_px, teacher)
        for place in _ask(teacher, pixels, options, round_number, views, answers):
            if place % 10 == 0:
                yield report(f"{here}: asking the teacher", progress.passes * steps_a_pass)
        if objective is None:
            objective = Objective(teacher, answers.mean(dim=0), answers.std(dim=0))
        for repeat in range(first_pass, options.repeats):
            student.train()
            order = order_of((options.seed, round_number, repeat + 1), len(pixels))
            sums = np.zeros(2)
            for step in range(steps_a_pass):
                chosen = np.sort(order[step * options.batch_size : (step + 1) * options.batch_size])
                flips = np.random.default_rng([options.seed, round_number, repeat + 1, step]).random(len(chosen)) < 0.5
                batch = _mirrored(torch.from_numpy(views[chosen]), torch.from_numpy(flips)).to(device)  # (B, 3, S, S)
                with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
                    features = student(normalise(batch, entry))
                distance = objective(features.float(), answers[torch.from_numpy(chosen)].to(device))
                distance.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                done = progress.passes * steps_a_pass + step
                optimizer.step(done)
                sums += (distance.loss.item(), distance.cosine.item())
                if step % 20 == 19:
                    yield report(f"{here}, pass {repeat + 1} of {options.repeats}", done + 1)
            loss, cosine = sums / steps_a_pass
            progress = Progress(
                passes=progress.passes + 1,
                seconds=seconds_before + time.perf_counter() - started,
                train_loss=float(loss),
                train_cosine=float(cosine),
                held_out_cosine=_distance(student, teacher, objective, entry, held_out, options),
            )
            save_state(work, options, pictures.fingerprint, student, optimizer, objective, progress)
            yield report(here, progress.passes * steps_a_pass, pass_done=True)


def _empty_round(count: int, side_px: int, teacher: Teacher) -> tuple[NDArray[np.uint8], Tensor]:
    """Views (N, S, S, 3) and answers (N, F), to be filled."""
    return np.empty((count, side_px, side_px, 3), np.uint8), torch.empty(count, teacher.entry.feature_width)


def _ask(
    teacher: Teacher,
    pixels: NDArray[np.uint8],
    options: DistillOptions,
    round_number: int,
    views: NDArray[np.uint8],
    answers: Tensor,
) -> Iterator[int]:
    """Fill in the views of a round and the teacher's answers; yields the number of each batch that is done."""
    order = order_of((options.seed, round_number, 0), len(pixels))
    for batch, start in enumerate(range(0, len(pixels), ANSWERING_BATCH)):
        chosen = order[start : start + ANSWERING_BATCH]
        key = (options.seed, round_number, batch)
        drawn = draw_views(pixels, chosen, key, teacher.entry.preprocessing.crop_px, options.mixed_share)
        views[chosen] = resize(drawn, views.shape[1]).permute(0, 2, 3, 1).numpy()
        answers[torch.from_numpy(chosen)] = teacher.features(drawn).cpu()
        yield batch


def _mirrored(views: Tensor, flips: Tensor) -> Tensor:
    """(B, S, S, 3) -> (B, 3, S, S), some of them mirrored."""
    return torch.where(flips.view(-1, 1, 1, 1), views.flip(2), views).permute(0, 3, 1, 2)


@torch.no_grad()
def _distance(
    student: Student,
    teacher: Teacher,
    objective: Objective,
    entry: NetworkEntry,
    held_out: NDArray[np.uint8],
    options: DistillOptions,
) -> float:
    """Mean cosine distance on pictures that neither training nor any choice has seen."""
    student.eval()
    total = 0.0
    for start in range(0, len(held_out), ANSWERING_BATCH):
        pictures = torch.from_numpy(held_out[start : start + ANSWERING_BATCH]).permute(0, 3, 1, 2)
        theirs = teacher.features(resize(pictures, teacher.entry.preprocessing.crop_px))
        small = resize(pictures, entry.preprocessing.crop_px).to(teacher.device)
        with torch.autocast(teacher.device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            ours = student(normalise(small, entry))
        total += objective(ours.float(), theirs).cosine.item() * len(pictures)
    return total / len(held_out)
