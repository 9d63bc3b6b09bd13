"""Pictures in a grid: one block of HTML with embedded thumbnails (faster than one element per picture)."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from core.datasets.pictures.picture_formats import UPLOAD_SUFFIXES
from core.formatting import bind_percent
from core.palette import RIGHT_COLOUR, WRONG_COLOUR

MARKS = {
    "right": ("✓", RIGHT_COLOUR, "right"),
    "wrong": ("✗", WRONG_COLOUR, "wrong"),
    "waiting": ("…", "#7F7F7F", "no answer yet"),
}
NO_IMAGE = "data:,"
IMAGE_TYPES = [suffix.removeprefix(".") for suffix in UPLOAD_SUFFIXES]  # endings of uploads
UPLOAD_MB = 64  # of one picture


@dataclass(frozen=True)
class Tile:
    """One picture: its thumbnail, a line below it, and whether it was predicted right."""

    thumbnail: Path | bytes
    caption: str
    mark: Literal["right", "wrong", "waiting"] | None = None
    detail: str = ""  # second, smaller line


@dataclass(frozen=True)
class Tiles:
    """A grid that is made once and drawn often. Streamlit would search a plain text for indentation first, which takes
    a millisecond for ten thumbnails."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def show_tiles(tiles: Sequence[Tile] | Tiles, width_px: int = 112) -> None:
    """Draw pictures in a grid that wraps to the screen. All texts are escaped."""
    st.html(tiles if isinstance(tiles, Tiles) else arrange(tiles, width_px))


def arrange(tiles: Sequence[Tile], width_px: int = 112) -> Tiles:
    """The grid of `show_tiles`, to be drawn more than once."""
    cells = "".join(_cell(tile) for tile in tiles)
    return Tiles(
        f'<div style="display:grid;gap:10px;grid-template-columns:repeat(auto-fill,minmax({width_px}px,1fr))">'
        f"{cells}</div>"
    )


def _cell(tile: Tile) -> str:
    caption, detail = html.escape(bind_percent(tile.caption)), html.escape(tile.detail)
    border, badge, spoken = "1px solid rgba(127,127,127,.35)", "", ""
    if tile.mark is not None:
        sign, colour, word = MARKS[tile.mark]
        style = "solid" if tile.mark == "right" else "dashed"
        border = f"3px {style} {colour}"
        spoken = f", {word}"
        badge = f'<span style="color:{colour};font-weight:700">{sign}</span> '
    second = f'<div style="font-size:.75rem;opacity:.75;overflow-wrap:anywhere">{detail}</div>' if detail else ""
    return (
        '<figure style="margin:0">'
        f'<img alt="{caption}{spoken}" src="{data_uri(tile.thumbnail)}" loading="lazy" '
        f'style="width:100%;aspect-ratio:1;object-fit:cover;border-radius:8px;border:{border};box-sizing:border-box">'
        f'<figcaption style="font-size:.85rem;line-height:1.25;overflow-wrap:anywhere">{badge}{caption}{second}'
        "</figcaption></figure>"
    )


def data_uri(picture: Path | bytes) -> str:
    """A JPEG or PNG as an address that needs no request; empty where the file is gone."""
    if isinstance(picture, Path):
        return _file_uri(str(picture))
    return _encode(picture)


@st.cache_data(max_entries=4000, show_spinner=False)
def _file_uri(path: str) -> str:
    try:
        return _encode(Path(path).read_bytes())
    except OSError:
        return NO_IMAGE


def _encode(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
