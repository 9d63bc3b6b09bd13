"""Pictures of the visitor as a network sees them: upright, RGB, and with the grey range of its training pictures."""

from core.checkpoints.preprocessing import read_preprocessing
from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import ImageError, RunError
from core.runs.run import Run
from core.runs.run_files import BEST
from core.runs.summary import RunSummary
from core.settings import Settings
from core.storage import read_json
from models.entry import OWN_RANGES, GreyRanges
from pages.components.predict.own_pictures import Picture
from pages.components.shared.snapshots.shared_cache import SharedCache

LARGE_PX = 640
SMALL_PX = 160

_previews: SharedCache[tuple[str, GreyRanges, int], bytes | None] = SharedCache(None, max_entries=600)


def preview(settings: Settings, run: RunSummary, picture: Picture, side_px: int = LARGE_PX) -> bytes | None:
    """A JPEG; None where the file cannot be read."""
    greys = read_greys(settings, run.id)

    def make() -> bytes | None:
        try:
            return render_preview(picture.data, Limits.from_settings(settings), picture.name, side_px, greys)
        except ImageError:
            return None

    return _previews.get((picture.id, greys, side_px), make)


def read_greys(settings: Settings, run_id: str) -> GreyRanges:
    """The grey range with which a run reads pictures."""
    run = Run(settings.runs_dir / run_id)
    try:
        kept = read_json(run.checkpoints / f"{BEST}.json")
        return read_preprocessing(run.config(), kept.get("preprocessing")).greys
    except (OSError, ValueError, AttributeError, RunError):
        return OWN_RANGES
