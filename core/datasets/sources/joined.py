"""Several archives as one source."""

from collections.abc import Sequence

from core.datasets.sources.source import Source, SourceEntry


class JoinedSource:
    """The files of several sources, whose names differ."""

    drawn = False
    empty_folders: Sequence[str] = ()

    def __init__(self, sources: Sequence[Source]) -> None:
        """
        Args:
            sources: closed with this one.
        """
        self.title = ", ".join(source.title for source in sources)
        self.ignored = sum(source.ignored for source in sources)
        self.notes: Sequence[str] = [note for source in sources for note in source.notes]
        self._sources = sources
        self._source_of = {entry: source for source in sources for entry in source.entries()}

    def entries(self) -> Sequence[SourceEntry]:
        return list(self._source_of)

    def head(self, entry: SourceEntry, count: int) -> bytes:
        return self._source_of[entry].head(entry, count)

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return self._source_of[entry].read(entry, max_bytes)

    def close(self) -> None:
        for source in self._sources:
            source.close()
