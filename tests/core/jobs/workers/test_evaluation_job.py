"""Evaluating a run later: when it is refused, and what it starts."""

import time
from types import SimpleNamespace

import pytest

from core.config.train_config import TrainConfig
from core.errors import RunError
from core.jobs.workers import evaluation_job
from core.jobs.workers.evaluation_job import start_evaluation
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json


def test_a_run_is_evaluated_once_and_only_when_it_has_ended_with_weights(
    settings: Settings, drawn: object, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def start(*given: object) -> SimpleNamespace:
        started.append(given[2])
        return SimpleNamespace(returncode=0)  # it has ended at once

    monkeypatch.setattr(evaluation_job, "start_detached", start)
    run = RunStore(settings).create(small_config)
    with pytest.raises(RunError, match=r"is queued: it is evaluated when it ends\."):
        start_evaluation(settings, run.id)
    write_json(run.folder / "started.json", {"pid": 0, "born": 0.0, "time": time.time()})
    assert run.state() is RunState.INTERRUPTED
    with pytest.raises(RunError, match=r"has no saved weights to evaluate: train it again\."):
        start_evaluation(settings, run.id)
    assert started == []
    run.checkpoints.mkdir()
    (run.checkpoints / "best.json").touch()
    assert start_evaluation(settings, run.id) == run
    assert started == [[str(run.folder), "--evaluate"]]
    (run.folder / "predictions.csv").touch()
    with pytest.raises(RunError, match=r"was evaluated already: the test split is used once per run\."):
        start_evaluation(settings, run.id)
