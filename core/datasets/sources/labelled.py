"""A source whose files get their labels and splits from a function: an archive with a list, names that hold both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.datasets.sources.source import Source, SourceEntry


@dataclass(frozen=True)
class Given:
    """What is known of a picture: its class, and its split (train, val or test) where there is one."""

    label: str
    split: str | None = None


class LabelledSource:
    """The files of another source that have a label; all others are passed over."""

    def __init__(
        self,
        source: Source,
        given: Callable[[str], Given | None],
        *,
        notes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            source: closed with this one.
            given: from the name of a file.
            notes: sentences that precede those of the source.
        """
        self.title = source.title
        self.drawn = source.drawn
        self.empty_folders: Sequence[str] = ()
        self.notes: Sequence[str] = (*notes, *source.notes)
        self._source = source
        found = [(entry, given(entry.name)) for entry in source.entries()]
        self._inner = {
            replace(entry, label=known.label, split=known.split): entry for entry, known in found if known is not None
        }
        self.ignored = source.ignored + len(found) - len(self._inner)

    def entries(self) -> Sequence[SourceEntry]:
        return list(self._inner)

    def head(self, entry: SourceEntry, count: int) -> bytes:
        return self._source.head(self._inner[entry], count)

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return self._source.read(self._inner[entry], max_bytes)

    def close(self) -> None:
        self._source.close()
