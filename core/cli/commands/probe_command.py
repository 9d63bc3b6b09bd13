"""The command `probe`. It imports what it needs when it runs, for a quick start of others."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from core.cli.shared.command import Outcome, command
from core.cli.shared.status_line import describe_job, show_step
from core.datasets.dataset_store import DatasetStore
from core.formatting import format_percent
from core.runs.run_store import RunStore
from core.settings import Settings

if TYPE_CHECKING:
    from core.probes.forecast_score import ArmTruth
    from core.probes.ladder import Ladder


@command("probe")
@click.argument("dataset")
@click.option("--network", metavar="NAME", help="The pretrained network (default: the best one here).")
def probe(settings: Settings, dataset: str, network: str | None) -> Outcome:
    """Measure what each block of a pretrained network knows about a dataset, and forecast strategies."""
    from core.probes.forecast_score import find_truths, score
    from core.probes.probing import wait_for_probes
    from models.weights import default_network

    asked = DatasetStore(settings).get(dataset)
    ladder = show_step(wait_for_probes(settings, asked, network or default_network()), describe_job)
    every = find_truths(settings, RunStore(settings).summaries())
    own = [arm for arm in every if (arm.fingerprint, arm.network) == (asked.fingerprint, ladder.network)]
    found = score(every)
    value = {
        "dataset": asked.id,
        **describe_ladder(ladder),
        "trained": [_describe_arm(arm) for arm in own],
        "score": {
            "forecasts": found.arms,
            "datasets": found.datasets,
            "strategy_pairs": found.strategies.n,
            "strategy_pairs_in_order": found.strategies.correct,
            "network_pairs": found.networks.n,
            "network_pairs_in_order": found.networks.correct,
            "mean_error": found.mean_error,
            "interval": None if found.interval is None else [found.interval.low, found.interval.high],
            "mean_size": found.mean_size,
        },
    }
    return Outcome(value, "\n".join(_lines(ladder, own, every)))


def describe_ladder(ladder: "Ladder") -> dict[str, Any]:
    """A ladder as JSON: counts, fractions and sentences instead of single pictures."""
    from core.probes.forecast import describe_depth, describe_head, describe_pretraining

    value = dataclasses.asdict(ladder)
    value["blocks"] = [
        {
            "block": item.block,
            "width": item.width,
            "correct": ladder.accuracy(place).correct,
            "accuracy": ladder.accuracy(place).value,
            "interval": [ladder.accuracy(place).interval.low, ladder.accuracy(place).interval.high],
            "untrained_accuracy": ladder.untrained(place).value,
        }
        for place, item in enumerate(ladder.blocks)
    ]
    said = [describe_head(ladder), describe_depth(ladder), describe_pretraining(ladder)]
    return {**value, "sentences": said}


def _describe_arm(arm: "ArmTruth") -> dict[str, Any]:
    facts = {"strategy": arm.strategy, "freeze_point": arm.point, "runs": arm.runs}
    return {**facts, "forecast": arm.expected.value, "test_accuracy": arm.measured.value, "images": arm.measured.n}


def _lines(ladder: "Ladder", own: Sequence["ArmTruth"], every: Sequence["ArmTruth"]) -> list[str]:
    from core.probes.forecast import describe_depth, describe_head, describe_pretraining
    from core.probes.forecast_score import describe_score, score

    lines = [describe_head(ladder), describe_depth(ladder), describe_pretraining(ladder), ""]
    width = max(len(item.block) for item in ladder.blocks)
    for place, item in enumerate(ladder.blocks):
        untrained = format_percent(ladder.untrained(place).value or 0)
        lines.append(f"  {item.block:<{width}}  {ladder.accuracy(place).text()}; random weights {untrained}")
    lines.append(f"  {'guessing':<{width}}  {format_percent(ladder.chance.value or 0)}")
    lines += ["", *(_arm_line(arm) for arm in own), describe_score(score(every))]
    return lines


def _arm_line(arm: "ArmTruth") -> str:
    runs = "" if arm.runs == 1 else f", {arm.runs} runs"
    return f"  {arm.name}: forecast {format_percent(arm.expected.value or 0)}, test {arm.measured.text()}{runs}"
