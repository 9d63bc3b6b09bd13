"""Names and styles of runs that are shown together: the same in every chart, table and picture of a page."""

from collections.abc import Iterable, Mapping, Sequence

from core.config.arm_names import name_configs
from core.formatting import bind_percent
from core.palette import ArmStyle, style_arms
from pages.components.shared.names import plain
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

Named = tuple[str, RunSnapshot]  # a run and its name on the page
Styles = Mapping[str, ArmStyle]  # by name


def name_runs(snapshots: Sequence[RunSnapshot]) -> list[Named]:
    """Different names for runs, each as short as it can be: Scratch, Transfer, Transfer (head)."""
    return list(zip(name_configs([item.config for item in snapshots]), snapshots, strict=True))


def style_runs(named: Sequence[Named]) -> dict[str, ArmStyle]:
    """How each run is drawn, by its name."""
    styles = style_arms([item.config.strategy for _, item in named])
    return {name: style for (name, _), style in zip(named, styles, strict=True)}


def list_sentences(sentences: Iterable[tuple[str, str]]) -> str:
    """A list in Markdown: each run's name, and a sentence about it."""
    return "\n".join(f"- **{plain(name)}** {plain(bind_percent(sentence))}" for name, sentence in sentences)
