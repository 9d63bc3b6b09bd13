"""Arrays on disk whose rows are read when they are wanted.

Not memory-mapped: what was read of a mapped file counts as the process's own memory, 5 GB for 25,000 pictures. Reading
takes a few microseconds a picture more; the system keeps the file in its cache either way, for all processes.
"""

import os
import threading
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class ArrayFile:
    """A `.npy` file, open for reading: it stays readable when the file is deleted.

    Attributes:
        shape: of the whole array.
        dtype: of its values.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged or cut off, or holds Python objects.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        try:
            if np.lib.format.read_magic(self._file) != (1, 0):
                raise ValueError("not an array of the first format")
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(self._file)
            self._start = self._file.tell()
            self.shape: tuple[int, ...] = shape
            self.dtype: np.dtype[Any] = dtype
            self._row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
            whole = self._start + len(self) * self._row_bytes
            if by_columns or dtype.hasobject or os.fstat(self._file.fileno()).st_size != whole:
                raise ValueError("damaged or cut off")
        except BaseException:
            self._file.close()
            raise
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """These rows, as a copy: (len(places), *shape[1:])."""
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        target = memoryview(out.reshape(-1).view(np.uint8).data)
        for row, place in enumerate(places):
            mine = target[row * self._row_bytes : (row + 1) * self._row_bytes]
            self._read(mine, self._start + int(place) * self._row_bytes)
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The whole array, for numpy."""
        del copy  # it is always one
        return self.take(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def _read(self, row: memoryview, start: int) -> None:
        done = 0
        while done < len(row):
            if hasattr(os, "preadv"):
                got = os.preadv(self._file.fileno(), [row[done:]], start + done)
            else:
                with self._lock:
                    self._file.seek(start + done)
                    got = self._file.readinto(row[done:])
            if not got:
                raise OSError(f"{self._file.name} ends too early")
            done += got

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
