"""The state of a training between two steps, taken as a snapshot and put back exactly."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from core.checkpoints.snapshot import Position, Snapshot
from core.training.gradients import trainable_state
from core.training.optimization import load_optimizer_tensors, load_scaler_tensors, optimizer_tensors, scaler_tensors
from models.network import Network


@dataclass(frozen=True)
class TrainingState:
    """All that changes from step to step, besides the position."""

    network: Network
    optimizer: Optimizer
    schedule: LambdaLR
    scaler: GradScaler
    device: torch.device

    def snapshot(self, position: Position) -> Snapshot:
        """Copies of everything that `restore` needs."""
        tensors = {f"network.{key}": value for key, value in trainable_state(self.network).items()}
        tensors |= {f"optimizer.{key}": value for key, value in optimizer_tensors(self.optimizer).items()}
        tensors |= {f"scaler.{key}": value for key, value in scaler_tensors(self.scaler).items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return Snapshot(
            dataclasses.replace(position),
            {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()},
            tuple(float(group["lr"]) for group in self.optimizer.param_groups),
            int(self.schedule.last_epoch),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Put weights, optimizer, schedule and random numbers back as they were at a snapshot."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "scaler": {}, "random": {}}
        for key, value in snapshot.tensors.items():
            owner, _, name = key.partition(".")
            parts[owner][name] = value
        own = self.network.state_dict()
        with torch.no_grad():
            for name, value in parts["network"].items():
                own[name].copy_(value)
        load_optimizer_tensors(self.optimizer, parts["optimizer"])
        load_scaler_tensors(self.scaler, parts["scaler"])
        for group, rate in zip(self.optimizer.param_groups, snapshot.rates, strict=True):
            group["lr"] = rate
        done = snapshot.schedule_step
        unchanged = [None] * len(snapshot.rates)
        self.schedule.load_state_dict({"last_epoch": done, "_step_count": done + 1, "lr_lambdas": unchanged})
        torch.set_rng_state(parts["random"]["cpu"])
        if "cuda" in parts["random"]:
            torch.cuda.set_rng_state(parts["random"]["cuda"], self.device)


def is_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every number of a network's state is finite, running statistics included."""
    return all(bool(torch.isfinite(value).all()) for value in tensors.values() if value.is_floating_point())
