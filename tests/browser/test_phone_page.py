"""The phone page in Chromium, with every connection blocked: it answers as Python does, and asks for nothing."""

import base64
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from core.checkpoints.pretrained_weights import load_pretrained
from core.datasets.dataset_store import DatasetStore
from core.datasets.pictures.decoder import Limits
from core.export import export_job
from core.export.exports import folder_of, look
from core.export.formats import FORMATS
from core.export.phone.html_file import put_together, read_known
from core.export.phone.interpreter import Interpreter
from core.export.phone.layers import LayerList, lower_network
from core.export.source.exported_run import as_input
from core.novelty.distances import unit
from core.novelty.nearest_mean import NearestMean
from core.predict.answers_in_words import join_classes
from core.runs.run import Run
from core.runs.run_files import EXPORTS
from core.runs.run_store import RunStore
from core.settings import Settings
from core.stores.pixels import Pixels, square_pixels
from models.catalog import ACTIVATIONS, CATALOG, ScratchOptions
from models.entry import Preprocessing
from models.network import Network, build
from pages.server.export_files import address_of
from tests.support.server import Server
from tests.support.tested_runs import know_more_pictures

pytestmark = pytest.mark.browser

PHONE = FORMATS["phone"]
NEAR = 2e-3
SPEC = Preprocessing(36, 32)
OPTIONS = ScratchOptions((4, 8), image_size=32)
NASTY = "<img src=x onerror=alert(1)></script> 🐈 & \"'"
Open = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Open]:
    """Open a page as a phone without a network; what it asks for and complains about is in `asked` and `said`."""
    contexts = []

    def go(address: str, *, width: int = 390, offline: bool = True, **options: Any) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 844}, offline=offline, **options)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said = [], []  # type: ignore[attr-defined]
        page.on("request", lambda request: page.asked.append(request.url))  # type: ignore[attr-defined]
        page.on("console", lambda message: page.said.append(message.text))  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.said.append(str(error)))  # type: ignore[attr-defined]
        page.goto(address)
        page.locator("#camera:enabled").wait_for(state="attached")
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.fixture
def run(raced: Settings) -> Run:
    return RunStore(raced).all()[0]


@pytest.fixture
def made(raced: Settings, run: Run) -> Path:
    """The phone page of a trained run."""
    (run.folder / EXPORTS).mkdir()
    export_job.export(raced, run, PHONE)
    assert look(raced, run, PHONE).problem is None
    (file,) = folder_of(run, PHONE).glob("*.html")
    return file


@pytest.fixture
def made_not_sure(headed: Settings) -> Path:
    """The phone page of a run that knows what is unlike its training pictures."""
    (run,) = RunStore(headed).all()
    know_more_pictures(run)
    (run.folder / EXPORTS).mkdir()
    export_job.export(headed, run, PHONE)
    (file,) = folder_of(run, PHONE).glob("*.html")
    return file


def write(
    path: Path, network: Network, spec: Preprocessing, known: NearestMean | None = None, **about: Any
) -> LayerList:
    """A page of any network, without test pictures unless they are given."""
    listed = lower_network(network, "It", spec.crop_px)
    facts = {"title": "a", "question": "b", "classes": ["c", "d", "e"], "facts": [], "tests": [], **about}
    path.write_text(put_together("a", listed, spec, facts, known), encoding="utf-8")
    return listed


def ask(page: Page, data: bytes) -> list[float]:
    """The probabilities that the page gives to a picture file."""
    text = base64.b64encode(data).decode()
    code = "async (text) => ask(await openPicture(new Blob([fromBase64(text)]))).probabilities"
    return list(page.evaluate(code, text))


def pixels_of(page: Page, data: bytes) -> Pixels:
    """The pixels that its network takes of a picture file."""
    code = """async (text) => {
      const drawable = await openPicture(new Blob([fromBase64(text)]));
      return Array.from(readPixels(drawable, FACTS.preprocessing));
    }"""
    found = page.evaluate(code, base64.b64encode(data).decode())
    side = int((len(found) // 3) ** 0.5)
    return np.array(found, dtype=np.uint8).reshape(side, side, 3)


def own_pixels(settings: Settings, data: bytes, spec: Preprocessing) -> Pixels:
    """The pixels that Python's network takes of it."""
    first, last = spec.margin_px, spec.margin_px + spec.crop_px
    square: Pixels = square_pixels(data, "a", Limits.from_settings(settings), spec)[first:last, first:last]
    return square


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, channels), dtype=np.uint8))


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (320, "dark"), (1280, "dark")])
def test_from_a_file_it_answers_every_test_picture_as_the_run_and_asks_for_nothing(
    raced: Settings, run: Run, made: Path, visit: Open, width: int, scheme: str
) -> None:
    page = visit(made.as_uri(), width=width, color_scheme=scheme)

    expect(page.locator("#check")).to_contain_text("8 of 8 as on the server")
    tested, dataset = run.predictions(), DatasetStore(raced).get(run.config().dataset)
    found = np.array([ask(page, dataset.read_image(dataset.rows[int(index)])) for index in tested.indices])
    assert np.abs(found - tested.probabilities).max() < NEAR
    assert np.array_equal(found.argmax(axis=1), tested.predicted)
    assert [address for address in page.asked if not address.startswith(("data:", "blob:"))] == [made.as_uri()]
    assert page.said == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    facts = page.locator("#facts").inner_text()
    assert f"measured on {tested.n} test pictures" in facts
    assert run.id in facts


def test_a_photo_shows_its_class_bars_and_time(raced: Settings, run: Run, made: Path, visit: Open) -> None:
    page = visit(made.as_uri())
    assert page.locator("#result").is_hidden()
    dataset, tested = DatasetStore(raced).get(run.config().dataset), run.predictions()
    row = dataset.rows[int(tested.indices[0])]
    file = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": dataset.read_image(row)}

    for label in ("Take a photo", "Choose a picture"):
        page.get_by_label(label).set_input_files(file)  # type: ignore[arg-type]
        expect(page.locator("#answer")).to_have_text(tested.classes[tested.predicted[0]])
    assert page.get_by_label("Take a photo").get_attribute("capture") == "environment"
    assert page.locator("#bars li").count() == len(tested.classes)
    expect(page.locator("#time")).to_contain_text("s on this device")
    page.locator("#tests button").last.click()
    expect(page.locator("#time")).to_contain_text("s on this device")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (320, "dark")])
def test_a_picture_unlike_the_training_pictures_is_called_so_and_a_training_picture_is_not(
    headed: Settings, made_not_sure: Path, visit: Open, width: int, scheme: str
) -> None:
    (run,) = RunStore(headed).all()
    page = visit(made_not_sure.as_uri(), width=width, color_scheme=scheme)
    expect(page.locator("#limits")).to_contain_text("At most 1 in 20 pictures like those of its dataset")
    dataset = DatasetStore(headed).get(run.config().dataset)
    pictures = {"noise.png": encode(noise(200, 150)), "known.png": dataset.read_image(dataset.rows_of("train")[0])}
    shown = {}
    for name, data in pictures.items():
        chosen = {"name": name, "mimeType": "image/png", "buffer": data}
        page.locator("#time").evaluate("(element) => { element.textContent = ''; }")
        page.get_by_label("Choose a picture").set_input_files(chosen)  # type: ignore[arg-type]
        expect(page.locator("#time")).to_contain_text("s on this device")
        shown[name] = page.locator("#answer").inner_text()
        assert page.locator("#doubt").is_visible() is (name == "noise.png")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert "100" not in page.locator("#bars").inner_text()
    assert shown["noise.png"] == "This looks unlike anything it was trained on."
    assert any(each in shown["known.png"] for each in dataset.classes)
    assert [address for address in page.asked if not address.startswith(("data:", "blob:"))] == [made_not_sure.as_uri()]
    assert page.said == []


def test_with_few_validation_pictures_nothing_is_called_strange_and_small_print_says_why(
    run: Run, made: Path, visit: Open
) -> None:
    page = visit(made.as_uri())
    expect(page.locator("#limits")).to_contain_text("needs 19 validation pictures, and this run has 8.")
    picture = {"name": "noise.png", "mimeType": "image/png", "buffer": encode(noise(200, 150))}
    page.get_by_label("Choose a picture").set_input_files(picture)  # type: ignore[arg-type]
    expect(page.locator("#answer")).to_have_text(re.compile("|".join(run.meta().classes)))
    assert page.locator("#doubt").is_hidden()


def test_p_values_and_sets_of_a_dozen_pictures_are_those_of_python(
    settings: Settings, tmp_path: Path, visit: Open
) -> None:
    network = build("scratch_cnn", 5, options=OPTIONS, seed=1).eval()
    pictures = [encode(noise(3 + k, 3).resize((40 + k, 40), Image.Resampling.BICUBIC)) for k in range(64)]
    crops = np.stack([own_pixels(settings, data, SPEC) for data in pictures])
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (SPEC.mean, SPEC.std))
    listed = lower_network(network, "It", SPEC.crop_px)
    answers, read = (part.numpy() for part in Interpreter(listed).run((as_input(crops) - mean) / deviation))
    means = unit(read[:5])
    scores = np.sort(1 - (unit(read[5:52]) @ means.T).max(axis=1))
    least = np.quantile(answers, (0.3, 0.5, 0.7, 0.9, 1), axis=0).diagonal().astype(np.float64)
    known = NearestMean(0.05, means, scores, least)
    write(tmp_path / "a.html", network, SPEC, known, classes=["a", "b", "c", "d", "e"])
    rounded = read_known((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert rounded is not None
    page = visit((tmp_path / "a.html").as_uri())

    code = """async (text) => {
      const { features, probabilities } = ask(await openPicture(new Blob([fromBase64(text)])));
      return [known.pValue(features), known.possible(probabilities), Array.from(features)];
    }"""
    asked = [base64.b64encode(data).decode() for data in pictures[52:]]
    found = [page.evaluate(code, text) for text in asked]
    features = np.array([item[2] for item in found], np.float32)
    assert np.allclose(features, read[52:], atol=1e-4 * np.abs(read).max())
    assert [item[0] for item in found] == rounded.p_values(features).tolist()
    assert np.allclose([item[0] for item in found], known.p_values(features), atol=1 / 47)
    assert len({item[0] for item in found}) > 4, "from usual to strange"
    members = known.sets(answers[52:].astype(np.float64))
    orders = [np.argsort(-answer, kind="stable") for answer in answers[52:]]
    expected = [[int(label) for label in order if row[label]] for order, row in zip(orders, members, strict=True)]
    assert [item[1] for item in found] == expected
    names = ["cat", "dog", "cow", "owl"]
    for count in (1, 2, 3, 4):
        assert page.evaluate("(names) => joinClasses(names)", names[:count]) == join_classes(names[:count])


def test_it_warns_where_the_answers_are_not_those_of_the_server(made: Path, tmp_path: Path, visit: Open) -> None:
    text = made.read_text(encoding="utf-8")
    start = text.index('"answers":[') + len('"answers":[')
    end = text.index("]", start)
    other = json.dumps([0.5 for _ in text[start:end].split(",")], separators=(",", ":"))
    file = tmp_path / "other.html"
    file.write_text(text[: start - 1] + other + text[end + 1 :], encoding="utf-8")
    page = visit(file.as_uri())
    expect(page.locator("#check")).to_contain_text("Only 7 of 8 as on the server")


def test_it_warns_where_a_test_picture_looks_as_strange_as_on_no_server(
    made_not_sure: Path, tmp_path: Path, visit: Open
) -> None:
    expect(visit(made_not_sure.as_uri()).locator("#check")).to_contain_text(
        '8 of 8 as on the server, "not sure" included:'
    )
    text = made_not_sure.read_text(encoding="utf-8")
    found = [float(share) for share in re.findall(r'"p_value":([\d.e-]+)', text)]
    assert len(found) == 8
    other = iter(["0.01", *map(str, found[1:])]) if found[0] > 0.3 else iter(["0.99", *map(str, found[1:])])
    (tmp_path / "other.html").write_text(
        re.sub(r'(?<="p_value":)[\d.e-]+', lambda _: next(other), text), encoding="utf-8"
    )
    expect(visit((tmp_path / "other.html").as_uri()).locator("#check")).to_contain_text("Only 7 of 8 as on the server")


def test_the_room_serves_it_as_a_page_that_cannot_connect(run: Run, made: Path, server: Server, visit: Open) -> None:
    address = f"{server.address}/{address_of(run.id, 'phone', made.name)}"
    page = visit(address, offline=False)

    expect(page.locator("#check")).to_contain_text("8 of 8 as on the server")
    assert [asked for asked in page.asked if not asked.startswith(("data:", "blob:"))] == [address]
    assert page.said == []
    refused = page.evaluate("() => fetch('/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    assert any("connect-src 'none'" in text for text in page.said)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save this page").click()
    assert saved.value.suggested_filename == made.name
    assert Path(saved.value.path()).read_bytes() == made.read_bytes()


@pytest.mark.parametrize("fit", ["crop", "pad", "squeeze"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pictures_become_the_pixels_of_python_one_by_one(
    settings: Settings, tmp_path: Path, visit: Open, fit: str, interpolation: str
) -> None:
    spec = dataclasses.replace(Preprocessing(73, 64), interpolation=interpolation).fitted(fit)
    write(tmp_path / "a.html", build("scratch_cnn", 3, options=dataclasses.replace(OPTIONS, image_size=64)), spec)
    page = visit((tmp_path / "a.html").as_uri())
    for width, height in ((640, 480), (73, 73), (40, 57), (3001, 1001)):
        data = encode(noise(width, height))
        assert np.array_equal(pixels_of(page, data), own_pixels(settings, data, spec)), (width, height)
    # Pillow starts with the height of some pictures, which rounds otherwise
    data = encode(noise(11, 31).resize((101, 333), Image.Resampling.BICUBIC))
    assert np.abs(pixels_of(page, data).astype(int) - own_pixels(settings, data, spec)).max() <= 2


def test_turned_transparent_and_large_pictures_are_read_as_the_app_reads_them(
    settings: Settings, tmp_path: Path, visit: Open
) -> None:
    spec = Preprocessing(73, 64)
    write(tmp_path / "a.html", build("scratch_cnn", 3, options=dataclasses.replace(OPTIONS, image_size=64)), spec)
    page = visit((tmp_path / "a.html").as_uri())
    soft = noise(9, 7).resize((400, 300), Image.Resampling.BICUBIC)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode(soft, "JPEG", exif=exif, quality=95)
        away = np.abs(pixels_of(page, data).astype(int) - own_pixels(settings, data, spec))
        assert away.max() <= 3, orientation  # of 255, by two decoders of JPEG
    clear = encode(noise(90, 70, 4))
    assert np.abs(pixels_of(page, clear).astype(int) - own_pixels(settings, clear, spec)).max() <= 1
    large = encode(soft.resize((4032, 3024), Image.Resampling.BICUBIC), "JPEG", quality=90)
    # Python decodes such a photo at half its size
    assert np.abs(pixels_of(page, large).astype(int) - own_pixels(settings, large, spec)).max() <= 6


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "IMG_1.HEIC is a HEIC photo"),
        ("<b>.jpg", b"nothing", "<b>.jpg cannot be read as a picture here"),
        ("empty.png", b"", "empty.png cannot be read as a picture here"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(
    tmp_path: Path, visit: Open, name: str, data: bytes, sentence: str
) -> None:
    write(tmp_path / "a.html", build("scratch_cnn", 3, options=OPTIONS), SPEC)
    page = visit((tmp_path / "a.html").as_uri())
    page.get_by_label("Choose a picture").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    assert page.locator("#result").is_hidden()


def test_names_with_markup_stay_text(tmp_path: Path, visit: Open) -> None:
    classes = [NASTY, "b" * 80, "c"]
    facts: dict[str, Any] = {"title": NASTY, "question": NASTY, "classes": classes, "facts": [[NASTY, NASTY]]}
    write(tmp_path / "a.html", build("scratch_cnn", 3, options=OPTIONS), SPEC, **facts)
    page = visit((tmp_path / "a.html").as_uri(), width=320)
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": encode(noise(50, 50))}
    page.get_by_label("Choose a picture").set_input_files(picture)  # type: ignore[arg-type]
    expect(page.locator("#bars")).to_contain_text(NASTY)
    assert page.locator("h1").inner_text() == NASTY
    assert page.locator("img").count() == 0
    assert page.said == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320


def assert_engine_agrees(page: Page, listed: LayerList, spec: Preprocessing, count: int = 3) -> None:
    """The engine's answers to random pixels are those of the interpreter."""
    size = spec.crop_px
    crops = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    crops = np.stack([np.asarray(Image.fromarray(crop).resize((size, size))) for crop in crops])
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    expected = Interpreter(listed).answer((as_input(crops) - mean) / deviation).numpy()
    code = "(text) => engine.answer(fromBase64(text))"
    found = [page.evaluate(code, base64.b64encode(crop.tobytes()).decode()) for crop in crops]
    assert np.abs(np.array(found) - expected).max() < NEAR


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_engine_knows_every_activation_and_head(tmp_path: Path, visit: Open, activation: str) -> None:
    options = ScratchOptions((4, 6, 7), 5, activation, False, 0.0, 9, 40)
    for head in ("softmax", "sigmoid"):
        network = build("scratch_cnn", 2, head=head, options=options, seed=3).eval()
        listed = write(tmp_path / "a.html", network, Preprocessing(46, 40))
        assert_engine_agrees(visit((tmp_path / "a.html").as_uri()), listed, Preprocessing(46, 40))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["petnet", "mobilenet_v2", "squeezenet1_0", "efficientnet_lite0"])
def test_the_engine_answers_photographs_as_python_with_real_weights(
    settings: Settings, shared_weights: Path, shared_data: Path, tmp_path: Path, visit: Open, name: str
) -> None:
    spec = CATALOG[name].preprocessing
    network = load_pretrained(settings, CATALOG[name], 3, "softmax", 0).eval()
    write(tmp_path / "a.html", network, spec)
    page = visit((tmp_path / "a.html").as_uri())
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    for path in sorted((shared_data / "data" / "cats_dogs").rglob("*.jpg"))[::120]:
        pixels = as_input(own_pixels(settings, path.read_bytes(), spec)[None])
        with torch.inference_mode():
            expected = network.probabilities(network((pixels - mean) / deviation))[0].numpy()
        assert np.abs(np.array(ask(page, path.read_bytes())) - expected).max() < NEAR
