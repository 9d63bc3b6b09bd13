"""The peer: the loop that PyTorch's transfer-learning tutorial teaches, on the same split.

    python -m bench.tutorial_loop FOLDER --epochs 5

FOLDER holds train/, val/ and test/ with a folder for each class. ImageFolder, RandomResizedCrop and flip, a DataLoader
with two workers, MobileNetV2 with its backbone frozen, Adam on the new head, the best epoch by validation, one test.
Prints JSON: test accuracy and seconds from the start of the process.
"""

import torch

from bench.peers import arguments, fit_and_test, frozen_mobilenet, open_folders, report
from models.catalog import CATALOG


def main() -> None:
    """Train and test."""
    options = arguments().parse_args()
    torch.manual_seed(options.seed)
    loaders, classes = open_folders(options.folder, CATALOG["mobilenet_v2"].preprocessing)
    network, optimizer = frozen_mobilenet(classes)
    report(fit_and_test(network, optimizer, loaders, options.epochs))


if __name__ == "__main__":
    main()
