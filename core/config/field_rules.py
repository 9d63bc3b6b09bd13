"""Rules between the fields of a `TrainConfig`, and between it and its dataset: a sentence with the remedy for each."""

from collections.abc import Mapping

from core.config.field_problems import FieldProblem
from core.formatting import SPLIT_NAMES
from models.entry import NetworkEntry

LEAST_PART = 2  # pictures of a worker in a step: batch norm has no statistics of a single one


def check_strategy(entry: NetworkEntry, strategy: str, freeze_point: str | None) -> None:
    """The strategy suits the network, and the freeze point both.

    Raises:
        FieldProblem: it does not; so do all checks here.
    """
    if entry.weights is None and strategy != "scratch":
        raise FieldProblem(
            "strategy",
            f"{entry.title} has no pretrained weights: use the strategy scratch, or choose a pretrained network.",
        )
    if freeze_point is None:
        return
    if strategy not in ("partial", "gradual"):
        raise FieldProblem(
            "freeze_point",
            f"A freeze point goes with the strategies partial and gradual, not with {strategy}: leave it out.",
        )
    if freeze_point not in entry.freeze_points:
        raise FieldProblem(
            "freeze_point",
            f"{entry.title} has no block {freeze_point!r}: choose one of {', '.join(entry.freeze_points)}.",
        )


def check_workers(workers: int, strategy: str, batch_size: int) -> None:
    """There is something for several workers to do, and each has enough pictures in a step."""
    if workers > 1 and strategy == "head":
        raise FieldProblem(
            "workers",
            "A head trains on stored features in seconds, and a cluster computes those of many pictures on all its "
            "machines already: leave workers out.",
        )
    if workers > batch_size // LEAST_PART:
        raise FieldProblem(
            "workers",
            f"{workers} workers need {LEAST_PART} pictures each in every step: "
            f"choose a batch size of at least {workers * LEAST_PART}, or fewer workers.",
        )


def check_rate(learning_rate: float | None, *, find_rate: bool) -> None:
    """A learning rate is given or found, not both."""
    if find_rate and learning_rate is not None:
        raise FieldProblem("learning_rate", "find_rate and learning_rate exclude each other: leave one of them out.")


def check_budget(max_images: int | None, max_seconds: float | None) -> None:
    """At most one budget ends a training before its epochs."""
    if max_images is not None and max_seconds is not None:
        raise FieldProblem(
            "max_seconds", "max_images and max_seconds are two ways to end a training: leave one of them out."
        )


def check_stages(strategy: str, epochs: int, head_epochs: int | None, max_images: int | None) -> None:
    """Two stages have room for both; head epochs are of the first of two."""
    if strategy != "gradual":
        if head_epochs is not None:
            raise FieldProblem(
                "head_epochs", f"head_epochs goes with the strategy gradual, not with {strategy}: leave it out."
            )
        return
    if max_images == 1:
        raise FieldProblem("max_images", "The gradual strategy has two stages: give it at least 2 pictures to see.")
    if epochs < 2:
        raise FieldProblem("epochs", "The gradual strategy has two stages: give it at least 2 epochs.")
    if head_epochs is not None and head_epochs >= epochs:
        raise FieldProblem(
            "head_epochs",
            f"head_epochs is {head_epochs}: the first stage must be shorter than all {epochs} epochs.",
        )


def problems_with_dataset(
    dataset: str, classes: int, pictures: Mapping[str, int], *, head: str, class_weights: str
) -> dict[str, str]:
    """One sentence for each field that does not fit the dataset.

    Args:
        dataset: its id.
        pictures: number of pictures per split.
    """
    problems: dict[str, str] = {}
    if head == "sigmoid" and classes != 2:
        problems["head"] = f"The sigmoid head is for two classes, and {dataset} has {classes}: choose the softmax head."
    given = 0 if class_weights in ("none", "balanced") else class_weights.count(",") + 1
    if given not in (0, classes):
        problems["class_weights"] = (
            f"There are {given} class weights, and {dataset} has {classes} classes: give one for each."
        )
    for split in ("train", "val"):
        if not pictures.get(split):
            problems["dataset"] = f"{dataset} has no {SPLIT_NAMES[split]} pictures: import it again with another split."
    return problems
