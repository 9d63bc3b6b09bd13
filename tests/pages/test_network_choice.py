"""The list of networks on Train: what is here, and why one is offered first."""

from pathlib import Path

import pytest

from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.estimates.recommended import Recommendation
from core.settings import Settings
from core.stores.measurements import Measurements
from models import weights
from models.catalog import CATALOG
from pages.components.train.form.network_choice import describe_choice, explain_recommendation, network_names


def test_a_network_that_needs_a_download_says_so_and_comes_later(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert network_names()[:3] == ["efficientnet_lite0", "petnet", "mobilenet_v2"]
    assert network_names()[-1] == "scratch_cnn"
    assert describe_choice(settings, "efficientnet_lite0") == "EfficientNet-Lite0 · 75 %"
    assert describe_choice(settings, "mobilenet_v2") == "MobileNetV2 · download 14.2 MB · 72 %"
    assert describe_choice(settings, "petnet") == "PetNet"
    assert describe_choice(settings, "scratch_cnn") == "Small CNN of your own"

    name = CATALOG["resnet50"].weights
    assert name is not None
    weights.checkpoint_dir().mkdir(parents=True)
    (weights.checkpoint_dir() / name.file_name).write_bytes(b"there")
    assert network_names()[2] == "resnet50"
    assert describe_choice(settings, "resnet50") == "ResNet-50 · 76 %"


def test_a_line_says_how_fast_it_is_once_that_was_measured(settings: Settings) -> None:
    config = TrainConfig(dataset="any", model="efficientnet_lite0")
    what = describe_network(config, plan_stages(config, config.entry()))
    Measurements(settings).keep(what, {"threads": settings.threads}, {"prefix_fp32": 11.7, "input": 1.0})
    assert describe_choice(settings, "efficientnet_lite0") == "EfficientNet-Lite0 · 75 % · 12 ms"


def test_the_reason_is_one_sentence_and_a_doubt_another_one() -> None:
    lite, petnet = CATALOG["efficientnet_lite0"], CATALOG["petnet"]
    assert (
        explain_recommendation(lite.name, Recommendation(lite, 41.0))
        == "It is the most accurate of the quick networks here; a head takes about 40 s."
    )
    assert (
        explain_recommendation("vgg16", Recommendation(petnet, None))
        == "For these pictures, PetNet is the quickest network here."
    )
    assert explain_recommendation(lite.name, Recommendation(lite, 90.0, doubtful=True)).endswith(
        "takes about 2 min. Not certain: other programs were busy while the networks were measured."
    )
