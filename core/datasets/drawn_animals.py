"""Drawing one cat or dog: scenery, fur, pose and light are drawn alike for both; only anatomy differs.

Ears, muzzle, whiskers and tail set a cat apart from a dog. Colour, background, size, place and light come from the
same random choices for both, so that nothing but the animal gives the class away.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from core.datasets.drawn_scenery import Colour, blend, draw_scenery, draw_thing_in_front, light_up, vary

Kind = Literal["cat", "dog"]
Point = tuple[float, float]

SCALE = 2  # drawn twice as large, then reduced
FURS: tuple[Colour, ...] = (
    (222, 150, 72), (120, 84, 56), (70, 66, 68), (188, 184, 178), (236, 226, 206), (160, 110, 66), (205, 178, 140),
    (96, 92, 100), (146, 128, 112),
)  # fmt: skip


class Animal:
    """The random choices of one animal and the canvas it is drawn on."""

    def __init__(self, kind: Kind, rng: np.random.Generator, size_px: int) -> None:
        self.kind = kind
        self.rng = rng
        self.size = size_px
        self.image = Image.new("RGBA", (size_px, size_px), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.image)
        self.fur = vary(rng, FURS[rng.integers(len(FURS))], 18)
        self.dark = blend(self.fur, (20, 16, 14), rng.uniform(0.35, 0.6))
        self.light = blend(self.fur, (255, 252, 246), rng.uniform(0.45, 0.75))
        self.pattern = str(rng.choice(["plain", "stripes", "patch", "spots"]))
        self.bib = rng.random() < 0.5
        self.line = blend(self.fur, (15, 12, 12), 0.75)

    def oval(self, x: float, y: float, width: float, height: float, fill: Colour, turn: float = 0.0) -> None:
        """An ellipse around (x, y), in shares of the canvas, turned by degrees."""
        self.shape(_oval_points(x, y, width, height, turn), fill)

    def shape(self, points: list[Point], fill: Colour, *, edge: bool = True) -> None:
        """A filled outline in shares of the canvas."""
        scaled = [(x * self.size, y * self.size) for x, y in points]
        self.pen.polygon(scaled, fill=(*fill, 255))
        if edge:
            width = max(1, round(self.size * 0.007))
            self.pen.line([*scaled, scaled[0]], fill=(*self.line, 255), width=width, joint="curve")

    def stroke(self, points: list[Point], fill: Colour, width: float) -> None:
        """A line with round ends."""
        scaled = [(x * self.size, y * self.size) for x, y in points]
        thick = float(max(1, round(width * self.size)))
        self.pen.line(scaled, fill=(*fill, 255), width=int(thick), joint="curve")
        radius = thick / 2
        for x, y in (scaled[0], scaled[-1]):
            self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*fill, 255))


def draw_image(kind: Kind, seed: int, size_px: int = 160) -> Image.Image:
    """Draw a cat or a dog; the same kind, seed and size give the same picture.

    Returns:
        RGB picture of size_px squared.
    """
    rng = np.random.default_rng([seed, 0 if kind == "cat" else 1])
    canvas = size_px * SCALE
    picture = draw_scenery(rng, canvas)
    animal = Animal(kind, rng, canvas)
    pose = str(rng.choice(["face", "sitting", "side"], p=[0.34, 0.36, 0.30]))
    if pose == "face":
        _head(animal, 0.5, 0.52, 0.62)
    elif pose == "sitting":
        _sitting(animal)
    else:
        _side(animal)
    figure = animal.image
    if rng.random() < 0.5:
        figure = figure.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    figure = figure.rotate(rng.uniform(-14, 14), Image.Resampling.BICUBIC, center=(canvas / 2, canvas * 0.6))
    grown = rng.uniform(0.62, 1.12)
    side = round(canvas * grown)
    figure = figure.resize((side, side), Image.Resampling.BILINEAR)
    room = canvas - side
    left = round(room / 2 + rng.uniform(-0.13, 0.13) * canvas)
    top = round(room / 2 + rng.uniform(-0.10, 0.12) * canvas)
    picture.paste(figure, (left, top), figure)
    if rng.random() < 0.35:
        draw_thing_in_front(picture, rng)
    return light_up(picture, rng, size_px)


def _sitting(animal: Animal) -> None:
    rng = animal.rng
    _tail(animal, 0.66, 0.84)
    animal.oval(0.5, 0.73, 0.40, 0.48, animal.fur)
    _fur_pattern(animal, 0.5, 0.72, 0.32, 0.36)
    if animal.bib:
        animal.oval(0.5, 0.70, 0.19, 0.30, animal.light)
    for x in (0.42, 0.58):
        animal.shape(_box(x, 0.80, 0.09, 0.28), animal.fur)
        animal.oval(x, 0.945, 0.13, 0.07, animal.light if animal.bib else animal.fur)
    _head(animal, 0.5 + rng.uniform(-0.04, 0.04), 0.34, 0.40)


def _side(animal: Animal) -> None:
    rng = animal.rng
    _tail(animal, 0.76, 0.52)
    long_legs = rng.uniform(0.2, 0.3)
    for x in (0.34, 0.44, 0.63, 0.73):
        animal.shape(_box(x, 0.66 + long_legs / 2, 0.075, long_legs), animal.fur if x in (0.44, 0.73) else animal.dark)
        animal.oval(x - 0.015, 0.66 + long_legs, 0.11, 0.055, animal.light if animal.bib else animal.fur)
    animal.oval(0.54, 0.58, 0.54, 0.29, animal.fur, rng.uniform(-6, 6))
    _fur_pattern(animal, 0.54, 0.57, 0.44, 0.20)
    _head(animal, 0.27, 0.38, 0.34)


def _head(animal: Animal, x: float, y: float, size: float) -> None:
    """A head seen from the front; `size` is its width as a share of the canvas."""
    rng = animal.rng
    cat = animal.kind == "cat"
    width, height = (
        size * rng.uniform(0.94, 1.06),
        size * (rng.uniform(0.78, 0.92) if cat else rng.uniform(0.84, 1.02)),
    )
    hanging = not cat and rng.random() < 0.72
    if not hanging:
        _upright_ears(animal, x, y, width, height)
    animal.oval(x, y, width, height, animal.fur)
    if animal.pattern == "patch":
        side = rng.choice([-1, 1])
        animal.shape(
            _oval_points(x + side * width * 0.2, y - height * 0.1, width * 0.36, height * 0.42, 0),
            animal.dark,
            edge=False,
        )
    elif animal.pattern == "stripes":
        for shift in (-0.12, 0.0, 0.12):
            animal.stroke(
                [(x + shift * width, y - height * 0.44), (x + shift * width * 0.6, y - height * 0.24)],
                animal.dark,
                size * 0.03,
            )
    if hanging:
        _hanging_ears(animal, x, y, width, height)
    _eyes(animal, x, y, width, height)
    _muzzle(animal, x, y, width, height)


def _upright_ears(animal: Animal, x: float, y: float, width: float, height: float) -> None:
    rng = animal.rng
    cat = animal.kind == "cat"
    tall = rng.uniform(0.42, 0.62) if cat else rng.uniform(0.42, 0.68)
    lean = rng.uniform(0.0, 0.10) * width
    for side in (-1, 1):
        base, tip = x + side * width * 0.30, (x + side * (width * 0.38 + lean), y - height * (0.34 + tall))
        half = width * (0.17 if cat else 0.13)
        points = [(base - half, y - height * 0.25), tip, (base + half, y - height * 0.25)]
        if not cat:  # a shepherd's ears are rounded at the tip
            points = [
                points[0], (tip[0] - half * 0.45, tip[1] + height * 0.07), tip,
                (tip[0] + half * 0.45, tip[1] + height * 0.07), points[2],
            ]  # fmt: skip
        animal.shape(points, animal.fur)
        inner = [(px * 0.62 + base * 0.38, py * 0.62 + (y - height * 0.33) * 0.38) for px, py in points]
        animal.shape(inner, blend(animal.light, (226, 150, 150), 0.55), edge=False)


def _hanging_ears(animal: Animal, x: float, y: float, width: float, height: float) -> None:
    rng = animal.rng
    long = rng.uniform(0.55, 0.95) * height
    colour = animal.dark if rng.random() < 0.6 else animal.fur
    for side in (-1, 1):
        turn = side * -rng.uniform(8, 26)
        animal.oval(x + side * width * 0.50, y - height * 0.28 + long * 0.42, width * 0.25, long, colour, turn)


def _eyes(animal: Animal, x: float, y: float, width: float, height: float) -> None:
    rng = animal.rng
    cat = animal.kind == "cat"
    iris: Colour = [(196, 182, 60), (104, 160, 84), (92, 140, 190), (112, 74, 40)][rng.integers(4)]
    big = width * rng.uniform(0.15, 0.19)
    slit = cat and rng.random() < 0.6
    for side in (-1, 1):
        ex, ey = x + side * width * 0.21, y - height * 0.07
        animal.oval(ex, ey, big, big * 0.92, iris)
        animal.shape(_oval_points(ex, ey, big * (0.26 if slit else 0.58), big * 0.78, 0), (18, 14, 14), edge=False)
        animal.shape(
            _oval_points(ex - big * 0.14, ey - big * 0.18, big * 0.2, big * 0.2, 0),
            (255, 255, 255),
            edge=False,
        )


def _muzzle(animal: Animal, x: float, y: float, width: float, height: float) -> None:
    rng = animal.rng
    nose_y = y + height * 0.14
    if animal.kind == "cat":
        for side in (-1, 1):
            animal.shape(
                _oval_points(x + side * width * 0.08, y + height * 0.24, width * 0.22, height * 0.19, 0),
                animal.light,
                edge=False,
            )
        nose = blend((222, 120, 128), animal.dark, rng.uniform(0, 0.5))
        animal.shape([(x - width * 0.055, nose_y), (x + width * 0.055, nose_y), (x, nose_y + height * 0.07)], nose)
        mouth_y = nose_y + height * 0.07
        for side in (-1, 1):
            animal.stroke(
                [
                    (x, mouth_y),
                    (x + side * width * 0.03, mouth_y + height * 0.06),
                    (x + side * width * 0.1, mouth_y + height * 0.05),
                ],
                animal.line,
                width * 0.018,
            )
            for droop in (-0.05, 0.02, 0.09):
                animal.stroke(
                    [
                        (x + side * width * 0.13, y + height * 0.23),
                        (x + side * width * 0.62, y + height * (0.20 + 2 * droop)),
                    ],
                    (238, 236, 230),
                    width * 0.010,
                )
        return
    long = rng.uniform(0.42, 0.60) * height
    wide = rng.uniform(0.40, 0.50) * width
    animal.oval(x, y + height * 0.12 + long * 0.40, wide, long, animal.light if rng.random() < 0.7 else animal.fur)
    mouth_y = y + height * 0.12 + long * 0.56
    if rng.random() < 0.55:
        animal.oval(x + width * 0.02, mouth_y + long * 0.24, wide * 0.36, long * 0.5, (232, 112, 122))
    for side in (-1, 1):
        animal.stroke(
            [(x, mouth_y - long * 0.2), (x, mouth_y), (x + side * wide * 0.34, mouth_y - long * 0.02)],
            animal.line,
            width * 0.02,
        )
    animal.oval(x, nose_y + long * 0.05, wide * 0.46, long * 0.30, (34, 28, 28))
    animal.shape(
        _oval_points(x - wide * 0.07, nose_y - long * 0.01, wide * 0.12, long * 0.07, 0),
        (150, 144, 144),
        edge=False,
    )


def _tail(animal: Animal, x: float, y: float) -> None:
    rng = animal.rng
    if animal.kind == "cat":
        reach = rng.uniform(0.12, 0.2)
        bend = rng.uniform(0.6, 1.5)
        points = [
            (
                x + reach * t + 0.05 * math.sin(math.pi * bend * t),
                y - 0.34 * t + 0.05 * math.sin(2 * math.pi * t),
            )
            for t in np.linspace(0, 1, 14)
        ]
        animal.stroke(points, animal.line, 0.062)
        animal.stroke(points, animal.fur, 0.048)
        return
    lift = rng.uniform(0.05, 0.3)
    points = [(x + 0.2 * t, y - lift * t**0.7) for t in np.linspace(0, 1, 8)]
    animal.stroke(points, animal.line, 0.076)
    animal.stroke(points, animal.fur, 0.060)


def _fur_pattern(animal: Animal, x: float, y: float, width: float, height: float) -> None:
    rng = animal.rng
    if animal.pattern == "stripes":
        for shift in np.linspace(-0.4, 0.4, 5):
            centre = x + shift * width
            animal.stroke([(centre, y - height * 0.42), (centre + 0.02, y - height * 0.02)], animal.dark, 0.02)
    elif animal.pattern == "spots":
        for _ in range(6):
            sx, sy = x + rng.uniform(-0.42, 0.42) * width, y + rng.uniform(-0.36, 0.36) * height
            animal.shape(
                _oval_points(sx, sy, rng.uniform(0.03, 0.07), rng.uniform(0.03, 0.06), 0),
                animal.dark,
                edge=False,
            )
    elif animal.pattern == "patch":
        animal.shape(
            _oval_points(x + 0.12 * width, y - 0.1 * height, width * 0.5, height * 0.6, 10),
            animal.dark,
            edge=False,
        )


def _oval_points(x: float, y: float, width: float, height: float, turn: float) -> list[Point]:
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    out = []
    for angle in angles:
        dx, dy = width / 2 * math.cos(angle), height / 2 * math.sin(angle)
        out.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return out


def _box(x: float, y: float, width: float, height: float) -> list[Point]:
    left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
