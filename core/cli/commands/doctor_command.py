"""The command `doctor`. It imports what it needs when it runs, for a quick start of others."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from core.cli.shared.command import Outcome, command
from core.cli.shared.status_line import describe_job, show_step
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.settings import Settings

if TYPE_CHECKING:
    from core.doctor.doctor_findings import Findings

SHOWN = 20


@command("doctor")
@click.argument("dataset")
@click.option("--backbone", metavar="NAME", help="The pretrained network that looks (default: the best one here).")
def doctor(settings: Settings, dataset: str, backbone: str | None) -> Outcome:
    """Look for wrong labels, near-copies, and pictures that are hard to see."""
    from core.doctor.examination import list_backbones, wait_for_findings

    asked = DatasetStore(settings).get(dataset)
    found = show_step(wait_for_findings(settings, asked, backbone or list_backbones()[0]), describe_job)
    return Outcome(describe_findings(asked, found), "\n".join(_lines(asked, found)))


def describe_findings(dataset: Dataset, found: "Findings") -> dict[str, Any]:
    """Findings as JSON, with the names of pictures and classes."""
    value = dataclasses.asdict(found)
    names = [row.name for row in dataset.rows]
    for item in value["suspicions"]:
        item["name"] = names[item["index"]]
        item["given"], item["suggested"] = (dataset.classes[item[key]] for key in ("given", "suggested"))
        for other in item["neighbours"]:
            other["name"] = names[other["index"]]
            other["label"] = dataset.classes[dataset.rows[other["index"]].label]
    for pair in value["copies"]:
        pair["names"] = [names[pair[key]] for key in ("first", "second")]
    for item in value["qualities"]:
        item["name"] = names[item["index"]]
    value["unexamined"] = [dataset.classes[label] for label in value["unexamined"]]
    return {"dataset": dataset.id, **value}


def _lines(dataset: Dataset, found: "Findings") -> list[str]:
    from core.doctor import findings_in_words as words
    from core.doctor.doctor_findings import QUALITIES

    rows, classes = dataset.rows, dataset.classes
    lines = [
        words.describe_labels(found),
        words.describe_first(found),
        words.describe_trial(found),
        words.describe_unexamined(dataset, found),
    ]
    lines += [
        f"  {rows[item.index].name}: labelled {classes[item.given]}, looks like {classes[item.suggested]}"
        for item in found.suspicions[:SHOWN]
    ]
    lines.append(words.describe_copies(dataset, found))
    lines += [f"  {rows[pair.first].name} and {rows[pair.second].name}" for pair in found.copies[:SHOWN]]
    lines += [words.describe_known_copies(dataset.report()), words.describe_quality(found)]
    lines += [f"  {rows[item.index].name}: {QUALITIES[item.kind][0].lower()}" for item in found.qualities[:SHOWN]]
    lines += [*words.describe_usual(found), words.describe_balance(dataset), *words.describe_levels(found)]
    return [line for line in lines if line]
