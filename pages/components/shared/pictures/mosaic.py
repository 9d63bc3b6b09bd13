"""The mosaic of a collection: a row of pictures for each class, the newest first, and who added them."""

import html
from collections import Counter

import streamlit as st

from core.collection.collection import CollectedClass, CollectionView
from core.collection.collection_store import CollectionStore
from core.formatting import format_count
from core.settings import Settings
from pages.components.shared.snapshots.shared_cache import SharedCache
from pages.server.collect_page import address_of, nickname_of

MOSAIC_SECONDS = 1.0
MOST_TILES, LEAST_TILES = 200, 12  # of all classes together, of each
MOST_NAMES = 8

# one for all sessions, however many watch
_current: SharedCache[Settings, CollectionView | None] = SharedCache(MOSAIC_SECONDS, max_entries=8)
_drawn: SharedCache[tuple[Settings, str], str] = SharedCache(MOSAIC_SECONDS, max_entries=8)


def current_collection(settings: Settings) -> CollectionView | None:
    """The collection that phones add to, about a second old at most; None while there is none."""
    return _current.get(settings, lambda: CollectionStore(settings).current())


def forget_collections() -> None:
    """Read every collection again, after this session changed one."""
    _current.forget()
    _drawn.forget()


def show_mosaic(settings: Settings, view: CollectionView) -> None:
    """Draw the pictures of all classes."""
    st.html(_drawn.get((settings, view.id), lambda: draw_mosaic(settings, view)))


def describe_people(view: CollectionView) -> str:
    """How many pictures by how many people."""
    if not view.pictures:
        return "No photos yet"
    people = len(view.people)
    return f"{format_count(len(view.pictures), 'picture')} by {people} {'person' if people == 1 else 'people'}"


def draw_mosaic(settings: Settings, view: CollectionView) -> str:
    """The mosaic as HTML."""
    shown = view.collection.shown
    names = {owner: nickname_of(settings, owner) for owner in view.people}
    tiles = max(LEAST_TILES, MOST_TILES // max(1, len(shown)))
    rows = "".join(_draw_class(view, item, names, tiles) for item in shown)
    return f'<div class="mosaic">{rows}</div>'


def _draw_class(view: CollectionView, item: CollectedClass, names: dict[str, str], tiles: int) -> str:
    pictures = view.by_class[item.id]
    counts = Counter(names[picture.owner] for picture in pictures).most_common()
    people = ", ".join(f"{html.escape(name)} {count:,}" for name, count in counts[:MOST_NAMES])
    more = f" and {len(counts) - MOST_NAMES} more" if len(counts) > MOST_NAMES else ""
    images = "".join(
        f'<img src="{address_of(view.id, picture)}" alt="" title="by {html.escape(names[picture.owner])}">'
        for picture in reversed(pictures[-tiles:])
    )
    off = " · switched off" if item.off else ""
    return (
        f'<section class="mosaic-class"><div class="mosaic-head"><b>{html.escape(item.name)}</b> '
        f"<span>{len(pictures):,}{off}</span> <small>{people}{more}</small></div>"
        f'<div class="mosaic-tiles">{images}</div></section>'
    )
