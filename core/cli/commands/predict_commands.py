"""The commands `predict` and `prefetch`."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from core.cli.commands.batch_answers import Wanted, is_batch, predict_many
from core.cli.commands.run_commands import run_argument
from core.cli.shared.command import Outcome, command
from core.cli.shared.status_line import describe_progress, format_bytes_done, print_status, show_step, status_line
from core.errors import ConfigError, TuneMyPetsError
from core.novelty.conformal import DEFAULT_PROMISE
from core.predict.answers_in_words import describe_answer
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import StopSignal
from models import weights
from models.catalog import CATALOG, get_entry


@command("predict")
@run_argument
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--top", type=int, default=5, metavar="N", help="How many classes to list (default: 5).")
@click.option(
    "--promise",
    type=float,
    default=DEFAULT_PROMISE,
    metavar="SHARE",
    help="Which share of known pictures may be called strange (default: 0.05, 1 in 20).",
)
@click.option("--csv", metavar="FILE", help="Write a table: file, class, the probability of every class, problem.")
@click.option("--force", is_flag=True, help="Replace the table if it exists.")
@click.option("--sort-into", metavar="DIR", help="Copy the pictures into a folder for each class; see --yes.")
@click.option("--move", is_flag=True, help="With --sort-into: move the pictures instead of copying them.")
@click.option("--yes", is_flag=True, help="With --sort-into: do it; without it, what would be done is only listed.")
def predict(
    settings: Settings,
    run: str,
    files: Sequence[str],
    top: int,
    promise: float,
    csv: str | None,
    force: bool,
    sort_into: str | None,
    move: bool,
    yes: bool,
) -> Outcome:
    """Classify files, or a folder or zip of any size: the class, what else it may be, or that it is like none."""
    if top < 1:
        raise ConfigError({"top": f"--top is {top}: choose a whole number from 1."})
    if not 0 < promise < 1:
        raise ConfigError({"promise": f"--promise is {promise:g}: choose a share between 0 and 1, such as 0.05."})
    wanted = Wanted(promise, csv, force, sort_into, move, yes)
    wanted.check()
    if is_batch(files, wanted):
        return predict_many(settings, run, files, wanted)
    found = RunStore(settings).get(run)
    from core.predict.predictor import Predictor  # torch
    from core.predict.strange_pictures import know_pictures

    predictor = Predictor(settings)
    missing = ""
    if predictor.novelty(found) is None:
        try:
            show_step(know_pictures(settings, found, StopSignal()), describe_progress)
        except TuneMyPetsError as error:
            missing = f"No picture can be called strange. {error}"
    predicted = predictor.predict(found, [(file, Path(file)) for file in files], top, (promise,))
    lines = [f"{item.file}: {describe_answer(item, promise)}" if not item.error else item.error for item in predicted]
    print_status(missing or next((item.not_sure.why_not(promise) or "" for item in predicted if item.not_sure), ""))
    bad = [item.error for item in predicted if item.error]
    failure = " ".join(str(sentence) for sentence in bad) if len(bad) == len(predicted) else None
    return Outcome([item.to_json() for item in predicted], "\n".join(lines) if not failure else "", failure)


@command("prefetch")
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK...")
def prefetch(_: Settings, networks: Sequence[str]) -> Outcome:
    """Download pretrained weights (NETWORK: names from the catalog, or `all`), so that training works offline."""
    names = [name for name in CATALOG if CATALOG[name].weights] if "all" in networks else list(networks)
    done: list[dict[str, Any]] = []
    for name in names:
        entry = get_entry(name)
        if entry.weights is None:
            raise TuneMyPetsError(f"{entry.title} has no pretrained weights: it always starts from scratch.")
        there = weights.find(entry) is not None
        if not there:
            _download(weights.fetch(entry), entry.title)
        done.append({"network": name, "file": str(weights.find(entry)), "downloaded": not there})
    lines = [
        f"{item['network']}: {item['file']}{'' if item['downloaded'] else ' (already downloaded)'}" for item in done
    ]
    return Outcome(done, "\n".join(lines))


def _download(progress: Iterator[tuple[int, int]], title: str) -> None:
    started = last = time.monotonic()
    with status_line() as show:
        for done, total in progress:
            now = time.monotonic()
            if now - last > 0.2:
                last = now
                left = (now - started) / done * (total - done) if done else None
                show(format_bytes_done(f"{title}:", done, total, left))
