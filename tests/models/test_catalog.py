"""The catalog: torch-free, and true to torchvision and to what is built."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torchvision
from torchvision.transforms import InterpolationMode

from models.catalog import CATALOG, ScratchOptions, get_entry, head_parameters
from models.errors import NetworkError
from models.torchvision_entries import TORCHVISION_ENTRIES

PRETRAINED = [entry.name for entry in TORCHVISION_ENTRIES]


def test_catalog_and_weights_are_read_without_torch() -> None:
    code = (
        "import sys, models.catalog, models.weights\n"
        "models.catalog.get_entry('scratch_cnn', models.catalog.ScratchOptions(image_size=64))\n"
        "models.weights.find(models.catalog.CATALOG['resnet18'])\n"
        "models.weights.find(models.catalog.CATALOG['petnet'])\n"
        "models.weights.find(models.catalog.CATALOG['efficientnet_lite0'])\n"
        "print([name for name in ('torch', 'torchvision', 'numpy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_catalog_agrees_with_torchvision_about_its_weights(name: str) -> None:
    entry = CATALOG[name]
    official = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert entry.weights is not None
    assert entry.weights.url == official.url
    assert entry.weights.file_name == official.url.rpartition("/")[2]
    assert len(entry.weights.sha256_prefix) == 8
    assert int(entry.weights.sha256_prefix, 16) > 0
    assert round(entry.weights.bytes / 2**20, 3) == official.meta["_file_size"]
    preset = official.transforms()
    spec = entry.preprocessing
    assert [spec.resize_px] == preset.resize_size
    assert [spec.crop_px] == preset.crop_size
    assert (list(spec.mean), list(spec.std)) == (preset.mean, preset.std)
    assert InterpolationMode(spec.interpolation) == preset.interpolation
    assert entry.imagenet_top1 == pytest.approx(official.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100)


@pytest.mark.parametrize("name", PRETRAINED)
def test_backbone_and_original_classifier_together_count_what_torchvision_counts(name: str) -> None:
    official = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    # SqueezeNet's 1x1 convolution has as many weights as the linear layer in its place
    assert (
        CATALOG[name].backbone_parameters + head_parameters(CATALOG[name], 1000, "softmax")
        == (official.meta["num_params"])
    )


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_can_be_shown_and_frozen(name: str) -> None:
    entry = get_entry(name)
    assert entry.name == name
    assert entry.default_freeze in entry.freeze_points
    assert entry.default_freeze != entry.freeze_points[-1]
    assert len(set(entry.freeze_points)) == len(entry.blocks)
    assert entry.title
    assert len(entry.summary) < 110
    assert "\n" not in entry.summary
    assert entry.preprocessing.resize_px >= entry.preprocessing.crop_px


def test_heads_count_their_weights_and_biases() -> None:
    entry = CATALOG["resnet18"]
    assert head_parameters(entry, 3, "softmax") == 3 * 513
    assert head_parameters(entry, 2, "sigmoid") == 513


@pytest.mark.parametrize(
    ("classes", "head", "part"),
    [
        (3, "sigmoid", "choose the head softmax"),
        (1, "softmax", "add pictures of another class"),
        (2, "tanh", "choose one of softmax, sigmoid"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_with_the_remedy(classes: int, head: str, part: str) -> None:
    with pytest.raises(NetworkError, match=part):
        head_parameters(CATALOG["resnet18"], classes, head)


def test_an_unknown_network_is_refused_with_the_known_names() -> None:
    with pytest.raises(NetworkError, match="'resnet19' is unknown: choose one of scratch_cnn, efficientnet_lite0, "):
        get_entry("resnet19")


def test_options_are_refused_for_a_pretrained_network() -> None:
    with pytest.raises(NetworkError, match="ResNet-18 has no options"):
        get_entry("resnet18", ScratchOptions())


def test_scratch_preprocessing_follows_the_image_size() -> None:
    spec = get_entry("scratch_cnn", ScratchOptions(image_size=200)).preprocessing
    assert (spec.resize_px, spec.crop_px) == (228, 200)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (ScratchOptions(filters=(8,) * 6, image_size=32), "choose at least 64 px, or fewer filters"),
        (ScratchOptions(filters=()), "at least one convolution block"),
        (ScratchOptions(filters=(8, 0)), "one filter or more"),
        (ScratchOptions(kernel_size=4), "choose an odd number"),
        (ScratchOptions(activation="tanh"), "choose one of relu, gelu, silu, mish"),
        (ScratchOptions(dropout=1.0), "dropout is 1.0"),
        (ScratchOptions(dense_neurons=0), "dense_neurons is 0"),
        (
            ScratchOptions(filters=(1024,) * 7, kernel_size=7, image_size=128),
            "million parameters: choose fewer",
        ),
    ],
)
def test_a_scratch_option_that_cannot_be_built_is_refused_with_the_remedy(options: ScratchOptions, part: str) -> None:
    with pytest.raises(NetworkError, match=part):
        get_entry("scratch_cnn", options)


def test_the_smallest_image_that_can_be_halved_often_enough_is_accepted() -> None:
    options = ScratchOptions(filters=(8,) * 5, image_size=32)
    assert get_entry("scratch_cnn", options).freeze_points == (*(f"conv{i}" for i in range(1, 6)), "dense")
    with pytest.raises(NetworkError):
        get_entry("scratch_cnn", replace(options, image_size=31))
