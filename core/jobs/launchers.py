"""Starting processes that outlive the one that starts them."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from core.settings import PROJECT_ROOT, Settings

_CREATE_NEW_PROCESS_GROUP = 0x00000200
_CREATE_NO_WINDOW = 0x08000000

WORKER_ENVIRONMENT = {
    # fewer page faults: 1.4 to 1.8 times as fast (glibc only, ignored elsewhere)
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    # idle threads spin for a moment and then sleep: as fast as spinning for good when alone (sleeping at once costs
    # 15 %), and twice as fast as that when two trainings share the processor
    "GOMP_SPINCOUNT": "100000",
}


def start_module(
    settings: Settings,
    module: str,
    arguments: Sequence[str],
    log: Path,
    *,
    threads: int | None = None,
    stdin: int = subprocess.DEVNULL,
) -> "subprocess.Popen[bytes]":
    """Start `python -m module arguments…` in a session of its own, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "TUNEMYPETS_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
        **WORKER_ENVIRONMENT,
    }
    if threads is not None:
        environment["OMP_NUM_THREADS"] = environment["TUNEMYPETS_THREADS"] = str(threads)
    new_group = _CREATE_NEW_PROCESS_GROUP | _CREATE_NO_WINDOW if os.name == "nt" else 0
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            close_fds=True,
            start_new_session=True,
            creationflags=new_group,
        )


def start_detached(settings: Settings, module: str, arguments: Sequence[str], log: Path) -> None:
    """Start a process that nobody waits for, and collect its exit status so that it leaves no zombie."""
    process = start_module(settings, module, arguments, log)
    threading.Thread(target=process.wait, daemon=True).start()
