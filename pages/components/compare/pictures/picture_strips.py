"""Strips of pictures below a verdict: what only one network gets right, and what none does. A tap opens a picture."""

from collections.abc import Sequence

import streamlit as st

from core.settings import Settings
from core.statistics.difficulty import Difficulty
from pages.components.compare.pictures import picture_dialog, picture_grid, prediction_cache
from pages.components.compare.pictures.picture_groups import Arms, Group, grid_of, group_pictures
from pages.components.shared import frame
from pages.server import thumbnail_files

PER_STRIP = 10
TILE_PX = 84
HEIGHT_PX = 106  # reserved, so that nothing moves when the pictures come
MAX_NAME = 14  # characters of a class


@st.fragment
def show_strips(settings: Settings, arms: Arms, ranking: Sequence[str]) -> None:
    """Draw at most three strips.

    Args:
        ranking: names of the arms, the most accurate first.
    """
    with frame.explained():
        found = prediction_cache.find_difficulty(settings, arms)
        grid = grid_of(settings, arms, found, "first-" + "-".join(run_ids[0] for _, run_ids in arms))
        if grid.dataset is None:
            return
        with st.container(gap="xsmall", key="strips"):
            for group in choose_strips(found, ranking):
                _show_strip(settings, grid, group)


def choose_strips(found: Difficulty, ranking: Sequence[str]) -> list[Group]:
    """What only the best, what only the last, and what no arm gets right; of one network the wrong and the right."""
    groups = {group.key: group for group in group_pictures(found)}
    if len(found.arms) == 1:
        return list(groups.values())
    best, last = (found.arms.index(ranking[place]) for place in (0, -1))
    return [groups[f"only-{best}"], groups[f"only-{last}"], groups["none"]]


def _show_strip(settings: Settings, grid: picture_grid.Grid, group: Group) -> None:
    count, n = len(group.places), grid.answers.n
    st.markdown(f"**{frame.plain(group.title)}** :small[{count:,} of {n:,}]")
    if not count:
        return
    key = f"{grid.key}-{group.key}"
    with st.container(horizontal=True, gap="xsmall", height=HEIGHT_PX, border=False, key=f"compared-{group.key}"):
        for place in group.places[:PER_STRIP]:
            if st.button(_label(grid, int(place)), key=f"{key}-at-{place}", width=TILE_PX):
                assert grid.dataset is not None
                picture_dialog.open_image(
                    settings, grid.answers, grid.names, grid.dataset, group.places, int(place), key
                )
        for _ in range(count, PER_STRIP):  # or pictures of other runs would stay in these places until the end
            st.empty()


def _label(grid: picture_grid.Grid, place: int) -> str:
    """The thumbnail with the true class in a line below it."""
    assert grid.dataset is not None
    row = grid.dataset.rows[int(grid.answers.indices[place])]
    name = frame.plain(prediction_cache.shorten(grid.answers.classes[int(grid.answers.labels[place])], MAX_NAME))
    address = thumbnail_files.address_of(grid.dataset, row)
    return f"![{name}]({address}) {name}" if address else f":material/photo_library: {name}"
