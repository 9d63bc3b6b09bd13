"""The setup of the runs: dataset, arms, runs, settings and versions."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from core.config.stages import plan_training
from core.config.train_config import SCRATCH_FIELDS, TrainConfig
from core.report.content import ArmRow, DatasetFacts, DifferingChoice, Fact, RunRow, Share
from core.report.repeat_commands import format_training
from core.report.subject import ReportRun, Subject
from core.version import VERSION
from models.errors import TuneMyPetsError

NOT_COMPARED = ("dataset", "note", "seed")
SHOWN_HARDWARE = {
    "device": "Device",
    "device_name": "Processor",
    "threads": "Threads",
    "workers": "Workers",
    "workers_note": "Parts of a batch",
    "precision": "Precision",
    "precision_reason": "Reason for the precision",
    "prefix_precision": "Precision of the frozen part",
    "prefix_reason": "Reason for that",
    "memory_format": "Memory format",
    "torch": "torch",
    "torchvision": "torchvision",
}  # an allow list: what a later version records stays out until it is added here
PACKAGES = ("numpy", "scipy")
RANDOM_CHANGES = ("augment_crop", "augment_flip", "augment_colour")
UNCHOSEN = {
    "max_images": "no limit",
    "max_seconds": "no limit",
    "learning_rate": "fitted to strategy and steps",
}


def describe_dataset(subject: Subject) -> DatasetFacts:
    """The dataset of the runs, with its counts where it still exists."""
    dataset = subject.dataset
    meta, config = subject.runs[0].summary.meta, subject.runs[0].summary.config
    counts = dataset.counts if dataset else {}
    pictures = {split: sum(row[split] for row in counts.values()) for split in ("train", "val", "test")}
    facts = []
    if dataset:
        facts.append(Fact("Split", f"{dataset.summary.split_plan} with seed {dataset.summary.seed}"))
        facts.append(Fact("Imported", format_time(dataset.created)))
    recorded = next((item.history.described.pictures for item in subject.runs if item.history.described), None)
    return DatasetFacts(
        id=config.dataset,
        title=dataset.title if dataset else meta.dataset_title,
        classes=meta.classes,
        fingerprint=meta.dataset_fingerprint,
        pictures=pictures if dataset else recorded,
        per_class=tuple(counts.items()),
        drawn=bool(dataset and dataset.drawn),
        facts=tuple(facts),
    )


def describe_runs(subject: Subject) -> tuple[RunRow, ...]:
    """Every training with its configuration, machine and command."""
    return tuple(_describe_run(item) for item in subject.runs)


def _describe_run(item: ReportRun) -> RunRow:
    summary, history = item.summary, item.history
    tested = summary.tested or history.tested
    hardware = history.described.hardware if history.described else {}
    stages = history.described.stages if history.described else []
    return RunRow(
        id=item.id,
        arm=item.arm,
        title=summary.title,
        seed=item.seed,
        state=summary.state.value,
        text=summary.text,
        created=datetime.fromtimestamp(summary.meta.created, UTC).isoformat(timespec="seconds"),
        accuracy=_accuracy(item),
        split=tested.split if tested else None,
        loss=tested.loss if tested else None,
        best_epoch=tested.epoch if tested else history.best.epoch if history.best else None,
        epochs=len(history.epochs) or summary.epochs_done,
        seconds=item.training_seconds,
        pictures_seen=history.epochs[-1].images_seen if history.epochs else None,
        config=summary.config.model_dump(mode="json"),
        hardware=tuple(Fact(name, str(hardware[key])) for key, name in SHOWN_HARDWARE.items() if hardware.get(key)),
        stages=tuple(
            Fact(
                str(stage.get("name", "")),
                f"{stage.get('epochs', 0)} epochs, {stage.get('trainable', 0):,} trainable",
            )
            for stage in stages
        ),
        command=format_training(summary.config),
    )


def _accuracy(item: ReportRun) -> Share | None:
    accuracy = item.summary.accuracy
    if accuracy is None or accuracy.value is None:
        return None
    return Share(accuracy.value, accuracy.interval.low, accuracy.interval.high, accuracy.n)


def describe_arms(subject: Subject) -> tuple[ArmRow, ...]:
    """Each arm over all of its runs."""
    return tuple(_describe_arm(subject, name) for name in subject.arms if subject.of(name))


def _describe_arm(subject: Subject, name: str) -> ArmRow:
    runs = subject.of(name)
    accuracy, seeds = subject.accuracies.get(name), subject.seeds_of.get(name, 0)
    config = runs[0].summary.config
    seconds = [taken for item in runs if (taken := item.training_seconds) is not None]
    epochs = [len(item.history.epochs) for item in runs if item.history.epochs]
    parameters, trainable = _parameters(runs)
    tested = next((item.summary.tested for item in runs if item.summary.tested), None)
    if accuracy is None:  # without a comparison, the accuracy of the first tested run
        accuracy = next((found for item in runs if (found := _accuracy(item)) is not None), None)
        seeds = 0 if accuracy is None else 1
    return ArmRow(
        name=name,
        model=config.model,
        strategy=config.strategy,
        runs=tuple(item.id for item in runs),
        seeds=tuple(item.seed for item in runs)
        if subject.kind != "curve" or subject.race is None
        else subject.race.plan.seeds,
        judged=seeds,
        accuracy=accuracy,
        split=tested.split if tested else None,
        epochs=median(epochs) if epochs else None,
        seconds=median(seconds) if seconds else None,
        parameters=parameters,
        trainable=trainable,
    )


def _parameters(runs: Sequence[ReportRun]) -> tuple[int | None, int | None]:
    """All parameters, and those trainable in the last stage: as recorded by a run, or as planned."""
    for item in runs:
        described = item.history.described
        if described is not None:
            last = described.stages[-1].get("trainable") if described.stages else None
            return described.parameters, last if isinstance(last, int) else described.trainable
    try:
        plan = plan_training(runs[0].summary.config, len(runs[0].summary.meta.classes))
    except TuneMyPetsError:
        return None, None
    return None, plan.trainable


def compare_choices(subject: Subject) -> tuple[tuple[Fact, ...], tuple[DifferingChoice, ...]]:
    """The settings that were equal for all arms, and those that differed."""
    arms = [name for name in subject.arms if subject.of(name)]
    configs = {name: [item.summary.config for item in subject.of(name)] for name in arms}
    first = subject.runs[0]
    equal = [Fact("Pictures and split", f"{first.summary.config.dataset} ({first.summary.meta.dataset_fingerprint})")]
    if len({item.summary.meta.dataset_fingerprint for item in subject.runs}) > 1:
        equal = []
    differing: list[DifferingChoice] = []
    if subject.race is not None:
        plan = subject.race.plan
        if plan.kind == "race" or subject.race.meta.plan:
            equal.append(Fact("Budget", plan.describe_budget()))
        equal.append(Fact("Seeds", ", ".join(map(str, plan.seeds))))
    elif len({item.seed for item in subject.runs}) == 1:
        equal.append(Fact("Seed", str(first.seed)))
    else:
        differing.append(DifferingChoice("Seed", tuple(str(subject.of(name)[0].seed) for name in arms)))
    for name, info in TrainConfig.model_fields.items():
        if name in NOT_COMPARED:
            continue
        values = [_values(configs[arm], name) for arm in arms]
        given = {value for value in values if value is not None}
        if len(given) > 1:
            differing.append(DifferingChoice(info.title or name, tuple(value or "does not apply" for value in values)))
        elif given and None not in values:  # what only one arm has is in its configuration
            equal.append(Fact(info.title or name, given.pop()))
    return tuple(equal), tuple(differing)


def _values(configs: Sequence[TrainConfig], name: str) -> str | None:
    """A setting of an arm in words; None where it does not apply to its network or strategy."""
    config = configs[0]
    if name in SCRATCH_FIELDS and config.model != "scratch_cnn":
        return None
    if name == "backbone_factor" and config.strategy in ("scratch", "head"):
        return None
    if name == "stored_views" and config.strategy in ("scratch", "full"):
        return None
    if name in ("freeze_point", "head_epochs") and getattr(config, name) is None:
        return None if config.strategy not in ("partial", "gradual") else "default"
    return ", ".join(dict.fromkeys(format_value(name, item) for item in configs))


def format_value(name: str, config: TrainConfig) -> str:
    """A setting in words; where nothing was chosen, what takes its place."""
    value = config.views if name == "stored_views" else getattr(config, name)
    if name in RANDOM_CHANGES and value and not config.augmented:
        return "no: one plain view"
    if value is None:
        return UNCHOSEN.get(name, "default")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_versions(subject: Subject) -> tuple[Fact, ...]:
    """Versions and platform; nothing that names the machine or its user."""
    facts = [
        Fact("TuneMyPets", VERSION),
        Fact("Python", platform.python_version()),
        Fact("Platform", f"{platform.system()} {platform.machine()}"),
    ]
    for package in ("torch", "torchvision"):
        recorded = {
            str(item.history.described.hardware.get(package))
            for item in subject.runs
            if item.history.described and item.history.described.hardware.get(package)
        }
        facts.append(Fact(f"{package} (recorded by the runs)", ", ".join(sorted(recorded)) or "not recorded"))
    for package in PACKAGES:
        try:
            facts.append(Fact(package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(facts)


def format_time(moment: str | float) -> str:
    """A time in UTC: `2026-01-31 14:22 UTC`."""
    try:
        found = datetime.fromtimestamp(moment, UTC) if isinstance(moment, float) else datetime.fromisoformat(moment)
    except (ValueError, OverflowError, OSError):
        return str(moment)
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
