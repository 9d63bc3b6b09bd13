"""`fsck` knows batches: whole ones are no finding, damaged ones and leftovers are."""

from collections.abc import Callable
from pathlib import Path

from core.batches.batch import Batch, BatchStatus
from core.batches.batch_check import verify_batches
from core.batches.batch_store import BatchStore
from core.maintenance.check import check
from core.verification import Kind


def test_a_finished_batch_is_whole_and_a_damaged_table_or_a_leftover_is_found(
    store: BatchStore, run_id: str, folder: Path, end: Callable[[Batch], BatchStatus]
) -> None:
    batch = store.start(run_id, folder)
    assert end(batch).state == "finished"
    assert [str(item) for item in check(store.settings) if "batches" in str(item)] == []
    lines = batch.rows_path.read_bytes().splitlines(keepends=True)
    batch.rows_path.write_bytes(b"".join([*lines[:20], b"{}\n", *lines[21:]]))
    upload = store.folder / ".upload-20260101-000000-abcdef.zip"
    upload.touch()
    (batch.folder / "odd.txt").touch()
    found = list(verify_batches(store.folder))
    assert {(problem.kind, problem.path.name) for problem in found} == {
        (Kind.DAMAGED, "rows.jsonl"), (Kind.ORPHANED, "odd.txt"),
    }  # fmt: skip
    assert next(problem for problem in found if problem.kind is Kind.DAMAGED).target == batch.folder
    (batch.folder / "request.json").write_text("{}")
    assert "request.json" in {problem.path.name for problem in verify_batches(store.folder)}
