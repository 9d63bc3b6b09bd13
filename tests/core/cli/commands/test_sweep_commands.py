"""`sweep`, `show-sweep` and `stop-sweep`: a whole sweep from the command line, and one sentence for each mistake."""

import json
import re

import pytest

from core.cli.main import main
from core.datasets.dataset import Dataset
from core.settings import Settings
from core.sweeps.sweep_store import SweepStore
from tests.core.sweeps.desk import begin, end_run, make_plan

SMALL = [
    "--model", "scratch_cnn", "--filters", "4,8", "--image-size", "32", "--dense-neurons", "8", "--epochs", "1",
    "--precision", "fp32",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.real_processes
def test_a_sweep_ends_with_its_best_settings_and_their_race(
    drawn: Dataset, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", drawn.id, *SMALL, "--space", "dropout=0..0.5", "--trials", "2", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "finished"
    assert [trial["outcome"] for trial in found["trials"]] == ["finished", "finished"]
    assert all(trial["seconds"] > 0 for trial in found["trials"])
    best = max(trial["validation_accuracy"] for trial in found["trials"])
    assert found["best"]["validation_accuracy"] == best
    if found["races"]:  # none where the base was the best
        assert found["luck"]["validation"] == best
        assert main(["show-race", found["races"][0], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["state"] == "finished"
    assert main(["sweep", found["sweep"], "--more", "--trials", "1", "--detach"]) == 0
    assert SweepStore(settings).get(found["sweep"]).goal().trials == 3


def test_a_sweep_in_words(drawn: Dataset, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    desk = begin(settings, make_plan("filters=[4,8]|[8,16]", "dropout=0.1,0.2", trials=3))
    while desk.step():
        for run in desk.waiting():
            end_run(run, 0.5 + 0.1 * (run.meta().trial or 0))
    assert main(["show-sweep", desk.folder.id]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"Sweep {desk.folder.id} on {drawn.id}: finished, 3 trials\.", said)
    assert re.search(r"Trial 2: 70\.0 %, 2 s: filters \[\d, \d+\], dropout 0\.\d", said)
    assert "python -m core show-race race-" in said
    code = said[said.index("best_config = {") :]
    names: dict[str, dict[str, object]] = {}
    exec(code, names)
    assert set(names["best_config"]) == {"filters", "dropout"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--trials", "2"], "Nothing is searched: give --space FIELD=VALUES, or --preset."),
        (["--space", "dropout=0..3"], 'dropout is "3": choose a number from 0 to 0.95.'),
        (["--space", "dropout=0..0.5", "--trials", "0"], "trials is 0: choose 1 to 10,000."),
        (["--space", "dropout=0..0.5", "--sampler", "grid"], "A grid needs lists, and dropout has all numbers"),
        (["--space", "kernel_size=3,5", "--model", "petnet"], "kernel_size shapes the scratch CNN only"),
    ],
)
def test_a_mistake_is_one_sentence_and_starts_nothing(
    drawn: Dataset, settings: Settings, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    model = [] if "--model" in words else ["--model", "scratch_cnn"]
    assert main(["sweep", drawn.id, *model, *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert SweepStore(settings).all() == []


def test_what_is_not_there_is_said(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["show-sweep", "gone"], ["stop-sweep", "../x"], ["sweep", "gone", "--more", "--trials", "2"]):
        assert main(words) == 1
        assert "There is no sweep" in capsys.readouterr().err
    assert main(["sweep", "gone", "--space", "dropout=0..0.5", "--model", "scratch_cnn"]) == 1
    assert "There is no dataset 'gone'" in capsys.readouterr().err
    del settings
