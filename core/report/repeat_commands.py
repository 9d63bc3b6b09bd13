"""The command lines that repeat what a report shows."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from core.config.train_config import TrainConfig
from core.errors import TuneMyPetsError
from core.races.presets import make_arms, plan_race
from core.report.subject import Subject
from core.runs.run_store import Arm

DECIDED_BY_RACE = ("model", "strategy", "freeze_point", "head_epochs", "seed", "epochs", "max_images", "max_seconds")


def list_commands(subject: Subject) -> tuple[str, ...]:
    """Commands that train everything again and make this report."""
    whole = format_curve(subject) if subject.kind == "curve" else format_race(subject)
    trainings = [whole] if whole else []
    if not trainings and subject.kind != "curve":
        trainings = [format_training(item.summary.config) for item in subject.runs]
    report = shlex.join(["python", "-m", "core", "report", *subject.ids, "--output", "report.html"])
    return (*dict.fromkeys(trainings), report)


def format_training(config: TrainConfig) -> str:
    """The command that repeats a training: the network, and every setting that is not the default."""
    values = {"model": config.model, **_chosen(config)}
    return shlex.join(["python", "-m", "core", "train", config.dataset, *_options(values)])


def format_race(subject: Subject) -> str:
    """The command that repeats a race; empty where none would make exactly the same runs."""
    if subject.race is None or subject.kind != "race":
        return ""
    plan, values = subject.race.plan, _shared_values(subject)
    try:
        _, arms = plan_race(
            _chosen_with(values),
            plan.arms,
            seeds=len(plan.seeds),
            budget=plan.budget,
            amount=plan.amount,
            title=plan.title,
        )
    except TuneMyPetsError:
        return ""
    if not _are_the_same(arms, subject):
        return ""
    words = ["race", str(values.pop("dataset")), "--arms", ",".join(plan.arms), "--seeds", str(len(plan.seeds))]
    words += ["--equal", plan.budget, "--amount", f"{plan.amount:.15g}"]
    return _command(words, plan.title, values)


def format_curve(subject: Subject) -> str:
    """The command that repeats a learning curve; empty where none would make exactly the same runs."""
    if subject.race is None or subject.kind != "curve":
        return ""
    plan, values = subject.race.plan, _shared_values(subject)
    epochs = subject.runs[0].summary.config.epochs
    try:
        arms = make_arms(_chosen_with(values), plan.arms, "epochs", epochs, plan.seeds[0])
    except TuneMyPetsError:
        return ""
    seeds = tuple(range(plan.seeds[0], plan.seeds[0] + len(plan.seeds)))
    if not _are_the_same(arms, subject) or plan.seeds != seeds:
        return ""
    words = ["learning-curve", str(values.pop("dataset")), "--arms", ",".join(plan.arms)]
    words += ["--seeds", str(len(plan.seeds)), "--sizes", ",".join(map(str, plan.sizes)), "--epochs", str(epochs)]
    return _command(words, plan.title, values)


def _shared_values(subject: Subject) -> dict[str, Any]:
    """The settings from which all arms were made."""
    assert subject.race is not None
    configs = [item.summary.config for item in subject.runs]
    values: dict[str, Any] = {"dataset": configs[0].dataset}
    for config in configs:
        if config.model != "scratch_cnn":
            values["model"] = config.model
            if config.freeze_point:
                values |= {"strategy": config.strategy, "freeze_point": config.freeze_point}
        values |= {name: value for name, value in _chosen(config).items() if name not in DECIDED_BY_RACE}
    values["seed"] = subject.race.plan.seeds[0]
    return values


def _chosen_with(values: Mapping[str, Any]) -> TrainConfig:
    return TrainConfig(dataset=values["dataset"]).variant(**values)


def _are_the_same(arms: Sequence[Arm], subject: Subject) -> bool:
    made = {(arm.name, arm.config.seed): arm.config for arm in arms}
    return all(made.get((str(item.summary.meta.arm), item.seed)) == item.summary.config for item in subject.runs)


def _command(words: Sequence[str], title: str, values: Mapping[str, Any]) -> str:
    given = {name: value for name, value in values.items() if name != "seed" or value}
    named = _options({"title": title}) if title else []
    return shlex.join(["python", "-m", "core", *words, *named, *_options(given)])


def _chosen(config: TrainConfig) -> dict[str, Any]:
    """The fields that differ from their defaults."""
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
