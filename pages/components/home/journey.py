"""The picture of what will happen: photos, two networks, their training, the same test pictures for both."""

import base64
from functools import lru_cache

import streamlit as st

from core.config.arm_names import SCRATCH, TRANSFER
from core.palette import CLASS_COLOURS, STRATEGY_STYLES

SCRATCH_COLOUR, TRANSFER_COLOUR = STRATEGY_STYLES["scratch"].colour, STRATEGY_STYLES["head"].colour
HEIGHT_PX = 158
GREY = "#7F7F7F"  # seen on the light and on the dark background
PAPER = "#F2F6F8"
PANELS = (0, 170, 340, 510)  # where each begins; 130 wide, 130 high
ALT = (
    f"Labelled photos lead to two networks: {SCRATCH} starts with random weights, {TRANSFER} with pretrained ones. "
    "Both are trained on the same photos; two curves rise. At the end both classify the same test pictures, and two "
    "bars with intervals show how many are right."
)
STEPS = (
    "Photos with labels",
    f'<b style="border-bottom:3px solid {SCRATCH_COLOUR}">{SCRATCH}</b>: random weights<br>'
    f'<b style="border-bottom:3px dashed {TRANSFER_COLOUR}">{TRANSFER}</b>: pretrained',
    "Training, live",
    "Same test pictures: which is better?",
)


def show_journey() -> None:
    """Draw the picture, with a few words below each part; it fits 390 px."""
    labels = "".join(f"<div>{step}</div>" for step in STEPS)
    with st.container(height=HEIGHT_PX, border=False):  # at once, so that nothing moves when the picture arrives
        st.html(
            f'<div style="max-width:540px;margin:auto"><img alt="{ALT}" '
            f'src="data:image/svg+xml;base64,{_encode()}" style="width:100%;aspect-ratio:640/134;display:block">'
            '<div style="display:grid;grid-template-columns:13fr 21fr 14fr 16fr;font-size:.8rem;line-height:1.3;'
            f'margin-top:6px;text-align:center">{labels}</div></div>'
        )


@lru_cache
def _encode() -> str:
    return base64.b64encode(draw_journey().encode()).decode()


def draw_journey() -> str:
    """The picture as SVG."""
    arrows = "".join(
        f'<path d="M{x - 33} 67h22m-8 -7l8 7l-8 7" fill="none" stroke="{GREY}" stroke-width="4"/>' for x in PANELS[1:]
    )
    photos, networks, curves, result = (
        f'<g transform="translate({x} 2)">{part}</g>'
        for x, part in zip(PANELS, (_photos(), _networks(), _curves(), _result()), strict=True)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 134" stroke-linejoin="round" '
        f'stroke-linecap="round">{photos}{networks}{curves}{result}{arrows}</svg>'
    )


def _photos() -> str:
    """Two photographs in frames of the colours of their classes: a cat and a dog."""
    face = '<circle cx="-11" cy="-3" r="4"/><circle cx="11" cy="-3" r="4"/><path d="M-5 8h10l-5 6z"/>'
    cat = f'<path d="M-28 -34l17 12h22l17 -12v36a28 26 0 0 1 -56 0z" fill="{CLASS_COLOURS[0]}"/>'
    dog = (
        f'<ellipse rx="26" ry="28" fill="{CLASS_COLOURS[2]}"/>'
        f'<path d="M-20 -24q-22 2 -18 40q12 2 14 -16zM20 -24q22 2 18 40q-12 2 -14 -16z" fill="{CLASS_COLOURS[5]}"/>'
    )
    return "".join(
        f'<g transform="translate({x} {y}) rotate({turn})"><rect x="-38" y="-38" width="76" height="76" rx="8" '
        f'fill="{PAPER}" stroke="{colour}" stroke-width="4"/><g transform="scale(.86)" fill="#1B2A33">'
        f"{animal}{face}</g></g>"
        for x, y, turn, colour, animal in (
            (42, 42, -6, CLASS_COLOURS[0], cat),
            (88, 88, 5, CLASS_COLOURS[2], dog),
        )
    )


def _networks() -> str:
    """Layers as bars: empty ones are random, filled ones pretrained."""
    parts = []
    for y, colour, filled in ((33, SCRATCH_COLOUR, 0), (97, TRANSFER_COLOUR, 4)):
        for place, height in enumerate((54, 44, 34, 26, 18)):
            fill = colour if place < filled else PAPER
            parts.append(
                f'<rect x="{8 + 24 * place}" y="{y - height / 2}" width="16" height="{height}" rx="4" fill="{fill}" '
                f'stroke="{colour}" stroke-width="4"/>'
            )
    return "".join(parts)


def _curves() -> str:
    """Two curves that rise and cross: which one ends higher is what the race shows."""
    return (
        f'<path d="M8 6v118h118" fill="none" stroke="{GREY}" stroke-width="4"/>'
        f'<path d="M12 112C44 104 62 40 122 26" fill="none" stroke="{SCRATCH_COLOUR}" stroke-width="6"/>'
        f'<path d="M12 74C36 48 70 40 122 38" fill="none" stroke="{TRANSFER_COLOUR}" stroke-width="6" '
        'stroke-dasharray="9 9"/>'
    )


def _result() -> str:
    """Two bars with intervals that overlap."""
    bars = "".join(
        f'<rect x="6" y="{y}" width="{width}" height="30" rx="5" fill="{colour}"/>'
        f'<path d="M{6 + width - 20} {y + 15}h40m0 -8v16m-40 -16v16" stroke="{GREY}" stroke-width="4" fill="none"/>'
        for y, width, colour in ((24, 84, SCRATCH_COLOUR), (76, 92, TRANSFER_COLOUR))
    )
    return f'{bars}<path d="M4 8v114" stroke="{GREY}" stroke-width="4"/>'
