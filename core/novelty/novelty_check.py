"""Whether a run's `novelty.safetensors` is whole, and of the weights that the run has."""

from collections.abc import Iterator
from contextlib import suppress

from core.errors import RunError
from core.novelty.novelty import read_novelty
from core.runs.run_check import RunFacts
from core.runs.run_files import BEST_SIDECAR, NOVELTY
from core.storage import read_json
from core.verification import REMOVE, Count, Damage, Kind, Problem, ignore, is_file, reason


def verify_novelty(facts: RunFacts, count: Count = ignore) -> Iterator[Problem]:
    """Look at the file; the run is worth as much without it, and the predictor makes it again."""
    path = facts.run.folder / NOVELTY
    if not is_file(path) or facts.live:
        return
    try:
        count(path.stat().st_size)
        found = read_novelty(path, facts.meta.classes)
        epoch = None
        with suppress(OSError, ValueError, KeyError, TypeError):
            epoch = read_json(facts.run.checkpoints / BEST_SIDECAR)["epoch"]
        if found is not None and found.epoch != epoch:
            raise Damage("is of other weights")
        if found is not None and facts.dataset is not None:
            known = {(row.index, row.label) for row in facts.dataset.rows_of("train")}
            kept = found.reference
            if not set(zip(kept.indices.tolist(), kept.labels.tolist(), strict=True)) <= known:
                raise Damage("is not of the dataset's pictures")
    except (RunError, Damage, OSError) as error:
        why = "is damaged" if isinstance(error, RunError) else reason(error)
        text = f"This file of known and strange pictures {why}: it is computed again."
        yield Problem(Kind.DAMAGED, path, text, REMOVE, lock=facts.run.lock_path)
