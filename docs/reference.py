"""Make docs/cli.md and docs/settings.md from the code: `python -m docs.reference`."""

import click

from core.cli.main import COMMANDS
from core.cli.shared.command import Command, ConfigOption
from core.settings import PROJECT_ROOT, variables

NOTE = "<!-- Made from the code by `python -m docs.reference`: change the code, not this file. -->"

CLI = f"""\
{NOTE}

# Command line

`python -m core COMMAND` does the whole job without a browser. After `pip install .` the same commands are there as
`tunemypets COMMAND`. `--help` after any command shows its options.

* Data lies where the app keeps it: see `TUNEMYPETS_HOME` in [settings](settings.md). App and commands can be
  used at the same time.
* `--json` prints one JSON value on stdout, in ASCII; progress goes to stderr.
* What the encoding of the console or file lacks is escaped: `猫` as `\\u732b`, a byte of a file name that is not UTF-8
  as `\\xe9`.
* Options may be cut short, as in `--epo 3`, as long as it is clear which one is meant.
* The exit status is 0; 1 with one sentence on stderr when the job cannot be done; 2 when the command or a value is
  wrong; 141 where what reads stdout stops early, as `| head` does.

```
python -m core sample --name drawn
python -m core train drawn --model petnet --strategy head --epochs 5
python -m core race drawn --arms scratch,head,gradual --seeds 3 --equal seconds --amount 60
python -m core report RACE --output report.html
```

| command | what it does |
| --- | --- |
"""

TRAINING = """\
## Training options

`train`, `race`, `learning-curve` and `estimate` take all of these. They are the fields of `TrainConfig`; a form on the
Train page has the same ones.

"""

SETTINGS = f"""\
{NOTE}

# Settings

Environment variables of the app and the command line. All of them are optional. A value that cannot be used is
refused at the start, with a sentence that names it.

| variable | meaning | allowed | default |
| --- | --- | --- | --- |
"""

OTHERS = """
Pretrained weights, read by `models`:

| variable | meaning | default |
| --- | --- | --- |
| `TUNEMYPETS_WEIGHTS_URL` | Address of a mirror for pretrained weights. | torchvision's server |
| `TUNEMYPETS_NODE_HOME` | On a node of a cluster: the folder of its copies. | `~/.cache/tunemypets-node` |
| `TORCH_HOME` | Folder of downloaded weights. Their hashes are checked. | `~/.cache/torch` |

For tests:

| variable | meaning |
| --- | --- |
| `TUNEMYPETS_SHARED` | Folder with real photographs and weights. Tests that need what is missing there are skipped. |
| `TUNEMYPETS_CHROMIUM` | The browser that the browser tests start. |
"""


def write_cli() -> str:
    """The text of docs/cli.md."""
    lines = [f"| [`{item.name}`](#{item.name}) | {_cell(item.help)} |\n" for item in COMMANDS]
    return CLI + "".join(lines) + "\n" + "\n".join(map(_section, COMMANDS)) + "\n" + _training_options()


def _section(command: Command) -> str:
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    options = [param for param in command.params if not isinstance(param, click.Argument | ConfigOption)]
    words = ["python -m core", str(command.name), *(argument.make_metavar(_context(command)) for argument in arguments)]
    text = f"## {command.name}\n\n{command.help}\n\n```\n{' '.join(words)} [OPTIONS]\n```\n\n"
    if any(isinstance(param, ConfigOption) for param in command.params):
        text += "It also takes all [training options](#training-options).\n\n"
    return text + _table(command, options)


def _training_options() -> str:
    train = next(item for item in COMMANDS if item.name == "train")
    return TRAINING + _table(train, [param for param in train.params if isinstance(param, ConfigOption)])


def _table(command: Command, options: list[click.Parameter]) -> str:
    rows = ["| option | meaning |\n| --- | --- |\n"]
    for option in options:
        spelling, text = option.get_help_record(_context(command)) or ("", "")
        rows.append(f"| `{_cell(spelling)}` | {_cell(text)} |\n")
    return "".join(rows)


def _context(command: Command) -> click.Context:
    return click.Context(command, info_name=command.name)


def _cell(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())


def write_settings() -> str:
    """The text of docs/settings.md."""
    rows = [f"| `{item.name}` | {_cell(item.text)} | {item.allowed} | {item.shown} |\n" for _field, item in variables()]
    return SETTINGS + "".join(rows) + OTHERS


PAGES = {"docs/cli.md": write_cli, "docs/settings.md": write_settings}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (PROJECT_ROOT / name).write_text(write(), encoding="utf-8")
        print(f"Wrote {name}")
