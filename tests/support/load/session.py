"""A virtual session: one browser tab that speaks Streamlit's websocket protocol.

It does what the frontend of Streamlit 1.67 does, in the same order: gets the page and its files with a cookie jar, asks
for health and host configuration, opens the websocket with the XSRF token as subprotocol, asks for a run of the script,
sends a rerun for each fragment with a timer at its interval whatever the server does, reports which messages it keeps,
and answers references to them. A click is a rerun with a trigger; a link is a rerun with another page.

Latency is from the moment at which a rerun is sent until the end of the run that answers it has arrived. Several reruns
of one fragment that the server answers by one run all end with it.
"""

import asyncio
import contextlib
import io
import re
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLsRequest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from yarl import URL

from tests.support.load.ledger import Ledger
from tests.support.load.page import Page
from tests.support.load.reruns import Reruns, Timers

XSRF_COOKIE = "_streamlit_xsrf"
PATIENCE_SECONDS = 60.0
CONNECTIONS = 6  # of a browser to one server
ASSET = re.compile(r'(?:src|href)="\./(static/[^"]+|favicon\.png)"')
LATER_FILES = ("StreamlitMarkdown", "ErrorElement", "Text.", "LiveAnnouncer", "MaterialSymbols-Rounded", "PageLink")
STEP = re.compile(r"Epoch (\d+) of \d+, step (\d+) of")


class LostError(Exception):
    """The connection ended, or an answer did not come."""


@dataclass
class Session:
    """One tab. Use `async with`, then `open`."""

    address: str  # http://127.0.0.1:8501
    name: str
    ledger: Ledger
    page: Page = field(default_factory=Page)
    cookies: dict[str, str] = field(default_factory=dict)  # that the browser has kept from an earlier visit
    watched_run: str = ""  # whose steps are noted as they arrive
    on_frame: Any = None  # called with (direction, bytes): to compare with a real browser
    connected: bool = False
    away: bool = False  # on another page than the one that it watches

    def __post_init__(self) -> None:
        self._reruns, self._timers = Reruns(), Timers(self._refresh)
        self._uploads: dict[str, asyncio.Future[Any]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._session_id = ""
        self._url = ""
        self._closing = False
        self._step = (0, 0)
        self._shown: set[str] = set()
        self.first_content: asyncio.Future[float] | None = None

    async def __aenter__(self) -> Self:
        jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
        jar.update_cookies(self.cookies, URL(self.address))
        self._http = aiohttp.ClientSession(
            cookie_jar=jar,
            connector=aiohttp.TCPConnector(limit_per_host=CONNECTIONS + 1),
            headers={"Accept-Encoding": "gzip, deflate", "User-Agent": "TuneMyPets load"},
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        await self._http.close()

    # ---- connection

    async def open(self, path: str = "", query: str = "", *, files: bool = False) -> float:
        """Load a page as a first visit does; returns when its script has finished.

        Args:
            path: `train`, `explore`, … or empty for Home.
            query: without `?`.
            files: also get the frontend's own files, as with an empty browser cache.
        Returns:
            seconds from the first request to the first content.
        Raises:
            LostError: if the server does not answer.
        """
        began = time.perf_counter()
        self._url = f"{self.address}/{path}"
        html = await self._get(f"/{path}" + (f"?{query}" if query else ""))
        if files:
            names = list(dict.fromkeys(ASSET.findall(html.decode())))
            await asyncio.gather(*(self._get(f"/{name}") for name in names))
            await asyncio.gather(*(self._get(f"/{name}") for name in _later_files()))
        await asyncio.gather(self._get("/_stcore/health"), self._get("/_stcore/host-config"))
        self.page = Page(query=query)
        await self._connect()
        self.first_content = asyncio.get_running_loop().create_future()
        await self.ask("page", page_name=path)
        return self.first_content.result() - began if self.first_content.done() else time.perf_counter() - began

    async def reconnect(self) -> float:
        """Come back after a dropped connection, as the same session; returns the seconds until the page stood again."""
        began = time.perf_counter()
        await self._get("/_stcore/health")
        await self._connect()
        await self.ask("page")
        return time.perf_counter() - began

    async def drop(self) -> None:
        """Lose the connection without a word, as a phone does."""
        self._closing = True
        if self._socket is not None and self._socket._response.connection is not None:
            transport = self._socket._response.connection.transport
            if transport is not None:
                transport.abort()
        await self._end()

    async def close(self) -> None:
        """Close the tab."""
        self._closing = True
        if self._socket is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._socket.close(), 5)
        await self._end()

    async def _end(self) -> None:
        self.connected = False
        self._timers.stop_all()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            # not `await self._reader`: its cancellation could not be distinguished from that of the caller
            await asyncio.wait([self._reader], timeout=5)
        self._reader = None
        self._socket = None
        self._reruns.give_up(LostError("the connection ended"))

    async def _get(self, path: str) -> bytes:
        try:
            async with self._http.get(f"{self.address}{path}") as reply:
                body = await reply.read()
                if reply.status != 200:
                    raise LostError(f"{path} answered {reply.status}")
                return body
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LostError(f"{path}: {type(error).__name__} {error}") from error

    @property
    def xsrf(self) -> str:
        """The token of the cookie that the server set."""
        return next((item.value for item in self._http.cookie_jar if item.key == XSRF_COOKIE), "")

    async def _connect(self) -> None:
        self._closing = False
        protocols = ["streamlit", self.xsrf or "PLACEHOLDER_AUTH_TOKEN"]
        if self._session_id:
            protocols.append(self._session_id)
        parts = urlsplit(self.address)
        try:
            self._socket = await self._http.ws_connect(
                f"ws://{parts.netloc}/_stcore/stream",
                protocols=protocols,
                origin=self.address,
                compress=15,  # a browser offers it; whether it is used is the server's choice
                max_msg_size=0,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LostError(f"websocket: {type(error).__name__} {error}") from error
        self.connected = True
        self._reader = asyncio.create_task(self._read(self._socket))

    # ---- asking

    async def ask(
        self,
        kind: str,
        *,
        fragment: str = "",
        trigger: str = "",
        page_hash: str | None = None,
        page_name: str = "",
        query: str | None = None,
        automatic: bool = False,
        wait: bool = True,
    ) -> float:
        """Send a rerun; returns the seconds until the end of the run that answers it has arrived.

        Raises:
            LostError: if the connection ended or no answer came.
        """
        if self._socket is None:
            raise LostError("not connected")
        if query is not None:
            self.page.query = query
        states = self.page.states()
        if trigger:
            states.widgets.append(WidgetState(id=trigger, trigger_value=True))
        state = ClientState(
            query_string=self.page.query,
            widget_states=states,
            page_script_hash=self.page.page_hash if page_hash is None else page_hash,
            page_name=page_name,
            fragment_id=fragment,
            is_auto_rerun=automatic,
            cached_message_hashes=list(self.page.cache),
        )
        context = state.context_info
        context.timezone, context.timezone_offset, context.locale = "UTC", 0, "en-US"
        context.url, context.is_embedded, context.color_scheme = self._url, False, "light"
        asked = self._reruns.ask(kind, fragment)
        await self._send(BackMsg(rerun_script=state))
        if not wait:
            return 0.0
        try:
            return await asyncio.wait_for(asked.answered, PATIENCE_SECONDS)
        except TimeoutError:
            raise LostError(f"no answer to {kind} in {PATIENCE_SECONDS:.0f} s") from None

    async def click(self, label: str, expect: str = "") -> float:
        """Press the first button whose label contains a text; seconds until the run that answers has finished.

        Args:
            expect: what can be read on the page afterwards.
        Raises:
            LostError: if there is no such button, no answer, or not this one.
        """
        button = next(self.page.find("button", label), None)
        if button is None:
            raise LostError(f"no button {label!r} among {self.page.describe()}")
        seconds = await self.ask("click", fragment=self.page.fragment_of(button), trigger=button.id)
        self.expect(expect)
        return seconds

    async def follow(self, label: str, expect: str = "") -> float:
        """Follow the first link to a page whose label contains a text; seconds until that page has been drawn.

        Raises:
            LostError: as `click`.
        """
        link = next(self.page.find("page_link", label), None)
        if link is None:
            raise LostError(f"no link {label!r} among {self.page.describe()}")
        self._timers.stop_all()
        # widgets that the old page drew are not sent to the new one
        self.page.widgets.clear()
        seconds = await self.ask("click", page_hash=link.page_script_hash, query=link.query_string)
        self.expect(expect)
        return seconds

    def expect(self, text: str) -> None:
        """Look for a text on the page.

        Raises:
            LostError: if it is not there.
        """
        if text and not any(text in there for there in self.page.texts()):
            raise LostError(f"expected {text!r} among {self.page.describe()}")

    async def upload(self, uploader: Any, name: str, data: bytes) -> float:
        """Send a file to an uploader, as a browser does; seconds until the page shows it.

        Raises:
            LostError: if the server refuses it.
        """
        began = time.perf_counter()
        request = str(uuid.uuid4())
        answer = self._uploads[request] = asyncio.get_running_loop().create_future()
        await self._send(
            BackMsg(
                file_urls_request=FileURLsRequest(request_id=request, file_names=[name], session_id=self._session_id)
            )
        )
        urls = (await asyncio.wait_for(answer, PATIENCE_SECONDS))[0]
        form = aiohttp.FormData()
        form.add_field(name, io.BytesIO(data), filename=name, content_type="application/octet-stream")
        headers = {"X-Xsrftoken": self.xsrf, "Origin": self.address}
        async with self._http.put(f"{self.address}{urls.upload_url}", data=form, headers=headers) as reply:
            if reply.status != 204:
                raise LostError(f"the upload was answered with {reply.status}: {(await reply.text())[:200]}")
        state = FileUploaderState()
        state.uploaded_file_info.add(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)
        self.page.widgets[uploader.id] = WidgetState(id=uploader.id, file_uploader_state_value=state)
        await self.ask("upload")
        return time.perf_counter() - began

    async def _send(self, message: BackMsg) -> None:
        assert self._socket is not None
        payload = message.SerializeToString()
        if self.on_frame:
            self.on_frame("sent", payload)
        try:
            await self._socket.send_bytes(payload)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise LostError(f"websocket: {error}") from error

    # ---- listening

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.BINARY:
                    continue
                self.ledger.bytes_in += len(frame.data)
                self.ledger.messages_in += 1
                if self.on_frame:
                    self.on_frame("received", frame.data)
                self._take(self.page.resolve(frame.data))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a fault of the protocol is what this looks for
            self.ledger.fail(self.name, f"{type(error).__name__}: {error}")
        self.connected = False
        self._timers.stop_all()
        if not self._closing:
            self.ledger.fail(self.name, f"the server closed the connection ({socket.close_code})")
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self._end()))

    def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "delta":
                self._draw(message)
            case "new_session":
                self._begin(message)
            case "script_finished":
                self._finish(message)
            case "auto_rerun":
                self._timers.set(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self._timers.stop(fragment)
            case "navigation":
                self.page.page_hash = message.navigation.page_script_hash
            case "page_info_changed":
                self.page.query = message.page_info_changed.query_string
            case "file_urls_response":
                answer = self._uploads.pop(message.file_urls_response.response_id, None)
                if answer is not None and not answer.done():
                    answer.set_result(list(message.file_urls_response.file_urls))
            case "session_event" if message.session_event.HasField("script_compilation_exception"):
                self.ledger.fail(self.name, "the script does not compile")
            case "page_not_found":
                self.ledger.fail(self.name, f"no page {message.page_not_found.page_name!r}")

    def _draw(self, message: ForwardMsg) -> None:
        self.page.draw(message)
        if message.delta.WhichOneof("type") != "new_element":
            return
        if self.first_content is not None and not self.first_content.done():
            self.first_content.set_result(time.perf_counter())
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception" or (kind == "alert" and element.alert.format == Alert.Format.ERROR):
            text = element.exception.message if kind == "exception" else element.alert.body
            if text not in self._shown:  # a fragment shows it again every second
                self._shown.add(text)
                self.ledger.fail(self.name, f"shown: {text[:200]}")
        elif kind == "progress" and self.watched_run:
            found = STEP.match(element.progress.text)
            if found and (step := (int(found[1]), int(found[2]))) > self._step:
                self._step = step
                self.ledger.steps_seen[self.watched_run, *step].append(time.time())

    def _begin(self, message: ForwardMsg) -> None:
        described, new = message.metadata.run, message.new_session
        fragments = list(described.fragment_ids)
        self._session_id = new.initialize.session_id or self._session_id
        self.page.cache_age = new.config.max_cached_message_age or self.page.cache_age
        self.page.run = described.script_run_id
        if not fragments:
            self._timers.stop_all()
            self.page.page_hash = new.page_script_hash
        self._reruns.begin(described.script_run_id, fragments)

    def _finish(self, message: ForwardMsg) -> None:
        described, now = message.metadata.run, time.perf_counter()
        run, fragments = described.script_run_id, list(described.fragment_ids)
        early = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
        if not early:
            self.page.sweep(run, fragments)
        for asked in self._reruns.finish(run, fragments, early=early):
            self.ledger.add(asked.kind, now - asked.sent)

    async def _refresh(self, fragment: str) -> bool:
        """Ask for a rerun of a fragment; whether there is a connection."""
        try:
            await self.ask("refresh", fragment=fragment, automatic=True, wait=False)
        except LostError:
            return False
        return True

    @property
    def live(self) -> bool:
        """Whether a fragment of the page refreshes itself."""
        return bool(self._timers)

    def unanswered(self, older_than_seconds: float) -> int:
        """Reruns whose answer is still missing after a while."""
        return self._reruns.unanswered(older_than_seconds)


@cache
def _later_files() -> tuple[str, ...]:
    """Files that the frontend asks for when it runs, before it connects."""
    folder = resources.files("streamlit") / "static" / "static"
    return tuple(
        f"static/{kind}/{item.name}"
        for kind in ("js", "media")
        for item in (folder / kind).iterdir()
        if item.name.startswith(LATER_FILES)
    )
