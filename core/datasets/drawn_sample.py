"""The built-in sample: drawn cats and dogs, made by the program in seconds, with no download."""

from collections.abc import Iterator
from io import BytesIO

SAMPLE_TITLE = "Drawn cats and dogs"
SAMPLE_NOTE = (
    "These pictures are drawn by the program, not photographed: they show how training works, and results on them say "
    "nothing about photographs."
)
JPEG_QUALITY = 90


def draw_sample(count_per_class: int = 120, seed: int = 0, size_px: int = 160) -> Iterator[tuple[str, bytes]]:
    """Draw the sample: (name, JPEG bytes), class folder in the name; the same seed gives the same pictures."""
    from core.datasets.drawn_animals import draw_image  # numpy and Pillow: not for pages that only want the note

    for number in range(1, count_per_class + 1):
        for kind in ("cat", "dog"):
            buffer = BytesIO()
            draw_image(kind, seed * 1_000_003 + number, size_px).save(buffer, "JPEG", quality=JPEG_QUALITY)
            yield f"{kind}/{kind}_{number:04d}.jpg", buffer.getvalue()
