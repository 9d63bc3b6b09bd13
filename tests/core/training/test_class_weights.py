"""Class weights: balanced as scikit-learn has it, a weight of two as two copies, wrong ones in one sentence."""

import numpy as np
import pytest
import torch

from core.config.train_config import TrainConfig, parse_config
from core.errors import ConfigError
from core.training.optimization import class_weights, loss_of

CPU = torch.device("cpu")


def config(weights: str, head: str = "softmax") -> TrainConfig:
    return parse_config({"dataset": "pets", "model": "petnet", "class_weights": weights, "head": head})


def test_balanced_classes_count_the_same_as_a_whole() -> None:
    labels = np.array([0] * 30 + [1] * 10 + [2] * 60)
    weights = class_weights(config("balanced"), labels, CPU)
    assert weights is not None
    assert torch.allclose(weights * torch.tensor([30.0, 10.0, 60.0]), torch.full((3,), 100 / 3))


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_weight_of_two_equals_every_picture_twice(head: str, smoothing: float) -> None:
    chosen = config("1, 2", head).variant(label_smoothing=smoothing)
    logits = torch.randn(6, 1 if head == "sigmoid" else 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    weights = class_weights(chosen, labels.numpy(), CPU)
    twice = torch.cat([torch.arange(6), torch.tensor([1, 3, 4])])
    if head == "softmax" and smoothing:  # torch spreads the smoothing by the weights of all classes
        expected = torch.nn.functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    else:
        expected = loss_of(chosen, logits[twice], labels[twice])
    assert torch.allclose(loss_of(chosen, logits, labels, weights=weights), expected)


def test_none_changes_no_digit() -> None:
    assert class_weights(config("none"), np.array([0, 1, 1]), CPU) is None


@pytest.mark.parametrize("text", ["", "1", "much", "1,-2", "0,1", "1,nan", "1,,2", "1,1e9"])
def test_wrong_weights_are_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="class_weights"):
        config(text)


def test_weights_must_fit_the_classes() -> None:
    pictures = {"train": 10, "val": 5}
    assert "give one for each" in config("1, 2, 3").problems_with(2, pictures)["class_weights"]
    assert not config("1, 2").problems_with(2, pictures)
    assert config(" Balanced ").class_weights == "balanced"
    assert config("1.50,2").class_weights == "1.5, 2"
