"""The bar of long work on every page, and Cancel below it."""

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import DatasetError


def bar(app: AppTest) -> tuple[int, str]:
    """Per cent, and what is written on it."""
    shown = app.get("progress")[0].proto
    return shown.value, shown.text


@pytest.mark.parametrize(
    ("given", "percent", "text"),
    [
        (("Decoding", 1200, 5000, 21.0), 24, "Decoding: 1,200 of 5,000 · about 20 s left"),
        (("Predicting", 8, 4, 0.0), 100, "Predicting: 8 of 4 · under 10 s left"),
        (("Loading the network", 0, 1, None), 0, "Loading the network"),
        (("Listing files", 70, 0, None), 0, "Listing files"),
    ],
)
def test_a_bar_says_what_is_known(given: tuple[str, int, int, float | None], percent: int, text: str) -> None:
    def page(given: tuple[str, int, int, float | None]) -> None:
        from pages.components.shared.progress_bar import draw_bar

        draw_bar(*given)

    assert bar(AppTest.from_function(page, args=(given,)).run()) == (percent, text)


def test_a_job_shows_what_all_of_it_takes_until_the_time_left_is_known() -> None:
    def page() -> None:
        from core.jobs.shared_job import JobState
        from pages.components.shared.progress_bar import draw_job

        draw_job(JobState(active=True, estimate=60.0))

    assert bar(AppTest.from_function(page).run()) == (0, "Starting · about 60 s in all")


def page_with_cancel(cancel: object, cancelled: bool) -> None:
    from pages.components.shared.progress_bar import offer_cancel

    offer_cancel(cancel, "cancel", cancelled=cancelled, result=", and everyone sees the result")


def test_who_may_not_cancel_has_no_button() -> None:
    app = AppTest.from_function(page_with_cancel, args=(None, False)).run()
    assert not app.button
    assert app.caption[0].value == "It continues even if you leave this page, and everyone sees the result."


def test_a_job_that_ends_on_its_way_is_no_error_and_a_cancelled_one_says_so() -> None:
    asked = []

    def cancel() -> None:
        asked.append(1)
        raise DatasetError("It has just ended.")

    app = AppTest.from_function(page_with_cancel, args=(cancel, False)).run()
    app.button(key="cancel").click().run()
    assert asked
    assert not app.exception
    app = AppTest.from_function(page_with_cancel, args=(cancel, True)).run()
    assert not app.button
    assert app.caption[0].value == "Cancelling …"
