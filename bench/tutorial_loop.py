"""The peer: the loop that PyTorch's transfer-learning tutorial teaches, on the same split.

    python -m bench.tutorial_loop FOLDER --epochs 5

FOLDER holds train/, val/ and test/ with a folder for each class. ImageFolder, RandomResizedCrop and flip, a DataLoader
with two workers, MobileNetV2 with its backbone frozen, Adam on the new head, the best epoch by validation, one test.
Prints JSON: test accuracy and seconds from the start of the process.
"""

import argparse
import copy
import json
import time

import psutil
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, models
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    train_view = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), *finish])
    plain_view = v2.Compose([v2.Resize(256), v2.CenterCrop(224), *finish])
    loaders = {
        name: DataLoader(
            datasets.ImageFolder(f"{options.folder}/{name}", train_view if name == "train" else plain_view),
            batch_size=32,
            shuffle=name == "train",
            num_workers=2,
        )
        for name in ("train", "val", "test")
    }
    network = models.mobilenet_v2(weights="IMAGENET1K_V1")
    for parameter in network.parameters():
        parameter.requires_grad = False
    classes = len(loaders["train"].dataset.classes)
    network.classifier[1] = nn.Linear(network.last_channel, classes)
    optimizer = torch.optim.Adam(network.classifier[1].parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()

    def accuracy(name: str) -> float:
        network.eval()
        correct = total = 0
        with torch.no_grad():
            for pictures, labels in loaders[name]:
                correct += int((network(pictures).argmax(dim=1) == labels).sum())
                total += len(labels)
        return correct / total

    best, kept = -1.0, copy.deepcopy(network.state_dict())
    for _ in range(options.epochs):
        network.train()
        for pictures, labels in loaders["train"]:
            optimizer.zero_grad()
            loss_of(network(pictures), labels).backward()
            optimizer.step()
        score = accuracy("val")
        if score > best:
            best, kept = score, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    tested = accuracy("test")
    seconds = time.time() - psutil.Process().create_time()
    print(json.dumps({"test_accuracy": tested, "seconds": seconds}))


if __name__ == "__main__":
    main()
