"""What every writer of an export gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.export.source.export_check import Answers, ExportCheck, Outcomes
from core.stores.pixels import Pixels
from models.entry import Preprocessing


@dataclass(frozen=True, eq=False)
class Written:
    """The files of an export, and how they are asked.

    Attributes:
        answers: what the file's own runtime answers to pictures: (N, S, S, 3) uint8 -> (N, classes).
        versions: of the packages that made it.
        notes: sentences for people, such as what it cannot do.
        spec: of the pictures for `answers`, where the file takes other ones than the run.
        reference: what the run answers to pictures of `spec`; None: the run itself, on its own pictures.
        rounded: its weights were rounded on purpose.
        judge: why it must not be handed out, where it trains weights of its own and its probabilities may differ.
        outcomes: which pictures the file calls strange, and which classes each may be; None where it does not know.
        expected: what the run calls so by the file's own test, where that is another one than the run's.
        timed: the answers come from the runtime that people will use, so that their time means something.
    """

    answers: Callable[[Pixels], Answers]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    spec: Preprocessing | None = None
    reference: Callable[[Pixels], Answers] | None = None
    rounded: bool = False
    judge: Callable[[ExportCheck], str | None] | None = None
    outcomes: Callable[[Pixels], Outcomes] | None = None
    expected: Callable[[Pixels], Outcomes] | None = None
    timed: bool = True


@dataclass(frozen=True)
class Folder:
    """Where a writer puts its files; only plain names."""

    path: Path
    names: list[str] = field(default_factory=list)

    def file(self, name: str) -> Path:
        """The path for a new file of the export."""
        self.names.append(name)
        return self.path / name

    def write(self, name: str, text: str) -> None:
        """Write a text file."""
        self.file(name).write_text(text, encoding="utf-8", newline="\n")
