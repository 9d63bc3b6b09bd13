"""The page on which phones collect photos, `/collect`: plain HTML without Streamlit and websocket, and its requests.

    GET    /collect, /collect/web/…                     the page, before the door
    POST   /collect/join                                through the door: nickname and passcode
    GET    /collect/api/state                           the current collection, as this person sees it
    POST   /collect/api/ID/classes                      make a class
    PATCH  /collect/api/ID/classes/CLASS                rename, switch off, merge
    DELETE /collect/api/ID/classes/CLASS
    PUT    /collect/api/ID/pictures/PICTURE             add a picture, once however often it is sent
    GET    /collect/api/ID/pictures/DIGEST              a small JPEG of it; with `?full`, the picture
    DELETE /collect/api/ID/pictures/DIGEST

It works on plain http, where browsers give pages no camera. A refusal is one sentence, as `{"problem": …}`. After 423
and 5xx a phone keeps the picture and sends it again; after all others it shows the sentence.
"""

import asyncio
import functools
import hashlib
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from core.actor import LOCAL_OWNER, OPERATOR, Actor
from core.collection.collection import PICTURES, THUMBS, CollectedPicture, CollectionView
from core.collection.collection_store import CollectionStore, may_change_class
from core.collection.picture_intake import MAX_BYTES, Sent, add_picture, delete_picture
from core.errors import CollectionError, NotNowError, PeopleError, QuotaError, RightsError, TuneMyPetsError
from core.formatting import format_limit, readable
from core.quotas import FULL, is_full
from core.room.access import RoomStore
from core.room.addresses import is_loopback
from core.room.people import PeopleStore, person_id
from core.settings import Settings
from pages.server.upload_limits import SILENT_SECONDS, SLOWEST_BYTES_PER_SECOND
from pages.server.visitor_cookie import token_in

PAGE = "/collect"
INSIDE = f"{PAGE}/api/"  # behind the door
WEB = Path(__file__).parent / "collect_web"
MAX_JSON_BYTES = 4096
MAX_COMING_BYTES = 64 * 2**20  # of all pictures that are arriving
MAX_NAME = 60  # letters of a file's name in a sentence
NEWEST_SHOWN, OWN_SHOWN = 12, 60  # pictures of a class that a phone sees: the newest of everyone's, and its own
YEAR = {"cache-control": "private, immutable, max-age=31536000"}

Result = TypeVar("Result")
Act = Callable[[Request, Settings, Actor], Awaitable[Response]]

# decoding and the disk never keep the pages waiting
_threads = ThreadPoolExecutor(4, "collect")
_coming = 0  # bytes that are arriving; the event loop alone changes it


def address_of(collection_id: str, picture: CollectedPicture) -> str:
    """Where the small JPEG of a picture is served, relative to the pages."""
    return f"{INSIDE.lstrip('/')}{collection_id}/pictures/{picture.digest}"


def nickname_of(settings: Settings, owner: str) -> str:
    """Who added a picture."""
    if owner == LOCAL_OWNER:
        return "this machine"
    person = PeopleStore(settings).get(owner)
    return person.nickname if person else "someone who has left"


async def _in_thread(work: Callable[..., Result], *arguments: object, **named: object) -> Result:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, functools.partial(work, *arguments, **named))


def _explained(act: Act) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that finds out who asks, and answers errors with their sentence."""

    @functools.wraps(act)
    async def answer(request: Request) -> Response:
        settings = Settings.from_environment()
        try:
            return await act(request, settings, await _in_thread(_actor, settings, request))
        except TuneMyPetsError as error:
            return _refuse(_status(error), str(error))
        except OSError as error:
            if not is_full(error):
                raise
            return _refuse(507, FULL)

    return answer


def _actor(settings: Settings, request: Request) -> Actor:
    if not settings.room:
        return OPERATOR
    token = token_in(request.headers.raw)
    admitted = token is not None and RoomStore(settings).is_admitted(person_id(token))
    person = PeopleStore(settings).holder(token) if token is not None and admitted else None
    if person is None:
        raise PeopleError("Enter a nickname first.")
    return person.actor


def _status(error: TuneMyPetsError) -> int:
    kinds: tuple[tuple[type[TuneMyPetsError], int], ...] = (
        (NotNowError, 423), (CollectionError, 409), (PeopleError, 401), (RightsError, 403), (QuotaError, 429),
    )  # fmt: skip
    return next((status for kind, status in kinds if isinstance(error, kind)), 422)


def _refuse(status: int, sentence: str, *, unread: bool = False) -> Response:
    """Args: unread: the body was not read, so this connection is useless."""
    return JSONResponse({"problem": sentence}, status, {"connection": "close"} if unread else None)


async def _body(request: Request, most: int, what: str) -> bytes | Response:
    """The body of a request, or why it is not read: its length is checked first."""
    global _coming
    announced = request.headers.get("content-length", "")
    if not announced.isdigit():
        return _refuse(411, f"{what} must announce its length.", unread=True)
    size = int(announced)
    if size > most:
        return _refuse(413, f"{what} is larger than {format_limit(most)}: send a smaller one.", unread=True)
    if _coming + size > MAX_COMING_BYTES:
        return _refuse(503, "Many photos are arriving: try again in a few seconds.", unread=True)
    _coming += size
    try:
        async with asyncio.timeout(SILENT_SECONDS + size / SLOWEST_BYTES_PER_SECOND):
            return await request.body()
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it
    except TimeoutError:
        return _refuse(503, f"{what} arrived too slowly: try again.", unread=True)
    finally:
        _coming -= size


async def _values(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        CollectionError: it is none.
    """
    body = await _body(request, MAX_JSON_BYTES, "This request")
    try:
        values = json.loads(body) if isinstance(body, bytes) else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CollectionError("This request cannot be read: reload the page and try again.")
    return values


async def _send_page(_: Request) -> Response:
    return FileResponse(WEB / "page.html", media_type="text/html", headers={"cache-control": "no-cache"})


async def _join(request: Request) -> Response:
    """Through the door, as `pages/components/shared/door.py` does it."""
    settings = Settings.from_environment()
    if not settings.room:
        return Response(status_code=204)

    def enter(nickname: str, passcode: str) -> None:
        token, rooms, people = token_in(request.headers.raw) or "", RoomStore(settings), PeopleStore(settings)
        host = request.client.host if request.client else None
        if not token or not rooms.is_admitted(
            person_id(token)
        ):  # first: only who knows it learns which names are taken
            rooms.enter(token, passcode, None if host is None or is_loopback(host) else host)
        if people.holder(token) is None:
            people.name(token, nickname)

    try:
        values = await _values(request)
        await _in_thread(enter, str(values.get("nickname", "")), str(values.get("passcode", ""))[:40])
    except TuneMyPetsError as error:
        return _refuse(_status(error), str(error))
    return Response(status_code=204)


@_explained
async def _send_state(request: Request, settings: Settings, by: Actor) -> Response:
    body = await _in_thread(_write_state, settings, by)
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _write_state(settings: Settings, by: Actor) -> bytes:
    view = CollectionStore(settings).current()
    state: dict[str, Any] = {"me": by.name if settings.room else "", "presenter": by.presenter, "room": settings.room}
    if view is not None:
        names = {owner: nickname_of(settings, owner) for owner in view.people}
        state["collection"] = {
            "id": view.id,
            "title": view.collection.title,
            "open": view.collection.open,
            "classes": [_describe_class(view, item.id, names, by) for item in view.collection.shown],
        }
    return json.dumps(state, ensure_ascii=False).encode()


def _describe_class(view: CollectionView, class_id: str, names: dict[str, str], by: Actor) -> dict[str, Any]:
    item, pictures = view.collection.resolve(class_id), view.by_class[class_id]
    own = [picture for picture in pictures if picture.owner == by.id]
    shown = {picture.digest: picture for picture in [*pictures[-NEWEST_SHOWN:], *own[-OWN_SHOWN:]]}
    newest = sorted(shown.values(), key=lambda picture: picture.milliseconds, reverse=True)
    return {
        "id": item.id,
        "name": item.name,
        "off": item.off,
        "count": len(pictures),
        "own": len(own),
        "changeable": may_change_class(view, item, by),
        "pictures": [[found.digest, names[found.owner], by.may_change(found.owner)] for found in newest],
    }


@_explained
async def _add_class(request: Request, settings: Settings, by: Actor) -> Response:
    name, place = str((await _values(request)).get("name", "")), request.path_params["collection"]
    return JSONResponse({"id": await _in_thread(CollectionStore(settings).add_class, place, readable(name), by=by)})


@_explained
async def _change_class(request: Request, settings: Settings, by: Actor) -> Response:
    store, place = CollectionStore(settings), (request.path_params["collection"], request.path_params["name"])
    if request.method == "DELETE":
        await _in_thread(store.delete_class, *place, by=by)
        return Response(status_code=204)
    match await _values(request):
        case {"name": str(name)}:
            await _in_thread(store.rename_class, *place, readable(name), by=by)
        case {"off": bool(off)}:
            await _in_thread(store.switch_class, *place, off, by=by)
        case {"into": str(into)}:
            await _in_thread(store.merge_class, *place, into, by=by)
        case _:
            raise CollectionError("This change is unknown: reload the page and try again.")
    return Response(status_code=204)


@_explained
async def _take_picture(request: Request, settings: Settings, by: Actor) -> Response:
    asked = request.query_params
    name = readable(" ".join(asked.get("name", "").split()))[:MAX_NAME] or "The photo"
    data = await _body(request, min(MAX_BYTES, settings.upload_bytes), name)
    if isinstance(data, Response):
        return data
    sent = Sent(request.path_params["name"], asked.get("class", ""), asked.get("group", ""), name, data)
    picture, new = await _in_thread(add_picture, settings, request.path_params["collection"], sent, by=by)
    return JSONResponse({"digest": picture.digest, "new": new}, 201 if new else 200)


@_explained
async def _send_picture(request: Request, settings: Settings, by: Actor) -> Response:
    del by
    place, digest = request.path_params["collection"], request.path_params["name"]
    view = await _in_thread(CollectionStore(settings).view, place)
    found = next((picture for picture in view.pictures if picture.digest == digest), None)
    if found is None:  # no other name ever becomes a path
        return _refuse(404, "This picture was deleted.")
    folder = CollectionStore(settings).folder / view.id
    thumbnail = folder / THUMBS / found.thumbnail
    full = "full" in request.query_params or not (thumbnail.exists() and thumbnail.stat().st_size)
    return FileResponse(folder / PICTURES / found.file if full else thumbnail, headers=YEAR)


@_explained
async def _delete_picture(request: Request, settings: Settings, by: Actor) -> Response:
    await _in_thread(delete_picture, settings, request.path_params["collection"], request.path_params["name"], by=by)
    return Response(status_code=204)


_CLASS, _PICTURE = f"{INSIDE}{{collection}}/classes/{{name}}", f"{INSIDE}{{collection}}/pictures/{{name}}"
ROUTES: list[BaseRoute] = [
    Route(PAGE, _send_page, methods=["GET"]),
    Route(f"{PAGE}/join", _join, methods=["POST"]),
    Route(f"{INSIDE}state", _send_state, methods=["GET"]),
    Route(f"{INSIDE}{{collection}}/classes", _add_class, methods=["POST"]),
    Route(_CLASS, _change_class, methods=["PATCH", "DELETE"]),
    Route(_PICTURE, _take_picture, methods=["PUT"]),
    Route(_PICTURE, _send_picture, methods=["GET"]),
    Route(_PICTURE, _delete_picture, methods=["DELETE"]),
    Mount(f"{PAGE}/web", StaticFiles(directory=WEB)),
]
