"""A phone in Chromium: how large its screen is, and a browser of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

PHONE = {"width": 390, "height": 844}
TOUCH = {"is_mobile": True, "has_touch": True}
PATIENCE_MS = 30_000  # of one step: the first visit of a server on a busy machine takes its time


@contextmanager
def open_phone(chromium: Browser, **options: Any) -> Iterator[Page]:
    """A page of the size of a phone; `options` are those of a browser context."""
    context = chromium.new_context(viewport=PHONE, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        yield page
    finally:
        context.close()
