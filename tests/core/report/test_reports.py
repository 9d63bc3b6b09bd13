"""What a report holds, made from runs as they lie on disk."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core.actor import Actor
from core.cli.commands.race_commands import describe_curve
from core.config.race_plan import RacePlan
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import ComparisonError, RunError
from core.races.learning_curve import read_curve
from core.races.race import find_race
from core.report.builder import build_report
from core.report.documents import FORMATS, make_document, write
from core.report.subject import read_race
from core.runs.run_store import Arm, RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support.finished_runs import add_points, configure, finish, start_race

EVIL = "<img src=x onerror=alert(1)>"
ARABIC, EMOJI = "قطط", "🐶 dogs"


class Reader(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(settings: Settings, *ids: str) -> str:
    return make_document(settings, ids).content.decode("utf-8")


def import_classes(settings: Settings, names: tuple[str, str], split: str = "60/20/20", id: str = "odd") -> Dataset:
    drawn = draw_sample(count_per_class=20, size_px=64)
    files = [(name.replace("cat/", f"{names[0]}/").replace("dog/", f"{names[1]}/"), data) for name, data in drawn]
    list(import_dataset(settings, MemorySource("odd", files), name=id, plan=SplitPlan.parse(split), seed=0))
    return DatasetStore(settings).get(id)


def finished_race(settings: Settings, dataset: Dataset, **values: Any) -> tuple[str, list[Any]]:
    race_id, runs = start_race(settings, dataset, **values)
    for run in runs:
        finish(run, dataset, 0.95 if run.meta().plan.arms.index(run.meta().arm) else 0.5)
    return race_id, runs


def test_a_race_of_real_trainings_from_before_plans_is_reported_in_full(raced: Settings):
    race_id = RunStore(raced).summaries()[0].meta.race

    data = build_report(raced, [race_id])
    text = Reader(html_of(raced, race_id)).text

    assert data.kind == "race"
    assert data.notes == ()
    assert [arm.name for arm in data.arms] == ["Scratch", "Transfer"]
    assert data.verdict is not None
    assert data.verdict.sentence in text
    assert data.verdict.n == 8
    assert sum(group.count for group in data.groups.groups) == 8
    assert {item.name for item in data.curves} >= {"validation accuracy by epochs", "validation accuracy by seconds"}
    assert [len(curve.points) for curve in data.curves[0].curves] == [2, 3]
    for word in ("Confusion matrices", "Class by class", "Picture by picture", data.dataset.fingerprint, "torchvision"):
        assert word in text


def test_a_race_over_seeds_shows_the_mean_and_the_band_of_each_arm(settings: Settings, drawn: Dataset):
    race_id, _ = finished_race(settings, drawn, seeds=(0, 1, 2), title="Which one?")

    data = build_report(settings, [race_id])

    assert data.title == "Which one?"
    assert data.verdict.seeds == 3
    assert [arm.judged for arm in data.arms] == [3, 3]
    last = data.curves[0].curves[1].points[-1]
    assert (last.n, last.low < last.y < last.high) == (3, True)
    assert data.confusions[0].seeds == 3
    assert sum(map(sum, data.confusions[0].counts)) == 3 * len(drawn.rows_of("test"))
    assert "from the lowest to the highest seed" in html_of(settings, race_id)


def test_names_that_people_give_are_never_markup(settings: Settings):
    dataset = import_classes(settings, (f"cat {EVIL}", "dog & <b>"))
    assert any("onerror" in name for name in dataset.classes)
    race_id, runs = finished_race(
        settings, dataset, names=("</bdi><script>alert(2)</script>", '" onclick="x'), title=f"{EVIL}</title>", note=EVIL
    )

    reader = Reader(html_of(settings, race_id))

    assert not [tag for tag, _ in reader.tags if tag in ("script", "b1", "iframe", "object", "embed", "form", "base")]
    assert all(not name.startswith("on") for _, attributes in reader.tags for name in attributes)
    images = [attributes["src"] for tag, attributes in reader.tags if tag == "img"]
    assert images
    assert all(source.startswith("data:image/jpeg;base64,") for source in images)
    for name in (*dataset.classes, "</bdi><script>alert(2)</script>", '" onclick="x', f"{EVIL}</title>"):
        assert name in reader.text
    assert runs[0].config().note in reader.text


def test_a_report_names_nothing_outside_itself(settings: Settings, drawn: Dataset):
    race_id, _ = finished_race(settings, drawn)

    text = html_of(settings, race_id)

    for tag, attributes in Reader(text).tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_names_no_person_machine_or_folder(settings: Settings, drawn: Dataset, form: str):
    owner = Actor("person-7f3", "presenter")
    store = RunStore(settings)
    runs = [store.create(configure("drawn", arm), by=owner) for arm in ("scratch", "head")]
    for run in runs:
        finish(run, drawn)

    text = make_document(settings, [run.id for run in runs], form).content.decode("utf-8")

    text = re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(rf"\b{re.escape(platform.node())}\b", text)
    for secret in (str(settings.home), str(Path.home()), "person-7f3", "secret-host", os.sep + "tmp"):
        assert secret not in text


def test_classes_in_other_scripts_come_through_in_all_formats(settings: Settings):
    dataset = import_classes(settings, (ARABIC, EMOJI))
    race_id, _ = finished_race(settings, dataset, title="مَن يفوز؟ 🏆")

    for form in FORMATS:
        text = make_document(settings, [race_id], form).content.decode("utf-8")
        assert ARABIC in text
        assert EMOJI in text
    assert f"<bdi>{ARABIC}</bdi>" in html_of(settings, race_id)


def test_without_a_test_split_the_report_names_the_validation_split(settings: Settings):
    dataset = import_classes(settings, ("cat", "dog"), split="70/30/0")
    race_id, _ = finished_race(settings, dataset)

    data = build_report(settings, [race_id])

    assert {arm.split for arm in data.arms} == {"val"}
    assert "validation" in data.verdict.sentence
    assert "(validation)" in Reader(html_of(settings, race_id)).text


def test_a_damaged_result_is_left_out_with_a_note(settings: Settings, drawn: Dataset):
    race_id, runs = finished_race(settings, drawn, seeds=(0, 1))
    (runs[0].folder / "predictions.csv").write_text("no table", encoding="utf-8")

    data = build_report(settings, [race_id])

    assert any(runs[0].id in note and "damaged" in note for note in data.notes)
    assert any("seed 0" in note for note in data.notes)
    assert data.verdict.seeds == 1
    assert [arm.judged for arm in data.arms] == [1, 1]
    assert runs[0].id in html_of(settings, race_id)


def test_a_run_that_cannot_be_read_leaves_the_comparison_of_the_others(settings: Settings, drawn: Dataset):
    runs = [RunStore(settings).create(configure("drawn", "head", seed)) for seed in range(3)]
    for run in runs:
        finish(run, drawn)
    (runs[1].folder / "meta.json").write_text("{", encoding="utf-8")

    data = build_report(settings, [run.id for run in runs])

    assert len(data.runs) == 2
    assert any(runs[1].id in note for note in data.notes)
    (runs[2].folder / "meta.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="Fewer than two"):
        build_report(settings, [run.id for run in runs])


def test_a_deleted_run_leaves_a_note(settings: Settings, drawn: Dataset):
    race_id, runs = finished_race(settings, drawn, seeds=(0, 1))
    RunStore(settings).delete(runs[3].id)

    data = build_report(settings, [race_id])

    assert data.state == "incomplete"
    assert any("Transfer with seed 1" in note for note in data.notes)
    assert data.verdict.seeds == 1


def test_a_run_that_goes_while_the_report_is_made_does_not_end_it(settings: Settings, drawn: Dataset):
    race_id, runs = finished_race(settings, drawn, seeds=(0,))
    store = RunStore(settings)
    race = find_race(store.summaries(), race_id)
    shutil.rmtree(runs[1].folder)

    found = read_race(settings, race)

    assert found.runs[0].table is not None
    assert all(item.table is None for item in found.runs[1:])


def test_a_race_that_has_just_begun_shows_what_there_is_with_a_note(settings: Settings, drawn: Dataset):
    race_id, _ = start_race(settings, drawn)

    data = build_report(settings, [race_id])
    text = Reader(html_of(settings, race_id)).text

    assert data.verdict is None
    assert "4 of 4 runs have not ended" in data.notes[0]
    assert "There is no verdict" in text
    assert "Curves" not in text


def test_a_dataset_that_is_gone_leaves_the_figures(settings: Settings, drawn: Dataset):
    race_id, _ = finished_race(settings, drawn)
    shutil.rmtree(drawn.folder)

    data = build_report(settings, [race_id])

    assert data.verdict is not None
    assert data.dataset.pictures == {"train": 24, "val": 8, "test": 8}
    assert all(picture.image is None for group in data.groups.groups for picture in group.pictures)
    assert "no picture" in html_of(settings, race_id)


def test_a_lost_thumbnail_is_a_gap_and_no_more(settings: Settings, drawn: Dataset):
    race_id, _ = finished_race(settings, drawn)
    for row in drawn.rows_of("test")[:3]:
        drawn.thumbnail_path(row).write_bytes(b"no picture")

    pictures = [picture for group in build_report(settings, [race_id]).groups.groups for picture in group.pictures]

    assert [picture.image is None for picture in pictures].count(True) == 3


def test_a_learning_curve_shows_every_size_on_a_logarithmic_axis(settings: Settings, drawn: Dataset):
    plan = RacePlan("curve", ("scratch", "head"), (0, 1), "epochs", 3, (1, 2, 5, 12))
    arms = [Arm(name, configure("drawn", name)) for name in plan.arms]
    race_id, runs = RunStore(settings).create_race(plan, arms)
    for run in runs:
        add_points(run, drawn, plan.sizes, plan.seeds)

    data = build_report(settings, [race_id])
    text = Reader(html_of(settings, race_id)).text

    assert data.kind == "curve"
    assert data.verdict is None
    assert [row.pictures_per_class for row in data.learning_curve if row.arm == "Transfer"] == [1, 2, 5, 12]
    assert all(row.accuracy.low <= row.accuracy.value <= row.accuracy.high for row in data.learning_curve)
    assert data.curves[0].log_x
    assert "How many pictures does it need?" in text
    assert "Training pictures per class (logarithmic)" in text
    assert [point.x for point in data.curves[0].curves[0].points] == [1, 2, 5, 12]
    assert [(arm.judged, arm.accuracy) for arm in data.arms] == [
        (2, [row.accuracy for row in data.learning_curve if row.arm == arm.name][-1]) for arm in data.arms
    ], "what an arm reached with all pictures"


def test_a_curve_that_is_half_done_claims_no_seed_that_was_not_trained(settings: Settings, drawn: Dataset):
    plan = RacePlan("curve", ("scratch", "head"), (0, 1, 2), "epochs", 3, (1, 5))
    arms = [Arm(name, configure("drawn", name)) for name in plan.arms]
    race_id, runs = RunStore(settings).create_race(plan, arms)
    for run in runs:
        add_points(run, drawn, plan.sizes, (0,))

    headline = build_report(settings, [race_id]).headline
    assert "1 of 3 seeds" in headline
    assert "1 of 3 seeds" in describe_curve(read_curve(settings, race_id))


def test_a_curve_without_a_test_split_names_the_validation_split(settings: Settings):
    dataset = import_classes(settings, ("cat", "dog"), "60/40/0")
    plan = RacePlan("curve", ("scratch", "head"), (0,), "epochs", 3, (1, 5))
    arms = [Arm(name, configure(dataset.id, name)) for name in plan.arms]
    race_id, runs = RunStore(settings).create_race(plan, arms)
    for run in runs:
        add_points(run, dataset, plan.sizes, plan.seeds, split="val")

    chart = build_report(settings, [race_id]).curves[0]
    assert chart.name == "validation accuracy by number of training pictures"
    assert chart.y_title == "Accuracy on validation pictures (%)"
    assert "test pictures" not in chart.band


def test_arms_without_a_common_seed_have_no_verdict_and_a_report(settings: Settings, drawn: Dataset):
    race_id, runs = start_race(settings, drawn)
    plan = runs[0].meta().plan
    for run in runs:  # the first seed of one arm, the second of the other
        if plan.seeds.index(run.config().seed) == plan.arms.index(run.meta().arm):
            finish(run, drawn)

    data = build_report(settings, [race_id])
    assert data.verdict is None
    assert any("two arms with the same seed" in note for note in data.notes)
    assert all(make_document(settings, [race_id], form).content for form in FORMATS)


def test_the_verdict_of_a_report_carries_its_caveats(settings: Settings, drawn: Dataset):
    race_id, _ = finished_race(settings, drawn)

    data = build_report(settings, [race_id])
    text = Reader(html_of(settings, race_id)).text

    assert [item.kind for item in data.verdict.caveats] == ["unequal-views", "seen-before"]
    assert "Their augmentation (random crops and flips) differs too, which may be the reason." in data.verdict.sentence
    assert all(item.sentence in text for item in data.verdict.caveats)
    assert data.to_json()["verdict"]["caveats"][0]["sentence"].endswith("flips alone can decide.")
    flips = next(item for item in data.differing if item.name == "Random flips")
    assert flips.texts == ("yes", "no: one plain view")


def test_the_coach_agrees_with_the_verdict(settings: Settings, drawn: Dataset):
    race_id, _ = finished_race(settings, drawn)
    verdict = build_report(settings, [race_id]).verdict
    assert verdict is not None
    assert verdict.pairs[0].better == "Transfer"
    titles = {row.title for row in build_report(settings, [race_id]).readings if not row.arm}
    assert not titles & {"No clear difference", "The better arm cost more"}


@pytest.mark.parametrize("count", [1, 7])
def test_a_report_compares_two_to_six_runs(settings: Settings, drawn: Dataset, count: int):
    runs = [RunStore(settings).create(configure("drawn", "head", seed)) for seed in range(count)]

    with pytest.raises(ComparisonError, match=r"six runs|to 6 runs"):
        build_report(settings, [run.id for run in runs])


def test_runs_of_different_datasets_are_not_compared(settings: Settings, drawn: Dataset):
    other = import_classes(settings, ("cat", "dog"), id="other")
    runs = [RunStore(settings).create(configure(dataset.id, "head")) for dataset in (drawn, other)]

    with pytest.raises(ComparisonError, match="drawn, other"):
        build_report(settings, [run.id for run in runs])


def test_runs_that_differ_only_in_their_seed_have_names_of_their_own(settings: Settings, drawn: Dataset):
    runs = [RunStore(settings).create(configure("drawn", "head", seed)) for seed in range(2)]
    for run in runs:
        finish(run, drawn)

    data = build_report(settings, [run.id for run in runs])

    assert len({arm.name for arm in data.arms}) == 2
    assert next(item for item in data.differing if item.name == "Seed").texts == ("0", "1")


def test_the_json_holds_the_figures_of_the_page(settings: Settings, drawn: Dataset):
    race_id, runs = finished_race(settings, drawn, title="=1+1")
    data = build_report(settings, [race_id], images=False)

    values = json.loads(write(data, "json"))

    assert values == json.loads(json.dumps(data.to_json()))
    assert values["runs"][0]["config"] == runs[0].config().model_dump(mode="json")
    assert values["title"] == "=1+1"
    assert [pair["difference"] for pair in values["verdict"]["pairs"]] == [
        pair.difference for pair in data.verdict.pairs
    ]
    assert data.answering is not None
    points = [point for chart in values["curves"] for curve in chart["curves"] for point in curve["points"]]
    assert len(points) == sum(len(curve.points) for chart in data.curves for curve in chart.curves)
    (counts,) = [item["counts"] for item in values["confusions"] if item["arm"] == "Transfer"]
    assert sum(map(sum, counts)) == 2 * len(drawn.rows_of("test"))


def test_a_report_imports_no_torch():
    code = "import sys, core.report.documents, core.report.html; print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
