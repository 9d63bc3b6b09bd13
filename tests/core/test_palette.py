"""Colours that can be seen and distinguished."""

import itertools

import pytest

from core.config.strategies import STRATEGIES
from core.palette import CLASS_COLOURS, RIGHT_COLOUR, STRATEGY_STYLES, WRONG_COLOUR, style_arms

LIGHT, DARK = "#FFFFFF", "#10181D"  # backgrounds in .streamlit/config.toml
DRAWN = [style.colour for style in STRATEGY_STYLES.values()]


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("background", [LIGHT, DARK])
@pytest.mark.parametrize("colour", [*DRAWN, *CLASS_COLOURS, RIGHT_COLOUR, WRONG_COLOUR])
def test_every_colour_is_seen_on_both_backgrounds(colour, background):
    low, high = sorted((luminance(colour), luminance(background)))

    assert (high + 0.05) / (low + 0.05) >= 3


def test_every_strategy_has_a_style_of_its_own():
    assert set(STRATEGY_STYLES) == set(STRATEGIES)
    assert len(set(DRAWN)) == len(DRAWN)
    assert not set(DRAWN) & {*CLASS_COLOURS, RIGHT_COLOUR, WRONG_COLOUR}


def test_two_networks_with_one_strategy_share_its_colour_and_differ_in_marker_and_line():
    styles = style_arms(["head", "scratch", "head"])

    assert styles[0].colour == styles[2].colour == STRATEGY_STYLES["head"].colour
    assert styles[0].symbol != styles[2].symbol
    assert styles[0].line != styles[2].line


def test_styles_differ_whatever_is_compared():
    for strategies in itertools.product(STRATEGIES, repeat=3):
        assert len(set(style_arms(strategies))) == 3
