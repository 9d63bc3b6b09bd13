"""Addresses of datasets that are downloaded: `catalogue:NAME` and `hf://OWNER/NAME`. Imports fast, for the pages."""

import hashlib
import re
from dataclasses import dataclass

from core.datasets.downloads.ready_made import PREFIX, ReadySet, find_set
from core.errors import DatasetError

HUB = "hf://"
WEB = re.compile(r"https?://(?:www\.)?huggingface\.co/datasets/", re.IGNORECASE)
PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
FORM = re.compile(rf"(?P<name>{PART}/{PART})(?:@(?P<revision>refs/[\w-]+/[\w.-]+|[\w.-]+))?(?:/(?P<folder>.+))?")
TREE = re.compile(rf"(?P<name>{PART}/{PART})/(?:tree|blob|resolve)/(?P<revision>[^/]+)(?:/(?P<folder>.+))?")


@dataclass(frozen=True)
class HubAddress:
    """A dataset of the Hub, or a folder or a file of it; `revision` None is the newest."""

    repository: str
    revision: str | None = None
    folder: str = ""

    @property
    def key(self) -> str:
        """An id of what is downloaded."""
        text = f"{self.repository}@{self.revision}/{self.folder}"
        return f"hub-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def text(self) -> str:
        """The address that names it."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{HUB}{self.repository}{revision}{'/' if self.folder else ''}{self.folder}"

    @property
    def name(self) -> str:
        """What a dataset made of it may be called."""
        return self.repository.rpartition("/")[2]


Remote = ReadySet | HubAddress


def parse_address(text: str) -> Remote | None:
    """What an address names; None for a path of this machine.

    Raises:
        DatasetError: it begins as one and names nothing.
    """
    if text.startswith(PREFIX):
        return find_set(text.removeprefix(PREFIX).strip())
    if text.startswith(HUB) or WEB.match(text):
        return parse_hub(text)
    return None


def parse_hub(text: str) -> HubAddress:
    """A dataset of the Hub by `owner/name`, `hf://owner/name@revision/folder`, or the address of its page.

    Raises:
        DatasetError: it is none.
    """
    page = WEB.sub("", text.strip()).partition("?")[0].partition("#")[0].rstrip("/")
    plain = page.removeprefix(HUB).removeprefix("datasets/")
    found = (TREE.fullmatch(plain) if WEB.match(text.strip()) else None) or FORM.fullmatch(plain)
    if found is None:
        raise DatasetError(
            f"{text[:100]!r} names no dataset on Hugging Face: write its owner and name, "
            "such as microsoft/cats_vs_dogs."
        )
    folder = (found["folder"] or "").strip("/")
    return HubAddress(found["name"], found["revision"], "" if folder.partition("/")[0] == "viewer" else folder)
