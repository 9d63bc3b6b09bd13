"""The files from which pretrained networks are built, in a form that runs no code when it is read.

What pip installs is a pickle. It is read once, after its hash was checked, and kept in the data root's cache as
safetensors, from which every later network is built. Downloads stay where torchvision keeps them.
"""

import hashlib
from pathlib import Path

from safetensors.torch import save

from core.checkpoints.pretrained_check import FOLDER, kept_name
from core.settings import Settings
from core.storage import atomic_open
from models import weights
from models.entry import NetworkEntry
from models.errors import WeightsError
from models.network import Network, build_pretrained, load_original


def load_pretrained(settings: Settings, entry: NetworkEntry, classes: int, head: str, seed: int) -> Network:
    """Build a network with its pretrained weights under a new head.

    Args:
        head, seed: as for `models.network.build_pretrained`.
    Raises:
        WeightsError: the weights are not on this machine, or damaged.
    """
    path = weights.find(entry)
    if path is None or entry.weights is None:
        raise WeightsError(weights.missing(entry))
    if entry.weights.package is None:
        return build_pretrained(entry.name, classes, head=head, seed=seed, weights_file=path)
    kept = settings.cache_dir / FOLDER / kept_name(entry.weights)
    if kept.is_file():
        try:
            return build_pretrained(entry.name, classes, head=head, seed=seed, weights_file=kept)
        except WeightsError:
            kept.unlink(missing_ok=True)  # it is written again
    _convert(entry, path, kept)
    return build_pretrained(entry.name, classes, head=head, seed=seed, weights_file=kept)


def _convert(entry: NetworkEntry, path: Path, kept: Path) -> None:
    assert entry.weights is not None
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"The weights file {path.name} cannot be read ({error.strerror or error}).") from error
    if not found.startswith(entry.weights.sha256_prefix):
        raise WeightsError(f"The weights file {path.name} is not the one that was published: {entry.repair}.")
    state = {name: value.contiguous() for name, value in load_original(entry.name, path).state_dict().items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(kept) as file:
        file.write(save(state, metadata={"network": entry.name, "sha256": found}))
