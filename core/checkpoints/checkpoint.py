"""Networks of a run: built from its configuration, saved as a checkpoint, and loaded again. No pickle.

A checkpoint is a safetensors file of weights and a JSON sidecar with all that prediction needs (network, options,
classes, preprocessing), so a run works without its dataset. The sidecar is written last: it never lacks its weights.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from core.checkpoints.preprocessing import describe_preprocessing, read_preprocessing
from core.checkpoints.pretrained_weights import load_pretrained
from core.checkpoints.weights_file import check_header
from core.config.train_config import TrainConfig, load_config
from core.errors import ConfigError, NetworkError, RunError
from core.settings import Settings
from core.storage import atomic_open, read_json, write_json
from models.entry import Preprocessing
from models.network import Network, build

FORMAT = 1
MAX_SIDECAR_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Checkpoint:
    """The content of the sidecar.

    Attributes:
        feature_scale: by which the head multiplied features in training; the weights have taken it over.
    """

    config: TrainConfig
    classes: tuple[str, ...]
    epoch: int
    val_accuracy: float | None
    preprocessing: Preprocessing
    feature_scale: float = 1.0


def save_checkpoint(folder: Path, name: str, network: Network, checkpoint: Checkpoint) -> None:
    """Write `name.safetensors` and `name.json`, each whole or not at all; a scale of features goes into the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in network.folded_state().items()}
    with atomic_open(folder / f"{name}.safetensors") as file:
        file.write(save(tensors, metadata={"epoch": str(checkpoint.epoch)}))
    write_json(
        folder / f"{name}.json",
        {
            "format": FORMAT,
            "config": checkpoint.config.model_dump(mode="json"),
            "classes": list(checkpoint.classes),
            "epoch": checkpoint.epoch,
            "val_accuracy": checkpoint.val_accuracy,
            "preprocessing": describe_preprocessing(checkpoint.preprocessing),
            "feature_scale": network.feature_scale,
        },
    )


def read_sidecar(folder: Path, name: str) -> Checkpoint:
    """Read a checkpoint's sidecar, without its weights.

    Raises:
        RunError: if it is missing or damaged.
    """
    path = folder / f"{name}.json"
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise ValueError("larger than any sidecar")
        values: dict[str, Any] = read_json(path)
        epoch, accuracy = values["epoch"], values["val_accuracy"]
        if type(epoch) is not int:
            raise ValueError("no epoch")
        config = load_config(values["config"])
        return Checkpoint(
            config,
            tuple(str(name) for name in values["classes"]),
            epoch,
            None if accuracy is None else float(accuracy),
            read_preprocessing(config, values.get("preprocessing")),
            float(values.get("feature_scale", 1.0)),
        )
    except FileNotFoundError as error:
        raise RunError("This run has no saved weights: train it for at least one epoch.") from error
    except ConfigError as error:
        reason = next(iter(error.problems.values())).split(":")[0]  # without its remedy, which is no help here
        raise RunError(
            f"The checkpoint file {path.name} of this run cannot be used ({reason}): train the run again."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise RunError(f"The checkpoint file {path.name} of this run is damaged: train the run again.") from error


def load_network(folder: Path, name: str) -> tuple[Network, Checkpoint]:
    """Rebuild the network of a checkpoint, in eval mode on the CPU.

    Raises:
        RunError: if a file is missing or damaged, does not fit, or holds numbers that are not finite.
    """
    checkpoint = read_sidecar(folder, name)
    path = folder / f"{name}.safetensors"
    damaged = f"The weights file {path.name} of this run is damaged: train the run again."
    try:
        check_header(path)
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise RunError("This run has no saved weights: train it for at least one epoch.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(damaged) from error
    try:
        network = _build(checkpoint.config, len(checkpoint.classes), seed=0)
        network.load_state_dict(tensors)
    except (RuntimeError, NetworkError) as error:
        raise RunError(damaged) from error
    if not all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point()):
        raise RunError(f"The weights file {path.name} holds numbers that are not finite: train the run again.")
    return network.eval(), checkpoint


def build_network(settings: Settings, config: TrainConfig, classes: int) -> Network:
    """Build the network with which a run starts: random weights, or pretrained ones under a new head.

    Raises:
        WeightsError: the pretrained weights are not on this machine.
    """
    if not config.pretrained:
        return _build(config, classes, seed=config.seed)
    return load_pretrained(settings, config.entry(), classes, config.head, config.seed)


def _build(config: TrainConfig, classes: int, seed: int) -> Network:
    options = config.scratch_options() if config.model == "scratch_cnn" else None
    return build(config.model, classes, head=config.head, options=options, seed=seed)
