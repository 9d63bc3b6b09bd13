"""Serves the answers of a batch: `/batches/ID/KEY/answers.csv` and `…/sorted.zip`, made while they are sent.

Both stand behind the room's door, and the key is known only to those who see the batch. Nothing is built in memory.
"""

import secrets
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from core.batches.batch import Batch, BatchRequest
from core.batches.batch_rows import read_rows, write_csv
from core.batches.batch_store import BatchStore
from core.batches.sorted_folders import stream_zip
from core.errors import TuneMyPetsError
from core.settings import Settings

PATH = "/batches/"
CSV, ZIP = "answers.csv", "sorted.zip"
GONE = "This batch was deleted: predict the pictures again."


def address_of(batch: Batch, request: BatchRequest, file: str) -> str:
    """Where a file of a batch is served, relative to the pages."""
    return f"{PATH.lstrip('/')}{batch.id}/{request.key}/{file}"


def send_answers(request: Request) -> Response:
    """The table or the sorted pictures of a batch."""
    asked, settings = request.path_params, Settings.from_environment()
    try:
        batch = BatchStore(settings).get(asked["batch"])
        wanted = batch.request()
        if not wanted.key or not secrets.compare_digest(wanted.key, asked["key"]):
            return PlainTextResponse(GONE, 404)
        table = write_csv(read_rows(batch.rows_path), wanted.classes, wanted.promise)
        if asked["file"] == CSV:
            return _stream(_encoded(table), "text/csv; charset=utf-8", CSV)
        if asked["file"] == ZIP:
            return _stream(stream_zip(settings, batch, table), "application/zip", ZIP)
    except TuneMyPetsError as error:
        return PlainTextResponse(str(error), 404)
    return PlainTextResponse(GONE, 404)


def _encoded(table: Iterator[str]) -> Iterator[bytes]:
    return (text.encode("utf-8", "backslashreplace") for text in table)


def _stream(body: Iterator[bytes], kind: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="tunemypets-{name}"', "cache-control": "private, no-store"}
    return StreamingResponse(body, media_type=kind, headers=headers)


ROUTES = [Route(f"{PATH}{{batch}}/{{key}}/{{file}}", send_answers, methods=["GET"])]
