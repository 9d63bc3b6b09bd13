"""What commands write: the answer on stdout, all else on stderr, whatever encoding and reader these have.

A Windows console and a redirected file may know only a few hundred characters, `| head` stops reading, a disk fills up.
"""

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import IO

BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended
_ESCAPED = "tunemypets-escaped"


def prepare() -> None:
    """Escape from now on what the encoding of stdout or stderr lacks: `猫` as `\\u732b` in a console of cp1252."""
    codecs.register_error(_ESCAPED, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that cannot be encoded; a byte of a file name that is not UTF-8 becomes `\\xe9`."""
    assert isinstance(error, UnicodeEncodeError)
    letters = error.object[error.start : error.end]
    shown = [
        f"\\x{ord(letter) - 0xDC00:02x}"
        if "\udc80" <= letter <= "\udcff"
        else letter.encode("ascii", "backslashreplace").decode("ascii")
        for letter in letters
    ]
    return "".join(shown), error.end


def write_answer(text: str) -> int:
    """Print the answer; returns the exit status."""
    try:
        _write(sys.stdout, f"{text}\n")
    except OSError as error:
        close()
        if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
            return BROKEN_PIPE
        write_note(f"The answer could not be written ({error.strerror}).")
        return 1
    return 0


def write_note(text: str, end: str = "\n") -> None:
    """Print a message or the progress on stderr; it is lost where nobody can read it, and the work continues."""
    try:
        _write(sys.stderr, f"{text}{end}")
    except OSError:
        _silence(sys.stderr)


def _write(stream: IO[str] | None, text: str) -> None:
    if stream is None:  # closed before the start
        raise OSError(errno.EBADF, "it is closed")
    stream.write(text)
    stream.flush()


def close() -> None:
    """Forget what could not be written on stdout: Python would try again at its end, and complain."""
    _silence(sys.stdout)


def _silence(stream: IO[str] | None) -> None:
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)
