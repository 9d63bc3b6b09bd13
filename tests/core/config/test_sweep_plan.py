"""Search spaces: what is written is what is searched, and each mistake is one sentence at its field."""

import pytest

from core.config.sweep_plan import Choices, Range, SweepPlan, parse_space, plan_sweep
from core.config.train_config import TrainConfig
from core.errors import ConfigError

BASE = TrainConfig(dataset="pets", model="scratch_cnn")


def test_texts_become_dimensions_and_back() -> None:
    texts = [
        "activation=relu,gelu",
        "filters=[32,64]|[64,128]",
        "dropout=0..0.5",
        "learning_rate=log:0.0001..0.1",
        "dense_neurons=64..512",
        "batch_norm=on,off",
        "kernel-size=3,5",
    ]
    space = parse_space(texts, BASE)
    assert space == {
        "activation": Choices(values=("relu", "gelu")),
        "filters": Choices(values=((32, 64), (64, 128))),
        "dropout": Range(low=0.0, high=0.5),
        "learning_rate": Range(low=0.0001, high=0.1, log=True),
        "dense_neurons": Range(low=64, high=512, whole=True),
        "batch_norm": Choices(values=(True, False)),
        "kernel_size": Choices(values=(3, 5)),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dropout", "write a field and its values"),
        ("size=1,2", "'size' cannot be searched: choose among model, strategy"),
        ("seed=1,2", "'seed' cannot be searched"),
        ("dropout=0..2", 'dropout is "2": choose a number from 0 to 0.95'),
        ("dropout=0.5..0.1", "the first must be the smaller one"),
        ("weight_decay=log:0..1", "on a logarithmic scale it must begin above 0"),
        ("activation=relu,tanh", "choose one of relu, gelu, silu, mish"),
        ("activation=relu", "activation has 1 different value: give 2 to 50"),
        ("activation=relu..gelu", "activation has no numbers in between: list its values"),
        ("batch_size=8..64.5", "choose a whole number from 2 to 1024"),
        ("filters=[32,a]|[3]", "choose 1 to 8 whole numbers"),
        ("augment_flip=0..1", "augment_flip has no numbers in between"),
    ],
)
def test_a_bad_dimension_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space([text, "epochs=1..3"], BASE)
    (problem,) = caught.value.problems.values()
    assert sentence in problem


def test_a_field_is_searched_once() -> None:
    with pytest.raises(ConfigError, match="dropout is searched twice"):
        parse_space(["dropout=0..0.1", "dropout=0.2,0.3"], BASE)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "trials"),
        ({"trials": 0}, "trials"),
        ({"minutes": 0.0}, "minutes"),
        ({"trials": 3, "seeds": 6}, "seeds"),
        ({"trials": 3, "pruner": "wilcoxon"}, "pruner"),
        ({"trials": 3, "sampler": "grid"}, "sampler"),
        ({"trials": 3, "title": "x" * 81}, "title"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_at_its_field(options: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_sweep(BASE, parse_space(["dropout=0..0.5"], BASE), **options)
    assert list(caught.value.problems) == [field]


def test_an_empty_space_and_fields_of_another_network_are_refused() -> None:
    with pytest.raises(ConfigError, match="Nothing is searched"):
        plan_sweep(BASE, {}, trials=3)
    pretrained = TrainConfig(dataset="pets", model="petnet")
    with pytest.raises(ConfigError, match="kernel_size shapes the scratch CNN only"):
        plan_sweep(pretrained, parse_space(["kernel_size=3,5"], pretrained), trials=3)


def test_values_that_never_go_together_are_refused() -> None:
    space = parse_space(["strategy=head,partial"], BASE)
    with pytest.raises(ConfigError, match="has no pretrained weights"):
        plan_sweep(BASE, space, trials=3)
    both = {**space, **parse_space(["model=scratch_cnn,petnet"], BASE)}
    assert plan_sweep(BASE, both, trials=3).combinations == 4


def test_a_plan_survives_its_file_and_makes_configurations() -> None:
    plan = plan_sweep(BASE, parse_space(["filters=[4,8]|[8,16]", "dropout=0..0.5"], BASE), trials=3, seeds=2)
    again = SweepPlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert again.combinations is None
    config = again.config_of({"filters": (8, 16), "dropout": 0.25}, seed=1)
    assert (config.filters, config.dropout, config.seed) == ((8, 16), 0.25, BASE.seed + 1)
