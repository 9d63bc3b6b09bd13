"""People try their own photo while trainings keep the machine busy."""

import asyncio
import io
import time

import numpy as np
from PIL import Image

from bench.load.meter import Meter
from bench.load.report import Report
from core.runs.run import Run, RunState
from core.scheduling.scheduler import ensure_scheduler
from tests.support.load.ledger import Ledger
from tests.support.load.room import Room
from tests.support.load.session import LostError, Session


def photograph(seed: int, width_px: int = 1600, height_px: int = 1200) -> bytes:
    """A JPEG of the size of a shrunk phone picture."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((width_px, height_px), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    return file.getvalue()


async def predict_under_load(room: Room, trainings: int, sessions: int, each: int, limit: float = 1.5) -> Report:
    """Train one run to its end, start the trainings, and let sessions send photos one after another."""
    finished = await asyncio.to_thread(_finish_one, room)
    runs = room.long_runs(trainings)
    await asyncio.to_thread(room.wait_until_training, runs)
    ledger = Ledger(keep=False)
    people = [room.session(f"session {place + 1}", ledger) for place in range(sessions)]
    for person in people:
        await person.__aenter__()
        await person.open("predict", f"run={finished.id}")
    began = time.perf_counter()
    await _ask(people[0], 0)
    first = time.perf_counter() - began
    ledger.keep = True

    async def keep_asking(place: int, person: Session) -> None:
        try:
            for turn in range(each):
                await asyncio.sleep(0.5 + 0.1 * place)
                began = time.perf_counter()
                await _ask(person, 1000 * place + turn)
                ledger.add("prediction", time.perf_counter() - began)
        except LostError as error:
            ledger.fail(person.name, str(error))

    async with Meter(room.server_process) as meter:
        await asyncio.gather(*(keep_asking(place, person) for place, person in enumerate(people)))
    for person in people:
        await person.__aexit__()
    report = Report(f"{sessions} people with {each} photos each under {trainings} trainings")
    report.errors = ledger.errors + [f"server log: {line}" for line in room.trouble()]
    report.add("prediction p95, upload to answer", ledger.quantile("prediction", 0.95), "s", at_most=limit)
    report.add("prediction p50", ledger.quantile("prediction", 0.5), "s")
    report.add("predictions", float(len(ledger.seconds["prediction"])))
    report.add("very first answer, predictor started by the page", first, "s")
    report.add("server", meter.server_cores, "cores")
    report.add("harness", meter.harness_cores, "cores")
    return report


def _finish_one(room: Room) -> Run:
    run = room.store.create(room.config(epochs=1, model="petnet", strategy="head"))
    ensure_scheduler(room.settings)
    while run.state().active:
        time.sleep(0.2)
    if run.state() is not RunState.FINISHED:
        raise RuntimeError(f"run {run.id} is {run.state().value}")
    return run


async def _ask(person: Session, seed: int) -> None:
    uploader = next(person.page.find("file_uploader", "Pictures"), None)
    if uploader is None:
        raise LostError(f"no uploader among {person.page.describe()}")
    await person.upload(uploader, f"photo-{seed}.jpg", photograph(seed))
    shown = [image.caption.replace("\\", "") for images in person.page.find("imgs") for image in images.imgs]
    if shown != [f"photo-{seed}.jpg"]:
        raise LostError(f"the page shows {shown} in place of photo {seed}")
    if not any("Probabilities of the classes" in text for text in person.page.texts()):
        raise LostError(f"no answer among {person.page.describe()}")
