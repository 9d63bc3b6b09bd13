"""Names that people give: never a path, never markup, from the import through every page to the tables."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.workers.worker import Worker
from core.predict.predictor import Predictor
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import is_id
from pages.components.compare.result import run_details
from pages.components.shared.pictures.gallery import Tile, arrange
from tests.support.finished_runs import create_pair
from tests.support.images import encoded, photo
from tests.support.sentences import assert_nothing_of_the_machine, assert_plain
from tests.support.small_runs import SMALL_SCRATCH
from tests.support.uploads import imported, upload

pytestmark = pytest.mark.usefixtures("clean_afterwards")

CLIMBING = "../../evil.png"
MARKUP = "<img src=x onerror=alert(1)>.png"
NAMES = [
    MARKUP,
    '"><script>alert(1)<.png',
    "![stolen](http://127.0.0.1:9/x.png).png",
    "[click](javascript:alert(1)).png",
    "**bold** `code` $x^2$ :red[red] :material\\home:.png",
    "=cmd|' C'!A0.png",
    "%2e%2e%2fevil.png",
    "&lt;b&gt;.png",
    "-rf.png",
]
CLASSES = ("<img src=x onerror=alert(2)>", "![b](x.png) **d**")


class Found(HTMLParser):
    """What a browser would do with a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_inert_html(body: str) -> None:
    """Nothing that runs, and nothing that is fetched."""
    found = Found()
    found.feed(body)
    for tag, attributes in found.tags:
        assert tag not in ("script", "iframe", "object", "embed", "link", "form", "svg"), body[:500]
        assert not [name for name in attributes if name.startswith("on")], body[:500]
        assert str(attributes.get("src") or "data:").startswith("data:"), body[:500]
        assert "javascript:" not in str(attributes.get("href")), body[:500]


def assert_inert_markdown(text: str) -> None:
    """Read as markdown, no picture, no link and no raw HTML come of a name."""
    tokens = [inner for token in MarkdownIt("commonmark").parse(text) for inner in (token, *(token.children or ()))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"image", "html_inline", "html_block", "script"}, text
    for token in tokens:
        assert "javascript:" not in str(token.attrGet("href") or ""), text
        assert "127.0.0.1:9" not in str(token.attrGet("href") or ""), text


def markdown_of(app: AppTest) -> Iterator[str]:
    for kind in (app.title, app.subheader, app.markdown, app.caption, app.info, app.error, app.warning, app.success):
        for element in kind:
            if not getattr(element, "allow_html", False):
                yield str(element.value)
    for picture in app.image:
        yield from (str(caption) for caption in picture.captions)
    for radio in app.radio:
        yield from (str(option) for option in radio.options)


def assert_inert(app: AppTest, settings: Settings) -> None:
    """A whole page."""
    assert not app.exception
    for element in app.html:
        assert_inert_html(element.value)
    for text in markdown_of(app):
        assert_inert_markdown(text)
        assert_nothing_of_the_machine(text, settings)


def files() -> list[tuple[str, bytes]]:
    """Twelve pictures of each class."""
    return [
        (f"{label}/{[*NAMES, 'a.png', 'b.png', 'c.png'][number]}", encoded(photo(100 * place + number), "PNG"))
        for place, label in enumerate(CLASSES)
        for number in range(12)
    ]


@pytest.fixture
def odd(settings: Settings) -> Dataset:
    """A dataset whose files and classes have hostile names, called by one too."""
    dataset = imported(settings, files(), "../../<b>evil</b>")
    assert dataset.report().rejected == []
    return dataset


@pytest.fixture
def raced_odd(settings: Settings, odd: Dataset) -> tuple[Run, Run]:
    """Two runs of a race on it."""
    config = TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": odd.id, "note": MARKUP})
    other = config.model_copy(update={"filters": (4,), "note": "![n](http://127.0.0.1:9/n.png)"})
    first, second = create_pair(RunStore(settings), config, other)
    for run in (first, second):
        assert Worker(settings, run).work() is RunState.FINISHED
    return first, second


def test_no_name_becomes_a_path(settings: Settings, odd: Dataset) -> None:
    assert is_id(odd.id)
    assert odd.folder.parent == settings.datasets_dir
    shape = re.compile(r"(images|thumbs)(/[0-9a-f]{2}(/[0-9a-f]{64}\.(png|jpg))?)?|[a-z]+\.(json|csv)")
    for path in odd.folder.rglob("*"):
        assert shape.fullmatch(path.relative_to(odd.folder).as_posix()), path
    outside = {path.name for path in settings.home.parent.iterdir()} | {path.name for path in settings.home.iterdir()}
    assert outside <= {"workspace", "datasets", "imports", "imports.lock", "no-weights"}
    assert len(odd.rows) == 24


def test_a_name_that_climbs_is_refused_in_an_import_and_only_a_name_in_a_prediction(
    settings: Settings, run: Run
) -> None:
    status = upload(settings, [*files(), (f"a/{CLIMBING}", encoded(photo(999), "PNG"))])
    assert status.state == "finished"
    answers = Predictor(settings).predict(run, [(CLIMBING, encoded(photo(1))), (CLIMBING, b""), (MARKUP, b"")])
    assert [item.file for item in answers] == [CLIMBING, CLIMBING, MARKUP]
    assert answers[0].error is None
    assert_plain(str(answers[1].error), CLIMBING, settings=settings)
    assert_plain(str(answers[2].error), MARKUP, settings=settings)
    assert not list(settings.home.parent.rglob("evil.png"))


@pytest.mark.parametrize("name", [*NAMES, CLIMBING])
def test_a_gallery_shows_a_name_as_letters(name: str) -> None:
    assert_inert_html(arrange([Tile(b"x", name, "wrong", name), Tile(Path(name), name)]).html)


def test_explore_shows_hostile_names_as_letters(
    settings: Settings, odd: Dataset, open_page: Callable[..., AppTest]
) -> None:
    app = open_page("pages/explore.py", dataset=odd.id)
    assert_inert(app, settings)
    for row in odd.rows[:11]:
        app = open_page("pages/explore.py", dataset=odd.id)
        app.selectbox(key="gallery-class").set_value(odd.classes[row.label]).run()
        app.button(key=f"picture-{row.index}").click().run()
        assert_inert(app, settings)
        assert any("sha256" in element.value for element in app.caption)
    for section in ("Check", "Augmentation"):
        app.segmented_control(key="explore-section").set_value(section).run(timeout=60)
        assert_inert(app, settings)


def test_training_and_comparison_show_hostile_names_as_letters(
    settings: Settings, raced_odd: tuple[Run, Run], open_page: Callable[..., AppTest]
) -> None:
    first, second = raced_odd
    assert_inert(open_page("pages/train.py"), settings)
    assert_inert(open_page("pages/train.py", run=first.id), settings)
    assert_inert(open_page("pages/train.py", race=str(first.meta().race)), settings)
    runs = f"{first.id},{second.id}"
    app = open_page("pages/compare.py", runs=runs, view="confusion")
    assert_inert(app, settings)
    for box in [box for box in app.selectbox if box.label == "Pictures of a cell"]:
        box.select_index(1)
    app.run()
    assert_inert(app, settings)
    app = open_page("pages/compare.py", runs=runs, view="pictures")
    for group in ("only-0", "only-1", "none", "all", "wrong-0", "wrong-1"):
        app.pills(key=f"groups-{first.id}-{second.id}").set_value(group).run()
        assert_inert(app, settings)
    for section in set(run_details.PARTS) - {"confusion", "pictures", "why"}:
        assert_inert(open_page("pages/compare.py", runs=runs, view=section), settings)
    assert_inert(open_page("pages/compare.py", race=str(first.meta().race)), settings)


def test_predictions_of_hostile_names_are_letters_in_every_place(
    settings: Settings, raced_odd: tuple[Run, Run], open_page: Callable[..., AppTest]
) -> None:
    first, second = raced_odd
    app = open_page("pages/predict.py", run=f"{first.id},{second.id}")
    pictures = [(CLIMBING, encoded(photo(1)), "image/jpeg"), (MARKUP, b"<svg onload=alert(1)>", "image/png")]
    pictures += [(name, encoded(photo(5)), "image/png") for name in NAMES[1:5]]
    app.file_uploader(key="predict-files").set_value(pictures)
    app.run(timeout=90)
    assert_inert(app, settings)
    assert len(app.image) == 1  # the newest, large
    table = app.dataframe[0].value
    assert set(table["Picture"]) == {name for name, _, _ in pictures}
    assert len(app.error) == 1
    assert not list(settings.home.parent.rglob("evil.png"))
