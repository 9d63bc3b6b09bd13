"""The whole job without a browser: `python -m core COMMAND`, or `tunemypets COMMAND`.

    python -m core import PATH --name pets        a folder or .zip of class folders becomes a dataset
    python -m core import catalogue:flowers102    so does a set that is downloaded
    python -m core train pets --model resnet18 --strategy head --epochs 5
    python -m core race pets --arms scratch,head,gradual --seeds 3 --equal seconds --amount 60
    python -m core report RACE --output report.html

All commands and options: docs/cli.md, or `--help`. Each command is declared with its options where it is written, in
`commands`. The exit status is 0; 1 with one sentence on stderr when the job cannot be done; 2 when the command or a
value is wrong.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from core.cli.commands import (
    dataset_commands,
    doctor_command,
    export_command,
    maintenance_commands,
    predict_commands,
    probe_command,
    queue_commands,
    race_commands,
    report_command,
    revision_commands,
    run_commands,
    serve_command,
    sweep_commands,
    training_commands,
)
from core.cli.shared import console
from core.cli.shared.command import HELP_OPTIONS
from core.errors import ConfigError, TuneMyPetsError

COMMANDS = (
    dataset_commands.import_path,
    dataset_commands.make_sample,
    dataset_commands.list_catalogue,
    dataset_commands.list_imports,
    dataset_commands.cancel_import,
    dataset_commands.list_datasets,
    doctor_command.doctor,
    probe_command.probe,
    export_command.export_dataset,
    revision_commands.correct,
    revision_commands.make_revision,
    revision_commands.show_leakage,
    training_commands.train,
    race_commands.race,
    race_commands.learning_curve,
    race_commands.show_race,
    sweep_commands.sweep,
    sweep_commands.show_sweep,
    sweep_commands.stop_sweep,
    training_commands.estimate_training,
    run_commands.list_runs,
    run_commands.show_run,
    training_commands.stop_run,
    training_commands.resume_run,
    run_commands.coach_run,
    training_commands.evaluate_run,
    export_command.export,
    run_commands.compare,
    report_command.report,
    predict_commands.predict,
    serve_command.serve,
    predict_commands.prefetch,
    queue_commands.queue,
    queue_commands.nodes,
    run_commands.rename,
    run_commands.delete_run,
    dataset_commands.delete_dataset,
    queue_commands.shutdown,
    maintenance_commands.fsck,
    maintenance_commands.export_room,
    maintenance_commands.import_room,
)  # in the order of the help
OLD_NAMES = {"judge": "evaluate"}  # they work, and no help shows them


class Group(click.Group):
    """The commands in their own order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, OLD_NAMES.get(cmd_name, cmd_name))


GROUP = Group(
    commands=list(COMMANDS),
    help="TuneMyPets without a browser: import, train, compare, predict.",
    subcommand_metavar="COMMAND [OPTIONS]",
    no_args_is_help=False,
    context_settings={"help_option_names": HELP_OPTIONS, "max_content_width": 110},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    console.prepare()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    program = "tunemypets" if Path(sys.argv[0]).stem == "tunemypets" else "python -m core"
    words = None if arguments is None else list(arguments)
    try:
        return int(GROUP.main(words, program, standalone_mode=False) or 0)
    except click.ClickException as error:  # wrong usage
        error.show()
        return error.exit_code
    except ConfigError as error:
        for sentence in error.problems.values():
            console.write_note(sentence)
        return 2
    except TuneMyPetsError as error:
        console.write_note(str(error))
        return 1
    except OSError as error:  # also of click, which prints the help itself
        where = f"{error.filename}: " if error.filename else ""
        console.write_note(f"{where}{error.strerror or error}: check space and permissions.")
        console.close()
        return 1
    except click.Abort:
        console.write_note("Interrupted. A started training continues: `python -m core stop RUN` ends it.")
        return 130
