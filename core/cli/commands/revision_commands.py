"""The commands `correct`, `revise` and `leakage`: what is wrong in a dataset, or in how it is split."""

import csv
from dataclasses import asdict
from pathlib import Path

import click

from core.cli.commands.dataset_commands import describe_dataset, describe_import
from core.cli.commands.run_commands import summarise_ended
from core.cli.shared.command import Outcome, cluster_option, command, config_options
from core.cli.shared.status_line import print_status, show_step
from core.cli.shared.waiting import wait_for
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.examination import read_near_copies
from core.errors import ConfigError, DatasetError
from core.formatting import format_count, join_names
from core.races.leakage import Leakage, start_leakage
from core.revisions.corrections import add_pictures, corrected, drop, relabel, rename_class, undo
from core.revisions.mixed_split import mix_groups
from core.revisions.revision import describe_corrections, read_revision, revise
from core.runs.summary import summarise
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.steps import run_step

COLUMNS = ("picture", "label")


@command("correct")
@click.argument("dataset")
@click.argument("pictures", nargs=-1)
@click.option("--to", metavar="CLASS", help="Give the named pictures this class, which may be a new one.")
@click.option("--drop", "dropped", is_flag=True, help="Leave the named pictures out.")
@click.option("--rename", metavar="OLD=NEW", help="Rename a class; with the name of another class both become one.")
@click.option("--add", "added", metavar="DATASET", help="Add the pictures of another dataset.")
@click.option(
    "--from", "table", metavar="FILE", help=f"A CSV with the columns {' and '.join(COLUMNS)}; without a label: drop."
)
@click.option("--undo", "undone", is_flag=True, help="Undo the last correction that stands.")
def correct(
    settings: Settings,
    dataset: str,
    pictures: tuple[str, ...],
    to: str | None,
    dropped: bool,
    rename: str | None,
    added: str | None,
    table: str | None,
    undone: bool,
) -> Outcome:
    """Note what is wrong in a dataset: labels, pictures, class names; without options, show what is noted."""
    chosen = [name for name, given in (("--to", to), ("--drop", dropped), ("--rename", rename), ("--add", added),
              ("--from", table), ("--undo", undone)) if given]  # fmt: skip
    if len(chosen) > 1:
        raise ConfigError({"correct": f"{join_names(chosen)} are given: choose one of them."})
    if bool(pictures) != bool(to or dropped):
        raise ConfigError({"correct": "Name pictures with --to or --drop, and only with them: see `datasets`."})
    store = DatasetStore(settings)
    found = store.get(dataset)
    if to:
        relabel(found, _places(found, pictures), to)
    elif dropped:
        drop(found, _places(found, pictures))
    elif rename:
        old, sign, new = rename.partition("=")
        if not sign:
            raise ConfigError({"rename": f"--rename is {rename[:60]!r}: write OLD=NEW, such as kat=cat."})
        rename_class(found, old, new)
    elif added:
        add_pictures(found, store.get(added))
    elif table:
        _correct_by_table(found, Path(table).expanduser())
    elif undone:
        undo(found)
    return _show(found)


@command("revise")
@click.argument("dataset")
@click.option("--near-copies", is_flag=True, help="Also keep the near-copies that `doctor` found in one split.")
def make_revision(settings: Settings, dataset: str, near_copies: bool) -> Outcome:
    """Make the revision of a dataset that holds its corrections; the dataset itself stays as it is."""
    store = DatasetStore(settings)
    found = store.get(dataset)
    chains = read_near_copies(settings, found) if near_copies else ()
    made = show_step(revise(settings, found, chains=chains), describe_import)
    facts = read_revision(store.get(made).folder)
    said = describe_corrections(facts.corrections, facts.moved) if facts else ""
    value = describe_dataset(store.get(made))
    return Outcome(value, f"Made {made} ({said}): train on it, and compare with `race {made} --before {dataset}`.")


@command("leakage")
@cluster_option
@config_options()
def show_leakage(settings: Settings, config: TrainConfig) -> Outcome:
    """Train a network with the groups of a dataset kept apart, and with them ignored: how much that flatters."""
    store = DatasetStore(settings)
    dataset = store.get(config.dataset)
    run_step(mix_groups(settings, dataset))
    runs = start_leakage(settings, dataset, config)
    ensure_scheduler(settings)
    ended = []
    for run in runs:
        print_status(f"Run {run.id} on {run.config().dataset}")
        ended.append(summarise_ended(wait_for(settings, run)))
    found = Leakage(*(summarise(run) for run in runs))
    value = {"kept": ended[0].value, "ignored": ended[1].value, "difference": None}
    if found.difference is not None:
        flattery, interval = found.difference
        value["difference"] = {"value": flattery, "interval": [interval.low, interval.high]}
    return Outcome(value, found.describe(), next((item.failure for item in ended if item.failure), None))


def _show(dataset: Dataset) -> Outcome:
    found = corrected(dataset)
    value = {"dataset": dataset.id, "corrections": [asdict(item) for item in found.standing]}
    if not found.standing:
        return Outcome(value, f"{dataset.id} has no corrections.")
    lines = [f"{dataset.id}: {format_count(len(found.standing), 'correction')}. `revise {dataset.id}` makes them."]
    return Outcome(value, "\n".join([*lines, *(f"  {item.describe()}" for item in found.standing)]))


def _places(dataset: Dataset, pictures: tuple[str, ...]) -> list[int]:
    """The rows that names or the beginnings of sha256 sums stand for.

    Raises:
        DatasetError: a name fits no picture, or several.
    """
    by_name: dict[str, list[int]] = {}
    for row in dataset.rows:
        for key in {row.name, row.name.rpartition("/")[2], row.sha256, row.sha256[:16]}:
            by_name.setdefault(key, []).append(row.index)
    places = []
    for name in pictures:
        fitting = by_name.get(name, [])
        if len(fitting) != 1:
            many = f"fits {len(fitting)} pictures" if fitting else "fits no picture"
            raise DatasetError(
                f"{name[:80]!r} {many} of {dataset.title}: give the name with its folders, as in pictures.csv."
            )
        places += fitting
    return places


def _correct_by_table(dataset: Dataset, path: Path) -> None:
    """Relabel and drop the pictures that a CSV names.

    Raises:
        DatasetError: it cannot be read, or names a picture that is not there; nothing is corrected then.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        wanted = [(row["picture"], (row["label"] or "").strip()) for row in rows]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DatasetError(
            f"{path.name} cannot be read as corrections: give it the columns {' and '.join(COLUMNS)}."
        ) from error
    places = _places(dataset, tuple(name for name, _ in wanted))
    by_label: dict[str, list[int]] = {}
    for place, (_, label) in zip(places, wanted, strict=True):
        by_label.setdefault(label, []).append(place)
    for label, group in by_label.items():
        if label:
            relabel(dataset, group, label)
        else:
            drop(dataset, group)
