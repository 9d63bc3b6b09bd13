"""What every command of `python -m core` shares: its answer, `--json`, shortened options, options from TrainConfig."""

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from pydantic_core import PydanticUndefined

from core.cli.shared import console
from core.config.field_problems import allowed_values
from core.config.train_config import TrainConfig, parse_config
from core.formatting import capitalise
from core.settings import Settings

CONFIG_FIELDS = tuple(name for name in TrainConfig.model_fields if name != "dataset")
FLAGS = tuple(name for name in CONFIG_FIELDS if TrainConfig.model_fields[name].annotation is bool)
LISTS = ("filters",)
HELP_OPTIONS = ["-h", "--help"]


@dataclass(frozen=True)
class Outcome:
    """A command's answer; `failure` is a sentence for stderr and makes the exit status 1."""

    value: Any  # for --json
    text: str  # for people
    failure: str | None = None

    def print(self, *, as_json: bool) -> int:
        """Print the answer; returns the exit status."""
        text = json.dumps(self.value, allow_nan=False) if as_json else self.text  # in ASCII, which every reader knows
        status = console.write_answer(text) if text else 0
        if self.failure:
            console.write_note(self.failure)
            return 1
        return status


class Command(click.Command):
    """A command that returns an Outcome, takes `--json` and accepts options cut short: `--epo` for `--epochs`.

    Attributes:
        old_spellings: of options, with what they are called now; they work, and no help shows them.
    """

    def __init__(self, *args: Any, old_spellings: Mapping[str, str] | None = None, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "context_settings": {"help_option_names": HELP_OPTIONS}})
        self.old_spellings = old_spellings or {}
        text = "One JSON value on stdout, progress on stderr."
        self.params.append(click.Option(["--json", "as_json"], is_flag=True, help=text))

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        return super().make_context(info_name, self._spread(args), *more, token_normalize_func=self._complete, **extra)

    def invoke(self, ctx: click.Context) -> int:
        as_json = ctx.params.pop("as_json")
        assert self.callback is not None
        outcome: Outcome = ctx.invoke(self.callback, Settings.from_environment(), **ctx.params)
        return outcome.print(as_json=as_json)

    def _complete(self, name: str) -> str:
        """The option that a shortened or an old name stands for, without its dashes; else the name itself."""
        options = (option for param in self.params for option in (*param.opts, *param.secondary_opts))
        names = {option.lstrip("-") for option in options if option.startswith("--")} | {"help"}
        if name in names or name == "h":
            return name
        known = {**{found: found for found in names}, **self.old_spellings}
        found = {to for start, to in known.items() if start.startswith(name)}
        shortest = min(found, key=len, default=name)
        return shortest if all(other.startswith(shortest) for other in found) else name

    def _spread(self, args: Sequence[str]) -> list[str]:
        """`--datasets a b` as `--datasets a --datasets b`; an option without any value gets an empty one."""
        several = {option for param in self.params if isinstance(param, Several) for option in param.opts}
        spread: list[str] = []
        left = list(args)
        while left:
            word = left.pop(0)
            if word == "--":
                return [*spread, word, *left]
            if f"--{self._complete(word.lstrip('-'))}" not in several or not word.startswith("--"):
                spread.append(word)
                continue
            taken = 0
            while left and not left[0].startswith("-"):
                spread += [word, left.pop(0)]
                taken += 1
            if not taken:
                spread += [word, ""]
        return spread


class ConfigOption(click.Option):
    """A field of TrainConfig as an option."""


class Several(click.Option):
    """An option with several values after it: `--datasets cats dogs`."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "multiple": True})


def command(name: str, **settings: Any) -> Callable[[Callable[..., Outcome]], Command]:
    """Declare a command: its function gets the settings, then its options; the docstring's first line is its help."""

    def declare(function: Callable[..., Outcome]) -> Command:
        text = (function.__doc__ or "").partition("\n")[0]
        return click.command(name, cls=Command, help=text, short_help=text, **settings)(function)

    return declare


def cluster_option(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Add `--cluster`, which stands for TUNEMYPETS_CLUSTER."""

    def choose(context: click.Context, option: click.Parameter, address: str | None) -> None:
        del context, option
        if address is not None:
            os.environ["TUNEMYPETS_CLUSTER"] = address  # before the settings are read; the scheduler gets it, too

    return click.option(
        "--cluster", metavar="ADDRESS", expose_value=False, callback=choose,
        help="Train on a Ray cluster: auto, or HOST:PORT (docs/cluster.md).",
    )(function)  # fmt: skip


def config_options() -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """Add every field of TrainConfig as an option; the function gets one `config`."""

    def declare(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        @functools.wraps(function)
        def called(settings: Settings, **given: Any) -> Outcome:
            values = {name: given.pop(name) for name in TrainConfig.model_fields}
            return function(settings, config=read_config(values), **given)

        decorated: Callable[..., Outcome] = called
        for name in reversed(CONFIG_FIELDS):
            decorated = _config_option(name)(decorated)
        return click.argument("dataset", metavar="DATASET")(decorated)

    return declare


def _config_option(name: str) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    field = TrainConfig.model_fields[name]
    option = f"--{name.replace('_', '-')}"
    text = str(field.description)
    if name not in FLAGS:
        text += f" {capitalise(allowed_values(TrainConfig, name))}."
    if field.default not in (PydanticUndefined, None, ""):
        text += f" (default: {_format_default(field.default)})"
    if name in FLAGS:
        switch = f"{option}/--no-{option.removeprefix('--')}"
        return click.option(switch, name, cls=ConfigOption, default=None, help=text)
    return click.option(option, name, cls=ConfigOption, metavar="VALUE", help=text)


def _format_default(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, float):
        return f"{default:g}"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def read_config(given: Mapping[str, Any]) -> TrainConfig:
    """The training that was chosen by options.

    Args:
        given: by field; None where an option was left out.
    Raises:
        ConfigError: one sentence for every field that is wrong.
    """
    values = {name: value for name, value in given.items() if value is not None and name in TrainConfig.model_fields}
    for name in LISTS:
        if name in values:
            values[name] = [part for part in values[name].split(",") if part.strip()]
    return parse_config(values)


def split_names(text: str) -> list[str]:
    """The parts of `scratch, head`."""
    return [name.strip() for name in text.split(",") if name.strip()]
