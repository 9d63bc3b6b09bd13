"""The peer: Lightning's Trainer on a frozen MobileNetV2, on the same split.

    pip install -r bench/requirements.txt
    python -m bench.lightning_loop FOLDER --epochs 5

Not Keras: its MobileNetV2 pads strided convolutions on one side only, so torchvision's weights do not fit it, and its
own weights come from a server. FOLDER holds train/, val/ and test/ with a folder for each class. The loaders and the
network are those of bench.tutorial_loop, but the backbone is in evaluation mode, as in Lightning's guide to transfer
learning. The best epoch by validation, one test. TORCH_HOME names torchvision's weights. Prints JSON: test accuracy and
seconds from the start of the process.
"""

import tempfile

from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from bench.peers import arguments, frozen_mobilenet, open_folders, report
from models.catalog import CATALOG

Batch = tuple[Tensor, Tensor]


class Transfer(LightningModule):
    """A new head on a frozen backbone, as Lightning trains it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network, self.optimizer = frozen_mobilenet(classes)
        self.network.features.eval()

    def training_step(self, batch: Batch) -> Tensor:
        """The loss of a batch."""
        pictures, labels = batch
        return F.cross_entropy(self.network(pictures), labels)

    def validation_step(self, batch: Batch) -> None:
        """Count what the network names rightly; validation and test do the same."""
        pictures, labels = batch
        right = (self.network(pictures).argmax(dim=1) == labels).double()
        self.log("accuracy", right.mean(), batch_size=len(labels))

    test_step = validation_step

    def configure_optimizers(self) -> Optimizer:
        """Adam on the head."""
        return self.optimizer


def main() -> None:
    """Train and test."""
    options = arguments().parse_args()
    seed_everything(options.seed, verbose=False)
    loaders, classes = open_folders(options.folder, CATALOG["mobilenet_v2"].preprocessing)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=options.epochs,
            logger=False,
            callbacks=[ModelCheckpoint(folder, monitor="accuracy", mode="max")],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Transfer(classes), loaders["train"], loaders["val"])
        (tested,) = trainer.test(dataloaders=loaders["test"], ckpt_path="best", verbose=False)
    report(tested["accuracy"])


if __name__ == "__main__":
    main()
