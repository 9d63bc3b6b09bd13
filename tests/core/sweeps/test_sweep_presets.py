"""Presets: their spaces fit their networks."""

import pytest

from core.config.sweep_plan import count_combinations, plan_sweep
from core.config.train_config import TrainConfig
from core.errors import ConfigError
from core.sweeps import sweep_presets
from core.sweeps.study import distributions_of
from core.sweeps.sweep_presets import HEAD_RECIPE, SWEEP_PRESETS, WHICH_NETWORK, apply_preset


@pytest.mark.parametrize("name", SWEEP_PRESETS)
@pytest.mark.parametrize("model", ["scratch_cnn", "petnet"])
def test_a_preset_makes_a_plan_for_any_base(name: str, model: str) -> None:
    base, space, preset = apply_preset(name, TrainConfig(dataset="pets", model=model))
    plan = plan_sweep(
        base, space, trials=preset.trials, sampler=preset.sampler, pruner=preset.pruner, seeds=preset.seeds
    )
    assert set(distributions_of(plan)) == set(space)
    assert plan.base.dataset == "pets"


def test_the_networks_are_those_whose_weights_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    base = TrainConfig(dataset="pets")
    monkeypatch.setattr(sweep_presets, "networks_here", lambda: ["petnet", "mobilenet_v2"])
    _, space, _ = apply_preset(WHICH_NETWORK, base)
    assert count_combinations(space) == 6
    monkeypatch.setattr(sweep_presets, "networks_here", list)
    with pytest.raises(ConfigError, match="No pretrained weights are on this machine"):
        apply_preset(WHICH_NETWORK, base)
    with pytest.raises(ConfigError, match="There is no preset 'best'"):
        apply_preset("best", base)


def test_a_recipe_for_heads_takes_a_pretrained_network() -> None:
    base, _, _ = apply_preset(HEAD_RECIPE, TrainConfig(dataset="pets", model="scratch_cnn"))
    assert (base.strategy, base.pretrained) == ("head", True)
