"""Datasets of the Hugging Face Hub: what a repository holds, and which of it is wanted.

`huggingface_hub` (requirements-hub.txt) knows the Hub's interface, its errors and who is signed in. The files
themselves come by our own download, so that progress, cancel, resume and the hash are those of every download.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

from core.datasets.downloads.download_address import HubAddress
from core.datasets.downloads.remote_file import RemoteFile
from core.datasets.labels.label_tables import TABLE_SUFFIXES
from core.datasets.pictures.picture_formats import SUFFIX_FORMATS
from core.datasets.sources.source import is_junk
from core.errors import DatasetError, ExtraMissingError
from core.formatting import format_bytes, format_limit
from core.settings import Settings

WANTED = frozenset((*SUFFIX_FORMATS, *TABLE_SUFFIXES, ".txt", ".zip", ".tm"))
TIMEOUT_SECONDS = 15.0


def check_hub_installed() -> None:
    """Refuse where the package is missing.

    Raises:
        ExtraMissingError: with the command that installs it.
    """
    if find_spec("huggingface_hub") is None:
        raise ExtraMissingError(
            "Datasets of Hugging Face need huggingface_hub: run pip install -r requirements-hub.txt"
        )


def list_files(settings: Settings, address: HubAddress) -> Sequence[RemoteFile]:
    """The pictures, tables and archives of a dataset, as they are at this moment.

    Raises:
        ExtraMissingError: huggingface_hub is missing.
        DatasetError: there is no such dataset, it wants consent or signing in, holds nothing to read, or too much.
    """
    check_hub_installed()
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    name = address.repository
    try:
        info = api.dataset_info(name, revision=address.revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
    except GatedRepoError as error:
        raise DatasetError(
            f"{name} wants your consent: accept its terms at {api.endpoint}/datasets/{name}, then run "
            "`hf auth login` on this machine."
        ) from error
    except RevisionNotFoundError as error:
        raise DatasetError(
            f"{name} has no revision {address.revision!r}: leave it out, or check its spelling."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise _unknown(name) from error
    except HfHubHTTPError as error:
        if _status(error) in ("401", "404"):
            raise _unknown(name) from error
        raise DatasetError(f"Hugging Face answered with an error ({_status(error)}): try again later.") from error
    except Exception as error:  # whatever the client that huggingface_hub uses raises without a network
        raise DatasetError(
            f"Hugging Face cannot be reached ({type(error).__name__}): check the network and start again."
        ) from error
    headers = _authorization()
    below = f"{address.folder}/" if address.folder else ""
    files = [
        RemoteFile(
            hf_hub_url(name, item.rfilename, repo_type="dataset", revision=info.sha, endpoint=api.endpoint),
            item.rfilename,
            int(item.size or 0),
            f"sha256:{item.lfs.sha256}" if item.lfs else f"git:{item.blob_id}",
            headers,
        )
        for item in info.siblings or ()
        if is_wanted(item.rfilename) and (item.rfilename.startswith(below) or item.rfilename == address.folder)
    ]
    _check(settings, address, files)
    return files


def is_wanted(name: str) -> bool:
    """Whether a file may hold pictures or labels, and its name is a plain path: a server's names are never trusted."""
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
    return plain and name.isprintable() and path.suffix.lower() in WANTED and not is_junk(name)


def _check(settings: Settings, address: HubAddress, files: Sequence[RemoteFile]) -> None:
    where = f"{address.repository}/{address.folder}" if address.folder else address.repository
    if not files:
        raise DatasetError(
            f"{where} holds no pictures, tables or zips: look at its files on Hugging Face; "
            f"its Parquet form may be at hf://{address.repository}@refs/convert/parquet."
        )
    size = sum(file.bytes for file in files)
    if size > settings.max_dataset_bytes:
        raise DatasetError(
            f"{where} takes {format_bytes(size)}, and at most {format_limit(settings.max_dataset_bytes)} are taken: "
            "import one of its folders, or raise TUNEMYPETS_MAX_DATASET_MB."
        )
    if len(files) > settings.max_images:
        raise DatasetError(
            f"{where} has {len(files):,} files, and at most {settings.max_images:,} are taken: "
            "import one of its folders, or raise TUNEMYPETS_MAX_PICTURES."
        )


def _authorization() -> dict[str, str]:
    """What shows the Hub who is signed in on this machine; nothing where nobody is."""
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _unknown(name: str) -> DatasetError:
    return DatasetError(
        f"There is no public dataset {name} on Hugging Face: check its spelling; for a private one run "
        "`hf auth login` on this machine."
    )


def _status(error: Any) -> str:
    response = getattr(error, "response", None)
    return str(getattr(response, "status_code", type(error).__name__))
