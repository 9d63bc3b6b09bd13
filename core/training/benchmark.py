"""The speed benchmark: which number formats are fastest here, measured on the real network and remembered.

bf16 makes some networks faster on a CPU and slows others down, so `precision: auto` times both: training steps of the
trainable part, and the frozen part, whose outputs must also stay close to those in fp32. Equal runs on one machine take
the same path.
"""

import copy
import time
from collections.abc import Callable, Generator, Iterator, Sequence
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
from core.errors import DatasetError, ImageError
from core.settings import Settings
from core.steps import StopSignal
from core.stores.activations import stored_dtype
from core.stores.augmentation import Augmentation, apply_views, draw_views, normalise, to_channels_first
from core.stores.hardware import Hardware, autocast, choose_device, device_name, number_formats
from core.stores.measurements import Figures, Measurements
from core.stores.pixels import Pixels, preprocessing_of, square_pixels
from models.folding import fold_prefix
from models.network import Network

SAMPLE = 16  # images
MAX_FIGURES = 7  # of one configuration
ENOUGH_SECONDS = 0.15  # of repetitions, for one figure
LEAST_REPETITIONS, MAX_REPETITIONS = 3, 5
LONG_SECONDS = 2.0  # a large network is repeated less
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
    """
    device = choose_device(settings)
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
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        refused = "fp32", "this GPU has no bf16"
        return decided(refused, refused)
    figures = yield from _recall_or_measure(settings, network, config, stages, device, pixels, signal)
    return decided(choose_precision(figures, "step", "auto"), choose_precision(figures, "prefix", "auto"))


def measure_ahead(
    settings: Settings, config: TrainConfig, dataset: Dataset, signal: StopSignal
) -> Generator[Progress, None, Figures]:
    """Measure a configuration before its training, unless that was done already.

    Raises:
        Stopped: `signal` was set between two figures; none is kept.
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
    figures = known.find(what, machine)
    if figures is not None:
        return figures
    measured: Figures = {}
    for found in measure(network, config, stages, device, pixels):
        signal.check()
        measured.update(found)
        yield Progress("preparing", TEXT, len(measured), MAX_FIGURES, None)
    return known.keep(what, machine, measured)


def measure(
    network: Network, config: TrainConfig, stages: list[Stage], device: torch.device, pixels: Pixels
) -> Iterator[Figures]:
    """Milliseconds an image, as `choose_hardware` and `estimate` use them.

    `input`: of a random view; `prefix_fp32`, `prefix_bf16`: of the frozen part; `step_fp32`, `step_bf16`: of training.
    bf16 is left out where the processor would have to emulate it.
    `prefix_error` is the mean relative error of what leaves the frozen part in bf16, `prefix_bytes` its size in the
    store. What a configuration does not have is not measured: a head alone computes in fp32 at once.
    """
    rng_state = torch.random.get_rng_state()
    trial = copy.deepcopy(network).to(device).to(memory_format=torch.channels_last)
    spec = config.entry().preprocessing
    augmentation = Augmentation.from_config(config)
    places = np.arange(len(pixels))
    views = draw_views(augmentation, len(pixels), spec, 0, 1)

    def view() -> Tensor:
        images = apply_views(to_channels_first(pixels), views, places, augmentation, spec.crop_px)
        return normalise(images, spec, device)

    yield {"input": _fastest(lambda _: view(), ("",), device)[""] / len(pixels)}
    batch = view()
    frozen = next((stage.freeze_point for stage in stages if stage.freeze_point), None)
    if frozen:
        trial.freeze(frozen)
        yield from _measure_prefix(trial, device, batch)
    last = stages[-1].freeze_point
    trial.freeze(last)
    if last != list(trial.blocks)[-1]:
        yield from _measure_step(trial, device, batch, stored=bool(last and config.views))
    torch.random.set_rng_state(rng_state)


@torch.inference_mode()
def _measure_prefix(network: Network, device: torch.device, batch: Tensor) -> Iterator[Figures]:
    module = fold_prefix(network)
    outputs: dict[str, Tensor] = {}

    def evaluate(precision: str) -> None:
        with autocast(device, precision):
            outputs[precision] = module(batch).float()

    formats = number_formats(device)
    times = _fastest(evaluate, formats, device)
    yield {f"prefix_{precision}": value / len(batch) for precision, value in times.items()}
    wanted, found = outputs["fp32"].flatten(1), outputs[formats[-1]].flatten(1)
    yield {"prefix_bytes": float(found.shape[1] * stored_dtype(outputs["fp32"].ndim).itemsize)}
    if "bf16" not in formats:
        return
    errors = (found - wanted).norm(dim=1) / wanted.norm(dim=1).clamp(min=1e-9)
    # NaN or infinity would not be valid JSON, and is no better than this
    yield {"prefix_error": float(errors.mean().nan_to_num(1e9, 1e9, 1e9).clamp(max=1e9))}


def _measure_step(network: Network, device: torch.device, batch: Tensor, *, stored: bool) -> Iterator[Figures]:
    network.train()
    if stored:
        batch = network.frozen_prefix(batch)

    def step(precision: str) -> None:
        with autocast(device, precision):
            logits = network.trainable_part(batch) if stored else network(batch)
        loss = functional.mse_loss(logits.float(), torch.zeros_like(logits, dtype=torch.float32))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    times = _fastest(step, number_formats(device), device)
    yield {f"step_{precision}": value / len(batch) for precision, value in times.items()}


def _fastest(work: Callable[[str], object], ways: Sequence[str], device: torch.device) -> dict[str, float]:
    """Milliseconds of the fastest of some repetitions of each way, after one that does not count.

    The ways take turns: a program that slows the machine down for a moment then slows all of them down. One that takes
    more than twice as long as another is not tried again.
    """

    def whole(way: str) -> None:
        work(way)
        if device.type == "cuda":
            torch.cuda.synchronize()
        elif device.type == "mps":
            torch.mps.synchronize()

    for way in ways:
        whole(way)
    fastest, began = dict.fromkeys(ways, float("inf")), time.perf_counter()
    for done in range(1, MAX_REPETITIONS + 1):
        for way in ways:
            started = time.perf_counter()
            whole(way)
            fastest[way] = min(fastest[way], 1000 * (time.perf_counter() - started))
        best = min(fastest.values())
        ways = [way for way in ways if fastest[way] <= 2 * best]
        spent = time.perf_counter() - began
        if spent > ENOUGH_SECONDS * len(ways) and (done >= LEAST_REPETITIONS or spent > LONG_SECONDS):
            break
    return fastest
