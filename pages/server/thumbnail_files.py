"""Serves the small pictures of datasets: `/thumbnails/DATASET/SHA256.jpg`, behind the room's door.

Pictures as buttons name them by these addresses. With the pictures themselves in their labels, a browser would read 14
kB of text for each one letter by letter, whenever something near it changes. A browser asks once: the name stands for
the content.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.datasets.dataset import THUMBNAIL_PATH, Dataset, ImageRow, thumbnail_of
from core.settings import Settings
from core.storage import is_id

PATH = "/thumbnails/"
YEAR = {"cache-control": "private, immutable, max-age=31536000"}


def address_of(dataset: Dataset, row: ImageRow) -> str:
    """Where a small picture is served, relative to the pages; empty where its file is gone."""
    if not dataset.thumbnail_path(row).exists():
        return ""
    return f"{PATH.lstrip('/')}{dataset.id}/{row.sha256}.jpg"


def send_thumbnail(request: Request) -> Response:
    """The small picture of one file of a dataset."""
    dataset, place = request.path_params["dataset"], thumbnail_of(request.path_params["sha256"])
    if is_id(dataset) and THUMBNAIL_PATH.fullmatch(place):  # no other name ever becomes a path
        try:
            data = (Settings.from_environment().datasets_dir / dataset / place).read_bytes()
        except OSError:
            pass
        else:
            return Response(data, media_type="image/jpeg", headers=YEAR)
    return PlainTextResponse("This picture is gone: import the dataset again.", 404)


ROUTES = [Route(f"{PATH}{{dataset}}/{{sha256}}.jpg", send_thumbnail, methods=["GET"])]
