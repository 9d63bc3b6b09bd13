"""Configurations that cannot be, on the page, the command line, in code and on disk: a sentence names the field."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.errors import ConfigError, RunError
from core.jobs.workers.worker import Worker
from core.predict.predictor import Predictor
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from pages.components.train.form.form_fields import title_of
from tests.support.images import encoded, photo
from tests.support.sentences import assert_nothing_of_the_machine, assert_plain
from tests.support.small_runs import SMALL_SCRATCH

pytestmark = pytest.mark.usefixtures("clean_afterwards")

WRONG: list[tuple[str, object]] = [
    ("learning_rate", math.nan),
    ("learning_rate", math.inf),
    ("learning_rate", -1),
    ("learning_rate", 0),
    ("learning_rate", 10**400),
    ("batch_size", 0),
    ("batch_size", -3),
    ("batch_size", 10**9),
    ("batch_size", 2.5),
    ("epochs", 10**9),
    ("epochs", 10**30),
    ("epochs", 0),
    ("epochs", None),
    ("epochs", "1; rm -rf /"),
    ("epochs", [5]),
    ("epochs", {"a": 1}),
    ("seed", 2**64),
    ("image_size", 10**6),
    ("dense_neurons", 10**12),
    ("filters", [10**9]),
    ("filters", [32] * 1000),
    ("filters", "many"),
    ("model", "../../x"),
    ("model", "<img src=x onerror=alert(1)>"),
    ("model", ""),
    ("strategy", "everything"),
    ("optimizer", "__import__('os').system('true')"),
    ("dropout", math.nan),
    ("note", "x" * 10**6),
    ("dataset", ""),
    ("dataset", None),
    ("wheels", 4),
    ("__class__", "x"),
]
IDS = [f"{field}-{str(value)[:20]}" for field, value in WRONG]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=IDS)
def test_a_wrong_value_is_named_with_what_can_be_chosen(
    settings: Settings, small_config: TrainConfig, field: str, value: object
) -> None:
    for build in (
        lambda change: parse_config({**SMALL_SCRATCH, **change}),
        lambda change: small_config.variant(**change),
    ):
        with pytest.raises(ConfigError) as caught:
            build({field: value})
        assert list(caught.value.problems) == [field]
        sentence = caught.value.problems[field].split(" (fields:")[0].rstrip(".") + "."
        name = "network" if sentence.startswith("Unknown network") else field
        assert_plain(sentence, name, settings=settings)
        assert len(caught.value.problems[field]) < 700


@pytest.mark.parametrize(
    "options",
    [
        ["--learning-rate", "nan"],
        ["--learning-rate", "1e999"],
        ["--batch-size", "0"],
        ["--epochs", "1000000000"],
        ["--epochs", "-5"],
        ["--model", "resnet9000"],
        ["--filters", "0,0"],
    ],
    ids=" ".join,
)
def test_the_command_line_ends_with_the_sentence_and_queues_nothing(
    settings: Settings, drawn: Dataset, options: list[str]
) -> None:
    values = ["--model", "scratch_cnn", "--strategy", "scratch"] if options[0] != "--model" else []
    command = [sys.executable, "-m", "core", "train", "drawn", *values, *options]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode in (1, 2)
    field = options[0].removeprefix("--").replace("-", "_")
    sentence = done.stderr.strip().splitlines()[-1]
    assert field in sentence.replace("-", "_").lower().replace("network", "model")
    assert_nothing_of_the_machine(done.stderr, settings)
    assert RunStore(settings).all() == []


Change = dict[str, object]

TAMPERED: dict[str, tuple[Change, str]] = {
    "no epochs": ({"epochs": 0}, "epochs"),
    "a billion epochs": ({"epochs": 10**9}, "epochs"),
    "batch 0": ({"batch_size": 0}, "batch_size"),
    "another type": ({"batch_size": "large"}, "batch_size"),
    "an unknown network": ({"model": "resnet9000"}, "model"),
    "a field of a newer version": ({"wheels": 4}, "wheels"),
    "a path": ({"dataset": "../../../x"}, "dataset"),
}


def tamper(run: Run, changes: Change) -> None:
    path = run.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.mark.damages
@pytest.mark.parametrize("change", TAMPERED)
def test_a_run_whose_configuration_was_tampered_with_fails_with_a_sentence_and_others_stay(
    settings: Settings, two_runs: tuple[Run, Run], change: str
) -> None:
    changes, field = TAMPERED[change]
    queued = RunStore(settings).create(TrainConfig.model_validate(SMALL_SCRATCH))
    tamper(queued, changes)
    assert Worker(settings, queued).work() is RunState.FAILED
    result = queued.result()
    assert result is not None
    assert field in result.text
    assert_plain(result.text, settings=settings)
    shown = [item.id for item in RunStore(settings).summaries()]
    assert set(shown) - {queued.id} == {run.id for run in two_runs}


@pytest.mark.damages
@pytest.mark.parametrize("content", ["", "{", "null", "[]", "NaN", "[" * 100_000, "\x00", '{"epochs": NaN}'])
def test_a_configuration_that_is_none_is_told_by_its_run(
    settings: Settings, two_runs: tuple[Run, Run], content: str
) -> None:
    run, other = two_runs
    (run.folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError) as caught:
        run.config()
    assert_plain(str(caught.value), run.id, settings=settings)
    assert [item.id for item in RunStore(settings).summaries()] == [other.id]


OLDER = [
    "find_rate",
    "stored_views",
    "head_epochs",
    "precision",
    "patience",
    "gradient_clip",
    "label_smoothing",
    "note",
    "workers",
]


def test_a_run_of_an_older_version_lacks_fields_and_is_read_judged_and_used_all_the_same(
    settings: Settings, two_runs: tuple[Run, Run], open_page: Callable[..., AppTest]
) -> None:
    run, _ = two_runs
    picture = [("a.jpg", encoded(photo(3)))]
    (before,) = Predictor(settings).predict(run, picture)

    def without(values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in OLDER}

    for path in (run.folder / "config.json", run.checkpoints / "best.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        if path.name == "best.json":
            values["config"] = without(values["config"])
        path.write_text(json.dumps(without(values)), encoding="utf-8")
    (after,) = Predictor(settings).predict(run, picture)
    assert before.top == after.top
    for page in ("pages/train.py", "pages/compare.py"):
        app = open_page(page)
        assert not app.exception
        assert not app.error
    assert len(RunStore(settings).summaries()) == 2


@pytest.mark.damages
def test_a_run_of_a_newer_version_says_so_where_it_is_opened_and_the_others_are_listed(
    settings: Settings, two_runs: tuple[Run, Run], open_page: Callable[..., AppTest]
) -> None:
    run, other = two_runs
    tamper(run, {"wheels": 4})
    app = open_page("pages/train.py", run=run.id)
    assert not app.exception
    (error,) = app.error
    sentence = re.sub(r"\\(.)", r"\1", error.value)
    assert "made by another version" in sentence
    assert_plain(sentence, run.id, "wheels", settings=settings)
    app = open_page("pages/compare.py")
    assert not app.exception
    assert not app.error
    assert [item.id for item in RunStore(settings).summaries()] == [other.id]


SELECTED = ["dataset", "model", "optimizer", "schedule", "precision", "head"]


@pytest.mark.parametrize("name", SELECTED)
@pytest.mark.parametrize("value", ["../../x", "<img src=x onerror=alert(1)>", ""])
def test_a_tampered_choice_is_not_taken(
    settings: Settings, drawn: Dataset, open_page: Callable[..., AppTest], name: str, value: str
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    offered = list(app.selectbox(key=f"train-{name}").options)
    tamper_with(app.selectbox(key=f"train-{name}"), value)
    app.run()
    assert not app.exception
    assert app.selectbox(key=f"train-{name}").options == offered
    assert app.selectbox(key=f"train-{name}").index is not None  # one of those
    for error in app.error:
        assert_plain(re.sub(r"\\(.)", r"\1", error.value), settings=settings)


def tamper_with(box: Selectbox[Any], value: str) -> None:
    """A browser sends the words it shows; one that was tampered with sends any."""
    box.options.append(value)
    box.set_value(value)


@pytest.mark.parametrize(
    ("path", "view", "label"),
    [("pages/explore.py", "", "Split"), ("pages/explore.py", "", "Class"),
     ("pages/compare.py", "", "Dataset"), ("pages/compare.py", "pictures", "Order"),
     ("pages/compare.py", "confusion", "Pictures of a cell")],
)  # fmt: skip
def test_a_tampered_choice_breaks_no_page(
    settings: Settings, two_runs: tuple[Run, Run], open_page: Callable[..., AppTest], path: str, view: str, label: str
) -> None:
    app = open_page(path, view=view) if view else open_page(path)
    tamper_with(next(box for box in app.selectbox if box.label == label), "../../x")
    app.run()
    assert not app.exception
    for error in app.error:
        assert_plain(re.sub(r"\\(.)", r"\1", error.value), settings=settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 10**9), ("epochs", -1), ("batch_size", 0), ("batch_size", 10**12), ("learning_rate", 1e12),
     ("learning_rate", -1.0), ("stored_views", -1), ("seed", -1)],
)  # fmt: skip
def test_a_tampered_number_gets_a_sentence_on_the_page_and_starts_nothing(
    settings: Settings, drawn: Dataset, open_page: Callable[..., AppTest], name: str, value: float
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    next(item for item in app.number_input if str(item.key).startswith(f"train-{name}")).set_value(value).run()
    assert not app.exception
    sentences = [re.sub(r"\\(.)", r"\1", error.value) for error in app.error]
    assert any(sentence.startswith(title_of(name)) for sentence in sentences)
    for sentence in sentences:
        assert_plain(sentence, settings=settings)
    start = app.button(key="start")
    assert start.disabled
    start.proto.disabled = False  # a tampered browser presses it all the same
    start.click().run()
    assert app.error
    assert not app.exception
    assert RunStore(settings).all() == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_rate_that_is_no_number_counts_as_none(
    settings: Settings, drawn: Dataset, open_page: Callable[..., AppTest], value: float
) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.number_input(key="train-learning_rate").set_value(value).run()
    assert not app.exception
    assert app.number_input(key="train-learning_rate").value is None


def trained(settings: Settings, **values: object) -> Run:
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, **values}))
    Worker(settings, run).work()
    return run


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("gradient_clip", [0.0, 1.0])
@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_a_rate_of_a_million_ends_with_finite_weights_that_can_be_used(
    settings: Settings, drawn: Dataset, optimizer: str, batch_norm: bool, gradient_clip: float, schedule: str
) -> None:
    run = trained(
        settings, learning_rate=1e6, optimizer=optimizer, batch_norm=batch_norm, gradient_clip=gradient_clip,
        schedule=schedule, epochs=4,
    )  # fmt: skip
    result = run.result()
    assert result is not None
    assert result.state in (RunState.FAILED, RunState.FINISHED), result.text
    if result.state is RunState.FAILED:
        assert re.match("The (loss|weights) stopped being (a )?finite number", result.text)
        assert "choose a learning rate below 1000000" in result.text
        assert_plain(result.text, settings=settings)
    assert run.has_weights
    (answer,) = Predictor(settings).predict(run, [("a.jpg", encoded(photo(3)))])
    if answer.error is not None:
        assert_plain(answer.error, "a.jpg", settings=settings)


def test_a_training_that_diverges_says_so_and_keeps_the_last_finite_weights(settings: Settings, drawn: Dataset) -> None:
    run = trained(settings, learning_rate=1e6, optimizer="sgd", gradient_clip=0.0, batch_norm=False, epochs=20)
    result = run.result()
    assert result is not None
    assert result.state is RunState.FAILED
    assert "stopped being a finite number" in result.text
    Predictor(settings).load(run)  # refuses weights that are not finite
    other = trained(settings)
    assert other.state() is RunState.FINISHED


@pytest.mark.parametrize("batch_size", [24, 25, 1024])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_batch_larger_than_the_dataset_is_the_whole_of_it(
    settings: Settings, drawn: Dataset, batch_size: int, batch_norm: bool
) -> None:
    assert len(drawn.rows_of("train")) == 24
    run = trained(settings, batch_size=batch_size, batch_norm=batch_norm)
    assert run.state() is RunState.FINISHED
    assert {batch.steps for batch in run.history().batches} == {1}


@pytest.mark.parametrize("strategy", ["head", "partial", "gradual", "full"])
def test_a_batch_larger_than_the_dataset_suits_every_strategy(
    settings: Settings, drawn: Dataset, strategy: str
) -> None:
    values = {"model": "petnet", "strategy": strategy, "batch_size": 1024, "epochs": 2}
    assert trained(settings, **values).state() is RunState.FINISHED
