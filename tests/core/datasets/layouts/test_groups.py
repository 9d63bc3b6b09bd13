"""Groups: what belongs together by a table, a file name or the source is in one split."""

import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource, SourceEntry
from core.datasets.splits import SplitPlan
from core.errors import ConfigError
from core.settings import Settings
from core.steps import run_step
from tests.support.images import encoded, photo

PEOPLE = 8


def bring(settings: Settings, files: list[tuple[str, bytes]], **more: str) -> Dataset:
    source = MemorySource("photos", files)
    steps = import_dataset(settings, source, name="photos", plan=SplitPlan(), seed=0, **more)
    return DatasetStore(settings).get(run_step(steps))


def photographs(name: str = "{kind}/{person}_{n}.png") -> list[tuple[str, bytes]]:
    return [
        (name.format(kind=kind, person=f"p{person}", n=n), encoded(photo(100 * person + 10 * place + n), "PNG"))
        for person in range(PEOPLE)
        for place, kind in enumerate(("cat", "dog"))
        for n in range(4)
    ]


def divided(dataset: Dataset) -> set[str]:
    held: dict[str, set[str]] = {}
    for row in dataset.rows:
        held.setdefault(row.group, set()).add(row.split)
    return {group for group, splits in held.items() if len(splits) > 1}


@pytest.mark.parametrize("column", ["group", "patient_id", "Person"])
def test_a_column_of_a_table_names_the_groups(settings: Settings, column: str) -> None:
    files = photographs("images/{kind}{person}{n}.png")
    rows = "".join(f"{name.split('/')[1]},{name[7:10]},{name[10:12]}\n" for name, _ in files)
    dataset = bring(settings, [*files, ("labels.csv", f"file_name,label,{column}\n{rows}".encode())])
    assert {row.group for row in dataset.rows} == {f"p{n}" for n in range(PEOPLE)}
    assert dataset.classes == ("cat", "dog")
    assert divided(dataset) == set()
    assert f"Pictures with the same {column!r} stay in one split: 8 groups." in dataset.report().notes


def test_a_column_that_repeats_the_label_is_no_group(settings: Settings) -> None:
    files = photographs("images/{kind}{person}{n}.png")
    rows = "".join(f"{name.split('/')[1]},{name[7:10]},{name[7]}\n" for name, _ in files)
    dataset = bring(settings, [*files, ("labels.csv", f"file_name,label,group\n{rows}".encode())])
    assert {row.group for row in dataset.rows} == {""}


@pytest.mark.parametrize("pattern", [r"/(p\d+)_", r"p\d+"])
def test_a_pattern_finds_the_groups_in_file_names(settings: Settings, pattern: str) -> None:
    dataset = bring(settings, photographs(), group_pattern=pattern)
    assert {row.group for row in dataset.rows} == {f"p{n}" for n in range(PEOPLE)}
    assert divided(dataset) == set()


def test_without_groups_a_persons_pictures_are_in_several_splits(settings: Settings) -> None:
    dataset = bring(settings, photographs())
    splits = {row.split for row in dataset.rows if "/p0_" in row.name}
    assert len(splits) > 1


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(", "The pattern '(' is not a regular expression"),
        ("zebra", "No file name matches the pattern 'zebra'"),
    ],
)
def test_a_pattern_that_finds_nothing_is_refused(settings: Settings, pattern: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match="pattern") as error:
        bring(settings, photographs(), group_pattern=pattern)
    assert sentence in str(error.value)


def test_a_source_may_know_the_groups(settings: Settings) -> None:
    class Bursts(MemorySource):
        def entries(self) -> list[SourceEntry]:
            return [
                SourceEntry(name, len(data), name.split("/")[0], None, name.split("/")[1].split("_")[0])
                for name, data in self._files.items()
            ]

    source = Bursts("a room", photographs())
    steps = import_dataset(settings, source, name="photos", plan=SplitPlan(), seed=0)
    dataset = DatasetStore(settings).get(run_step(steps))
    assert {row.group for row in dataset.rows} == {f"p{n}" for n in range(PEOPLE)}
    assert divided(dataset) == set()


def test_given_splits_that_divide_groups_are_noted(settings: Settings) -> None:
    files = [(("train/" if n % 4 else "test/") + name, data) for n, (name, data) in enumerate(photographs())]
    dataset = bring(settings, files, group_pattern=r"p\d+")
    assert any(
        note.startswith("8 groups of pictures that belong together are in several") for note in dataset.report().notes
    )


def test_an_older_table_has_no_groups(settings: Settings) -> None:
    dataset = bring(settings, photographs(), group_pattern=r"p\d+")
    path = dataset.folder / "pictures.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n", encoding="utf-8")
    again = DatasetStore(settings).get("photos")
    assert {row.group for row in again.rows} == {""}
    assert again.fingerprint == dataset.fingerprint
