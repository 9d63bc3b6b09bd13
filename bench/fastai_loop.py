"""The peer: fastai's vision_learner on a frozen MobileNetV2, on the same split.

    pip install -r bench/requirements.txt
    python -m bench.fastai_loop FOLDER --epochs 5

FOLDER holds train/, val/ and test/ with a folder for each class. fastai's own way, as its vision tutorial shows it:
pictures of 460 px, augmented in batches down to 224 px, its head of two layers, one cycle, the last epoch. The one
difference: fastai would train the weights of the backbone's BatchNorm layers, which takes longer; here they are frozen
with the rest, as in the other peers. TORCH_HOME names torchvision's weights. Prints JSON: test accuracy and seconds
from the start of the process.
"""

from pathlib import Path

from fastai.vision.all import (
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    default_split,
    get_image_files,
    imagenet_stats,
    model_meta,
    set_seed,
    vision_learner,
)
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from bench.peers import BATCH, LEARNING_RATE, WORKERS, arguments, report

# fastai (2.8) does not know where this network ends, and does not hand on vision_learner's own `cut`
META = {"cut": -1, "split": default_split, "stats": imagenet_stats, "weights": MobileNet_V2_Weights.IMAGENET1K_V1}


def main() -> None:
    """Train and test."""
    options = arguments().parse_args()
    set_seed(options.seed, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        options.folder,
        train="train",
        valid="val",
        item_tfms=Resize(460),
        batch_tfms=aug_transforms(size=224),
        bs=BATCH,
        num_workers=WORKERS,
        device="cpu",
    )
    model_meta[mobilenet_v2] = META
    learner = vision_learner(loaders, mobilenet_v2, train_bn=False, metrics=accuracy)
    test = loaders.test_dl(get_image_files(Path(options.folder) / "test"), with_labels=True)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(options.epochs, LEARNING_RATE)
        _, tested = learner.validate(dl=test)
    report(tested)


if __name__ == "__main__":
    main()
