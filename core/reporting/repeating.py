"""The command lines that repeat what a report shows."""

import shlex
from collections.abc import Mapping
from typing import Any

from core.errors import TuneMyPetsError
from core.races.presets import plan_race
from core.reporting.subject import Subject
from core.training.config import TrainConfig

DECIDED_BY_RACE = ("model", "strategy", "freeze_point", "head_epochs", "seed", "epochs", "max_images", "max_seconds")


def list_commands(subject: Subject) -> tuple[str, ...]:
    """Commands that train all of it again, and make this report of it."""
    trainings = [tell_race(subject)] if subject.race else []
    if not trainings or not trainings[0]:
        trainings = [tell_training(item.summary.config) for item in subject.runs] if subject.kind != "curve" else []
    report = shlex.join(["python", "-m", "core", "report", *subject.ids, "--output", "report.html"])
    return (*dict.fromkeys(trainings), report)


def tell_training(config: TrainConfig) -> str:
    """The command that repeats a training: every choice that is not the default, and the network."""
    values = {"model": config.model, **_chosen(config)}
    return shlex.join(["python", "-m", "core", "train", config.dataset, *_options(values)])


def tell_race(subject: Subject) -> str:
    """The one command that repeats a race; empty where none would make the very same runs."""
    if subject.race is None or subject.kind != "race":
        return ""
    plan, configs = subject.race.plan, [item.summary.config for item in subject.runs]
    values: dict[str, Any] = {"dataset": configs[0].dataset}
    for config in configs:
        if config.strategy != "scratch":
            values["model"] = config.model
            if config.freeze_point:
                values |= {"strategy": config.strategy, "freeze_point": config.freeze_point}
        values |= {name: value for name, value in _chosen(config).items() if name not in DECIDED_BY_RACE}
    values["seed"] = plan.seeds[0]
    try:
        _, arms = plan_race(
            values, plan.arms, seeds=len(plan.seeds), budget=plan.budget, amount=plan.amount, title=plan.title
        )
    except TuneMyPetsError:
        return ""
    made = {(arm.name, arm.config.seed): arm.config for arm in arms}
    if any(made.get((item.arm, item.seed)) != item.summary.config for item in subject.runs):
        return ""
    words = ["python", "-m", "core", "race", str(values.pop("dataset")), "--arms", ",".join(plan.arms)]
    words += ["--seeds", str(len(plan.seeds)), "--equal", plan.budget, "--amount", f"{plan.amount:.15g}"]
    if not values["seed"]:
        del values["seed"]
    title = _options({"title": plan.title}) if plan.title else []
    return shlex.join([*words, *title, *_options(values)])


def _chosen(config: TrainConfig) -> dict[str, Any]:
    """The fields that are not as they are by default."""
    return {
        name: getattr(config, name)
        for name, info in TrainConfig.model_fields.items()
        if name not in ("dataset", "model") and getattr(config, name) not in (None, info.default)
    }


def _options(values: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option.removeprefix('--')}")
            continue
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words.extend([f"{option}={text}"] if text.startswith("-") else [option, text])
    return words
