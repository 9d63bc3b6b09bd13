"""Spaces that are worth searching: each completes a base configuration and says what is searched around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.config.sweep_plan import Pruner, Sampler, Space, parse_space
from core.config.train_config import SCRATCH_FIELDS, TrainConfig
from core.errors import ConfigError
from models import weights
from models.catalog import CATALOG


@dataclass(frozen=True)
class SweepPreset:
    """A space with what goes with it.

    Attributes:
        changes: of the base configuration.
        space: as texts of `parse_space`.
    """

    title: str
    summary: str
    space: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    sampler: Sampler = "tpe"
    pruner: Pruner = "median"
    seeds: int = 1
    trials: int = 20


FIVE_BLOCK_CNN, HEAD_RECIPE, WHICH_NETWORK = "five-block-cnn", "head-recipe", "which-network"
SWEEP_PRESETS: Mapping[str, SweepPreset] = {
    FIVE_BLOCK_CNN: SweepPreset(
        "The five-block CNN",
        "Filters, kernel size, activation, dropout and how the small network is trained.",
        (
            "filters=[32,32,32,32,32]|[32,64,128,128,256]|[64,128,256,256,512]|[256,128,64,64,32]",
            "kernel_size=3,5",
            "activation=relu,gelu,silu,mish",
            "dropout=0..0.5",
            "dense_neurons=64,128,256,512",
            "batch_norm=on,off",
            "augment_crop=on,off",
            "learning_rate=log:1e-4..1e-2",
            "batch_size=16,32,64",
        ),
        {"model": "scratch_cnn", "strategy": "scratch", "freeze_point": None, "head_epochs": None},
    ),
    HEAD_RECIPE: SweepPreset(
        "A head's recipe",
        "How the output layer on a frozen backbone is trained; a trial takes seconds.",
        (
            "learning_rate=log:1e-4..1e-1",
            "optimizer=adam,adamw,sgd",
            "schedule=constant,cosine,one-cycle",
            "weight_decay=0..0.1",
            "label_smoothing=0..0.2",
            "batch_size=8,16,32,64",
        ),
        {"strategy": "head", "workers": 1, "freeze_point": None, "head_epochs": None},
        pruner="wilcoxon",
        seeds=3,
        trials=30,
    ),
    WHICH_NETWORK: SweepPreset(
        "Which network and strategy",
        "Every network whose weights are here, its head alone and more of it.",
        (),  # depends on the machine
        {"strategy": "head", "workers": 1, "freeze_point": None, "head_epochs": None},
        sampler="grid",
        pruner="none",
    ),
}


SUGGESTED: Mapping[str, str] = {
    "learning_rate": "log:1e-4..1e-1",
    "batch_size": "8,16,32,64",
    "optimizer": "adam,adamw,sgd",
    "schedule": "constant,cosine,one-cycle",
    "weight_decay": "0..0.1",
    "label_smoothing": "0..0.2",
    "dropout": "0..0.5",
    "activation": "relu,gelu,silu,mish",
    "filters": "[32,64,128]|[32,64,128,128,256]|[64,128,256,256,512]",
    "kernel_size": "3,5",
    "dense_neurons": "64,128,256,512",
    "batch_norm": "on,off",
    "image_size": "64,96,128",
    "augment_crop": "on,off",
    "augment_flip": "on,off",
    "augment_colour": "on,off",
    "augment_strength": "0..1",
    "epochs": "3,5,10,20",
    "backbone_factor": "log:0.01..1",
    "strategy": "head,partial,full",
    "stored_views": "0,1,4",
    "gradient_clip": "0,1,5",
    "fit": "crop,pad,squeeze",
    "precision": "fp32,bf16",
    "head": "softmax,sigmoid",
    "patience": "0,3",
    "find_rate": "on,off",
    "head_epochs": "1,2,3",
    "max_images": "500,1000,2000",
    "max_seconds": "10,30,60",
}  # values of a field to begin with, as `parse_space` reads them; those of networks and blocks depend on the base


def searchable_fields(base: TrainConfig) -> list[str]:
    """The fields that make a difference around a base, those that are searched most often first."""
    useless = {
        *(SCRATCH_FIELDS if base.model != "scratch_cnn" else ("strategy", "backbone_factor")),
        *(() if base.strategy in ("partial", "gradual") else ("freeze_point",)),
        *(() if base.strategy == "gradual" else ("head_epochs",)),
    }
    return [name for name in (*SUGGESTED, "model", "freeze_point") if name not in useless]


def suggest_values(name: str, base: TrainConfig) -> str:
    """Values of a field that are worth trying around a base, for `parse_space`; empty where there are none."""
    if name == "model":
        return ",".join(networks_here())
    if name == "freeze_point":
        return ",".join(base.entry().freeze_points)
    return SUGGESTED.get(name, "")


def apply_preset(name: str, base: TrainConfig) -> tuple[TrainConfig, Space, SweepPreset]:
    """The base and the space of a preset.

    Raises:
        ConfigError: there is no such preset, or it does not fit the base.
    """
    if name not in SWEEP_PRESETS:
        raise ConfigError({"preset": f"There is no preset {name!r}: choose one of {', '.join(SWEEP_PRESETS)}."})
    preset = SWEEP_PRESETS[name]
    changes = dict(preset.changes)
    texts = preset.space
    if name == WHICH_NETWORK:
        present = networks_here()
        if not present:
            raise ConfigError({"preset": "No pretrained weights are on this machine: run python -m core prefetch."})
        texts = (f"model={','.join(present)}", "strategy=head,partial,full")
        changes["model"] = present[0]
        if len(present) == 1:
            texts = texts[1:]
    elif name == HEAD_RECIPE and CATALOG[base.model].weights is None:
        changes["model"] = TrainConfig(dataset=base.dataset).model
    changed = base.variant(**changes)
    return changed, parse_space(texts, changed), preset


def networks_here() -> list[str]:
    """The networks whose pretrained weights are on this machine, smallest first."""
    found = [name for name, entry in CATALOG.items() if entry.weights is not None and weights.find(entry) is not None]
    return sorted(found, key=lambda name: CATALOG[name].backbone_parameters)
