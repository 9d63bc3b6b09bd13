"""The download of one file: resumed where it broke off, and kept only if it is the file that was published.

What has arrived lies in `NAME.part`. A broken connection is tried again a few times at once; a later download of the
same file continues from there (HTTP's Range). The file gets its name when its hash is right.
"""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import DatasetError
from core.formatting import format_bytes
from core.quotas import is_full

PART = ".part"  # ending of a file that is not whole
CHUNK_BYTES = 2**18
TIMEOUT_SECONDS = 15.0  # without a single byte
TRIES = 4  # without a single byte more, one after the other
PAUSE_SECONDS = 1.0  # before the second try; it doubles
LOOK_SECONDS = 0.2  # between two looks for a request to stop, while it waits
SURPLUS = 1.02  # times the bytes that were published: what is longer is another file
SURPLUS_BYTES = 2**16


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        name: where it lies below the folder of its set.
        bytes: its size.
        digest: `md5:…`, `sha256:…`, or `git:…` of a Git blob, in hex.
        headers: of the request, and of none that it is forwarded to.
    """

    url: str
    name: str
    bytes: int
    digest: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The server, without a password."""
        return urllib.parse.urlsplit(self.url).netloc.rpartition("@")[2]


class _BrokenError(Exception):
    """The connection ended too early, or there is none; the text is the reason."""


def fetch(file: RemoteFile, folder: Path) -> Generator[int, None, Path]:
    """Download a file into `folder`, unless it is there.

    Yields:
        how many of its bytes are there.
    Raises:
        DatasetError: it cannot be had, is another file than the published one, or the disk is full.
    """
    path = folder / file.name
    if path.is_file():
        yield path.stat().st_size
        return path
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield from _fill(file, part)
        if _digest(part, file.digest.partition(":")[0]) != file.digest.partition(":")[2]:
            raise _foreign(file, part)
        part.replace(path)
    except OSError as error:
        if is_full(error):
            part.unlink(missing_ok=True)  # it would keep the disk full
            raise DatasetError(
                f"The disk is full, so {file.name} was not downloaded: free some space and start again."
            ) from error
        reason = error.strerror or type(error).__name__
        raise DatasetError(f"{file.name} cannot be written ({reason}): check the rights of the data folder.") from error
    return path


def _fill(file: RemoteFile, part: Path) -> Generator[int, None, None]:
    """Download until the file is whole by its length."""
    failed = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            yield from _continue(file, part, before)
            return
        except _BrokenError as error:
            reason = str(error)
        failed = 1 if part.exists() and part.stat().st_size > before else failed + 1
        if failed >= TRIES:
            raise DatasetError(
                f"{file.name} could not be downloaded ({file.host}: {reason}): check the network and start again; "
                "it resumes where it broke off."
            )
        until = time.monotonic() + PAUSE_SECONDS * 2 ** (failed - 1)
        while time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            yield before


def _continue(file: RemoteFile, part: Path, before: int) -> Generator[int, None, None]:
    response = _open(file, before)
    if response is None:  # nothing lies beyond these bytes
        return
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        done = before if resumed else 0
        declared = response.headers.get("Content-Length", "")
        total = done + int(declared) if declared.isdigit() else None
        with part.open("ab" if resumed else "wb") as out:
            yield done
            while chunk := _read(response):
                done += len(chunk)
                if done > file.bytes * SURPLUS + SURPLUS_BYTES:
                    raise _foreign(file, part)
                out.write(chunk)
                yield done
    if total is not None and done < total:  # no error to http.client, which reads in pieces
        raise _BrokenError(f"broke off after {format_bytes(done)} of {format_bytes(total)}")


def _open(file: RemoteFile, before: int) -> http.client.HTTPResponse | None:
    """The answer of the server, from byte `before` on if it can; None where there is no byte more.

    Raises:
        DatasetError: it refuses.
        _BrokenError: it does not answer, or cannot now.
    """
    request = urllib.request.Request(file.url, headers={"User-Agent": "tunemypets"})
    for name, value in file.headers.items():
        request.add_unredirected_header(name, value)
    if before:
        request.add_header("Range", f"bytes={before}-")
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        if before and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            length = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if length is None or int(length[1]) == before:
                return None  # the hash decides
            return _open(file, 0)
        if error.code < 500 and error.code not in (408, 429):
            raise DatasetError(
                f"{file.host} refused {file.name} (answered {error.code}): it may have moved, or want you to sign in."
            ) from error
        raise _BrokenError(f"answered {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _BrokenError(_reason(error)) from error
    return response


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return f"did not answer for {TIMEOUT_SECONDS:.0f} seconds"
    if isinstance(error, ConnectionRefusedError):
        return "refused the connection"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _digest(path: Path, kind: str) -> str:
    def start() -> "hashlib._Hash":
        if kind != "git":
            return hashlib.new(kind, usedforsecurity=kind != "md5")
        return hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)

    with path.open("rb") as file:
        return hashlib.file_digest(file, start).hexdigest()


def _foreign(file: RemoteFile, part: Path) -> DatasetError:
    part.unlink(missing_ok=True)
    return DatasetError(
        f"{file.name} from {file.host} is not the file that was published (its hash differs; it may be a Wi-Fi login "
        "page): check the network and start again."
    )
