"""The small drawn dataset, `drawn`, of most tests and some benchmarks."""

from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.settings import Settings
from core.steps import run_step


def import_drawn(settings: Settings, count_per_class: int = 20, *, size_px: int = 64, split: str = "60/20/20") -> None:
    """Import drawn cats and dogs as `drawn`."""
    source = MemorySource("drawn for a test", list(draw_sample(count_per_class, size_px=size_px)), drawn=True)
    run_step(import_dataset(settings, source, name="drawn", plan=SplitPlan.parse(split), seed=0))
