"""Every page for everyone: contrast, names and sizes of what one taps, nothing cut off, nothing that jumps.

axe-core checks what WCAG 2.2 AA asks for; the size of targets and the layout shift are held to more than that.
"""

import itertools
from importlib import resources

import pytest
from playwright.sync_api import Browser, Page, expect

from core.actor import OPERATOR
from core.collection.collection_store import CollectionStore
from core.collection.picture_intake import Sent, add_picture
from core.races.race import list_races
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.images import encoded, photo
from tests.support.phone import PHONE
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MAX_SHIFT = 0.1  # what Core Web Vitals calls good
TARGET_PX = 40
ROUNDING_PX = 0.5
RULES = ["color-contrast", "target-size", "button-name", "link-name", "image-alt", "label", "select-name"]
SHIFTS = """
window.shift = 0;
window.moved = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.shift += entry.value;
    for (const {node, previousRect, currentRect} of entry.sources)
      window.moved.push(`${entry.value.toFixed(3)} ${node?.className} ${(node?.innerText ?? '').slice(0, 20)}: `
        + `${previousRect.y}+${previousRect.height} to ${currentRect.y}+${currentRect.height}`);
  }
}).observe({type: 'layout-shift', buffered: true});
"""
# without what Streamlit itself draws: its header, the tools of tables, marks for help and for links to headings, and
# the buttons within the 40 px of a field
SMALL_TARGETS = """least => [...document.querySelectorAll('a, button, [role=button], [role=tab], summary')]
  .filter(element => {
    const {width, height} = element.getBoundingClientRect();
    const own = !element.closest('[data-testid=stHeader], [data-testid=stElementToolbar], [data-testid=stTooltipIcon],'
      + '[data-testid=stHeaderActionElements], [data-testid=stSelectbox], [data-testid=stNumberInput]');
    const inText = element.closest('p, li, label');
    return own && !inText && width > 1 && height > 1 && height < least;
  })
  .map(element => `${element.innerText || element.ariaLabel} (${element.getBoundingClientRect().height} px)`)"""
VARIANTS = (PHONE, "light"), ({"width": 1280, "height": 900}, "dark")


@pytest.mark.parametrize(("size", "theme"), VARIANTS, ids=["phone", "projector"])
def test_every_page_can_be_read_and_tapped(raced: Settings, server: Server, chromium: Browser, size, theme) -> None:
    phone = size["width"] < 500
    context = chromium.new_context(viewport=size, color_scheme=theme, is_mobile=phone, has_touch=phone)
    context.add_init_script(SHIFTS)
    summaries = RunStore(raced).summaries()
    race, run = list_races(summaries)[0].id, summaries[0].id
    addresses = ["/", "/explore", "/explore?add=1", "/train", f"/train?run={run}", f"/compare?race={race}", "/predict"]
    found = list(itertools.chain.from_iterable(check(context.new_page(), f"{server.address}{at}") for at in addresses))
    context.close()

    assert not found, "\n".join(found)


@pytest.mark.parametrize(("size", "theme"), VARIANTS, ids=["phone", "projector"])
def test_the_page_that_collects_photos_can_be_read_and_tapped(
    settings: Settings, server: Server, chromium: Browser, size, theme
) -> None:
    store = CollectionStore(settings)
    place = store.start("Our mugs", by=OPERATOR)
    for number, name in enumerate(("mug", "spoon")):
        made = store.add_class(place, name, by=OPERATOR)
        for seed in range(10 * number, 10 * number + 7):
            add_picture(settings, place, Sent(f"{seed:08}", made, "", "a", encoded(photo(seed))), by=OPERATOR)
    store.switch_class(place, made, True, by=OPERATOR)
    context = chromium.new_context(viewport=size, color_scheme=theme)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    page.goto(f"{server.address}/collect")
    card = page.get_by_role("region", name="mug", exact=True)
    expect(card.locator(".strip img").last).to_be_visible()
    card.get_by_text("Change this class").click()
    found = inspect(page, "/collect")
    context.close()
    assert not found, "\n".join(found)


def check(page: Page, address: str) -> list[str]:
    """What is wrong with a page, one line each."""
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    return inspect(page, address)


def inspect(page: Page, address: str) -> list[str]:
    """What is wrong with a page that is drawn; it is closed."""
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    options = {"runOnly": {"type": "rule", "values": RULES}}
    violations = page.evaluate("options => axe.run(document, options)", options)["violations"]
    found = [
        f"{address}: {item['id']}: {node['html'][:120]} {node['failureSummary']}"
        for item in violations
        for node in item["nodes"]
    ]
    found += [f"{address}: small: {name}" for name in page.evaluate(SMALL_TARGETS, TARGET_PX - ROUNDING_PX)]
    wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    shift = page.evaluate("() => window.shift")
    if wide > 0:
        found.append(f"{address}: {wide} px wider than the window")
    if shift > MAX_SHIFT:
        moved = "; ".join(page.evaluate("() => window.moved"))
        found.append(f"{address}: its parts jump while it loads (layout shift {shift:.2f}): {moved}")
    page.close()
    return found
