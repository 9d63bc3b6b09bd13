"""What the peers have in common: their options, loaders, network, loop, and the line of JSON that they print.

A peer is another library's way to the same result, on a folder with train/, val/ and test/ that hold a folder of images
for each class. The loop is the one that PyTorch's transfer-learning tutorial teaches.
"""

import argparse
import copy
import json
import time

import psutil
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import mobilenet_v2
from torchvision.transforms import v2

from models.entry import Preprocessing

BATCH = 32
WORKERS = 2
LEARNING_RATE = 1e-3  # of a new head

Loaders = dict[str, DataLoader[tuple[Tensor, Tensor]]]


def arguments(epochs: int | None = 5) -> argparse.ArgumentParser:
    """The options that every peer takes.

    Args:
        epochs: how many, unless `--epochs` is given.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="holds train/, val/ and test/ with a folder for each class")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def open_folders(folder: str, spec: Preprocessing) -> tuple[Loaders, int]:
    """Loaders of train (random crops and flips, shuffled), val and test (centre crops), and the number of classes."""
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(spec.mean, spec.std)]
    train_view = v2.Compose([v2.RandomResizedCrop(spec.crop_px), v2.RandomHorizontalFlip(), *finish])
    plain_view = v2.Compose([v2.Resize(spec.resize_px), v2.CenterCrop(spec.crop_px), *finish])
    folders = {
        name: ImageFolder(f"{folder}/{name}", train_view if name == "train" else plain_view)
        for name in ("train", "val", "test")
    }
    loaders = {
        name: DataLoader(pictures, batch_size=BATCH, shuffle=name == "train", num_workers=WORKERS)
        for name, pictures in folders.items()
    }
    return loaders, len(folders["train"].classes)


def frozen_mobilenet(classes: int) -> tuple[nn.Module, Optimizer]:
    """torchvision's pretrained MobileNetV2, frozen under a new output layer, and Adam on that layer."""
    network = mobilenet_v2(weights="IMAGENET1K_V1")
    for parameter in network.parameters():
        parameter.requires_grad = False
    network.classifier[1] = nn.Linear(network.last_channel, classes)
    return network, Adam(network.classifier[1].parameters(), lr=LEARNING_RATE)


def fit_and_test(network: nn.Module, optimizer: Optimizer, loaders: Loaders, epochs: int) -> float:
    """Train, go back to the best epoch by validation, and test once: the test accuracy."""
    loss_of = nn.CrossEntropyLoss()
    best, kept = -1.0, copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        network.train()
        for pictures, labels in loaders["train"]:
            optimizer.zero_grad()
            loss_of(network(pictures), labels).backward()
            optimizer.step()
        score = accuracy(network, loaders["val"])
        if score > best:
            best, kept = score, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return accuracy(network, loaders["test"])


def accuracy(network: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]]) -> float:
    """Share of the pictures that the network names rightly."""
    network.eval()
    correct = total = 0
    with torch.no_grad():
        for pictures, labels in loader:
            correct += int((network(pictures).argmax(dim=1) == labels).sum())
            total += len(labels)
    return correct / total


def report(test_accuracy: float) -> None:
    """Print a line of JSON: the test accuracy, and the seconds since the process began."""
    seconds = time.time() - psutil.Process().create_time()
    print(json.dumps({"test_accuracy": test_accuracy, "seconds": seconds}))
