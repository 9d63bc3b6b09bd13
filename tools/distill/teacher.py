"""The teacher's answers and how far a student is from them.

The student imitates the teacher's features, standardised so that rare ones count as much as loud ones, by their cosine
distance; and what the teacher's own classifier makes of them, softened by a temperature. Sources: Hinton, Vinyals,
Dean, Distilling the knowledge in a neural network (2015); Chen et al., Knowledge distillation with the reused teacher
classifier (2022).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import WeightsError
from models import weights
from models.catalog import get_entry
from models.entry import NetworkEntry
from models.network import load_original
from models.pretrained import classifier_of, take_apart

TEMPERATURE = 2.0
LEAST_STD = 1e-3  # added to a feature's standard deviation


@dataclass(frozen=True)
class Distance:
    """What is minimised, and its part that is easy to read."""

    loss: Tensor
    cosine: Tensor  # mean cosine distance of standardised features, 0 to 2


class Teacher:
    """A pretrained network that answers with features, and its classifier.

    Args:
        name: in the catalog.
        device: where it computes.
        precision: `bf16` or `fp32`.
    Raises:
        NetworkError: the network is unknown or has no pretrained weights.
        WeightsError: its weights are not on this machine, or damaged.
    """

    def __init__(self, name: str, device: torch.device, precision: str) -> None:
        self.entry: NetworkEntry = get_entry(name)
        path = weights.find(self.entry)
        if path is None:
            raise WeightsError(f"The weights of {self.entry.title} are missing: run `python -m core prefetch {name}`.")
        original = load_original(name, path)
        classifier = classifier_of(original)
        self.weight, self.bias = (value.detach().to(device) for value in classifier)
        parts = take_apart(name, original)
        self.network = nn.Sequential(*parts.blocks.values(), parts.pool).eval().requires_grad_(False)
        self.network.to(device=device).to(memory_format=torch.channels_last)
        self.device = device
        self.precision = precision

    @torch.no_grad()
    def features(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, feature_width) float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            found: Tensor = self.network(normalise(views.to(self.device), self.entry))
        return found.float()


class Objective:
    """Distance of a student's features to the teacher's.

    Args:
        teacher: its classifier is used, and never changed.
        mean: (F) of the teacher's features over views.
        std: (F) their standard deviation.
    """

    def __init__(self, teacher: Teacher, mean: Tensor, std: Tensor) -> None:
        self.mean, self.std = mean.to(teacher.device), std.to(teacher.device)
        self.weight, self.bias = teacher.weight, teacher.bias

    def __call__(self, student: Tensor, teacher: Tensor) -> Distance:
        """(B, F) float32 each."""
        ours, theirs = ((features - self.mean) / (self.std + LEAST_STD) for features in (student, teacher))
        cosine = (1 - functional.cosine_similarity(ours, theirs)).mean()
        ours, theirs = (
            (functional.linear(features, self.weight, self.bias) / TEMPERATURE).log_softmax(dim=1)
            for features in (student, teacher)
        )
        classes = functional.kl_div(ours, theirs, log_target=True, reduction="batchmean")
        return Distance(cosine + classes, cosine)


def normalise(views: Tensor, entry: NetworkEntry) -> Tensor:
    """(B, 3, H, W) uint8 to float32 as a network wants it, channels last in memory."""
    mean, std = (
        torch.tensor(values, device=views.device).view(1, 3, 1, 1) * 255
        for values in (entry.preprocessing.mean, entry.preprocessing.std)
    )
    return views.float().sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)
