"""The student, and the optimizers that move it: Muon for hidden convolutions, AdamW for everything else.

Muon orthogonalises the step of a matrix and needs about half of the steps that AdamW needs here. A convolution is a
matrix for it: one row per filter. Source: Jordan et al., Muon: an optimizer for hidden layers (2024), in torch.
"""

import math

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon

from core.training.optimization import load_optimizer_tensors, optimizer_tensors
from models.petnet import FEATURES
from models.pretrained import build_original, take_apart

ADAMW_SHARE = 0.1  # AdamW's rate as a share of Muon's
WEIGHT_DECAY = 0.01
WARM_UP = 0.05  # share of the steps in which the rate rises
LARGEST_GRADIENT = 5.0


class Student(nn.Module):
    """petnet's backbone, pooled, with a projection where the teacher has another number of features.

    Args:
        teacher_features: numbers per view that the teacher gives.
        seed: of the first weights; torch's global generator is left as it was.
    """

    def __init__(self, teacher_features: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            parts = take_apart("petnet", build_original("petnet"))
            self.backbone = nn.ModuleDict(parts.blocks)
            self.pool = parts.pool
            self.projection: nn.Module = (
                nn.Identity() if teacher_features == FEATURES else nn.Linear(FEATURES, teacher_features)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, teacher_features)."""
        for block in self.backbone.values():
            x = block(x)
        return self.projection(self.pool(x).float())  # type: ignore[no-any-return]  # modules give Any


class StudentOptimizer:
    """One step for all of a student, with a learning rate that rises and falls over the training.

    Args:
        student: channels last in memory, on its device.
        learning_rate: Muon's peak.
        total_steps: of the whole training.
    """

    def __init__(self, student: Student, learning_rate: float, total_steps: int) -> None:
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.parameters = list(student.parameters())
        self.hidden = [p for p in self.parameters if p.ndim == 4 and p.shape[1] > 3]
        # views of the same memory: what Muon does to a matrix happens to the convolution
        self.matrices = [nn.Parameter(_as_matrix(weight.detach())) for weight in self.hidden]
        hidden = {id(parameter) for parameter in self.hidden}
        others = [parameter for parameter in self.parameters if id(parameter) not in hidden]
        self.muon = Muon(self.matrices, lr=learning_rate, weight_decay=WEIGHT_DECAY)
        self.adamw = AdamW(others, lr=learning_rate * ADAMW_SHARE, weight_decay=0.0)

    def step(self, number: int) -> None:
        """Use the gradients that `backward` left, and clear them.

        Args:
            number: of the step, from 0.
        """
        torch.nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
        share = self._share(number)
        for optimizer, peak in ((self.muon, self.learning_rate), (self.adamw, self.learning_rate * ADAMW_SHARE)):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
        for weight, matrix in zip(self.hidden, self.matrices, strict=True):
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
        self.muon.step()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.adamw.step()
        for parameter in (*self.parameters, *self.matrices):
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """All that the optimizers remember, as tensors by name."""
        return {
            f"{name}.{key}": value
            for name, optimizer in (("muon", self.muon), ("adamw", self.adamw))
            for key, value in optimizer_tensors(optimizer).items()
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for name, optimizer in (("muon", self.muon), ("adamw", self.adamw)):
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            load_optimizer_tensors(optimizer, own)

    def _share(self, number: int) -> float:
        done = (number + 1) / self.total_steps
        if done < WARM_UP:
            return done / WARM_UP
        return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _as_matrix(weight: Tensor) -> Tensor:
    """(out, in, h, w), channels last in memory -> (out, h * w * in), without a copy where that is possible."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
