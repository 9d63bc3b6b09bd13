"""The change of blocks: zero means unchanged to the bit, for what was never trained and only for that."""

import dataclasses

import pytest
import torch

from core.checkpoints.checkpoint import Checkpoint, save_checkpoint
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError, WeightsError
from core.jobs.workers.worker import Worker
from core.predict.explanations.weight_change import build_start, measure_weight_change, relative_change, same_bits
from core.runs.run import Run
from core.runs.run_files import BEST, CHECKPOINTS
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.small_runs import SMALL_SCRATCH

CONFIGS = [
    TrainConfig.model_validate({**SMALL_SCRATCH, "seed": 7}),
    TrainConfig.model_validate({**SMALL_SCRATCH, "batch_norm": False, "head": "sigmoid"}),
    TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=1, seed=3),
]


def trained(settings: Settings, config: TrainConfig) -> Run:
    run = RunStore(settings).create(config)
    assert Worker(settings, run).work().value == "finished"
    return run


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.model}-{config.head}")
def test_an_untrained_run_has_changed_by_exactly_nothing(
    settings: Settings, drawn: Dataset, config: TrainConfig
) -> None:
    run = RunStore(settings).create(config)
    save_checkpoint(
        run.folder / CHECKPOINTS,
        BEST,
        build_start(settings, config, 2),
        Checkpoint(config, drawn.classes, 0, None, config.entry().preprocessing),
    )
    blocks = measure_weight_change(settings, run).blocks
    assert [block.name for block in blocks] == [*config.entry().freeze_points, "head"]
    for block in blocks:
        assert block.unchanged
        assert (block.relative, block.largest, block.statistics_largest) == (0.0, 0.0, 0.0)
    # with another seed the same weights are somewhere else: the comparison notices
    other = dataclasses.replace(Checkpoint(config, drawn.classes, 0, None, config.entry().preprocessing))
    save_checkpoint(
        run.folder / CHECKPOINTS, BEST, build_start(settings, config.model_copy(update={"seed": 99}), 2), other
    )
    changed = measure_weight_change(settings, run).blocks
    assert changed[-1].relative is not None
    assert changed[-1].relative > 0.5
    assert not changed[-1].same


def test_a_scale_of_features_is_no_change_of_the_head(settings: Settings, drawn: Dataset) -> None:
    config = CONFIGS[2]
    run = RunStore(settings).create(config)
    network = build_start(settings, config, 2)
    network.scale_features(0.0625)
    save_checkpoint(
        run.folder / CHECKPOINTS,
        BEST,
        network,
        Checkpoint(config, drawn.classes, 0, None, config.entry().preprocessing),
    )
    assert measure_weight_change(settings, run).blocks[-1].unchanged


def test_frozen_blocks_do_not_change_by_one_bit_and_trainable_ones_do(settings: Settings, drawn: Dataset) -> None:
    config = TrainConfig(
        dataset="drawn",
        model="petnet",
        strategy="partial",
        freeze_point="stage3",
        epochs=1,
        learning_rate=0.01,
        precision="fp32",
        batch_size=24,
    )
    change = measure_weight_change(settings, trained(settings, config))
    by_name = {block.name: block for block in change.blocks}
    assert change.pretrained
    for name in ("stem", "stage1", "stage2", "stage3"):
        block = by_name[name]
        assert block.frozen
        assert block.unchanged
        assert block.statistics > 0
        assert (block.relative, block.statistics_relative) == (0.0, 0.0)
    for name in ("stage4", "top", "head"):
        block = by_name[name]
        assert not block.frozen
        assert not block.same
        assert block.relative is not None
        assert 0 < block.relative < 2
        assert block.largest > 0
    assert not by_name["top"].statistics_same, "BatchNorm of a trainable block"
    assert by_name["head"].statistics == 0


def test_every_block_changes_in_a_run_from_scratch(settings: Settings, drawn: Dataset) -> None:
    change = measure_weight_change(settings, trained(settings, CONFIGS[0]))
    assert not change.pretrained
    assert not any(block.same or block.frozen for block in change.blocks)


def test_one_bit_or_one_statistic_is_enough_to_be_noticed(settings: Settings, drawn: Dataset) -> None:
    config = CONFIGS[2]
    run = RunStore(settings).create(config)
    network = build_start(settings, config, 2)
    norm = network.blocks["stem"].get_submodule("norm1")
    norm.get_buffer("running_mean")[0] += 1e-6
    weight = network.blocks["stage2"].get_parameter("unit1.conv1.weight")
    with torch.no_grad():
        weight.view(-1)[5] = torch.nextafter(weight.view(-1)[5], torch.tensor(9.0))
    save_checkpoint(
        run.folder / CHECKPOINTS,
        BEST,
        network,
        Checkpoint(config, drawn.classes, 1, None, config.entry().preprocessing),
    )
    changed = {block.name for block in measure_weight_change(settings, run).blocks if not block.unchanged}
    assert changed == {"stem", "stage2"}
    stem = measure_weight_change(settings, run).blocks[0]
    assert stem.same
    assert not stem.statistics_same


def test_lengths_and_bits_are_what_their_names_say() -> None:
    pairs = [(torch.tensor([3.0, 0.0]), torch.tensor([3.0, 0.4])), (torch.tensor([4.0]), torch.tensor([4.3]))]
    assert relative_change(pairs) == pytest.approx(0.5 / 5)
    assert relative_change([(torch.zeros(2), torch.ones(2))]) is None
    assert relative_change([]) == 0.0
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert same_bits(torch.ones(2, 3).t(), torch.ones(3, 2))
    assert same_bits(torch.tensor(3), torch.tensor(3))
    assert not same_bits(torch.ones(2), torch.ones(2, dtype=torch.float64))


def test_a_missing_pretrained_file_or_checkpoint_is_one_sentence(settings: Settings, drawn: Dataset) -> None:
    config = TrainConfig(dataset="drawn", model="mobilenet_v2", strategy="head", epochs=1)
    run = RunStore(settings).create(config)
    with pytest.raises(RunError, match="no saved weights"):
        measure_weight_change(settings, run)
    from models.network import build

    save_checkpoint(
        run.folder / CHECKPOINTS,
        BEST,
        build("mobilenet_v2", 2),
        Checkpoint(config, drawn.classes, 1, None, config.entry().preprocessing),
    )
    with pytest.raises(WeightsError, match="python -m core prefetch mobilenet_v2"):
        measure_weight_change(settings, run)
