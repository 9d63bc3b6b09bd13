"""The network of a configuration."""

from core.config.train_config import TrainConfig
from core.errors import WeightsError
from models import weights
from models.catalog import NetworkEntry
from models.network import Network, build, build_pretrained


def build_network(config: TrainConfig, entry: NetworkEntry, classes: int) -> Network:
    """The network with which a run starts: random weights, or pretrained ones under a fresh head.

    Raises:
        WeightsError: the pretrained weights are not on this machine.
    """
    if not config.pretrained:
        options = config.scratch_options() if config.model == "scratch_cnn" else None
        return build(config.model, classes, head=config.head, options=options, seed=config.seed)
    path = weights.find(entry)
    if path is None:
        raise WeightsError(f"The weights of {entry.title} are missing: run `python -m core prefetch {entry.name}`.")
    return build_pretrained(config.model, classes, head=config.head, seed=config.seed, weights_file=path)
