"""The file that a command writes: named by `--output`, never replaced without `--force`, whole or absent."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from core.errors import TuneMyPetsError
from core.storage import atomic_open

CANNOT = {
    errno.EACCES: "this folder is write-protected",
    errno.EPERM: "this folder is write-protected",
    errno.EROFS: "this folder is write-protected",
    errno.ENOSPC: "the disk is full",
    errno.ENAMETOOLONG: "the name is too long",
}


def choose_output(output: str, refuse: type[TuneMyPetsError], *, force: bool, example: str) -> Path:
    """The file to write.

    Args:
        refuse: the error to raise.
        example: a name that would do.
    Raises:
        TuneMyPetsError: it is a folder, its folder does not exist, or it is there and may not be replaced.
    """
    target = Path(output).expanduser()
    if not target.name or target.is_dir():
        raise refuse(f"{output} is a folder: name a file in it, such as {example}.")
    if not target.parent.is_dir():
        raise refuse(f"The folder of {target.name} does not exist: make it first.")
    if target.exists() and not force:
        raise refuse(f"{target.name} exists already: choose another name, or replace it with --force.")
    return target


@contextmanager
def open_output(target: Path, refuse: type[TuneMyPetsError]) -> Iterator[IO[Any]]:
    """Open a chosen file for bytes; it is whole or absent afterwards.

    Raises:
        TuneMyPetsError: it cannot be written, and why.
    """
    try:
        with atomic_open(target) as file:
            yield file
    except OSError as error:
        why = CANNOT.get(error.errno or 0, "the disk refused it")
        raise refuse(f"{target.name} cannot be written ({why}): choose another place.") from error
