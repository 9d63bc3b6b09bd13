"""The speed benchmark: which number formats are fastest here, measured on the real network and remembered.

bf16 makes some networks faster on a CPU and slows others down, so `precision: auto` times both: training steps of the
trainable part, and the frozen part, whose outputs must also stay close to those in fp32. Equal runs on one machine take
the same path. It takes three seconds at most: one picture is timed before many, nothing begins that may last longer
than what is left, and what was not timed by then is computed in fp32.
"""

import copy
import math
from collections.abc import Callable, Generator, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.checkpoints.checkpoint import build_network
from core.config.events import Progress
from core.config.stages import Stage, choose_precision, describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.pictures.decoder import Limits
from core.errors import ConfigError, DatasetError, ImageError
from core.estimates.timing import Limit, OutOfTimeError, time_ways
from core.settings import Settings
from core.steps import StopSignal
from core.stores.activations import stored_dtype
from core.stores.augmentation import Augmentation, apply_views, draw_views, normalise, to_channels_first
from core.stores.hardware import Hardware, autocast, choose_device, device_name, number_formats
from core.stores.measurements import Figures, Measurements, OtherPrograms
from core.stores.pixels import Pixels, preprocessing_of, square_pixels
from models.folding import fold_prefix
from models.network import Network

SAMPLE = 16  # images
MEASURING_SECONDS = 3.0  # of one configuration
COPYING_SECONDS, COPYING_SECONDS_A_BYTE = 0.3, 2e-9  # of computing, to copy and to fold a network
BACKWARD_COST = 2.0  # forward passes
LEAST_IN_STEP = 2  # images: batch norm has to find statistics
FP16_REFUSED = "The precision fp16 needs an NVIDIA GPU, and this machine trains without one: choose auto."
TEXT = "Measuring what is fastest on this machine"


def choose_hardware(
    settings: Settings,
    config: TrainConfig,
    network: Network,
    stages: list[Stage],
    pixels: Pixels,
    signal: StopSignal,
    earlier: dict[str, Any] | None = None,
) -> Generator[Progress, None, Hardware]:
    """Decide on device and number formats, measuring them where nothing is known.

    Args:
        network: not changed; copies are measured.
        pixels: (B, S, S, 3) uint8, some images of the dataset as the pixel store holds them.
        earlier: what a resumed run computed with: it keeps that.
    Raises:
        Stopped: `signal` was set; nothing is kept.
        ConfigError: fp16 was chosen, and no GPU is here.
    """
    device = choose_device(settings)
    if config.precision == "fp16" and device.type != "cuda":
        raise ConfigError({"precision": FP16_REFUSED})
    name = device_name(device)

    def decided(step: tuple[str, str], prefix: tuple[str, str]) -> Hardware:
        return Hardware(device, name, settings.threads, *step, *prefix)

    if earlier:
        reason = "as before the interruption"
        prefix_precision = earlier.get("prefix_precision", earlier["precision"])
        return decided((earlier["precision"], reason), (prefix_precision, reason))
    if config.precision != "auto":
        chosen = config.precision, "chosen in the configuration"
        return decided(chosen, chosen)
    if device.type == "mps":
        refused = "fp32", "bf16 is not measured on MPS"
        return decided(refused, refused)
    figures = yield from _recall_or_measure(settings, network, config, stages, device, pixels, signal)
    return decided(choose_precision(figures, "step", "auto"), choose_precision(figures, "prefix", "auto"))


def measure_ahead(
    settings: Settings, config: TrainConfig, dataset: Dataset, signal: StopSignal
) -> Generator[Progress, None, Figures]:
    """Measure a configuration before its training, unless that was done already.

    Raises:
        Stopped: `signal` was set; nothing is kept.
        WeightsError: the pretrained weights are missing; other weights would differ in another way in bf16.
        DatasetError: names an image that can no longer be read.
    """
    entry = config.entry()
    network = build_network(settings, config, len(dataset.classes))
    stages = plan_stages(config, entry)
    device = choose_device(settings)
    limits = Limits.from_settings(settings)
    rows = dataset.rows_of("train")
    chosen = [rows[place] for place in range(0, len(rows), max(1, len(rows) // SAMPLE))][:SAMPLE]
    try:
        spec = preprocessing_of(config, dataset)
        pixels = [square_pixels(dataset.read_image(row), row.name, limits, spec) for row in chosen]
    except ImageError as error:
        raise DatasetError(f"Dataset {dataset.id}: {error}") from error
    return (yield from _recall_or_measure(settings, network, config, stages, device, np.stack(pixels), signal))


def _recall_or_measure(
    settings: Settings,
    network: Network,
    config: TrainConfig,
    stages: list[Stage],
    device: torch.device,
    pixels: Pixels,
    signal: StopSignal,
) -> Generator[Progress, None, Figures]:
    known = Measurements(settings)
    what = describe_network(config, stages)
    machine = {
        "device": device.type,
        "name": device_name(device),
        "threads": settings.threads,
        "torch": torch.__version__,
    }
    figures = known.find(what, machine, certain=True)
    if figures is not None:
        return figures
    parts = _parts(network, stages)
    measured: Figures = {}
    yield Progress("preparing", TEXT, 0, len(parts), None)
    others = OtherPrograms()
    for done, found in enumerate(measure(network, config, stages, device, pixels, signal, MEASURING_SECONDS), 1):
        measured.update(found)
        yield Progress("preparing", TEXT, done, len(parts), None)
    signal.check()
    measured["others"] = others.taken(settings.threads)
    return known.keep(what, machine, measured)


def _parts(network: Network, stages: list[Stage]) -> list[str]:
    """What a configuration has, of the parts that are measured."""
    head_alone = stages[-1].freeze_point == list(network.blocks)[-1]
    frozen = any(stage.freeze_point for stage in stages)
    return ["input", *(["prefix"] if frozen else []), *([] if head_alone else ["step"])]


def measure(
    network: Network,
    config: TrainConfig,
    stages: list[Stage],
    device: torch.device,
    pixels: Pixels,
    signal: StopSignal,
    seconds: float,
) -> Iterator[Figures]:
    """Milliseconds an image, as `choose_hardware` and `estimate` use them; the figures of one part after the other.

    `input`: of a random view; `prefix_fp32`, `prefix_bf16` (or fp16): of the frozen part; `step_fp32`, `step_bf16`: of
    training. A format that the processor would have to emulate is left out. `prefix_error` is the mean relative error
    of what leaves the frozen part in the half format, `prefix_bytes` its size in the store. What a configuration does
    not have is not measured: a head alone computes in fp32 at once. `prefix_unmeasured`, `step_unmeasured`: there was
    no time for a format, or for all; the time of a step is then that of three forward passes.

    Args:
        seconds: that it may take.
    """
    torch.ones(1, device=device).sum()  # a GPU takes seconds to begin, which the training needs in any case
    limit = Limit(seconds, signal)
    rng_state = torch.random.get_rng_state()
    spec = config.entry().preprocessing
    augmentation = Augmentation.from_config(config)
    views = draw_views(augmentation, len(pixels), spec, 0, 1)

    def view(count: int) -> Tensor:
        images = to_channels_first(pixels[:count])
        return normalise(apply_views(images, views, np.arange(count), augmentation, spec.crop_px), spec, device)

    yield {"input": time_ways(lambda _, count: view(count), ("",), device, limit, len(pixels))[""]}
    batch = view(len(pixels))
    parts = _parts(network, stages)
    size = sum(value.nbytes for value in network.state_dict().values())
    try:
        limit.check_computing(COPYING_SECONDS + size * COPYING_SECONDS_A_BYTE)
    except OutOfTimeError:
        yield from ({f"{part}_unmeasured": 1.0} for part in parts[1:])
        return
    trial = copy.deepcopy(network).to(device).to(memory_format=torch.channels_last)
    if "prefix" in parts:
        trial.freeze(next(stage.freeze_point for stage in stages if stage.freeze_point))
        yield _measure_prefix(trial, device, batch, limit)
    if "step" in parts:
        trial.freeze(stages[-1].freeze_point)
        with limit.watch(trial):
            found = _measure_step(trial, device, batch, limit, stored=bool(stages[-1].freeze_point and config.views))
        yield found
    torch.random.set_rng_state(rng_state)


@torch.inference_mode()
def _measure_prefix(network: Network, device: torch.device, batch: Tensor, limit: Limit) -> Figures:
    module = fold_prefix(network)
    outputs: dict[str, Tensor] = {}

    def evaluate(precision: str, count: int) -> None:
        with autocast(device, precision):
            outputs[precision] = module(batch[:count]).float()

    with limit.watch(module):
        found = _time_formats("prefix", evaluate, device, limit, len(batch))
    if not outputs:
        return found
    exact = outputs["fp32"]
    found["prefix_bytes"] = float(exact[0].numel() * stored_dtype(exact.ndim).itemsize)
    for half in outputs.keys() - {"fp32"}:
        count = min(len(exact), len(outputs[half]))
        wanted = exact[:count].flatten(1)
        errors = (outputs[half][:count].flatten(1) - wanted).norm(dim=1) / wanted.norm(dim=1).clamp(min=1e-9)
        # NaN or infinity would not be valid JSON, and is no better than this
        found["prefix_error"] = float(errors.mean().nan_to_num(1e9, 1e9, 1e9).clamp(max=1e9))
    return found


def _measure_step(network: Network, device: torch.device, batch: Tensor, limit: Limit, *, stored: bool) -> Figures:
    network.train()
    most = len(batch)
    if stored:
        # how long a step takes does not depend on what is in the pictures
        try:
            few = network.frozen_prefix(batch[:LEAST_IN_STEP])
        except OutOfTimeError:
            return {"step_unmeasured": 1.0}
        batch = few.repeat(math.ceil(most / len(few)), *[1] * (few.ndim - 1))
    forward: dict[str, float] = {}  # seconds an image

    def step(precision: str, count: int) -> None:
        inputs = batch[:count]
        started = perf_counter()
        with autocast(device, precision):
            logits = network.trainable_part(inputs) if stored else network(inputs)
        taken = perf_counter() - started
        forward[precision] = taken / count
        limit.check(BACKWARD_COST * taken)  # which cannot be interrupted
        loss = functional.mse_loss(logits.float(), torch.zeros_like(logits, dtype=torch.float32))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    found = _time_formats("step", step, device, limit, most, LEAST_IN_STEP)
    if "step_fp32" not in found and forward:
        found["step_fp32"] = 1000 * (1 + BACKWARD_COST) * forward["fp32"]
    return found


def _time_formats(
    part: str, work: Callable[[str, int], object], device: torch.device, limit: Limit, most: int, least: int = 1
) -> Figures:
    formats = number_formats(device)
    times = time_ways(work, formats, device, limit, most, least)
    found = {f"{part}_{precision}": value for precision, value in times.items()}
    return found if len(times) == len(formats) else {**found, f"{part}_unmeasured": 1.0}
