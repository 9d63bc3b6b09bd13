"""The peak memory of a piece of code, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT

# not `ru_maxrss`: on Linux that survives exec, so a child would show the peak of the process that started it
_PEAK = "import re; print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) * 1024)\n"
wants_peak_memory = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="This test reads the peak memory that Linux shows of a process."
)


def run_for_peak(code: str, path: Path) -> tuple[list[str], int]:
    """Run code, which finds the path in `sys.argv[1]`, to its end.

    Returns:
        The lines that it prints, and its peak memory in bytes.
    """
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from pathlib import Path\n{code}\n{_PEAK}", str(path)],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    *lines, peak = done.stdout.splitlines()
    return lines, int(peak)
