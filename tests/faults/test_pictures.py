"""Pictures that are none, are damaged or unusual: a sentence for each, on every way in, and the others go on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.datasets.pictures.decoder import Limits, decode, render_preview
from core.datasets.pictures.resizing import fit_square
from core.predict.predictor import Predictor
from core.runs.run import Run
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.pixels import open_store, square_pixels
from models.catalog import CATALOG
from pages.components.predict.answer_grid import MAX_DAMAGED
from tests.support.images import class_files, encoded, photo, png_header
from tests.support.peak_memory import run_for_peak, wants_peak_memory
from tests.support.sentences import assert_nothing_of_the_machine, assert_plain
from tests.support.uploads import imported

pytestmark = pytest.mark.usefixtures("clean_afterwards")

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><circle r="9"/></svg>'


def ninety_megapixels() -> bytes:
    return encoded(Image.new("L", (9500, 9500)), "PNG", compress_level=9)


def many_frames(count: int) -> bytes:
    frames = [photo(seed % 7).convert("P") for seed in range(count)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def strip() -> bytes:
    return encoded(Image.new("RGB", (65_500, 1), "red"), "JPEG")


def endless_tiff() -> bytes:
    """A picture of 100,000 pages, all the same one: to find the last takes longer with each."""
    first = bytearray(encoded(photo(52), "TIFF"))
    index = int.from_bytes(first[4:8], "little")
    last = index + 2 + 12 * int.from_bytes(first[index : index + 2], "little")
    page, start = bytes(first[index:last]), len(first)
    first[last : last + 4] = start.to_bytes(4, "little")
    each = len(page) + 4
    pages = (page + (start + each * (number + 1)).to_bytes(4, "little") for number in range(100_000))
    return bytes(first) + b"".join(pages) + page + bytes(4)


Make = Callable[[], bytes]

REFUSED: dict[str, tuple[Make, str]] = {
    "empty.jpg": (lambda: b"", "is empty"),
    "page.jpg": (lambda: b"<!DOCTYPE html><html><body>Log in</body></html>", "a web page"),
    "drawing.svg": (lambda: SVG, "an SVG drawing"),
    "drawing.png": (lambda: SVG, "an SVG drawing"),
    "half.jpg": (lambda: encoded(photo(50, (640, 480)))[:9000], "cut off or damaged"),
    "huge.png": (ninety_megapixels, "9500 x 9500 pixels: at most 50 megapixels"),
    "header.png": (lambda: png_header(200_000, 200_000), "pixels"),
    "dot.png": (lambda: encoded(photo(51, (1, 1)), "PNG"), "1 x 1 pixels: pictures need at least 16"),
    "strip.jpg": (strip, "65500 x 1 pixels: pictures need at least 16"),
}  # fmt: skip

USED: dict[str, tuple[Make, str]] = {
    "sixteen.png": (
        lambda: encoded(Image.fromarray(np.linspace(9000, 50_000, 4096).reshape(64, 64).astype(np.uint16)), "PNG"),
        "16-bit grey rescaled to 8 bits",
    ),
    "cmyk.jpg": (lambda: encoded(photo(53).convert("CMYK")), "CMYK to RGB"),
    "palette.png": (
        lambda: encoded(photo(54).quantize(16), "PNG", transparency=3),
        "transparent parts put on white",
    ),
    "frames.gif": (lambda: many_frames(200), "first of 200 frames"),
    "pages.tif": (endless_tiff, "first of many frames"),
    "tiff.png": (lambda: encoded(photo(55), "TIFF"), "named .png but is TIFF"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_picture_costs_an_import_nothing_but_itself(settings: Settings, name: str) -> None:
    make, words = REFUSED[name]
    good = class_files({"cat": 6, "dog": 6})
    dataset = imported(settings, [*good[:3], (f"cat/{name}", make()), *good[3:]])
    assert sorted(row.name for row in dataset.rows) == sorted(file for file, _ in good)
    ((file, reason),) = dataset.report().rejected
    assert file == f"cat/{name}"
    assert words in reason
    assert_plain(reason, f"cat/{name}", settings=settings)


def test_all_bad_pictures_at_once_cost_nothing_but_themselves(settings: Settings) -> None:
    good = class_files({"cat": 6, "dog": 6})
    dataset = imported(settings, [*((f"dog/{name}", make()) for name, (make, _) in REFUSED.items()), *good])
    assert len(dataset.rows) == 12
    assert [file for file, _ in dataset.report().rejected] == [f"dog/{name}" for name in REFUSED]


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_picture_gets_a_sentence_in_place_of_a_prediction(settings: Settings, run: Run, name: str) -> None:
    make, words = REFUSED[name]
    good = encoded(photo(1)), encoded(photo(2))
    predictor = Predictor(settings)
    alone = predictor.predict(run, [("a.jpg", good[0]), ("b.jpg", good[1])])
    first, bad, last = predictor.predict(run, [("a.jpg", good[0]), (name, make()), ("b.jpg", good[1])])
    assert [first.top, last.top] == [alone[0].top, alone[1].top]
    assert (bad.label, bad.probability, bad.top) == (None, None, ())
    assert words in str(bad.error)
    assert_plain(str(bad.error), name, settings=settings)


@pytest.mark.parametrize("name", USED)
def test_an_unusual_picture_is_read_the_same_everywhere_and_what_was_done_is_told(
    settings: Settings, run: Run, name: str
) -> None:
    make, note = USED[name]
    dataset = imported(settings, [*class_files({"cat": 6, "dog": 6}), (f"cat/{name}", make())])
    assert dataset.report().rejected == []
    assert (f"cat/{name}", note) in dataset.report().converted
    row = next(row for row in dataset.rows if row.name == f"cat/{name}")
    spec = CATALOG["scratch_cnn"].preprocessing
    store = run_step(open_store(settings, dataset, spec, StopSignal()))
    (trained,) = store.take(np.array([row.index]))
    assert np.array_equal(trained, square_pixels(make(), name, Limits.from_settings(settings), spec))
    assert 20 < trained.mean() < 235, "neither black nor white"
    (answer,) = Predictor(settings).predict(run, [(name, make())])
    assert answer.error is None
    assert any(found.startswith(note) for found in answer.notes)


def test_sixteen_bit_grey_keeps_its_greys(settings: Settings) -> None:
    values = np.asarray(decode(USED["sixteen.png"][0](), Limits.from_settings(settings), "sixteen.png").image)
    assert len(np.unique(values)) > 250
    assert (values.min(), values.max()) == (0, 255)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photo_has_the_same_pixels_in_explorer_training_and_prediction(
    settings: Settings, run: Run, orientation: int
) -> None:
    upright = photo(90, (60, 40))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(upright.transpose(Image.Transpose(undo)), "PNG", exif=exif)
    dataset = imported(settings, [*class_files({"cat": 6, "dog": 6}), ("cat/turned.png", turned)])
    row = next(row for row in dataset.rows if row.name == "cat/turned.png")
    assert (row.width, row.height) == (60, 40)
    limits, spec = Limits.from_settings(settings), CATALOG["scratch_cnn"].preprocessing
    straight = encoded(upright, "PNG")
    # explorer: the gallery's small picture, and the large one
    plain = next(row for row in imported(settings, [("cat/a.png", straight), *class_files({"cat": 6, "dog": 6})],
                                         "plain").rows if row.name == "cat/a.png")  # fmt: skip
    assert (
        dataset.thumbnail_path(row).read_bytes()
        == (settings.datasets_dir / "plain" / "thumbs" / plain.sha256[:2] / f"{plain.sha256}.jpg").read_bytes()
    )
    assert render_preview(dataset.read_image(row), limits, "a") == render_preview(straight, limits, "a")
    # training
    store = run_step(open_store(settings, dataset, spec, StopSignal()))
    assert np.array_equal(store.take(np.array([row.index]))[0], fit_square(upright, spec))
    # prediction
    found, wanted = Predictor(settings).predict(run, [("a.png", turned), ("b.png", straight)])
    assert found.top == wanted.top


def test_90_megapixels_come_in_85_kb() -> None:
    assert 80_000 < len(ninety_megapixels()) < 100_000


@wants_peak_memory
@pytest.mark.parametrize("name", ["huge.png", "header.png", "pages.tif", "frames.gif"])
def test_a_picture_made_to_hurt_costs_little_memory_and_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes({**REFUSED, **USED}[name][0]())
    code = (
        "import time; from core.errors import *\n"
        "from core.datasets.pictures.decoder import *\n"
        "before = time.process_time()\n"
        "try: decode(Path(sys.argv[1]), Limits(50_000_000, 2**26), 'x')\n"
        "except ImageError: pass\n"
        "print(time.process_time() - before)"
    )
    (seconds,), peak = run_for_peak(code, path)
    assert float(seconds) < 2
    assert peak < 150 * 10**6


def test_the_report_of_an_import_shows_every_bad_picture(settings: Settings, open_page: Callable[..., AppTest]) -> None:
    bad = [(f"cat/{name}", make()) for name, (make, _) in REFUSED.items()]
    imported(settings, [*class_files({"cat": 6, "dog": 6}), *bad])
    app = open_page("pages/explore.py", dataset="pets")
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert not app.exception
    assert not app.error
    shown = app.dataframe[0].value
    assert list(shown["File"]) == [file for file, _ in bad]
    for file, reason in zip(shown["File"], shown["Reason"], strict=True):
        assert_plain(reason, file, settings=settings)


def test_the_prediction_page_answers_for_good_pictures_and_explains_each_bad_one(
    settings: Settings, run: Run, open_page: Callable[..., AppTest]
) -> None:
    app = open_page("pages/predict.py", run=run.id)
    bad = [(name, make(), "image/png") for name, (make, _) in REFUSED.items() if not name.endswith(".svg")]
    odd = [(name, make(), "image/png") for name, (make, _) in USED.items()]
    app.file_uploader(key="predict-files").set_value([*odd[:3], *bad[:3], *odd[3:], *bad[3:]])
    app.run(timeout=120)
    assert not app.exception
    shown = app.dataframe[0].value.set_index("Picture")
    for name, _, _ in odd:
        assert shown.loc[name, "Trouble"] == ""
        assert 0 < shown.loc[name, "Probability"] <= 1
    for name, _, _ in bad:
        assert_plain(shown.loc[name, "Trouble"], name, settings=settings)
    for error in app.error:
        assert_nothing_of_the_machine(error.value, settings)
    assert len(app.error) == min(len(bad), MAX_DAMAGED)
