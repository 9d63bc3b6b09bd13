"""Free the memory of uploads: Streamlit keeps what a browser sent until its session ends.

Thirty zips of 20 MB would hold 600 MB for as long as the tabs stay open. An upload that was copied to disk is dropped
at once, and a moment later the memory goes back to the system.
"""

import ctypes
import gc
import threading
from collections.abc import Iterable

from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

TIDY_SECONDS = 2.0  # after a script dropped something: its frames hold the bytes until it ends
M_MMAP_THRESHOLD = -3  # in malloc.h
LARGE_BYTES = 2**20

_waiting = threading.Lock()


def drop_uploads(files: Iterable[UploadedFile]) -> None:
    """Drop uploaded files of this session. They cannot be read again: give the uploader another key."""
    context = get_script_run_ctx()
    for file in files:
        if context is not None and Runtime.exists():
            Runtime.instance().uploaded_file_mgr.remove_file(context.session_id, file.file_id)
        file.close()
    _tidy_soon()


def _tidy_soon() -> None:
    """Once for everything that is dropped within the same moment."""
    if _waiting.acquire(blocking=False):
        timer = threading.Timer(TIDY_SECONDS, _tidy)
        timer.daemon = True
        timer.start()


def _tidy() -> None:
    _waiting.release()
    gc.collect()  # Streamlit ends a run by an exception, whose frames refer to each other
    if LIBRARY is not None:
        LIBRARY.malloc_trim(0)


def _find_library() -> ctypes.CDLL | None:
    """The C library, if it is glibc.

    By default it stops to take large blocks from the system one by one as soon as one was freed, and puts the next ones
    at the end of a heap, from where they never go back.
    """
    try:
        library = ctypes.CDLL(None)
        if library.malloc_trim and library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES):
            return library
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        pass
    return None


LIBRARY = _find_library()
