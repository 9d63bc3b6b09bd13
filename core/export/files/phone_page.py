"""Writes the phone page: one HTML file that classifies pictures in a browser, offline."""

import base64
import time
from importlib.metadata import version
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.datasets.pictures.decoder import Limits
from core.errors import ExportError
from core.export.phone.html_file import count_bytes, put_together, read_back, read_known
from core.export.phone.interpreter import Interpreter
from core.export.phone.layers import lower_network
from core.export.source.description import ANY_PICTURE, describe_run, why_never_strange
from core.export.source.export_check import Answers, Outcomes
from core.export.source.exported_run import BATCH, ExportedRun, as_input, choose_pictures
from core.export.source.written import Folder, Written
from core.formatting import format_bytes, format_count, format_percent
from core.novelty.conformal import DEFAULT_PROMISE
from core.novelty.distances import Features
from core.novelty.nearest_mean import NearestMean
from core.novelty.not_sure import describe_promise
from core.stores.pixels import Pixels, square_pixels
from models.entry import Preprocessing

PAGE = "page.html"
TESTS = 8  # pictures in the page, which it answers again on every opening
ROOM, SHARE = 5_000_000, 0.1  # bytes of a page that "not sure" may fill up, and of a larger page its share
QUALITY = 90  # of these, as JPEG with all colours
NOTES = (
    "Checked here by its own layers and weights, read back from the file and computed by torch: the page checks "
    "its engine itself, on eight test pictures, whenever it is opened.",
    "Those eight pictures of the dataset are in the file: whoever gets it can see them.",
)
ONE_TEST = (
    "It calls pictures strange by the distance to the nearest class mean alone: the training pictures, with which the "
    "run compares too, are too large for a page."
)


def write_phone(source: ExportedRun, folder: Folder) -> Written:
    """Write the page.

    Raises:
        ExportError: the network does not fit into a page.
    """
    title = source.config.entry().title
    if source.spec.version != Preprocessing.version:
        raise ExportError(
            f"Run {source.run.id} was trained by an earlier version, which read pictures in another way than a phone "
            "page: train it again."
        )
    listed = lower_network(source.network, title, source.spec.crop_px)
    facts = describe_run(source)
    known = None if source.novelty is None else NearestMean.of(source.novelty)
    about = {
        "title": facts["dataset"],
        "question": _question(source.classes),
        "classes": list(source.classes),
        "facts": _facts(source, facts),
        "tests": _tests(source, known),
        "limits": _limits(why_never_strange(source)),
    }

    heading = f"{facts['dataset']} · TuneMyPets"
    notes: tuple[str, ...] = NOTES
    text = put_together(heading, listed, source.spec, about, known)
    if (why := _why_no_room(len(text), known)) is not None:
        known, notes, about["limits"] = None, (*NOTES, why), _limits(why)
        text = put_together(heading, listed, source.spec, about)
    folder.write(PAGE, text)
    page = PageFile(folder, source.classes)
    if known is None:
        return Written(page.answers, {"torch": version("torch")}, notes, timed=False)

    def expected(crops: Pixels) -> Outcomes:
        return _outcomes(known, source.classes, *source.ask(crops))

    return Written(
        page.answers,
        {"torch": version("torch")},
        (*notes, ONE_TEST),
        outcomes=page.outcomes,
        expected=expected,
        timed=False,
    )


class PageFile:
    """A finished page, read back, and answered by torch."""

    def __init__(self, folder: Folder, classes: tuple[str, ...]) -> None:
        text = (folder.path / PAGE).read_text(encoding="utf-8")
        listed, spec = read_back(text)
        self._known, self._classes = read_known(text), classes
        self._interpreter = Interpreter(listed)
        self._mean, self._deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))

    def answers(self, crops: Pixels) -> Answers:
        """(N, S, S, 3) uint8 -> (N, classes)."""
        return self._ask(crops)[0]

    def outcomes(self, crops: Pixels) -> Outcomes:
        """Which pictures the page calls strange, and which classes each may be."""
        assert self._known is not None
        return _outcomes(self._known, self._classes, *self._ask(crops))

    def _ask(self, crops: Pixels) -> tuple[Answers, Features]:
        parts = []
        for first in range(0, len(crops), BATCH):
            pixels = as_input(crops[first : first + BATCH])
            parts.append(self._interpreter.run((pixels - self._mean) / self._deviation))
        probabilities, features = (torch.cat(part) for part in zip(*parts, strict=True))
        return probabilities.double().numpy(), features.numpy()


def _outcomes(known: NearestMean, classes: tuple[str, ...], probabilities: Answers, features: Features) -> Outcomes:
    sets = known.sets(probabilities)
    named = [frozenset(name for name, member in zip(classes, row, strict=True) if member) for row in sets]
    return list(zip(known.strange(features).tolist(), named, strict=True))


def _question(classes: tuple[str, ...]) -> str:
    if len(classes) > 4:
        return f"One of {len(classes)} classes: {', '.join(classes)}"
    return f"{', '.join(classes[:-1])} or {classes[-1]}?"


def _why_no_room(page_bytes: int, known: NearestMean | None) -> str | None:
    """Why a page leaves out what known pictures look like, as a sentence; None where it does not, or has none.

    Args:
        page_bytes: with them.
    """
    if known is None or page_bytes <= ROOM or (added := count_bytes(known)) <= SHARE * (page_bytes - added):
        return None
    return (
        f"{ANY_PICTURE}, because what {len(known.least):,} classes look like would add {format_bytes(added)} to the "
        "page, more than a tenth of it: the formats PyTorch and ONNX have room for that."
    )


def _limits(why: str | None) -> str:
    """What is promised of strange pictures, or why nothing is, in small print."""
    tested = "It was tested on pictures like those of its dataset only."
    if why is not None:
        return f"{why} {tested}"
    promise = describe_promise(DEFAULT_PROMISE)
    return (
        f"At most {promise} pictures like those of its dataset is called unlike anything it was trained on, because "
        "their features are farther from every class than those of nearly all known pictures. How many strange "
        f"pictures it notices is not promised. {tested}"
    )


def _facts(source: ExportedRun, facts: dict[str, Any]) -> list[tuple[str, str]]:
    result = source.run.result()
    accuracy = "not measured"
    if (found := facts["test_accuracy"]) is not None:
        low, high = (format_percent(share, 1) for share in facts["test_interval"])
        split = "test" if facts["test_split"] == "test" else "validation"
        pictures = format_count(facts["test_images"], f"{split} picture")
        accuracy = f"{format_percent(found, 1)} ({low} to {high}, 95 % interval), measured on {pictures}"
    listed = [
        ("Network", facts["trained"]),
        ("Trained on", f"{facts['dataset']}, {len(source.classes)} classes"),
        ("Accuracy", accuracy),
    ]
    if result is not None:
        listed.append(("Trained", time.strftime("%Y-%m-%d", time.localtime(result.ended))))
    listed.append(("Made by", f"{facts['made_by']}, run {facts['run']}, {facts['made']}"))
    if facts["weights_licence"]:
        listed.append(("Licence of its weights", facts["weights_licence"]))
    return listed


def _tests(source: ExportedRun, known: NearestMean | None) -> list[dict[str, Any]]:
    """Test pictures as the page holds them, with the run's answers to just these, and how strange they look to it."""
    limits, spec = Limits.from_settings(source.settings), source.spec
    places = choose_pictures(source.tested, TESTS)
    files, crops = [], []
    for place in places:
        row = source.dataset.rows[int(source.tested.indices[place])]
        square = square_pixels(source.dataset.read_image(row), row.name, limits, spec)
        buffer = BytesIO()
        Image.fromarray(square).save(buffer, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
        files.append(buffer.getvalue())
        first, last = spec.margin_px, spec.margin_px + spec.crop_px
        crops.append(np.asarray(Image.open(buffer))[first:last, first:last])
    answers, features = source.ask(np.stack(crops))
    p_values = [None] * len(places) if known is None else known.p_values(features).tolist()
    return [
        {
            "jpeg": base64.b64encode(file).decode("ascii"),
            "label": int(source.tested.labels[place]),
            "answers": [round(float(share), 5) for share in answer],
            "p_value": p_value,
        }
        for place, file, answer, p_value in zip(places, files, answers, p_values, strict=True)
    ]
