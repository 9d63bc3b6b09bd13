"""TrainConfig: one definition for the form, the command line and the disk."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cli.main import GROUP
from core.cli.shared.command import read_config
from core.config.field_problems import allowed_values
from core.config.train_config import TrainConfig, load_config, parse_config
from core.errors import ConfigError
from models.catalog import CATALOG


def test_a_configuration_survives_json() -> None:
    config = parse_config({"dataset": "pets", "model": "resnet18", "strategy": "partial", "freeze_point": "layer2"})
    assert load_config(config.model_dump_json()) == config


@pytest.mark.parametrize("model", CATALOG)
def test_without_a_strategy_a_network_trains_as_its_weights_allow(model: str) -> None:
    expected = "head" if CATALOG[model].weights else "scratch"
    stored = f'{{"dataset": "pets", "model": "{model}"}}'
    for config in (parse_config({"dataset": "pets", "model": model}), load_config(stored)):
        assert config.strategy == expected
    assert read_config({"dataset": "pets", "model": model, "strategy": None}).strategy == expected


def test_a_scratch_network_that_should_freeze_something_is_a_contradiction_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match="no pretrained weights: use the strategy scratch, or choose a pretrained"):
        parse_config({"dataset": "pets", "model": "scratch_cnn", "strategy": "partial"})


@given(
    epochs=st.integers(1, 1000),
    rate=st.floats(1e-8, 1e3),
    smoothing=st.floats(0, 0.5),
    note=st.text(max_size=50),
)
def test_any_valid_values_survive_json(epochs: int, rate: float, smoothing: float, note: str) -> None:
    config = parse_config(
        {"dataset": "d", "epochs": epochs, "learning_rate": rate, "label_smoothing": smoothing, "note": note}
    )
    assert load_config(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epochs", 0, "from 1 to 1000"),
        ("epochs", 10**9, "from 1 to 1000"),
        ("epochs", "many", "a whole number"),
        ("batch_size", 0, "from 2 to 1024"),
        ("learning_rate", math.nan, "above 0"),
        ("learning_rate", -1, "above 0"),
        ("backbone_factor", 2, "at most 1"),
        ("optimizer", "lion", "adam, adamw, sgd"),
        ("dropout", 1.5, "0.95"),
        ("filters", [], "1 to 8 whole numbers"),
        ("filters", [0], "1 to 8 whole numbers"),
        ("kernel_size", 4, "3, 5, 7"),
        ("activation", "swish", "relu, gelu, silu, mish"),
        ("seed", -1, "from 0"),
        ("model", "resnet9000", "resnet18"),
        ("note", "x" * 501, "500 characters"),
        ("wheels", 4, "not a field"),
    ],
)
def test_a_bad_value_gets_a_sentence_that_names_the_field(field: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"dataset": "pets", field: value})
    assert list(caught.value.problems) == [field]
    sentence = caught.value.problems[field]
    assert words in sentence
    assert sentence.endswith(".")


def test_every_bad_field_gets_its_own_sentence() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"dataset": "pets", "epochs": 0, "batch_size": 1, "learning_rate": 0})
    assert set(caught.value.problems) == {"epochs", "batch_size", "learning_rate"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"model": "scratch_cnn", "strategy": "head"}, "strategy"),
        ({"strategy": "head", "freeze_point": "layer1"}, "freeze_point"),
        ({"model": "resnet18", "strategy": "partial", "freeze_point": "layer9"}, "freeze_point"),
        ({"strategy": "gradual", "epochs": 1}, "epochs"),
        ({"strategy": "gradual", "epochs": 3, "head_epochs": 3}, "head_epochs"),
        ({"strategy": "head", "head_epochs": 1}, "head_epochs"),
        ({"model": "scratch_cnn", "strategy": "scratch", "image_size": 32, "filters": [8] * 8}, "image_size"),
        ({"strategy": "head", "workers": 2}, "workers"),
        ({"strategy": "full", "workers": 5, "batch_size": 8}, "workers"),
        ({"strategy": "full", "workers": 65, "batch_size": 512}, "workers"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(values: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"dataset": "pets", **values})
    assert field in caught.value.problems


def test_the_sigmoid_head_wants_two_classes() -> None:
    config = parse_config({"dataset": "pets", "head": "sigmoid"})
    assert "head" in config.problems_with(3, {"train": 5, "val": 5})
    assert not config.problems_with(2, {"train": 5, "val": 5})


def test_a_damaged_file_is_refused_with_a_sentence() -> None:
    with pytest.raises(ConfigError, match="not valid JSON"):
        load_config("{")


@pytest.mark.parametrize("name", [name for name in TrainConfig.model_fields if name != "dataset"])
def test_every_field_is_an_option_with_help(name: str) -> None:
    option = f"--{name.replace('_', '-')}"
    for command in ("train", "race", "learning-curve", "estimate"):
        found = [param for param in GROUP.commands[command].params if option in param.opts]
        assert len(found) == 1
        assert TrainConfig.model_fields[name].description in found[0].help


def test_the_command_line_gives_the_same_configuration_as_code() -> None:
    words = "pets --model scratch_cnn --strategy scratch --filters 8,16 --kernel-size 5 --no-batch-norm"
    words += " --epochs 3 --learning-rate 2e-3 --augment-colour"
    given = GROUP.commands["train"].make_context("train", words.split()).params
    assert read_config(given) == TrainConfig(
        dataset="pets",
        model="scratch_cnn",
        strategy="scratch",
        filters=(8, 16),
        kernel_size=5,
        batch_norm=False,
        epochs=3,
        learning_rate=2e-3,
        augment_colour=True,
    )


@pytest.mark.parametrize("name", TrainConfig.model_fields)
def test_allowed_values_are_described_for_every_field(name: str) -> None:
    assert len(allowed_values(TrainConfig, name)) > 5


@pytest.mark.parametrize("model", [name for name in CATALOG if CATALOG[name].weights])
@pytest.mark.parametrize("strategy", ["scratch", "head", "partial", "full", "gradual"])
def test_every_pretrained_network_takes_every_strategy(model: str, strategy: str) -> None:
    parse_config({"dataset": "pets", "model": model, "strategy": strategy})
