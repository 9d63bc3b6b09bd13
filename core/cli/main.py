"""The whole job without a browser.

    python -m core import PATH --name pets        a folder or .zip of class folders becomes a dataset
    python -m core sample --name drawn            the built-in drawn cats and dogs
    python -m core datasets                       what there is
    python -m core train pets --model resnet18 --strategy head --epochs 5
    python -m core race pets --arms scratch,head,gradual --seeds 3 --equal seconds --amount 60
    python -m core learning-curve pets --arms head,scratch --seeds 3
    python -m core show-race RACE
    python -m core runs | show RUN | coach RUN | stop RUN | judge RUN
    python -m core compare RUN RUN
    python -m core report RACE --output report.html        one file that opens anywhere; also RUN RUN…, and .json
    python -m core predict RUN FILE...
    python -m core prefetch mobilenet_v2 …        download pretrained weights before the Wi-Fi fails
    python -m core queue [--pause | --go-on] [--first RUN...]
    python -m core rename RUN TITLE | delete RUN | delete-dataset DATASET
    python -m core shutdown                       put every training aside
    python -m core fsck [--repair]                whether everything under the data root is whole
    python -m core export-room FILE.zip           carry datasets and runs to another machine
    python -m core import-room FILE.zip

With `--json`, one JSON value on stdout; progress goes to stderr. Exit status 0; 1 with one sentence on stderr when the
job cannot be done; 2 when the command or a value is wrong.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from core.cli import commands
from core.cli import maintenance_commands as upkeep
from core.cli import queue_commands as jobs
from core.cli import race_commands as races
from core.cli.report_command import report
from core.config.field_problems import allowed_values
from core.config.race_plan import BUDGETS, MAX_SEEDS
from core.config.train_config import TrainConfig, parse_config
from core.errors import ConfigError, TuneMyPetsError
from core.formatting import capitalise
from core.races.presets import DEFAULT_ARMS, PRESETS, plan_race
from core.report.documents import FORMATS
from core.settings import Settings
from models.catalog import CATALOG

REPEATED = ("filters",)


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar; every field of TrainConfig is an option of `train`."""
    parser = argparse.ArgumentParser(
        prog="python -m core", description="TuneMyPets without a browser: import, train, compare, predict."
    )
    parser.set_defaults(parser=parser)
    actions = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--json", action="store_true", help="one JSON value on stdout, progress on stderr")
        return action

    action = command("import", "Import a folder of class folders, or a .zip of one.")
    action.add_argument("path", help="the folder or .zip")
    action.add_argument("--name", help="name of the dataset (default: that of the folder or file)")
    action.add_argument("--split", default="70/15/15", help="train/validation/test in per cent (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, help="seed of the split (default: %(default)s)")

    action = command("sample", "Make the built-in dataset: cats and dogs drawn by the program.")
    action.add_argument("--name", default="drawn", help="name of the dataset (default: %(default)s)")
    action.add_argument("--split", default="70/15/15", help="train/validation/test in per cent (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, help="seed of the split (default: %(default)s)")

    command("datasets", "List the datasets.")

    action = command("train", "Train a network on a dataset, and test it.")
    action.add_argument("dataset", help="id of a dataset")
    action.add_argument("--detach", action="store_true", help="queue the run and return at once")
    _add_config_options(action)

    action = command("race", "Train several arms on the same split under the same budget, and judge them together.")
    action.add_argument("dataset", help="id of a dataset")
    action.add_argument("--arms", help=f"two or more of {', '.join(PRESETS)} (default: scratch, and --strategy)")
    action.add_argument("--seeds", type=int, help=f"trainings of each arm, 1 to {MAX_SEEDS} (default: 1)")
    action.add_argument("--equal", choices=tuple(BUDGETS), help="what all arms get as much of (default: epochs)")
    action.add_argument("--amount", type=float, help="how much of it (default: --epochs, or 60 seconds)")
    action.add_argument("--title", help="what people call the race")
    _add_config_options(action)

    action = command("learning-curve", "Train on more and more of the pictures: how many does each arm need?")
    action.add_argument("dataset", help="id of a dataset")
    action.add_argument("--arms", help=f"one or more of {', '.join(PRESETS)} (default: {','.join(DEFAULT_ARMS)})")
    action.add_argument("--seeds", type=int, default=3, help=f"trainings of a point, 1 to {MAX_SEEDS} (default: 3)")
    action.add_argument("--sizes", help="training pictures per class (default: 1,2,5,10 and so on, up to all)")
    action.add_argument("--title", default="", help="what people call it")
    action.add_argument("--detach", action="store_true", help="queue the runs and return at once")
    _add_config_options(action)

    action = command("show-race", "Show a race or learning curve: its runs, and what they show so far.")
    action.add_argument("race", help="id of a race")

    action = command("estimate", "Tell how long a training would take on this machine.")
    action.add_argument("dataset", help="id of a dataset")
    _add_config_options(action)

    command("runs", "List the runs, newest first.")
    for name, text in (
        ("show", "Show a run: configuration, every epoch, test result, what hardware path ran."),
        ("stop", "Stop a run; what it has learned is kept."),
        ("resume", "Let an interrupted run go on from where it was last put aside."),
        ("coach", "Tell what its curves and results mean, and one thing to try."),
        ("judge", "Test the best weights of a stopped or interrupted run."),
    ):
        command(name, text).add_argument("run", help="id of a run")

    action = command("compare", "Compare two runs on the same test pictures: second minus first.")
    action.add_argument("first", help="id of a run")
    action.add_argument("second", help="id of a run")

    action = command("report", "Write a race, a learning curve or two to six runs as one file that opens offline.")
    action.add_argument("ids", nargs="+", metavar="ID", help="id of a race or learning curve, or of each run")
    action.add_argument("--output", required=True, metavar="FILE", help="the file to write")
    action.add_argument("--format", choices=tuple(FORMATS), help="default: what the file's name ends in, else html")
    action.add_argument("--force", action="store_true", help="replace the file if it is there already")

    action = command("predict", "Classify pictures with a run.")
    action.add_argument("run", help="id of a run")
    action.add_argument("files", nargs="+", metavar="FILE", help="pictures")
    action.add_argument("--top", type=int, default=5, help="how many classes to list (default: %(default)s)")

    action = command("prefetch", "Download pretrained weights, so that training works without a network.")
    action.add_argument("networks", nargs="+", metavar="NETWORK", help="names from the catalog, or `all`")

    action = command("queue", "Show what runs and what waits; pause the queue, or put runs first.")
    paused = action.add_mutually_exclusive_group()
    paused.add_argument("--pause", dest="pause", action="store_true", default=None, help="let nothing new start")
    paused.add_argument("--go-on", dest="pause", action="store_false", default=None, help="let it start again")
    action.add_argument(
        "--first", nargs="*", metavar="RUN", help="before all others; without RUN: the fair order again"
    )

    action = command("rename", "Give a run, race or learning curve another title.")
    action.add_argument("run", help="id of a run, race or learning curve")
    action.add_argument("title", help="of a run: shown behind network and strategy; of a race: in place of its arms")

    command("delete", "Delete a run that has ended.").add_argument("run", help="id of a run")
    command("delete-dataset", "Delete a dataset that no run needs.").add_argument("dataset", help="id of a dataset")
    command("shutdown", "Put every training aside, and end everything that goes on.")

    action = command("fsck", "Read everything under the data root, and tell what is damaged, orphaned or left over.")
    action.add_argument("--repair", action="store_true", help="put right what can be; damaged things go to set-aside/")

    action = command("export-room", "Pack datasets and runs into one .zip, for another machine.")
    action.add_argument("file", help="the .zip to write")
    action.add_argument("--runs", choices=("all", "finished"), default="all", help="which runs (default: %(default)s)")
    action.add_argument("--datasets", nargs="+", metavar="DATASET", help="only these, and the runs on them")

    action = command("import-room", "Take in what export-room packed.")
    action.add_argument("file", help="the .zip")
    return parser


def _add_config_options(action: argparse.ArgumentParser) -> None:
    for name, field in TrainConfig.model_fields.items():
        if name == "dataset":
            continue
        default = "" if field.default in (PydanticUndefined, None, "") else f" (default: {_shown(field.default)})"
        option = f"--{name.replace('_', '-')}"
        text = f"{field.description} {capitalise(allowed_values(TrainConfig, name))}.{default}"
        if bool in (field.annotation, *get_args(field.annotation)):
            action.add_argument(
                option,
                dest=name,
                action=argparse.BooleanOptionalAction,
                default=None,
                help=text.replace("%", "%%"),
            )
        else:
            action.add_argument(option, dest=name, metavar="VALUE", help=text.replace("%", "%%"))


def _shown(default: Any) -> str:
    return ",".join(str(part) for part in default) if isinstance(default, tuple) else str(default)


def config_values(options: argparse.Namespace) -> dict[str, Any]:
    """The TrainConfig fields that were given, as they were given."""
    values: dict[str, Any] = {}
    for name in TrainConfig.model_fields:
        given = getattr(options, name, None)
        if given is None:
            continue
        values[name] = [part for part in given.split(",") if part.strip()] if name in REPEATED else given
    return values


def read_config(options: argparse.Namespace, *, arms: bool = False) -> TrainConfig:
    """What was chosen about the training.

    Args:
        arms: whether each arm has a strategy of its own, so that a network without pretrained weights needs none.
    """
    values = config_values(options)
    network = CATALOG.get(str(values.get("model")))
    if arms and network is not None and network.weights is None:
        values.setdefault("strategy", "scratch")
    return parse_config(values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    try:
        settings = Settings.from_environment()
        outcome = _run(settings, options)
    except ConfigError as error:
        for sentence in error.problems.values():
            print(sentence, file=sys.stderr)
        return 2
    except TuneMyPetsError as error:
        print(str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "Interrupted; a queued or running training goes on: `python -m core stop RUN` ends it.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        return 1
    if options.json:
        print(json.dumps(outcome.value, ensure_ascii=False, allow_nan=False))
    elif outcome.text:
        print(outcome.text)
    if outcome.failure:
        print(outcome.failure, file=sys.stderr)
        return 1
    return 0


def _run(settings: Settings, options: argparse.Namespace) -> commands.Outcome:
    match options.command:
        case "import":
            return commands.import_path(settings, options.path, options.name, options.split, options.seed)
        case "sample":
            return commands.make_sample(settings, options.name, options.split, options.seed)
        case "datasets":
            return commands.list_datasets(settings)
        case "train":
            return commands.train(settings, read_config(options), detach=options.detach)
        case "race":
            return _race(settings, options)
        case "show-race":
            return races.show(settings, options.race)
        case "learning-curve":
            return races.learning_curve(
                settings,
                read_config(options, arms=True),
                arms=options.arms,
                seeds=options.seeds,
                sizes=options.sizes,
                title=options.title,
                detach=options.detach,
            )
        case "estimate":
            return commands.estimate_training(settings, read_config(options))
        case "runs":
            return commands.list_runs(settings)
        case "show":
            return commands.show_run(settings, options.run)
        case "stop":
            return commands.stop_run(settings, options.run)
        case "resume":
            return commands.resume_run(settings, options.run)
        case "coach":
            return commands.coach_run(settings, options.run)
        case "judge":
            return commands.judge_run(settings, options.run)
        case "compare":
            return commands.compare_runs(settings, options.first, options.second)
        case "report":
            return report(settings, options.ids, options.output, options.format, force=options.force)
        case "predict":
            return commands.predict(settings, options.run, options.files, options.top)
        case "queue":
            return jobs.queue(settings, pause=options.pause, first=options.first)
        case "rename":
            return jobs.rename_run(settings, options.run, options.title)
        case "delete":
            return jobs.delete_run(settings, options.run)
        case "delete-dataset":
            return jobs.delete_dataset(settings, options.dataset)
        case "shutdown":
            return jobs.shutdown(settings)
        case "fsck":
            return upkeep.fsck(settings, mend=options.repair)
        case "export-room":
            return upkeep.export(settings, options.file, runs=options.runs, datasets=options.datasets)
        case "import-room":
            return upkeep.take_in(settings, options.file)
        case _:
            return commands.prefetch(options.networks)


def _race(settings: Settings, options: argparse.Namespace) -> commands.Outcome:
    if all(getattr(options, name) is None for name in ("arms", "seeds", "equal", "amount", "title")):
        return races.race(settings, read_config(options))
    config = read_config(options, arms=True)
    named = [name.strip() for name in (options.arms or f"scratch,{config.strategy}").split(",") if name.strip()]
    plan, arms = plan_race(
        config,
        named,
        seeds=1 if options.seeds is None else options.seeds,
        budget=options.equal or "epochs",
        amount=options.amount,
        title=options.title or "",
    )
    return races.planned_race(settings, plan, arms)


if __name__ == "__main__":
    sys.exit(main())
