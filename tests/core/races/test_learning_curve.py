"""A learning curve from its start to its sentence, and everything else that looks at its runs."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from core.cli.commands.race_commands import describe_curve
from core.cli.commands.run_commands import list_runs, show_run
from core.cli.main import main
from core.cli.shared.waiting import wait_for as wait_for_run
from core.config.events import PointDone
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import CarryError, ConfigError, RunError
from core.jobs.workers.evaluation_job import start_evaluation
from core.jobs.workers.held_run import HeldRun
from core.jobs.workers.worker import Worker
from core.maintenance.check import check
from core.maintenance.export_archive import export_room
from core.maintenance.import_archive import import_room
from core.races.learning_curve import gather_curve, read_curve, start_curve, unpack
from core.races.race import RaceState, find_race
from core.runs.reader import RunReader
from core.runs.run import Run, RunState
from core.runs.run_store import Arm, RunStore
from core.runs.summary import summarise
from core.settings import Settings
from core.steps import Request
from core.storage import write_json
from pages.components.shared.results.recent_runs import result_text

HEAD = TrainConfig.model_validate(
    {"dataset": "drawn", "model": "petnet", "strategy": "head", "epochs": 2, "batch_size": 8, "precision": "fp32"}
)


def start(settings: Settings, scratch: TrainConfig, **options: object) -> tuple[str, list[Run]]:
    chosen = {"seeds": (0, 1), "sizes": (1, 4), **options}
    return start_curve(settings, [Arm("head", HEAD), Arm("scratch", scratch)], **chosen)  # type: ignore[arg-type]


def points_of(run: Run) -> list[PointDone]:
    return [dataclasses.replace(point, seconds=0.0) for point in run.history().points]


def point(size: int, seed: int, right: list[bool]) -> PointDone:
    packed = np.packbits(np.array(right)).tobytes().hex()
    count = sum(right)
    return PointDone(size, 2 * size, seed, count, len(right), count / len(right), 1.0, packed)


def test_the_runs_of_a_curve_are_sensible_wherever_runs_are_shown(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve_id, runs = start(settings, small_config)
    assert [summarise(run).title for run in runs] == [
        "Learning curve, PetNet, head", "Learning curve, small CNN"
    ]  # fmt: skip
    for run in runs:
        assert Worker(settings, run).work() is RunState.FINISHED
    curve = read_curve(settings, curve_id)
    assert curve.race.state is RaceState.FINISHED
    assert (curve.split, curve.n) == ("test", len(drawn.rows_of("test")))
    assert [[(item.size, item.pictures, item.seeds) for item in arm.points] for arm in curve.arms] == [
        [(1, 2, (0, 1)), (4, 8, (0, 1))]
    ] * 2
    for arm in curve.arms:
        for item in arm.points:
            values = [accuracy.value for accuracy in item.accuracies]
            assert item.mean == pytest.approx(sum(value or 0 for value in values) / 2)
            assert item.interval.low <= item.mean <= item.interval.high
    assert curve.sentence
    assert len(curve.rows()) == 8
    assert json.loads(json.dumps(curve.to_json()))["arms"][0]["points"][1]["pictures_per_class"] == 4
    assert curve.sentence in describe_curve(curve)
    assert [item.kind for item in curve.caveats] == ["unequal-views", "seen-before"]
    assert describe_curve(curve).endswith("\n".join(f"- {item.sentence}" for item in curve.caveats))
    assert curve.to_json()["caveats"][0]["kind"] == "unequal-views"

    run = runs[0]
    result = run.result()
    assert result is not None
    assert (result.text, result.points_done, result.epochs_done, result.tested) == ("Finished.", 4, 0, None)
    for summary in (summarise(run), RunReader(settings).summarise(run)):
        assert summary.points_text == "4 of 4 points"
        assert result_text(summary).endswith("4 of 4 points")
    assert not run.has_weights
    with pytest.raises(RunError, match="no saved weights"):
        start_evaluation(settings, run.id)
    assert "4 of 4 points" in list_runs.callback(settings).text
    assert len(show_run.callback(settings, run.id).value["curve"]) == 4
    assert not list(check(settings))

    export_room(settings, tmp_path / "room.zip")
    away = dataclasses.replace(settings, home=tmp_path / "away")
    assert not import_room(away, tmp_path / "room.zip").refused
    arrived = read_curve(away, curve_id)
    assert arrived.rows() == curve.rows()
    assert arrived.race.plan == curve.race.plan
    assert not list(check(away))


def test_a_stop_keeps_the_points_and_their_number_is_shown(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, runs = start(settings, small_config)
    append = HeldRun.append

    def watched(self: HeldRun, event: object) -> None:
        append(self, event)  # type: ignore[arg-type]
        if isinstance(event, PointDone) and len(self.run.history().points) == 3:
            self.signal.ask(Request.STOP)

    monkeypatch.setattr(HeldRun, "append", watched)
    assert Worker(settings, runs[0]).work() is RunState.STOPPED
    result = runs[0].result()
    assert result is not None
    assert (result.text, result.points_done) == ("Stopped after 3 of 4 points; they were kept.", 3)


@pytest.mark.parametrize("place", [0, 1])
def test_a_curve_that_was_put_aside_goes_on_to_the_same_points(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    _, whole = start(settings, small_config)
    _, cut = start(settings, small_config)
    assert Worker(settings, whole[place]).work() is RunState.FINISHED
    append = HeldRun.append
    with monkeypatch.context() as patch:

        def watched(self: HeldRun, event: object) -> None:
            append(self, event)  # type: ignore[arg-type]
            if isinstance(event, PointDone) and len(self.run.history().points) == 2:
                self.signal.ask(Request.PAUSE)

        patch.setattr(HeldRun, "append", watched)
        assert Worker(settings, cut[place]).work() is RunState.QUEUED
    assert len(points_of(cut[place])) == 2
    with (cut[place].folder / "events.jsonl").open("ab") as file:
        file.write(b'{"time": 1, "kind": "poi')  # killed while it wrote
    assert Worker(settings, cut[place]).work() is RunState.FINISHED
    assert points_of(cut[place]) == points_of(whole[place])
    assert "Resumed after 2 of 4 points." in [item.text for _, item in cut[place].history().messages]
    assert not list(check(settings))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seeds": ()}, "seeds"), ({"seeds": (1, 1)}, "seeds"), ({"seeds": range(6)}, "seeds"),
        ({"sizes": ()}, "sizes"), ({"sizes": (0, 5)}, "sizes"), ({"sizes": range(1, 30)}, "sizes"),
        ({"title": "x" * 81}, "title"),
    ],
)  # fmt: skip
def test_a_curve_that_cannot_be_is_refused_in_one_sentence(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, change: dict[str, object], field: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        start(settings, small_config, **change)

    assert list(caught.value.problems) == [field]
    assert not RunStore(settings).all()


def test_arms_of_other_epochs_or_another_budget_are_refused(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    for changes, field in (({"epochs": 3}, "epochs"), ({"max_images": 50}, "max_images")):
        arm = Arm("scratch", small_config.model_copy(update=changes))
        with pytest.raises(ConfigError) as caught:
            start_curve(settings, [Arm("head", HEAD), arm], seeds=(0,))
        assert list(caught.value.problems) == [field]


def test_the_usual_sizes_end_with_all_pictures_and_the_seed_of_a_configuration_does_not_count(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    arm = Arm("scratch", small_config.model_copy(update={"seed": 99}))
    _, runs = start_curve(settings, [arm], seeds=(4, 2))
    plan = runs[0].meta().plan

    assert plan is not None
    assert plan.sizes == (1, 2, 5, 12)
    assert runs[0].config().seed == 4


def test_a_damaged_or_doubled_point_does_not_change_a_curve(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    curve_id, runs = start(settings, small_config)
    race = find_race([summarise(run) for run in runs], curve_id)
    good = [point(1, 0, [True, False, True, True]), point(1, 1, [True, True, True, True])]
    bad = [
        dataclasses.replace(good[0], pictures_per_class=4, right="zz"),
        dataclasses.replace(good[0], pictures_per_class=4, seed=1, right="00"),
        dataclasses.replace(good[0], pictures_per_class=3),  # not of the plan
        point(4, 0, [True] * 9),  # of other pictures
    ]
    curve = gather_curve(race, {runs[0].id: [*good, good[0], *bad]})

    assert [(item.size, item.seeds, item.mean) for item in curve.arms[0].points] == [(1, (0, 1), 0.875)]
    assert curve.arms[1].points == ()
    assert curve.sentence.startswith("So far: Transfer reaches 87.5 %")
    assert unpack(good[0]) == [True, False, True, True]


def test_a_race_is_no_learning_curve(raced: Settings) -> None:
    race_id = RunStore(raced).all()[0].meta().race

    assert race_id
    with pytest.raises(RunError, match="not a learning curve"):
        read_curve(raced, race_id)


def test_a_plan_that_was_forged_is_not_taken_in(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    _, runs = start(settings, small_config)
    path = runs[0].folder / "meta.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["plan"]["sizes"] = [4, 1]
    path.write_text(json.dumps(values), encoding="utf-8")
    export_room(settings, tmp_path / "room.zip")
    away = dataclasses.replace(settings, home=tmp_path / "away")
    try:
        refused = import_room(away, tmp_path / "room.zip").refused
    except CarryError as error:
        refused = {"room": str(error)}

    assert list(refused) == [f"runs/{runs[0].id}"]


def test_the_command_trains_waits_and_tells(
    settings: Settings, drawn: Dataset, ended_processes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--arms head --model petnet --epochs 1 --batch-size 8 --precision fp32 --seeds 2 --sizes 1,50,4 --json"
    assert main(["learning-curve", "drawn", *words.split()]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["sizes"] == [1, 4, 12]
    assert [item["pictures_per_class"] for item in value["arms"][0]["points"]] == [1, 4, 12]
    assert value["state"] == "finished"
    assert main(["show-race", value["curve"]]) == 0
    assert value["sentence"] in capsys.readouterr().out
    assert main(["learning-curve", "drawn", "--sizes", "1,many"]) == 2
    assert "--sizes" in capsys.readouterr().err


def test_a_command_waits_for_a_run_that_goes_on_after_a_crash(
    settings: Settings, drawn: Dataset, ended_processes: None
) -> None:
    _, (run,) = start_curve(settings, [Arm("head", HEAD)], seeds=(0,), sizes=(1, 4))
    write_json(run.folder / "started.json", {"pid": 0, "born": 0.0, "time": 0.0, "memory_kills": 10**9})  # it crashed
    assert run.state() is RunState.INTERRUPTED
    wait_for_run(settings, run)

    assert run.state() is RunState.FINISHED
    assert len(run.history().points) == 2
