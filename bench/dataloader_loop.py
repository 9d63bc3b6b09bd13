"""The peer of the other strategies: the tutorial's loop with this project's own networks, on the same split.

    python -m bench.dataloader_loop FOLDER [--strategy partial] [--epochs 10]

FOLDER holds train/, val/ and test/ with a folder for each class. `scratch`: the default scratch_cnn from random
weights, 10 epochs. `partial`: MobileNetV2 with pretrained weights (TORCH_HOME names them), its first two thirds frozen
and run again for every picture, 3 epochs, the backbone's rate a tenth of the head's. ImageFolder, RandomResizedCrop and
flip, a DataLoader with two workers, Adam, the best epoch by validation, one test; fp32, no store of any kind.
Prints JSON: test accuracy and seconds from the start of the process.
"""

import sys

import torch
from torch.optim import Adam

from bench.peers import LEARNING_RATE, arguments, fit_and_test, open_folders, report
from models import weights
from models.catalog import ScratchOptions, get_entry
from models.network import build, build_pretrained

EPOCHS = {"scratch": 10, "partial": 3}
BACKBONE_FACTOR = 0.1


def main() -> None:
    """Train and test."""
    parser = arguments(epochs=None)
    parser.add_argument("--strategy", choices=EPOCHS, default="scratch")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    scratch = ScratchOptions() if options.strategy == "scratch" else None
    entry = get_entry("scratch_cnn" if scratch else "mobilenet_v2", scratch)
    loaders, classes = open_folders(options.folder, entry.preprocessing)
    if scratch:
        network = build(entry.name, classes, options=scratch, seed=options.seed)
    else:
        path = weights.find(entry)
        if path is None:
            sys.exit(f"The weights of {entry.title} are missing: set TORCH_HOME to where they are.")
        network = build_pretrained(entry.name, classes, seed=options.seed, weights_file=path)
        network.freeze(entry.default_freeze)
    optimizer = Adam(network.parameter_groups(LEARNING_RATE, BACKBONE_FACTOR))
    epochs = EPOCHS[options.strategy] if options.epochs is None else options.epochs
    report(fit_and_test(network, optimizer, loaders, epochs))


if __name__ == "__main__":
    main()
