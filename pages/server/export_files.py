"""Serves finished exports: `/take-home/RUN/FORMAT/FILE`, streamed from the disk, behind the room's door.

A phone page opens in the browser, without Streamlit; with `?save` it is saved, as all other files are.

Streamlit's own downloads keep a whole file in the server's memory; an export may have half a gigabyte.
"""

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from core.errors import TuneMyPetsError
from core.export.exports import folder_of, read_manifest
from core.export.formats import get_format
from core.runs.run_store import RunStore
from core.settings import Settings

PATH = "/take-home/"
OPENED = ".html"
# a frame around the page's own policy, which names its script by its hash; both hold
PAGE_POLICY = (
    "default-src 'none'; connect-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def address_of(run_id: str, name: str, file: str) -> str:
    """Where a file of an export is served, relative to the pages."""
    return f"{PATH.lstrip('/')}{run_id}/{name}/{file}"


def send_export(request: Request) -> Response:
    """One file of a finished export."""
    asked = request.path_params
    try:
        run, kind = RunStore(Settings.from_environment()).get(asked["run"]), get_format(asked["format"])
    except TuneMyPetsError as error:
        return PlainTextResponse(str(error), 404)
    manifest = read_manifest(run, kind)
    if manifest is None or asked["file"] not in manifest.files:  # no other name ever becomes a path
        return PlainTextResponse("This export is gone: make it again on the page of its run.", 404)
    opened = asked["file"].endswith(OPENED) and "save" not in request.query_params
    headers = {"cache-control": "private, no-cache"}
    return FileResponse(
        folder_of(run, kind) / asked["file"],
        filename=asked["file"],
        headers={**headers, "content-security-policy": PAGE_POLICY} if opened else headers,
        content_disposition_type="inline" if opened else "attachment",
    )


ROUTES = [Route(f"{PATH}{{run}}/{{format}}/{{file}}", send_export, methods=["GET"])]
