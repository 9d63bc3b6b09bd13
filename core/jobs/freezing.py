"""Freezing: a collection becomes an immutable dataset, by an ordinary import."""

from core.actor import Actor
from core.collection.collection_store import CollectionStore
from core.datasets.dataset_store import DatasetStore
from core.errors import CollectionError
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.settings import Settings

LEAST_PICTURES = 3  # of a class: one for each split


def start_freezing(settings: Settings, collection_id: str, plan: str, *, by: Actor) -> str:
    """Close a collection and import it as a dataset; returns the id of the import.

    The collection stays: opened again, it may be frozen again, into another dataset.

    Args:
        plan: per cent of the splits, such as 60/20/20.
    Raises:
        RightsError: unless `by` is the presenter.
        CollectionError: fewer than two classes have pictures.
        QuotaError: `by` has too many datasets, or there is no space.
    """
    by.check_presenter("Freezing a collection")
    store = CollectionStore(settings)
    view = store.view(collection_id)
    used = [item for item in view.collection.shown if not item.off and len(view.by_class[item.id]) >= LEAST_PICTURES]
    if len(used) < 2:
        raise CollectionError(f"A classifier needs two classes with at least {LEAST_PICTURES} pictures each: add some.")
    store.set_open(collection_id, False, by=by)
    name = DatasetStore(settings).free_name(view.collection.title)
    request = ImportRequest(None, name, plan, 0, view.collection.title, collection=collection_id)
    return ImportJobs(settings).start(request, by=by)
