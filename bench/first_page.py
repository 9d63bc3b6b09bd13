"""From the start of the server's process to the first page, and whether torch stayed out of it.

    python -m bench.first_page

Limit: a Streamlit script that only prints a title, started the same way. Prints both medians and their ratio.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from core.settings import PROJECT_ROOT
from tests.support.server import find_chromium, free_port

EMPTY = "import streamlit as st\nst.title('TuneMyPets')\n"


def seconds_to_first_page(browser: Browser, script: Path, home: str) -> tuple[float, bool]:
    """Start a server on a free port, and wait for the title of its first page."""
    port = free_port()
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TUNEMYPETS_HOME": home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    page = browser.new_page()
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.01)
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_role("heading", name="TuneMyPets", level=1).wait_for()
        seconds = time.perf_counter() - started
        maps = Path(f"/proc/{server.pid}/maps")
        return seconds, maps.exists() and "libtorch" in maps.read_text(encoding="utf-8")
    finally:
        page.close()
        server.terminate()
        server.wait(10)


def main() -> None:
    """Measure app and limit in turn, and print JSON."""
    parser = argparse.ArgumentParser(description="Time to the first page.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        limit = Path(folder) / "limit.py"
        limit.write_text(EMPTY, encoding="utf-8")
        browser = playwright.chromium.launch(**(find_chromium() or {}))
        app_seconds, limit_seconds, torch_seen = [], [], False
        for _ in range(rounds + 1):  # the first round warms the disk's cache and is not counted
            seconds, torch_here = seconds_to_first_page(browser, PROJECT_ROOT / "streamlit_app.py", folder)
            app_seconds.append(seconds)
            torch_seen = torch_seen or torch_here
            limit_seconds.append(seconds_to_first_page(browser, limit, folder)[0])
    app, bare = statistics.median(app_seconds[1:]), statistics.median(limit_seconds[1:])
    print(
        json.dumps(
            {
                "first_page_seconds": round(app, 2),
                "empty_streamlit_seconds": round(bare, 2),
                "ratio": round(app / bare, 2),
                "server_imported_torch": torch_seen,
                "rounds": rounds,
            }
        )
    )


if __name__ == "__main__":
    main()
