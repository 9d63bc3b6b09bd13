"""Which pretrained network suits a dataset on this machine: the most accurate one that is here and quick enough.

Accuracy is what the authors publish for ImageNet, the only figure that is known of each before it has seen the
pictures. No torch.
"""

from dataclasses import dataclass

from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates.estimate import estimate
from core.settings import Settings
from core.stores.measurements import Measurements
from models import weights
from models.catalog import CATALOG
from models.entry import NetworkEntry
from models.weights import FIRST_CHOICES

QUICK_SECONDS = 75.0  # about a minute, of the first run of a head


@dataclass(frozen=True)
class Recommendation:
    """A network for a dataset.

    Attributes:
        seconds: of the first run of a head, on this machine; None where that was not measured yet.
        doubtful: other programs kept the machine busy when this network, or a more accurate one, was measured: whether
            it is quick enough cannot be known until it is measured again.
    """

    network: NetworkEntry
    seconds: float | None
    doubtful: bool = False


def recommend_network(settings: Settings, dataset: Dataset) -> Recommendation:
    """The most accurate network that is here and whose first run takes about a minute at most.

    A measurement on a busy machine is an upper limit: it shows that a network is quick, but not that it is slow. Where
    nothing is known for certain, a network counts as quick if it was made for phones; petnet is always quick enough.
    """
    here = [entry for entry in CATALOG.values() if entry.imagenet_top1 is not None and weights.find(entry) is not None]
    doubtful = False
    for entry in sorted(here, key=lambda entry: entry.imagenet_top1 or 0.0, reverse=True):
        found = estimate(settings, TrainConfig(dataset=dataset.id, model=entry.name), dataset)
        unsure = found is not None and found.least_seconds <= QUICK_SECONDS < found.seconds
        doubtful = doubtful or unsure
        quick = entry.name in FIRST_CHOICES if found is None or unsure else found.seconds <= QUICK_SECONDS
        if quick:
            return Recommendation(entry, found.seconds if found else None, doubtful)
    petnet = CATALOG[weights.WITHOUT_DOWNLOAD]
    found = estimate(settings, TrainConfig(dataset=dataset.id, model=petnet.name), dataset)
    return Recommendation(petnet, found.seconds if found else None, doubtful)


def milliseconds_per_image(settings: Settings, entry: NetworkEntry) -> float | None:
    """How long one image takes to go through a network on this machine; None where that was not measured yet.

    Of several measurements the newest without doubt, if there is one.
    """
    if entry.weights is None:
        return None
    config = TrainConfig(dataset="any", model=entry.name, strategy="head")
    known, what = Measurements(settings), describe_network(config, plan_stages(config, entry))
    figures = known.find(what, certain=True) or known.find(what) or {}
    times = [figures[name] for name in ("prefix_fp32", "prefix_bf16", "prefix_fp16") if name in figures]
    return min(times, default=None)
