"""Rules on the pictures of a dataset, before anything is trained: labels, copies, classes of unequal size, too few.

Each is one sentence for one line of a page. Thresholds are named here with their reason.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from core.datasets.dataset import Dataset, ImportReport
from core.formatting import SPLIT_NAMES, format_count, format_percent, format_points, join_names
from core.statistics.metrics import wilson_interval

UNEQUAL = 3  # times as many training pictures in the largest class as in the smallest: guessing it begins to pay
FEW_TRAINING = 10  # pictures of a class: transfer learning has little to go by, and a scratch network nothing
WIDE = 0.20  # width of the interval around an accuracy of 90 %: from here on most comparisons are noise
MAX_NAMED = 3
# what the import's own notes say of copies and of labels; test_dataset_rules.py holds the two together
_ALSO_NOTED = ("look like copies of training pictures", "look almost like a ")


def find_cautions(dataset: Dataset, report: ImportReport) -> list[str]:
    """What to know of a dataset before training on it, the most serious first; empty where nothing is striking."""
    return [*_find_contradictions(report), *_find_copies(dataset, report), *_find_unequal(dataset), *_find_few(dataset)]


def other_notes(report: ImportReport) -> list[str]:
    """The notes of an import that no caution repeats."""
    return [note for note in report.notes if not any(words in note for words in _ALSO_NOTED)]


def _find_contradictions(report: ImportReport) -> Iterator[str]:
    if exact := sum(len(group) for group in report.contradictory):
        same = f"{exact:,} files are the same picture in different classes and were left out"
        yield f"{same}: decide which label is right, and import again."
    if near := sum(len(group) for group in report.contradictory_near):
        yield f"{near:,} pictures look almost like one of another class: check their labels."


def _find_copies(dataset: Dataset, report: ImportReport) -> Iterator[str]:
    for split, count in report.straddling.items():
        held = len(dataset.rows_of(split))
        yield (
            f"{count:,} of {held:,} {SPLIT_NAMES[split]} pictures look like copies of training pictures: results on "
            "them are too good."
        )


def _find_unequal(dataset: Dataset) -> Iterator[str]:
    counted = Counter(row.label for row in dataset.rows_of("train"))
    (most, many), (least, few) = counted.most_common()[0], counted.most_common()[-1]
    if few and many >= UNEQUAL * few:
        yield (
            f"Classes differ in size: {many:,} training pictures of “{dataset.classes[most]}”, {few:,} of "
            f"“{dataset.classes[least]}”. Look at the accuracy of each class; balanced class weights "
            "(Train, Learning) let each count the same."
        )


def _find_few(dataset: Dataset) -> Iterator[str]:
    counted = Counter(row.label for row in dataset.rows_of("train"))
    small = [name for label, name in enumerate(dataset.classes) if counted[label] < FEW_TRAINING]
    if small:
        yield f"Fewer than {FEW_TRAINING} training pictures of {_list(small)}: add more."
    split = "test" if dataset.rows_of("test") else "val"
    if split == "val":
        yield (
            "There is no test split: results come from the validation pictures, which also choose the best epoch, "
            "so they look better than they are."
        )
    n = len(dataset.rows_of(split))
    interval = wilson_interval(round(0.9 * n), n)
    if n and interval.high - interval.low > WIDE:
        limits = f"{format_points(interval.low)} to {format_percent(interval.high)}"
        yield (
            f"Only {format_count(n, f'{SPLIT_NAMES[split]} picture')}: an accuracy of "
            f"{format_percent(round(0.9 * n) / n)} could mean anything from {limits}. Add more for a clear result."
        )


def _list(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names[:MAX_NAMED]]
    more = len(names) - MAX_NAMED
    return join_names([*quoted, f"{more:,} more classes"] if more > 0 else quoted)
