"""The number by which a head multiplies the features of a pretrained backbone, so that large ones become usual.

A linear layer starts with weights for features around 1, and learning rates are fitted to such. Where features are
larger (SqueezeNet's: a root mean square of 13 to 17 on photographs), the first loss is 4 to 16 nats, and the
probabilities end saturated. Smaller features, those of most networks, stay as they are, to the last bit.
"""

import math

import torch

from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.training_data import TrainingData
from core.training.feeds import ActivationFeed, Feed
from models.network import Network

LARGEST = 1.0  # root mean square of features that stay as they are


@torch.inference_mode()
def measure_scale(network: Network, feed: Feed, data: TrainingData, hardware: Hardware) -> float:
    """The scale for a network with the weights it starts with, from training pictures in their plain view.

    Args:
        network: on its device, frozen at the point of the feed's stage; left in eval mode.
    Returns:
        The root mean square of the features times this is at most `LARGEST`; 1 where it is already.
    """
    network.eval()
    if isinstance(feed, ActivationFeed):
        prefix = feed.train[0].take(data.sample_places()).to(hardware.device)
    else:
        images = centre_crop(to_channels_first(data.sample()), data.preprocessing)
        prefix = network.frozen_prefix(normalise(images, data.preprocessing, hardware.device))
    size = math.sqrt(float(network.features(prefix).cpu().double().square().mean()))
    return LARGEST / size if LARGEST < size < math.inf else 1.0
