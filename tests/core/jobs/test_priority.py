"""What computes for minutes steps back."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs.launchers import AUTOGROUP
from core.settings import PROJECT_ROOT

TELL = (
    "import os, pathlib; from core.jobs.launchers import step_back; step_back(10); step_back(5); "
    "group = pathlib.Path('/proc/self/autogroup'); "
    "print(os.getpriority(os.PRIO_PROCESS, 0), group.read_text() if group.exists() else '')"
)


@pytest.mark.skipif(not hasattr(__import__("os"), "setpriority"), reason="this system knows no niceness")
def test_a_session_steps_back_as_a_whole_and_a_process_never_forward() -> None:
    told = subprocess.run(
        [sys.executable, "-c", TELL],
        cwd=PROJECT_ROOT,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(told.split()[0]) >= 10
    if Path(AUTOGROUP).exists():
        assert told.split()[-2:] == ["nice", "10"]
