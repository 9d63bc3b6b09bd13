"""The sweeper: one process per data root, which asks Optuna for settings, queues them as runs, and says how they end.

    python -m core.sweeps.sweeper

Everything is in files: Optuna's study next to the plan, and the runs. So a killed sweeper is replaced by another one
that continues: a trial whose values were not all drawn has failed, one without its run gets it, and the end of a run is
noted once. It ends when no sweep is left.
"""

import argparse
import logging
import sys
import time
from collections import defaultdict
from contextlib import suppress

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from core.errors import ConfigError, QuotaError, RunError, TuneMyPetsError
from core.jobs.launchers import log_to_stderr
from core.jobs.states import is_closing
from core.locks import ASKER_SECONDS
from core.runs.attempts import read_attempts
from core.runs.reader import RunReader
from core.runs.run import Run, RunState
from core.runs.run_files import BEST_SIDECAR, BEST_WEIGHTS, CONFIG
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.sweeps.final_race import start_final_race
from core.sweeps.study import distributions_of, open_study, values_of
from core.sweeps.sweep import (
    LOSS,
    PROBLEM,
    PRUNED,
    RUNS,
    SAME_AS,
    SECONDS,
    describe_trial,
    find_best,
    is_drawn,
)
from core.sweeps.sweep_store import Goal, SweepFolder, SweepStore, lock_path

POLL_SECONDS = 0.2
REPORT_SECONDS = 1.0  # between two looks at the epochs of a running trial
REVIVE_SECONDS = 2.0  # between two looks whether the scheduler lives
IDLE_SECONDS = 5.0
AHEAD = 1  # trials that wait in the queue, so that no place stays empty
MAX_FAILED = 5  # trials in a row
PRUNED_TEXT = "Pruned by its sweep: at this point earlier trials were better."
STOPPED_TEXT = "Its sweep has ended."

log = logging.getLogger("tunemypets.sweeper")


class Conductor:
    """Leads one sweep, step by step.

    Raises:
        SweepError: its files are damaged.
    """

    def __init__(self, settings: Settings, folder: SweepFolder, reader: RunReader) -> None:
        self.settings = settings
        self.folder = folder
        self.plan = folder.plan()
        self._actor = folder.actor()
        self._store = RunStore(settings)
        self._reader = reader
        self._study = open_study(folder.study_path, self.plan, writing=True)
        self._distributions = distributions_of(self.plan)
        self._runs: dict[int, list[Run]] = defaultdict(list)  # of each trial, seed by seed
        for run in reversed(self._store.all()):
            with suppress(RunError):
                meta = run.meta()
                if meta.sweep == folder.id and meta.trial is not None:
                    self._runs[meta.trial].append(run)
        self._looked: dict[str, float] = {}  # when the epochs of a run were last looked at

    def step(self) -> bool:
        """Look at the trials, start what is due; whether the sweep continues."""
        goal = self.folder.goal()
        over = self.folder.stop_requested or (goal.until is not None and time.time() >= goal.until)
        for trial in self._trials(TrialState.RUNNING):
            self._follow(trial, over)
        problem = self._failing()
        places = (self.settings.workers or 1) + AHEAD
        while not (over or problem or self._reached(goal)) and len(self._trials(TrialState.RUNNING)) < places:
            number = self._study.ask(self._distributions).number
            self._follow(self._study.get_trials(deepcopy=False)[number], over)
            problem = self._failing()
        if self._trials(TrialState.RUNNING) or not (over or problem or self._reached(goal)):
            return True
        return not self._end(problem)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)

    def _reached(self, goal: Goal) -> bool:
        """Whether all trials were asked for."""
        asked = self._trials(TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
        return goal.trials is not None and len(asked) >= goal.trials

    def _failing(self) -> str:
        """Why it makes no sense to continue; empty otherwise."""
        ended = [item for item in self._trials() if item.state.is_finished() and is_drawn(self.plan, item)]
        ended = ended[-MAX_FAILED:]
        if len(ended) < MAX_FAILED or any(trial.state is not TrialState.FAIL for trial in ended):
            return ""
        return str(ended[-1].user_attrs.get(PROBLEM, "see sweeper.log"))

    def _end(self, problem: str) -> bool:
        """Race the best settings and write the result; False to be tried again."""
        trials = [describe_trial(self.plan, found) for found in self._trials() if is_drawn(self.plan, found)]
        counted = sum(trial.counts for trial in trials)
        if problem:
            self.folder.end("failed", f"The last {MAX_FAILED} trials failed: {problem}", counted)
        elif self.folder.stop_requested:
            self.folder.end("stopped", "Stopped; what its trials have found was kept.", counted)
        elif find_best(trials) is None:
            self.folder.end("failed", "No trial has finished: give the sweep more time.", counted)
        else:
            text = "Finished."
            try:
                if start_final_race(self.settings, self.folder) is None:
                    text = "Finished: nothing was better than the settings it began with (the base)."
            except QuotaError as error:
                log.info("%s", error)
                return False
            except TuneMyPetsError as error:
                text = f"Finished; its best settings could not be trained again. {error}"
            self.folder.end("finished", text, counted)
        return True

    def _follow(self, found: FrozenTrial, over: bool) -> None:
        """See to a trial that has not ended."""
        trial = optuna.trial.Trial(self._study, found._trial_id)
        if not is_drawn(self.plan, found):
            self._fail(found, "The process that drew its settings was killed.")
            return
        values = values_of(self.plan, found.params)
        runs = self._runs[found.number]
        if not runs and self._repeat(found, trial):
            return
        if len(found.user_attrs.get(RUNS, ())) < len(runs):  # a killed sweeper made one and did not note it
            trial.set_user_attr(RUNS, [run.id for run in runs])
        scores: list[tuple[float, float]] = []  # accuracy and loss, seed by seed
        for place in range(self.plan.seeds):
            if place == len(runs):
                if over:
                    break
                try:
                    config = self.plan.config_of(values, place)
                    runs.append(self._store.create_trial(config, self.folder.id, found.number, by=self._actor))
                except ConfigError as error:
                    self._fail(found, " ".join(error.problems.values()))
                except QuotaError as error:  # the next look tries again
                    log.info("%s", error)
                except TuneMyPetsError as error:
                    self._fail(found, str(error))
                else:
                    trial.set_user_attr(RUNS, [run.id for run in runs])
                return
            run = runs[place]
            if not (run.folder / CONFIG).exists():
                self._fail(found, f"Run {run.id} was deleted.")
                return
            if self._is_pending(run):
                if over:
                    self._stop(run, STOPPED_TEXT)
                elif place == 0 and self._prunes_epochs:
                    self._watch(run, trial, found)
                return
            if place == 0 and self._prunes_epochs:
                self._report_epochs(run, trial, found)
            result, best = run.result(), run.history().best
            if result is None or result.state is not RunState.FINISHED or best is None:
                self._tell_unfinished(found, trial, run)
                return
            scores.append((best.val_accuracy, best.val_loss))
            if self.plan.pruner == "wilcoxon":
                self._report(trial, found, best.val_accuracy, place)
                if place + 1 < self.plan.seeds and trial.should_prune():
                    trial.set_user_attr(PRUNED, True)
                    break
        if scores:
            self._tell(found, trial, scores)
        else:
            self._fail(found, STOPPED_TEXT)

    def _is_pending(self, run: Run) -> bool:
        """Whether a run has not ended, or continues after a crash."""
        state = run.state()
        return state.active or (
            state is RunState.INTERRUPTED and (run.stop_requested or read_attempts(run.folder).left)
        )

    def _watch(self, run: Run, trial: optuna.trial.Trial, found: FrozenTrial) -> None:
        """Report the epochs of a running trial, and stop it where earlier ones were better."""
        now = time.monotonic()
        if run.stop_requested or now - self._looked.get(run.id, 0.0) < REPORT_SECONDS:
            return
        self._looked[run.id] = now
        self._report_epochs(run, trial, found)
        if trial.should_prune():
            self._stop(run, PRUNED_TEXT)

    @property
    def _prunes_epochs(self) -> bool:
        return self.plan.pruner in ("median", "halving")

    def _report_epochs(self, run: Run, trial: optuna.trial.Trial, found: FrozenTrial) -> None:
        for epoch in run.history().epochs:
            self._report(trial, found, epoch.val_accuracy, epoch.epoch)

    def _report(self, trial: optuna.trial.Trial, found: FrozenTrial, value: float, step: int) -> None:
        if step not in found.intermediate_values:
            trial.report(value, step)

    def _stop(self, run: Run, reason: str) -> None:
        if not run.stop_requested:
            with suppress(RunError, QuotaError):
                self._store.request_stop(run.id, reason=reason)

    def _repeat(self, found: FrozenTrial, trial: optuna.trial.Trial) -> bool:
        """Give a trial the result of an earlier one with the same settings: training again gives the same digits."""
        for earlier in self._trials(TrialState.COMPLETE, TrialState.PRUNED):
            if earlier.params == found.params and SAME_AS not in earlier.user_attrs:
                trial.set_user_attr(SAME_AS, earlier.number)
                for name in (LOSS, PRUNED):
                    if name in earlier.user_attrs:
                        trial.set_user_attr(name, earlier.user_attrs[name])
                for step, value in earlier.intermediate_values.items():
                    self._report(trial, found, value, step)
                if earlier.state is TrialState.PRUNED:
                    self._study.tell(found.number, state=TrialState.PRUNED)
                else:
                    self._study.tell(found.number, earlier.value)
                return True
        return False

    def _tell_unfinished(self, found: FrozenTrial, trial: optuna.trial.Trial, run: Run) -> None:
        """A run that was pruned, stopped by a person, or failed."""
        result = run.result()
        if result is None or result.state is not RunState.STOPPED or not run.history().epochs:
            self._fail(found, result.text if result is not None else f"Run {run.id} was interrupted too often.")
            return
        self._report_epochs(run, trial, found)
        self._note_seconds(found, trial)
        self._study.tell(found.number, state=TrialState.PRUNED)
        self._drop_weights()

    def _tell(self, found: FrozenTrial, trial: optuna.trial.Trial, scores: list[tuple[float, float]]) -> None:
        trial.set_user_attr(LOSS, sum(loss for _, loss in scores) / len(scores))
        self._note_seconds(found, trial)
        self._study.tell(found.number, sum(accuracy for accuracy, _ in scores) / len(scores))
        self._drop_weights()

    def _note_seconds(self, found: FrozenTrial, trial: optuna.trial.Trial) -> None:
        results = [run.result() for run in self._runs[found.number]]
        trial.set_user_attr(SECONDS, sum(result.seconds or 0.0 for result in results if result is not None))

    def _fail(self, found: FrozenTrial, problem: str) -> None:
        optuna.trial.Trial(self._study, found._trial_id).set_user_attr(PROBLEM, problem)
        self._study.tell(found.number, state=TrialState.FAIL)

    def _drop_weights(self) -> None:
        """Of hundreds of trials only the best keeps its weights; its settings are trained again anyway."""
        best = find_best([describe_trial(self.plan, found) for found in self._trials(TrialState.COMPLETE)])
        for trial in self._trials(TrialState.COMPLETE, TrialState.PRUNED):
            if best is not None and trial.number != best.number:
                for run in self._runs.pop(trial.number, []):
                    for name in (BEST_SIDECAR, BEST_WEIGHTS):
                        with suppress(OSError):
                            (run.checkpoints / name).unlink(missing_ok=True)


def serve(settings: Settings, idle_seconds: float = IDLE_SECONDS) -> None:
    """Lead all sweeps until none is left for a while."""
    lock = FileLock(lock_path(settings))
    try:
        lock.acquire(timeout=ASKER_SECONDS)
    except Timeout:
        return
    reader, store = RunReader(settings), SweepStore(settings)
    conductors: dict[str, Conductor] = {}
    idle_since, revived = time.monotonic(), -REVIVE_SECONDS
    try:
        while time.monotonic() - idle_since < idle_seconds and not is_closing(settings):
            for folder in store.active():
                idle_since = time.monotonic()
                try:
                    if folder.id not in conductors:
                        conductors[folder.id] = Conductor(settings, folder, reader)
                    if not conductors[folder.id].step():
                        del conductors[folder.id]
                except TuneMyPetsError as error:
                    conductors.pop(folder.id, None)
                    with suppress(OSError):
                        folder.end("failed", str(error))
                except Exception:  # one bad file must not stop the others
                    log.exception("sweep %s could not be led", folder.id)
                    conductors.pop(folder.id, None)
                    time.sleep(1)
            if conductors and time.monotonic() - revived > REVIVE_SECONDS:
                revived = time.monotonic()
                ensure_scheduler(settings)
            time.sleep(POLL_SECONDS)
    finally:
        lock.release()


def main(arguments: list[str] | None = None) -> int:
    """Lead the sweeps of the environment's data root."""
    argparse.ArgumentParser(prog="python -m core.sweeps.sweeper", description="Lead sweeps.").parse_args(arguments)
    log_to_stderr()
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
