"""Each page, empty, happy and in trouble, without a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config.arm_names import describe_arm
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step
from core.storage import read_json, write_json
from pages.components.shared import frame
from pages.components.shared.snapshots import runs_snapshot
from tests.support.finished_runs import finish
from tests.support.images import class_files, encoded, photo
from tests.support.in_process_predictor import InProcessClient
from tests.support.processes import wait_for

Open = Callable[..., AppTest]
PAGES = [
    "streamlit_app.py",
    "pages/home.py",
    "pages/explore.py",
    "pages/train.py",
    "pages/compare.py",
    "pages/predict.py",
]

NEXT_STEPS = ("Use my photos", "Add photos", "There is no dataset yet", "Nothing to compare", "no trained network")


def texts(app: AppTest) -> str:
    """Everything a person can read on the page."""
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.error, app.warning, app.success)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_an_empty_room_offers_a_next_step(open_page: Open, path: str) -> None:
    app = open_page(path)
    assert not app.exception
    assert not app.error
    read = "\n".join(
        [texts(app), *(button.label for button in app.button), *(str(link.proto) for link in app.get("page_link"))]
    )
    assert any(words in read for words in NEXT_STEPS)


def link_labels(app: AppTest) -> list[str]:
    return [link.proto.label for link in app.get("page_link")]


@pytest.mark.parametrize("path", ["pages/train.py", "pages/compare.py", "pages/predict.py"])
def test_without_a_dataset_every_page_leads_straight_to_a_beginning(open_page: Open, path: str) -> None:
    app = open_page(path)
    shown = [*link_labels(app), texts(app)]
    assert "See it in 60 seconds" in "\n".join(shown)
    assert "Use my photos" in "\n".join(shown)


@pytest.mark.parametrize(("path", "label"), [("compare", "Start a race"), ("predict", "Train a network")])
def test_with_a_dataset_what_needs_a_training_leads_to_one(
    drawn: Dataset, open_page: Open, path: str, label: str
) -> None:
    shown = open_page(f"pages/{path}.py")
    assert label in "\n".join([*link_labels(shown), texts(shown)])


@pytest.mark.parametrize("path", PAGES)
def test_every_page_works_with_a_finished_race(raced: Settings, open_page: Open, path: str) -> None:
    app = open_page(path)
    assert not app.exception
    assert not app.error


def test_home_draws_the_demo_and_starts_its_race(settings: Settings, open_page: Open, ended_processes: None) -> None:
    app = open_page("streamlit_app.py")
    app.button(key="demo").click().run()
    job = str(app.query_params["demo"])
    assert "to the result" in texts(app)
    wait_for(lambda: ImportJobs(settings).status(job).state == "finished")
    app.run()
    assert not app.exception
    (race,) = {item.meta.race for item in RunStore(settings).summaries()}
    assert race

    app = open_page("streamlit_app.py", demo=job)  # a link to a demo of before, or Back, starts no other one
    assert {item.meta.race for item in RunStore(settings).summaries()} == {race}
    assert "explore?add=1" in links(app)


def links(app: AppTest) -> list[str]:
    return [f"{link.proto.page}?{link.proto.query_string}" for link in app.get("page_link")]


def test_home_leads_to_the_import_also_when_there_are_datasets(raced: Settings, open_page: Open) -> None:
    app = open_page("streamlit_app.py")
    assert "explore?add=1" in links(app)
    assert "train?dataset=drawn" in links(app)
    assert app.button(key="demo").label == "See it in 60 seconds"


def test_home_continues_with_the_newest_dataset_and_its_best_result(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/home.py")
    shown = next(item.value for item in app.markdown if item.value.startswith("Best result"))
    accuracies = [item.accuracy for item in RunStore(raced).summaries() if item.accuracy]
    assert max(accuracies, key=lambda item: item.interval.low).text() in shown
    assert "Continue with drawn cats and dogs" in texts(app)
    assert "Recent runs" in [folded.label for folded in app.expander]


def test_explore_shows_facts_a_bar_strips_and_a_report(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    assert "**40 pictures** · **2 classes** · 64 × 64 pixels" in texts(app)
    assert any("Pictures in each split: training 24, validation 8, test 8" in item.value for item in app.html)
    assert "drawn by the program" in texts(app)
    assert "Only 8 test pictures" in app.warning[0].value
    assert "**cat** · 20 pictures" in texts(app)
    assert {"All 20"} <= {button.label for button in app.button}
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert not app.exception
    assert "without problems" in texts(app)
    assert "File sizes by class" in texts(app)


def test_a_click_opens_a_picture_with_its_facts(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    first = next(button for button in app.button if str(button.key).startswith("picture-"))
    first.click().run()
    assert "**1** of 20" in texts(app)
    assert len(app.image) == 1
    assert "training picture. 64 × 64 pixels" in texts(app) or "test picture. 64 × 64 pixels" in texts(app)


def test_explore_shows_near_copies_with_different_labels(settings: Settings, open_page: Open) -> None:
    files = class_files({"cat": 6, "dog": 6})
    files.append(("dog/again.jpg", encoded(photo(0), "JPEG", quality=80)))  # photo 0 is cat/0.png
    run_step(import_dataset(settings, MemorySource("m", files), name="pets", plan=SplitPlan(), seed=0))
    app = open_page("pages/explore.py", dataset="pets")
    assert "2 pictures look almost like one of another class" in app.warning[0].value
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert not app.exception
    assert "**2** near-copies in other classes" in texts(app)
    assert "almost the same picture in different classes" in texts(app)
    assert "without problems" not in texts(app)


def test_an_import_is_offered_a_name_that_is_free(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/explore.py", add="1")
    app.segmented_control(key="bring-from").set_value("On the server").run()
    app.text_input(key="bring-path").set_value("/home/ada/drawn.zip").run()
    assert app.text_input(key="bring-name-On the server-drawn 2").value == "drawn 2"


def test_many_classes_are_shown_page_by_page(settings: Settings, open_page: Open) -> None:
    files = class_files({f"class {number:02d}": 3 for number in range(20)})
    run_step(import_dataset(settings, MemorySource("m", files), name="many", plan=SplitPlan(), seed=0))
    app = open_page("pages/explore.py", dataset="many")
    assert "20 classes, page 1 of 3." in texts(app)
    assert len([button for button in app.button if str(button.key).startswith("picture-")]) == 8 * 3
    app.selectbox(key="gallery-class").set_value("class 19").run()
    assert "3 pictures." in texts(app)


def test_the_address_alone_chooses_the_dataset_and_only_a_choice_changes_it(
    settings: Settings, open_page: Open
) -> None:
    for name in ("one", "two"):
        source = MemorySource("m", class_files({"cat": 6, "dog": 6}, start=len(name) * 100 + ord(name[0])))
        run_step(import_dataset(settings, source, name=name, plan=SplitPlan(), seed=0))
    app = open_page("pages/explore.py")
    assert dict(app.query_params) == {}
    assert app.selectbox(key="explore-dataset").value == "two"
    app.selectbox(key="explore-dataset").set_value("one").run()
    assert app.query_params["dataset"] == "one"
    app = open_page("pages/explore.py", dataset="gone")
    assert "There is no dataset" in app.error[0].value
    assert app.selectbox(key="explore-dataset").value == "two"


def test_explore_filters_the_gallery_by_class_and_split(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    app.selectbox(key="gallery-class").set_value("cat").run()
    app.selectbox(key="gallery-split").set_value("test").run()
    assert "4 pictures." in texts(app)
    app.selectbox(key="gallery-class").set_value("").run()
    app.selectbox(key="gallery-split").set_value("val").run()
    assert "**dog** · 4 pictures" in texts(app)


def test_explore_shows_why_an_import_failed(settings: Settings, open_page: Open, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    job = jobs.start(ImportRequest(str(settings.home / "nowhere"), "x", "70/15/15", 0))
    wait_for(lambda: jobs.status(job).state == "failed")
    app = open_page("pages/explore.py", **{"import": job})
    assert "is not there" in " ".join(error.value for error in app.error)
    assert app.button(key="bring-go").label == "Import", "the form, to try again"
    app = open_page("pages/explore.py", **{"import": "20200101-000000-aaaaaa"})
    assert "There is no import" in app.error[0].value


def test_explore_asks_which_folders_are_the_classes_and_shows_what_was_imported(
    settings: Settings, open_page: Open, tmp_path: Path, ended_processes: None
) -> None:
    photos = tmp_path / "photos"
    for number, name in enumerate(
        f"{kind}/{kind} {part}/{n}.jpg" for kind in "ab" for part in (1, "x") for n in range(4)
    ):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(encoded(photo(number)))
    (photos / "docs").mkdir()
    (photos / "docs" / "plot.jpg").write_bytes(encoded(photo(99)))
    jobs = ImportJobs(settings)
    job = jobs.start(ImportRequest(str(photos), "grouped", "60/20/20", 0))
    wait_for(lambda: jobs.status(job).state == "asking")
    app = open_page("pages/explore.py", **{"import": job})
    assert not app.exception
    assert "Which are the classes?" in texts(app)
    assert "2 classes, 16 pictures" in texts(app)
    app.button(key=f"layout-{job}-0").click().run()
    wait_for(lambda: jobs.status(job).state == "finished")
    app.run()
    assert "**grouped** is imported" in app.success[0].value
    assert "The folder docs was left out" in app.success[0].value.replace("\\", "")
    assert "**16 pictures** · **2 classes**" in texts(app)
    assert app.selectbox(key="explore-dataset").value == "grouped"


def test_explore_with_a_damaged_dataset_shows_a_sentence(drawn: Dataset, open_page: Open) -> None:
    (drawn.folder / "pictures.csv").write_text("nonsense", encoding="utf-8")
    app = open_page("pages/explore.py", dataset="drawn")
    assert not app.exception
    assert "import it again" in app.error[0].value


def test_train_offers_the_scratch_networks_options_and_checks_them(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    assert not app.exception
    app.text_input(key="train-filters").set_value("8, many").run()
    assert "1 to 8 whole numbers" in app.error[0].value


def test_train_takes_one_budget_in_place_of_epochs(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-length").set_value("custom").run()
    app.number_input(key="train-epochs").set_value(40).run()
    assert app.number_input(key="train-stored_views").placeholder == "automatic: 4"
    app.number_input(key="train-max_images").set_value(100).run()
    assert not app.exception
    assert app.number_input(key="train-stored_views").placeholder == "automatic: 1"
    assert not app.error
    app.number_input(key="train-max_seconds").set_value(30.0).run()
    assert "two ways to end a training" in app.error[0].value


@pytest.mark.parametrize("strategy", ["partial", "full", "gradual", "scratch", "head"])
def test_train_draws_every_strategy(drawn: Dataset, open_page: Open, strategy: str) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-mode").set_value("single").run()
    app.segmented_control(key="train-strategy").set_value(strategy).run()
    assert not app.exception
    assert not app.error
    assert "parameters are trainable" in texts(app)


def test_the_old_address_of_a_race_leads_to_its_page(raced: Settings, open_page: Open) -> None:
    race = str(RunStore(raced).all()[0].meta().race)
    app = open_page("pages/train.py", race=race)
    assert not app.exception
    assert f"/compare?race={race}" in texts(app)


def test_train_with_an_unknown_run_shows_a_sentence_and_the_way_on(open_page: Open) -> None:
    app = open_page("pages/train.py", run="../../etc")
    assert "not here any more" in app.warning[0].value
    assert "New training" in texts(app)
    assert not app.exception


@pytest.mark.parametrize("file", ["config.json", "meta.json", "result.json", "events.jsonl"])
def test_a_damaged_run_never_breaks_a_page(raced: Settings, open_page: Open, file: str) -> None:
    run = RunStore(raced).all()[0]
    (run.folder / file).write_bytes(b'{"half')
    for path in PAGES:
        assert not open_page(path).exception
    assert not open_page("pages/train.py", run=run.id).exception


def test_an_interrupted_run_is_shown_and_resumes(raced: Settings, open_page: Open, ended_processes: None) -> None:
    run = RunStore(raced).all()[0]
    (run.folder / "result.json").unlink()
    assert run.state() is RunState.INTERRUPTED
    app = open_page("pages/train.py", run=run.id)
    assert "ended unexpectedly" in texts(app)
    (run.folder / "predictions.csv").unlink()
    app.button(key=f"resume-{run.id}").click().run()
    assert not app.exception
    wait_for(lambda: run.state() is RunState.FINISHED)


def test_compare_has_verdict_table_and_pictures(raced: Settings, open_page: Open) -> None:
    runs = [run.id for run in reversed(RunStore(raced).all())]
    app = open_page("pages/compare.py", runs=",".join(runs), view="numbers")
    shown = texts(app)
    assert "No clear difference" in shown
    assert "right** :small[" in shown, "strips of pictures"
    table = app.dataframe[0].value
    assert list(table["n"]) == [8, 8]
    assert "filters=4-8" in table["Differs in"][0]


def test_from_a_result_the_better_network_answers_first(raced: Settings, open_page: Open) -> None:
    runs = {run.meta().arm: run for run in RunStore(raced).all()}
    for arm, run in runs.items():
        finish(run, DatasetStore(raced).get("drawn"), right=1.0 if arm == "transfer" else 0.0)
    app = open_page("pages/compare.py", race=str(runs["transfer"].meta().race))
    next(button for button in app.button if button.label == "Try it").click().run()
    assert str(app.query_params["run"]) == f"{runs['transfer'].id},{runs['scratch'].id}"


def test_after_the_demo_the_next_step_is_a_race_on_own_photographs(raced: Settings, open_page: Open) -> None:
    runs = RunStore(raced).all()
    race = str(runs[0].meta().race)
    assert "Use my photos" not in texts(open_page("pages/compare.py", race=race))
    for run in runs:
        meta = read_json(run.folder / "meta.json")
        write_json(run.folder / "meta.json", {**meta, "deadline": meta["created"] + 60})
    runs_snapshot.forget_runs()
    app = open_page("pages/compare.py", race=race)
    assert not app.exception
    assert "These were drawings: now race on your own photos." in texts(app)
    assert "Use my photos" in texts(app)


def test_a_race_that_was_too_short_leads_to_another_one(raced: Settings, open_page: Open) -> None:
    for run in RunStore(raced).all():
        write_json(run.folder / "config.json", {**read_json(run.folder / "config.json"), "max_seconds": 30.0})
    runs_snapshot.forget_runs()
    app = open_page("pages/compare.py", race=str(RunStore(raced).all()[0].meta().race))
    assert "Choose a longer time for both" in texts(app)
    assert "Train again" in "\n".join([*link_labels(app), texts(app)])


def test_compare_shows_the_numbers_of_one_run_without_a_verdict(raced: Settings, open_page: Open) -> None:
    run = RunStore(raced).all()[0]
    app = open_page("pages/compare.py", runs=run.id)
    shown = texts(app)
    assert "**Right** :small[" in shown
    assert "No clear difference" not in shown


def test_compare_with_damaged_predictions_shows_a_sentence(raced: Settings, open_page: Open) -> None:
    (RunStore(raced).all()[0].folder / "predictions.csv").write_text("x", encoding="utf-8")
    app = open_page("pages/compare.py")
    assert not app.exception
    assert [*app.warning, *app.error]


def test_predict_answers_for_good_pictures_and_explains_bad_ones(
    raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "predictor", InProcessClient)
    picture = encoded(photo(1), "JPEG")
    app = open_page("pages/predict.py")
    app.file_uploader(key="predict-files").set_value(
        [("good.jpg", picture, "image/jpeg"), ("../../evil.png", b"<img onerror=alert(1)>", "image/png")]
    )
    app.run(timeout=90)
    assert not app.exception
    (error,) = app.error
    assert "evil" in error.value
    shown = "".join(element.value for element in app.html)
    assert "1 damaged" in shown
    assert "Probabilities of the classes" in shown, "the newest picture that can be read is large"
    assert len(app.dataframe[0].value) == 2

    app = open_page("pages/predict.py", run=",".join(run.id for run in RunStore(raced).all()))
    app.file_uploader(key="predict-files").set_value([(f"{n}.jpg", encoded(photo(n)), "image/jpeg") for n in (1, 2)])
    app.run(timeout=90)
    assert len(app.dataframe[0].value) == 4
    assert "Different answers for" in "".join(element.value for element in app.html)
    app.toggle(key="predict-compare").set_value(False).run(timeout=90)
    assert len(app.dataframe[0].value) == 2
    app.button(key="predict-again").click().run()
    assert not app.dataframe


def test_predict_suggests_the_best_finished_network_and_keeps_what_was_chosen(raced: Settings, open_page: Open) -> None:
    best, other = sorted(RunStore(raced).summaries(), key=lambda item: item.accuracy.correct, reverse=True)
    store = RunStore(raced)
    app = open_page("pages/predict.py")
    assert describe_arm(best.config) in texts(app).replace("\\", "")
    network = next(box for box in app.selectbox if box.label == "Network")
    network.set_value(other.id).run()
    assert app.query_params["run"] in (other.id, [other.id])
    (store.get(best.id).folder / "result.json").unlink()  # it is training again
    runs_snapshot.forget_runs()
    app.run()
    assert not app.exception
    assert next(box for box in app.selectbox if box.label == "Network").value == other.id
    app = open_page("pages/predict.py", run="20260101-000000-abcdef")
    assert "was deleted" in texts(app)
    assert describe_arm(other.config) in texts(app).replace("\\", "")


@pytest.mark.slow
def test_the_demo_draws_races_and_opens_the_comparison(
    settings: Settings, open_page: Open, ended_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.scheduling.scheduler.ensure_scheduler", lambda _: None)
    app = open_page("streamlit_app.py")
    app.button(key="demo").click().run()
    job = str(app.query_params["demo"])
    assert not app.exception
    wait_for(lambda: ImportJobs(settings).status(job).state == "finished")
    app.run()
    assert not app.exception
    runs = RunStore(settings).all()
    assert sorted(run.config().model for run in runs) == ["petnet", "scratch_cnn"]


def test_a_demo_whose_drawing_was_cut_off_shows_that(settings: Settings, open_page: Open) -> None:
    app = open_page("streamlit_app.py", demo="20260101-000000-abcdef")
    assert not app.exception
    assert "start it again" in texts(app)
