"""Pictures that are arrays of pixels, as a source: each becomes a PNG when it is read."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.sources.source import SourceEntry, within


class PixelSource:
    """Arrays of pixels with a label and a split each."""

    drawn = False
    ignored = 0
    empty_folders: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __init__(
        self, title: str, pixels: NDArray[np.uint8], labels: Sequence[str], splits: Sequence[str | None]
    ) -> None:
        """
        Args:
            pixels: (N, H, W) grey or (N, H, W, 3) RGB, uint8.
        """
        self.title = title
        self._pixels = pixels
        size = int(pixels[0].size)
        width = len(str(len(pixels)))
        self._entries = [
            SourceEntry(f"{label}/{place:0{width}}.png", size, label, split)
            for place, (label, split) in enumerate(zip(labels, splits, strict=True))
        ]
        self._places = {entry.name: place for place, entry in enumerate(self._entries)}

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def head(self, entry: SourceEntry, count: int) -> bytes:
        return self._encode(entry)[:count]

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return within(self._encode(entry), entry.name, max_bytes)

    def _encode(self, entry: SourceEntry) -> bytes:
        buffer = BytesIO()
        Image.fromarray(self._pixels[self._places[entry.name]]).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def close(self) -> None:
        pass
