"""Everybody brings a dataset: zips are uploaded and imported, and the server's memory must go back."""

import asyncio
import random
import time
from pathlib import Path

from bench.load.meter import Meter, rss_of
from bench.load.report import Report
from tests.support.load.ledger import Ledger
from tests.support.load.room import Room, noise_zip
from tests.support.load.session import LostError, Session

ZIP = "Zip file"
BACK_SECONDS = 20.0  # after the last import has taken its file
PEAK_MB = 2048.0


async def upload_together(room: Room, count: int, megabytes: float, within_seconds: float) -> Report:
    """Let each session upload a zip at a random moment and import it; look at the memory before and after."""
    archive = room.folder / "pets.zip"
    size = noise_zip(archive, megabytes)
    data = archive.read_bytes()
    archive.unlink()
    ledger = Ledger()
    numbers = random.Random(0)
    sessions = [room.session(f"session {place + 1}", ledger) for place in range(count)]
    for session in sessions:
        await session.__aenter__()
        await session.open("explore", "add=1")
    # one small upload first: what is loaded for the first upload stays, and is not what this looks for
    process = room.server_process()
    await _bring(sessions[0], _small(room.folder), ledger, "warm-up")
    await asyncio.sleep(5)
    await sessions[0].click("Close this message")
    before = rss_of(process)

    async def later(session: Session) -> None:
        await asyncio.sleep(numbers.uniform(0, within_seconds))
        try:
            await _bring(session, data, ledger, "upload")
        except LostError as error:
            ledger.fail(session.name, str(error))

    async with Meter(room.server_process) as meter:
        await asyncio.gather(*map(later, sessions))
        ended = time.monotonic()
        back: float | None = None
        while time.monotonic() - ended < BACK_SECONDS:
            await asyncio.sleep(1)
            if back is None and rss_of(process) <= 1.1 * before:
                back = time.monotonic() - ended
    after = rss_of(process)
    for session in sessions:
        await session.__aexit__()
    report = Report(f"{count} uploads of {size / 2**20:.0f} MB within {within_seconds:g} s, each imported")
    report.errors = ledger.errors + [f"server log: {line}" for line in room.trouble()]
    report.add("server memory before, RSS", before, "MB")
    report.add("server memory, peak RSS", meter.peak_rss, "MB", at_most=PEAK_MB)
    report.add("server memory afterwards, RSS", after, "MB")
    report.add("afterwards / before", after / before, "times", at_most=1.1)
    report.add("within 10 % after the last import began", back, "s")
    report.add("upload p95", ledger.quantile("upload", 0.95), "s")
    report.add("start of the import p95", ledger.quantile("import begins", 0.95), "s")
    report.add("datasets afterwards", float(len(list(room.settings.datasets_dir.glob("[a-z0-9]*")))))
    report.add("harness", meter.harness_cores, "cores")
    return report


async def _bring(session: Session, data: bytes, ledger: Ledger, kind: str) -> None:
    uploader = next(session.page.find("file_uploader", "Zip"), None)
    if uploader is None:
        raise LostError(f"no uploader among {session.page.describe()}")
    seconds = await session.upload(uploader, f"{session.name} {kind}.zip".replace(" ", "-"), data)
    ledger.add(kind, seconds)
    ledger.add("import begins", await session.click("Import"))
    if "import=" not in session.page.query:
        raise LostError(f"the import did not start: {session.page.describe()}")


def _small(folder: Path) -> bytes:
    path = folder / "small.zip"
    noise_zip(path, 0.5, seed=1)
    try:
        return path.read_bytes()
    finally:
        path.unlink()
