"""The hard pictures of a race: those that no run gets right, and those that only one arm gets right with every seed."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.settings import Settings
from core.statistics.difficulty import Difficulty
from pages.components.compare import picture_grid, prediction_cache
from pages.components.shared import frame
from pages.components.shared.runs_snapshot import look_at

Arms = Sequence[tuple[str, Sequence[str]]]  # name, and the ids of its evaluated runs


@st.fragment
def show_hard_pictures(settings: Settings, arms: Arms) -> None:
    """A choice of group, and its pictures; each of the arms has at least one evaluated run."""
    st.subheader("Hard pictures")
    with frame.explained():
        found = prediction_cache.find_difficulty(settings, arms)
        options = {"wrong": f"No run is right ({len(found.always_wrong):,})"}
        for place, name in enumerate(found.arms):
            options[f"only-{place}"] = (
                f"Only {prediction_cache.shorten(name, 40)} always right ({len(found.only(place)):,})"
            )
        identity = "-".join(run_ids[0] for _, run_ids in arms)
        chosen = st.pills(
            "Which pictures",
            list(options),
            default="wrong" if len(found.always_wrong) else _first_with_images(found),
            required=True,
            format_func=lambda name: frame.plain(options[name]),
            help="Always right: in every run of the arm, with any seed.",
            key=f"hard-{identity}",
            persist_state="page",
        )
        if chosen is None or chosen == "wrong":
            places = found.always_wrong
            every = "Both" if found.answers.models == 2 else f"All {found.answers.models}"
            if len(places):
                st.caption(
                    f"{every} runs are wrong here. Check the first pictures: where most runs agree on another class, "
                    "the label may be wrong, or the picture shows two things."
                )
        else:
            arm = int(chosen.partition("-")[2])
            places = found.only(arm)
            runs = {1: "its one run", 2: "both runs"}.get(found.seeds[arm], f"all {found.seeds[arm]} runs")
            st.caption(f"{frame.plain(found.arms[arm])} gets these right in {runs}; no other arm always does.")
        picture_grid.show_grid(
            settings,
            picture_grid.Grid(
                key=f"hard-{chosen}-{identity}",
                answers=found.answers,
                names=model_names(settings, arms),
                dataset=prediction_cache.dataset_of(settings, look_at(settings, arms[0][1][0])),
                lines=lambda place: describe(found, place),
                columns=_columns(found),
                first=picture_grid.AS_GIVEN,
                given="Most agreed wrong answer first" if chosen == "wrong" else "Hardest for the others first",
            ),
            places,
            f"tunemypets-hard-pictures-{chosen}.csv",
        )


def _first_with_images(found: Difficulty) -> str:
    return next((f"only-{place}" for place in range(len(found.arms)) if len(found.only(place))), "wrong")


def describe(found: Difficulty, place: int) -> list[str]:
    """The lines of a tile: how many runs of each arm are right, and the most frequent answer where none is."""
    right = found.right[:, place]
    lines = []
    for arm, name in enumerate(found.arms):
        mark = picture_grid.RIGHT if right[arm] == found.seeds[arm] else picture_grid.WRONG
        lines.append(f"{mark} {right[arm]} of {found.seeds[arm]} {name}")
    if not right.any():
        label, times = found.common_answer(place)
        lines.append(f"{times} of {found.answers.models}: {found.answers.classes[label]}")
    return lines


def model_names(settings: Settings, arms: Arms) -> list[str]:
    """A name for each run: its arm, and its seed where there are several."""
    return [
        f"{name}, seed {look_at(settings, run_id).config.seed}" if len(run_ids) > 1 else name
        for name, run_ids in arms
        for run_id in run_ids
    ]


def _columns(found: Difficulty) -> dict[str, picture_grid.Column]:
    def of_arm(arm: int) -> picture_grid.Column:
        return lambda places: found.right[arm, places].tolist()

    def common(places: NDArray[np.int64]) -> list[object]:
        return [found.answers.classes[found.common_answer(int(place))[0]] for place in places]

    columns = {f"right of {found.seeds[arm]}, {name}": of_arm(arm) for arm, name in enumerate(found.arms)}
    return {**columns, "most trainings say": common}
