"""All datasets of a data root: find, list, delete."""

from contextlib import suppress
from functools import lru_cache
from itertools import chain, count
from pathlib import Path

from core.actor import LOCAL_OWNER, OPERATOR, Actor
from core.datasets.dataset import FILES, Dataset, DatasetSummary, load_dataset, load_summary
from core.errors import DatasetError
from core.formatting import readable
from core.settings import Settings
from core.storage import Stamp, is_id, list_ids, read_json, remove_folder, slug, stamp_of, write_json


class DatasetStore:
    """The folder `datasets/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.datasets_dir

    def ids(self) -> list[str]:
        """Ids of the complete datasets, sorted."""
        return list_ids(self.folder, "dataset.json")

    def free_name(self, name: str) -> str:
        """The name, with a number where a dataset has it already: thirty phones bring thirty `photos.zip`."""
        taken = set(self.ids())
        numbered = (f"{name[:34]} {number}" for number in count(2))
        return next(found for found in chain([name], numbered) if slug(found) not in taken)

    def summaries(self) -> list[DatasetSummary]:
        """What is known of each readable dataset, newest first."""
        out = []
        for name in self.ids():
            with suppress(DatasetError):
                out.append(load_summary(self.folder / name))
        return sorted(out, key=lambda item: item.created, reverse=True)

    def get(self, dataset_id: str) -> Dataset:
        """A dataset, read again only when its files have changed.

        Raises:
            DatasetError: if there is none of this id, or it is damaged.
        """
        folder = self._there(dataset_id)
        return _read_once(folder, *(stamp_of(folder / name) for name in FILES))

    def owned(self, owner: str) -> list[str]:
        """Ids of the datasets that belong to a person, without their revisions: those share files."""
        return [item.id for item in self.summaries() if item.owner == owner and not item.parent]

    def delete(self, dataset_id: str, *, by: Actor = OPERATOR) -> None:
        """Remove a dataset, also a damaged one. `RunStore.delete_dataset` asks first whether a run needs it.

        Raises:
            DatasetError: if there is none of this id.
            RightsError: if it belongs to another person.
        """
        folder = self._there(dataset_id)
        by.check_may_change(self._owner(dataset_id), f"The dataset {dataset_id}")
        remove_folder(folder)

    def rename(self, dataset_id: str, title: str, *, by: Actor = OPERATOR) -> None:
        """Give a dataset another title; its id and everything that points to it stay.

        Raises:
            DatasetError: if there is none of this id, it is damaged, or the title is empty.
            RightsError: if it belongs to another person.
        """
        folder = self._there(dataset_id)
        by.check_may_change(self._owner(dataset_id), f"The dataset {dataset_id}")
        load_summary(folder)
        shown = readable(" ".join(title.split()))[:80]
        if not shown:
            raise DatasetError("The title is empty: write at least one letter.")
        values = read_json(folder / "dataset.json")
        write_json(folder / "dataset.json", {**values, "title": shown})

    def _owner(self, dataset_id: str) -> str:
        """Whose it is; what cannot be read belongs to the presenter."""
        try:
            return load_summary(self.folder / dataset_id).owner
        except DatasetError:
            return LOCAL_OWNER

    def _there(self, dataset_id: str) -> Path:
        if not is_id(dataset_id) or not (self.folder / dataset_id / "dataset.json").exists():
            there = ", ".join(self.ids()) or "none yet"
            raise DatasetError(f"There is no dataset {dataset_id[:64]!r} (there are: {there}): import it first.")
        return self.folder / dataset_id


@lru_cache(maxsize=4)  # a large one takes tens of megabytes
def _read_once(folder: Path, *_: Stamp | None) -> Dataset:
    return load_dataset(folder)
