"""A dataset of near-copies: the pictures of another one, saved again smaller and worse."""

import io

from PIL import Image

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.settings import Settings
from core.steps import run_step


def near_copies(settings: Settings, dataset: Dataset) -> Dataset:
    """The same pictures at another size and quality, as the dataset `near`."""
    files = []
    for row in dataset.rows:
        image = Image.open(io.BytesIO(dataset.read_image(row))).convert("RGB").resize((56, 56))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        files.append((f"{dataset.classes[row.label]}/near-{row.index}.jpg", buffer.getvalue()))
    steps = import_dataset(settings, MemorySource("near", files), name="near", plan=SplitPlan(), seed=7)
    return DatasetStore(settings).get(run_step(steps))
