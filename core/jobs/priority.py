"""Stepping back: what computes for minutes must not keep those waiting who click."""

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10  # of trainings
AUTOGROUP = Path("/proc/self/autogroup")


def step_back(niceness: int) -> None:
    """Let others go first, by at least this niceness (0 to 19).

    Linux shares the processors among sessions first (`setsid`; each worker has one of its own), and looks at niceness
    only within them: two nice workers would get two thirds of the machine. So the session steps back too.
    """
    if not hasattr(os, "setpriority"):
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(OSError, ValueError, IndexError):  # no such file where the system has no such groups
        present = int(AUTOGROUP.read_text(encoding="ascii").rsplit("nice", 1)[1])
        if present < niceness:
            AUTOGROUP.write_text(str(niceness), encoding="ascii")
