"""A report, opened from a file with the network cut."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from core.datasets.dataset import Dataset
from core.report.documents import make_document
from core.settings import Settings
from tests.support.finished_runs import finish, start_race

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_opens_offline_and_asks_for_nothing(
    chromium: Browser, settings: Settings, drawn: Dataset, tmp_path: Path, width: int, scheme: str
):
    race_id, runs = start_race(settings, drawn, title="<b>🏆</b> من يفوز؟")
    for run in runs:
        finish(run, drawn, 0.9 if run.meta().arm == "head" else 0.5)
    file = tmp_path / "report.html"
    file.write_bytes(make_document(settings, [race_id]).content)
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_offline(True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    page.goto(file.as_uri())
    page.get_by_role("heading", name="Verdict").wait_for()
    page.get_by_text("Equal:").click()

    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
    assert page.get_by_role("heading", level=1).inner_text() == "<b>🏆</b> من يفوز؟"
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    charts = page.get_by_role("img", name="Validation accuracy by epochs")
    assert "Scratch: " in (charts.locator("desc").text_content() or "")
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (ink, paper)]
    assert (brightness[0] > brightness[1]) == (scheme == "dark")
    context.close()
