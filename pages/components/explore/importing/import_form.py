"""The form that adds a dataset: photos of this device, a ready-made set, Hugging Face, or a folder on the server."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.datasets.downloads.download_address import HubAddress, parse_address, parse_hub
from core.datasets.downloads.hub import check_hub_installed
from core.datasets.sources.archive_names import CODE_PAGES
from core.errors import DatasetError, TuneMyPetsError
from core.formatting import format_limit
from core.jobs.import_jobs import ImportRequest
from core.room.board import check_uploads
from core.settings import Settings
from pages.components.explore.importing import ready_made_cards
from pages.components.shared import frame
from pages.components.shared.importing.server_disk import may_read_server
from pages.components.shared.importing.upload_memory import drop_uploads
from pages.components.shared.pictures import gallery

THIS_DEVICE, READY_MADE, HUB, SERVER_FOLDER = ("This device", "Ready-made sets", "Hugging Face", "On the server")
ZIP, UPLOADED_FOLDER = ("Zip", "Folder")
SPLITS = {
    "70/15/15": "70 % training, 15 % validation, 15 % test",
    "80/10/10": "80 % training, 10 % validation, 10 % test",
    "80/20/0": "80 % training, 20 % validation, no test",
    "60/20/20": "60 % training, 20 % validation, 20 % test",
}
GROUPS = {
    "": "Each picture by itself",
    r"([^/]*?)[ _.-]*\(?\d+\)?\.[^./]+$": "Names that differ by the number at their end",
    r"([^/_]+)_[^/]*$": "Names that are the same up to the first _",
    r"([^/-]+)-[^/]*$": "Names that are the same up to the first -",
}
FORMS = (
    "The simplest is one folder of pictures for each class, such as pets/cat and pets/dog. Most other layouts are "
    "recognised too: split folders, tables of labels."
)
ARCHIVES = (".zip", ".tm")
PACK = "pack a folder of pictures for each class as one .zip."
FORMS_ON_HUB = (
    "Class folders, tables of labels, Parquet files and a zip are read, with their splits. The size is compared with "
    "the free space before the download starts."
)
NO_ADDRESS = "Write the owner and the name of the dataset first, such as microsoft/cats_vs_dogs."
ROUND = "bring-round"


def show_import_form(settings: Settings, before: ImportRequest | None = None) -> None:
    """Draw the form; an import that was started has its id in the URL.

    Args:
        before: what was imported and failed: the form begins where it came from.
    """
    remote = parse_address(before.path) if before is not None and before.path else None
    start = HUB if isinstance(remote, HubAddress) else READY_MADE if remote is not None else THIS_DEVICE
    origins = [THIS_DEVICE, READY_MADE, HUB]
    if may_read_server(settings):
        origins.append(SERVER_FOLDER)
    origin = st.segmented_control("Where are the photos?", origins, default=start, required=True, key="bring-from")
    if origin == READY_MADE:
        ready_made_cards.show_cards(settings)
        return
    way = str(origin)
    if origin == THIS_DEVICE:
        way = st.segmented_control(
            "As", [ZIP, UPLOADED_FOLDER], default=ZIP, required=True, key="bring-way", label_visibility="collapsed"
        )
    check_uploads(settings, frame.actor())
    st.caption(FORMS_ON_HUB if way == HUB else FORMS)
    given = _choose_photos(settings, way, remote.text if isinstance(remote, HubAddress) else "")
    if given is None:
        return
    go = st.container()
    free = frame.datasets(settings).free_name(given.name)
    with st.expander("Options: name, split, groups", key="bring-options"):
        name = st.text_input(
            "Name",
            free,
            max_chars=40,
            key=f"bring-name-{way}-{free}",
            help="Name of the dataset in this app.",
        )
        plan, seed = _split_choice()
        groups = _groups_choice()
        code_page = _code_page_choice() if way in (ZIP, SERVER_FOLDER) else None
    request = ImportRequest(
        given.path, name.strip() or free, plan, seed, given.title, group_pattern=groups, names=code_page
    )
    if go.button(
        "Download and import" if way == HUB else "Import",
        type="primary",
        icon=":material/download:",
        disabled=not (given.ready or way == HUB),  # a tap on it ends the typing
        key="bring-go",
        width="stretch",
        help=None if given.ready or way == HUB else "Choose the photos first.",
    ):
        if given.ready:
            _start(settings, request, given.upload, go)
        else:
            go.error(NO_ADDRESS, icon=":material/block:")


@dataclass(frozen=True)
class Chosen:
    """What a person chose so far: the path or address, or an upload, and what they call it."""

    name: str = ""
    path: str | None = None
    upload: "Upload | None" = None
    title: str = ""

    @property
    def ready(self) -> bool:
        return bool(self.path or self.upload)


def _choose_photos(settings: Settings, way: str, address: str) -> Chosen | None:
    """The field of one way to bring photos; None where nothing can be imported, which it says.

    Args:
        address: on Hugging Face, to begin with.
    """
    if way == HUB:
        return _choose_on_hub(settings, address)
    if way == SERVER_FOLDER:
        path = st.text_input(
            "Folder or zip on the server", key="bring-path", help="Its full path on the machine that runs this app."
        ).strip()
        return Chosen(re.split(r"[\\/]", path.rstrip("\\/"))[-1].removesuffix(".zip"), path)
    upload = _upload(settings, way)
    return Chosen(upload.name, None, upload, upload.title) if upload else Chosen()


def _choose_on_hub(settings: Settings, address: str) -> Chosen | None:
    if not ready_made_cards.say_who_downloads(settings):
        return None
    check_hub_installed()
    text = st.text_input(
        "Dataset on Hugging Face",
        address,
        placeholder="owner/name",
        key="bring-hub",
        help="Its owner and name, or the address of its page. @revision and /folder may follow.",
    ).strip()
    if not text:
        return Chosen()
    try:
        found = parse_hub(text)
    except DatasetError as error:
        st.error(frame.plain(str(error)), icon=":material/block:")
        return None
    return Chosen(found.name, found.text)


@dataclass(frozen=True)
class Upload:
    """What a browser sent: one archive, or the files of a folder; `title` is the name it had there."""

    name: str
    title: str
    archive: UploadedFile | None
    files: Sequence[tuple[str, UploadedFile]]


def _upload(settings: Settings, way: str) -> Upload | None:
    limit = format_limit(settings.session_upload_bytes)
    most = f"Error 413 next to a file: your uploads exceed {limit}. Error 429: wait a minute."
    if way == ZIP:
        archive = st.file_uploader(
            "Zip file",  # of any type: the browser would refuse a picture without a word
            key=f"bring-zip-{_round()}",
            help=f"A folder of class folders, as .zip, or a Teachable Machine project, as .tm. {most}",
        )
        if archive is not None and (refusal := _refuse(archive.name)):
            st.error(refusal, icon=":material/block:")
            return None
        return Upload(Path(archive.name).stem, archive.name, archive, ()) if archive else None
    files = st.file_uploader(
        "Folder",
        accept_multiple_files="directory",
        key=f"bring-folder-{_round()}",
        help=f"Choose the folder that holds the class folders. {most}",
    )
    if not files:
        return None
    folder = files[0].name.split("/")[0]
    return Upload(folder, folder, None, [(item.name, item) for item in files])


def _refuse(name: str) -> str:
    """What is wrong with a file that is no archive, in a sentence; empty for an archive."""
    suffix, shown = Path(name).suffix.lower(), frame.plain(name)
    if suffix in ARCHIVES:
        return ""
    if suffix.removeprefix(".") in gallery.IMAGE_TYPES:
        return f"{shown} is a single picture: {PACK} *Predict* takes single pictures."
    return f"{shown} is not a zip: {PACK}"


def _round() -> int:
    """How many uploads this session has imported: after each one the uploader gets a new key, and so starts empty."""
    return int(st.session_state.get(ROUND, 0))


def _split_choice() -> tuple[str, int]:
    left, right = st.columns([3, 1])
    plan = left.selectbox(
        "Split",
        list(SPLITS),
        format_func=lambda name: SPLITS[name],
        key="bring-split",
        help="Networks learn from training, settings are chosen on validation, runs are evaluated once on test.",
    )
    seed = right.number_input(
        "Seed", 0, 2**31 - 1, 0, key="bring-seed", help="The same pictures and seed give the same split."
    )
    return str(plan), int(seed)


def _groups_choice() -> str:
    """The pattern that finds in a file's name what it belongs to; none where each picture stands for itself."""
    return st.selectbox(
        "Pictures that belong together",
        list(GROUPS),
        format_func=lambda pattern: GROUPS[pattern],
        key="bring-groups",
        help="Pictures of one person, plant or burst stay in one split, or the test result flatters: ana-1.jpg and "
        "ana-2.jpg by the number at their end. Groups that a table names need no choice here.",
    )


def _code_page_choice() -> str | None:
    """The code page of a zip's names; None to guess it."""
    return st.selectbox(
        "Encoding of file names in a zip",
        [None, *CODE_PAGES],
        format_func=lambda name: CODE_PAGES[name] if name else "Guess",
        key="bring-names",
        help="If names look wrong: for a zip that was packed on an older system in another language.",
    )


def _start(settings: Settings, request: ImportRequest, upload: Upload | None, place: DeltaGenerator) -> None:
    jobs = frame.imports(settings)
    archive = None
    try:
        if upload is not None:
            with place, st.spinner("Copying the upload"):
                archive = jobs.receive_zip(upload.archive) if upload.archive else jobs.receive_files(upload.files)
        job = jobs.start(request, archive, by=frame.actor())
    except TuneMyPetsError as error:
        place.error(frame.plain(str(error)), icon=":material/block:")
        return
    if upload is not None:
        drop_uploads([upload.archive] if upload.archive else [file for _, file in upload.files])
        st.session_state[ROUND] = _round() + 1
    st.query_params.from_dict({"import": job})
    st.rerun()
