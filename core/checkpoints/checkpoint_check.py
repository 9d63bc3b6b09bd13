"""Whether the weights and the snapshot of a run are whole, finite, and of the network that the run describes."""

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import torch

from core.checkpoints.checkpoint import Checkpoint, read_sidecar
from core.checkpoints.snapshot import read_facts
from core.checkpoints.weights_file import Header, Shapes, check_finite, read_header
from core.errors import NetworkError, RunError
from core.runs.run_check import RunFacts
from core.runs.run_files import BEST, CHECKPOINTS, SNAPSHOT
from core.storage import read_json, write_json
from core.verification import REMOVE, Count, Damage, Kind, Problem, Repair, ignore, is_file, read_object, reason
from models.catalog import ScratchOptions
from models.network import build


def verify_checkpoint(facts: RunFacts, count: Count = ignore) -> Iterator[Problem]:
    """Look at the best weights of a run and at their sidecar."""
    run = facts.run
    weights, sidecar = run.checkpoints / f"{BEST}.safetensors", run.checkpoints / f"{BEST}.json"
    if not is_file(sidecar) or (facts.live and not is_file(weights)):
        return
    file = sidecar
    try:
        read_object(sidecar, count)
        checkpoint = _read_sidecar_of(facts)
        file = weights
        epoch = _check_weights(weights, facts, count)
    except (Damage, OSError) as error:
        yield facts.damaged(f"{CHECKPOINTS}/{file.name}", error)
        return
    if epoch != checkpoint.epoch and not facts.live:
        text = f"This file describes epoch {checkpoint.epoch}, but the weights next to it are of epoch {epoch}."
        repair = Repair("corrects the epoch", act=partial(_correct_epoch, accuracy=facts.log.epochs.get(epoch)))
        yield Problem(Kind.LEFT_OVER, sidecar, text, repair, lock=run.lock_path)


def _read_sidecar_of(facts: RunFacts) -> Checkpoint:
    try:
        checkpoint = read_sidecar(facts.run.checkpoints, BEST)
    except RunError as error:
        raise Damage("is damaged") from error
    if checkpoint.config != facts.config or checkpoint.classes != facts.meta.classes:
        raise Damage("is of another run")
    return checkpoint


def _check_weights(path: Path, facts: RunFacts, count: Count) -> int:
    """Read all weights; returns their epoch."""
    header = read_header(path)
    _check_shapes(header.shapes, facts, whole=True)
    check_finite(path, header, count)
    return _epoch_of(header)


def _epoch_of(header: Header) -> int:
    epoch = header.metadata.get("epoch", "")
    if not epoch.isascii() or not epoch.isdecimal() or len(epoch) > 9:
        raise Damage("does not name its epoch")
    return int(epoch)


def _correct_epoch(sidecar: Path, *, accuracy: float | None) -> None:
    """Write the epoch of the weights into their sidecar."""
    epoch = _epoch_of(read_header(sidecar.with_suffix(".safetensors")))
    write_json(sidecar, {**read_json(sidecar), "epoch": epoch, "val_accuracy": accuracy})


def verify_snapshot(facts: RunFacts, count: Count = ignore) -> Iterator[Problem]:
    """Look at the snapshot of a run that has not ended."""
    run = facts.run
    path = run.checkpoints / SNAPSHOT
    if not is_file(path) or (facts.result is not None and not facts.live):
        return
    try:
        _check_snapshot(path, facts, count)
    except FileNotFoundError:
        return
    except (Damage, OSError) as error:
        text = f"This snapshot {reason(error)}: without it, the run starts again from its beginning."
        yield Problem(Kind.DAMAGED, path, text, REMOVE, lock=run.lock_path)


def _check_snapshot(path: Path, facts: RunFacts, count: Count) -> None:
    header = read_header(path)
    try:
        found = read_facts(path.parent)
    except RunError as error:
        raise Damage("does not describe its training") from error
    if found is None:
        return
    if (found.config, found.fingerprint) != (facts.config, facts.meta.dataset_fingerprint):
        raise Damage("is of another run")
    if not facts.live and not 0 <= found.events_bytes <= facts.log.whole_bytes:
        raise Damage("counts more events than the log has")
    prefix = "network."
    learned = {key.removeprefix(prefix): shape for key, shape in header.shapes.items() if key.startswith(prefix)}
    _check_shapes(learned, facts, whole=False)
    check_finite(path, header, count)


def _check_shapes(found: Shapes, facts: RunFacts, *, whole: bool) -> None:
    """Compare shapes with those of the network that a run's configuration describes.

    Args:
        whole: every tensor has to be there; else some.
    Raises:
        Damage: they differ.
    """
    config = facts.config
    options = config.scratch_options() if config.model == "scratch_cnn" else None
    expected = _network_shapes(config.model, config.head, options, len(facts.meta.classes))
    wrong = [name for name, shape in found.items() if expected.get(name) != shape]
    if wrong or (whole and len(found) != len(expected)):
        detail = f" ({wrong[0][:100]})" if wrong else ""
        raise Damage(f"does not fit the network that its run describes{detail}")


@lru_cache(maxsize=64)
def _network_shapes(model: str, head: str, options: ScratchOptions | None, classes: int) -> Shapes:
    try:
        with torch.device("meta"):  # shapes without numbers: no memory, no time
            network = build(model, classes, head=head, options=options, seed=0)
    except NetworkError as error:
        raise Damage("is of a network that cannot be built") from error
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
