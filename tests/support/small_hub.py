"""A server that speaks for the Hugging Face Hub: what a dataset holds, and its files."""

import hashlib
import json
from collections.abc import Mapping

import pytest

from tests.support.web_server import WebServer

SHA = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 2000  # files above are kept apart, as the Hub does with those above 10 MB


def serve_dataset(
    web: WebServer, name: str, files: Mapping[str, bytes], patch: pytest.MonkeyPatch, revision: str | None = None
) -> None:
    """Serve a dataset, at the address that `HF_ENDPOINT` then names."""
    siblings: list[dict[str, object]] = []
    for file, data in files.items():
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        sibling: dict[str, object] = {"rfilename": file, "size": len(data), "blobId": blob}
        if len(data) > LARGE_BYTES:
            digest = hashlib.sha256(data).hexdigest()
            sibling["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
        siblings.append(sibling)
        web.files[f"/datasets/{name}/resolve/{SHA}/{file}"] = data
    info = {"id": name, "_id": "1", "sha": SHA, "private": False, "gated": False, "siblings": siblings, "tags": []}
    path = f"/api/datasets/{name}" + (f"/revision/{revision}" if revision else "")
    web.files[path] = json.dumps(info).encode()
    patch.setenv("HF_ENDPOINT", web.url)
    patch.setenv("HF_TOKEN", "")
