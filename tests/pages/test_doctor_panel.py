"""The data doctor on Explore: not begun, running, failed, with findings, and without any."""

import dataclasses
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import OPERATOR, Actor
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_findings import Estimate, Findings, findings_path, write_findings
from core.doctor.examination import files_of
from core.formatting import format_day
from core.jobs.shared_job import JobState
from core.settings import Settings
from core.storage import write_json
from pages.components.explore.check import doctor_panel
from pages.components.shared import frame
from tests.core.doctor.conftest import FINDINGS
from tests.pages.test_pages import texts

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what another test's pages have read, and let only petnet be here."""
    monkeypatch.setattr("pages.components.explore.check.doctor_panel.list_backbones", lambda: ["petnet"])
    doctor_panel._found.forget()


def check(app: AppTest) -> AppTest:
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert not app.exception
    return app


def keep(settings: Settings, dataset: Dataset, found: Findings = FINDINGS) -> None:
    path = findings_path(settings, dataset, "petnet")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_findings(path, dataset, found)


def opened(settings: Settings, drawn: Dataset, open_page: Open, part: str = "Labels", **changes: object) -> AppTest:
    keep(settings, drawn, dataclasses.replace(FINDINGS, **changes))
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    if part != "Labels":
        app.segmented_control(key=f"doctor-part-{drawn.id}").set_value(part).run()
    assert not app.exception
    return app


def test_before_an_examination_a_button_says_what_it_will_do(
    drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, Actor]] = []
    monkeypatch.setattr(
        "pages.components.explore.check.doctor_panel.start_examination",
        lambda _, dataset, backbone, *, by: asked.append((dataset.id, backbone, by)),
    )
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    assert "It changes nothing." in texts(app)
    app.button(key=f"doctor-start-{drawn.id}").click().run()
    assert asked == [(drawn.id, "petnet", OPERATOR)]


def test_a_failed_one_shows_its_sentence_and_the_button(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    files = files_of(settings, drawn, "petnet")
    files.result.parent.mkdir(parents=True)
    write_json(files.progress, {"owner": "local", "problem": "The disk is full: free some space."})
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    assert "The disk is full" in texts(app)
    assert app.button(key=f"doctor-start-{drawn.id}")


@pytest.mark.parametrize(("owner", "may"), [("p-alice", True), ("p-bob", False)])
def test_a_running_one_shows_progress_to_all_and_cancel_to_its_starter(
    drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch, owner: str, may: bool
) -> None:
    from core.config.events import Progress

    item = Progress("testing", "Looking for wrong labels", 2, 5, 30.0)
    running: JobState[Findings] = JobState(active=True, progress=item, owner=owner)
    monkeypatch.setattr(doctor_panel, "look", lambda *_: running)
    monkeypatch.setattr("pages.components.shared.frame.actor", lambda: Actor("p-alice", "Alice"))
    cancelled: list[Actor] = []
    monkeypatch.setattr(doctor_panel, "cancel_examination", lambda *_, by: cancelled.append(by))
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    assert "everyone sees what it finds" in texts(app)
    buttons = [button for button in app.button if button.key == f"doctor-cancel-{drawn.id}"]
    assert bool(buttons) is may
    if may:
        buttons[0].click().run()
        assert [actor.id for actor in cancelled] == ["p-alice"]


def test_suspicious_labels_are_pictures_with_both_classes_and_the_figures_to_trust_them_by(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    app = opened(settings, drawn, open_page)
    said = texts(app)
    assert "At most about 1 of 40 labels are wrong (95 % interval 0 to 4)." in said
    assert "Of the first 2 in the list at most about 1 (0 to 2)." in said
    assert "2 labels were changed in each of 15 copies" in said
    assert "cat → **dog?**" in said
    assert "dog → **cat?**" in said


def test_a_tap_shows_the_picture_with_its_neighbours_and_what_corrects_it(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    app = opened(settings, drawn, open_page)
    app.button(key="doctor-labels-0-3").click().run()
    assert not app.exception
    assert "Labelled **cat**, looks like **dog**." in texts(app)
    assert frame.plain(drawn.rows[3].name) in texts(app)
    assert any("similarity 0.80" in item.value for item in app.html)
    assert app.button(key="close-up-3-to-2").label == "dog"
    assert app.button(key="close-up-3-to-1").disabled  # it is a cat


def test_a_class_filters_the_list_by_what_pictures_are_or_look_like(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    only = dataclasses.replace(FINDINGS.suspicions[0], suggested=0, given=0)
    app = opened(settings, drawn, open_page, suspicions=(only,))
    app.selectbox(key=f"doctor-class-{drawn.id}").set_value("dog").run()
    assert "No label of this class looks wrong" in texts(app)
    app.selectbox(key=f"doctor-class-{drawn.id}").set_value("cat").run()
    assert "cat → **cat?**" in texts(app)


def test_near_copies_are_side_by_side_with_class_and_split(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    app = opened(settings, drawn, open_page, part="Near-copies")
    assert "1 pair in two classes: one of the labels is wrong; 1 pair in two splits" in texts(app)
    app.button(key="doctor-pairs-1-25").click().run()
    assert any("similarity 0.97" in item.value for item in app.html)


def test_pictures_that_are_hard_to_see_come_with_advice_and_usual_ones_are_counted(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    app = opened(settings, drawn, open_page, part="Hard to see")
    assert "Hard to see: 1 very dark." in texts(app)
    assert "Tiny: 30 of 40 pictures. This is how the dataset looks" in texts(app)
    app.button(key="doctor-quality-0-9").click().run()
    assert "photograph it again with more light" in texts(app)


def test_shortcuts_are_set_against_what_the_network_reaches(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    app = opened(settings, drawn, open_page, part="Classes")
    assert "up to 57 % of what a network gains over guessing may come from it" in texts(app)
    table = app.dataframe[0].value
    assert list(table["seen"]) == ["The file size", "Features of PetNet"]
    assert list(table["part of the gain (%)"]) == [57, 100]


def test_nothing_found_is_good_news(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    clean = Estimate(0, 0, 3, 0, 0, 0, 0)
    app = opened(
        settings, drawn, open_page, suspicions=(), suspicious=0, copies=(), copies_found=0, qualities=(),
        estimate=clean,
    )  # fmt: skip
    assert "Nothing to correct was found." in texts(app)
    assert "No sign of wrong labels: at most about 3 of 40." in texts(app)
    for part, words in (("Near-copies", "No near-copies"), ("Classes", "Classes are balanced")):
        app.segmented_control(key=f"doctor-part-{drawn.id}").set_value(part).run()
        assert words in texts(app)


def test_findings_of_earlier_labels_are_not_shown(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    keep(settings, drawn)
    path = findings_path(settings, drawn, "petnet")
    path.rename(path.with_name(f"{'0' * 24}-petnet.json"))
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    assert app.button(key=f"doctor-start-{drawn.id}")


def test_the_chosen_network_stays_chosen_while_it_looks(
    settings: Settings, drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:

    asked: list[str] = []

    def looked(_settings: Settings, _dataset: Dataset, backbone: str) -> JobState[Findings]:
        asked.append(backbone)
        return JobState(active=backbone == "mobilenet_v2")

    monkeypatch.setattr(doctor_panel, "list_backbones", lambda: ["petnet", "mobilenet_v2"])
    monkeypatch.setattr(doctor_panel, "look", looked)
    monkeypatch.setattr(doctor_panel, "cancel_examination", lambda *given, **_: asked.append(f"cancel {given[2]}"))
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    app.selectbox(key=f"doctor-backbone-{drawn.id}").set_value("mobilenet_v2").run()
    app.button(key=f"doctor-cancel-{drawn.id}").click().run()
    app.run()
    assert "cancel mobilenet_v2" in asked
    assert asked[-1] == "mobilenet_v2"


def test_findings_of_another_network_are_offered_before_an_examination_and_a_click_shows_them(
    settings: Settings, drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_panel, "list_backbones", lambda: ["mobilenet_v2", "petnet", "vgg16"])
    keep(settings, drawn)
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    assert app.button(key=f"doctor-start-{drawn.id}")
    others = [item for item in app.button if str(item.key).startswith("doctor-other-")]
    assert [item.label for item in others] == [f"Show the findings of PetNet from {format_day(FINDINGS.made)}"]
    others[0].click().run()
    app.run()
    assert not app.exception
    assert "40 pictures, seen by PetNet" in texts(app)
    assert app.selectbox(key=f"doctor-backbone-{drawn.id}").value == "petnet"
    assert not [item for item in app.button if str(item.key).startswith("doctor-other-")]


def test_damaged_findings_offer_another_examination(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    keep(settings, drawn)
    findings_path(settings, drawn, "petnet").write_text("{}")
    app = check(open_page("pages/explore.py", dataset=drawn.id))
    assert app.button(key=f"doctor-start-{drawn.id}")


def test_one_click_makes_the_revision_that_keeps_near_copies_in_one_split(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    pair = tuple(next(row.index for row in drawn.rows_of(split) if not row.label) for split in ("train", "test"))
    app = opened(settings, drawn, open_page, part="Near-copies", chains=(pair,))
    app.button(key=f"doctor-together-{drawn.id}").click().run()
    assert not app.exception
    assert app.query_params["dataset"] == "drawn-r2"
    assert "Revision 2: 1 picture moved to the split of near" in texts(app)
    rows = {row.pixel_hash: row.split for row in DatasetStore(settings).get("drawn-r2").rows}
    assert len({rows[drawn.rows[index].pixel_hash] for index in pair}) == 1


def test_near_copies_in_one_split_and_those_of_other_people_offer_no_click(
    settings: Settings, drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = (row.index for row in drawn.rows_of("train"))
    app = opened(settings, drawn, open_page, part="Near-copies", chains=((first, second),))
    assert f"doctor-together-{drawn.id}" not in {item.key for item in app.button}
    monkeypatch.setattr("pages.components.shared.frame.actor", lambda: Actor("p-ada", "Ada"))
    app = opened(settings, drawn, open_page, part="Near-copies", chains=(tuple(range(40)),))
    assert f"doctor-together-{drawn.id}" not in {item.key for item in app.button}
