"""Learning curves on the pages: started from the form, live and finished."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.races.race import find_race
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.train.form import start_bar
from tests.pages.test_pages import texts

Open = Callable[..., AppTest]


def test_a_finished_curve_shows_every_point_with_its_interval(curve_id: str, open_page: Open) -> None:
    app = open_page("pages/compare.py", race=curve_id, view="numbers")
    assert not app.exception
    assert not app.error
    table = app.dataframe[0].value
    assert table["Pictures per class"].tolist() == [2, 5, 2, 5]
    assert table["n"].tolist() == [8] * 4
    assert table["Seeds"].tolist() == [2] * 4
    assert all((table["95 % from"] <= table["Accuracy"]) & (table["Accuracy"] <= table["95 % to"]))
    assert ":material/check_circle: finished" in texts(app)
    assert "More differs than network and strategy" not in texts(app)


def test_a_curve_shows_where_its_comparison_is_unfair(curve_id: str, open_page: Open) -> None:
    path = RunStore(Settings.from_environment()).race(curve_id)[0].folder / "config.json"
    path.write_text(path.read_text().replace('"batch_size": 8', '"batch_size": 16'))
    app = open_page("pages/compare.py", race=curve_id, view="coach")
    assert not app.exception
    assert "More differs than network and strategy" in texts(app)


def test_a_curve_is_started_from_the_form(raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_bar, "ensure_scheduler", lambda *_: None)
    app = open_page("pages/train.py")
    app.session_state["curve"] = True
    app.run()
    app.multiselect(key="curve-arms").set_value(["head"])
    app.slider(key="curve-seeds").set_value(2).run()
    app.button(key="curve-start").click().run()
    assert not app.exception

    found = find_race(RunStore(raced).summaries(), str(app.query_params["race"]))
    assert (found.plan.kind, found.plan.arms, found.plan.seeds) == ("curve", ("head",), (0, 1))
    assert found.plan.sizes[:3] == (1, 2, 5)


def test_the_other_pages_do_not_take_a_curve_for_a_trained_network(curve_id: str, open_page: Open) -> None:
    app = open_page("pages/predict.py")
    assert not app.exception
    assert curve_id not in texts(app)
    home = open_page("streamlit_app.py")
    home.session_state["recent"] = True  # the folded part is open
    home.run()
    assert not home.exception
    assert "small vs" in "".join(str(link.proto) for link in home.get("page_link"))
