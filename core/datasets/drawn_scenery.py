"""What surrounds a drawn animal: background, things in front, light. The same choices for every animal."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

GROUNDS: tuple[Colour, ...] = (
    (112, 164, 84), (198, 172, 136), (128, 158, 192), (214, 206, 192), (164, 128, 104), (150, 186, 176),
    (204, 150, 150), (110, 120, 136), (232, 214, 150),
)  # fmt: skip


def draw_scenery(rng: np.random.Generator, canvas: int) -> Image.Image:
    """A background: two fields of colour, a pattern, blobs, or a plain gradient."""
    first, second = (vary(rng, GROUNDS[rng.integers(len(GROUNDS))], 24) for _ in range(2))
    y = np.linspace(0, 1, canvas)[:, np.newaxis, np.newaxis]
    plane = (np.array(first) * (1 - y) + np.array(second) * y) * np.ones((1, canvas, 1))
    picture = Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    style = str(rng.choice(["gradient", "floor", "blobs", "stripes", "grass"]))
    if style == "floor":
        edge = round(canvas * rng.uniform(0.55, 0.8))
        pen.rectangle((0, edge, canvas, canvas), fill=vary(rng, second, 40))
        pen.line((0, edge, canvas, edge), fill=blend(second, (20, 20, 20), 0.4), width=max(1, canvas // 90))
    elif style == "blobs":
        for _ in range(rng.integers(6, 16)):
            x, top, radius = rng.uniform(0, canvas), rng.uniform(0, canvas), rng.uniform(0.04, 0.2) * canvas
            colour = vary(rng, GROUNDS[rng.integers(len(GROUNDS))], 30)
            pen.ellipse((x - radius, top - radius, x + radius, top + radius), fill=colour)
        picture = picture.filter(ImageFilter.GaussianBlur(canvas * rng.uniform(0.005, 0.03)))
    elif style == "stripes":
        step = max(4, round(canvas * rng.uniform(0.05, 0.14)))
        colour = vary(rng, first, 26)
        lean = round(canvas * 0.3)
        for start in range(-canvas, 2 * canvas, 2 * step):
            corners = [(start, 0), (start + step, 0), (start + step + lean, canvas), (start + lean, canvas)]
            pen.polygon(corners, fill=colour)
    elif style == "grass":
        horizon = canvas * rng.uniform(0.5, 0.75)
        for _ in range(260):
            left, foot, tall = rng.uniform(0, canvas), rng.uniform(horizon, canvas), rng.uniform(0.02, 0.09) * canvas
            colour = vary(rng, second, 34)
            end = (left + rng.uniform(-0.4, 0.4) * tall, foot - tall)
            pen.line((left, foot, *end), fill=colour, width=max(1, canvas // 110))
    return picture


def draw_thing_in_front(picture: Image.Image, rng: np.random.Generator) -> None:
    """A ball, a bush or the edge of a box that hides a part."""
    canvas = picture.width
    pen = ImageDraw.Draw(picture)
    colour = vary(rng, GROUNDS[rng.integers(len(GROUNDS))], 40)
    x = canvas * rng.uniform(0.08, 0.92)
    thing = str(rng.choice(["ball", "box", "bush"]))
    if thing == "ball":
        radius = canvas * rng.uniform(0.06, 0.13)
        y = canvas * rng.uniform(0.82, 0.98)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(40, 40, 40), width=2)
    elif thing == "box":
        top = canvas * rng.uniform(0.84, 0.94)
        pen.rectangle((x - 0.3 * canvas, top, x + 0.3 * canvas, canvas), fill=colour, outline=(60, 50, 40), width=2)
    else:
        for _ in range(9):
            bx, by = x + rng.uniform(-0.12, 0.12) * canvas, canvas * rng.uniform(0.86, 1.0)
            radius = canvas * rng.uniform(0.03, 0.07)
            pen.ellipse((bx - radius, by - radius, bx + radius, by + radius), fill=vary(rng, colour, 22))


def light_up(picture: Image.Image, rng: np.random.Generator, size_px: int) -> Image.Image:
    """Light from a side, a colour cast, a vignette, blur and noise; reduced to the final size."""
    picture = picture.resize((size_px, size_px), Image.Resampling.BOX)
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1)))
    values = np.asarray(picture, dtype=np.float64)
    grid = np.linspace(-1, 1, size_px)
    angle, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.3)
    light = 1 + depth * (math.cos(angle) * grid[np.newaxis, :] + math.sin(angle) * grid[:, np.newaxis])
    light -= rng.uniform(0, 0.25) * (grid[np.newaxis, :] ** 2 + grid[:, np.newaxis] ** 2) / 2
    values = values * light[:, :, np.newaxis] * rng.uniform(0.62, 1.18) * rng.uniform(0.9, 1.1, 3)
    values += rng.normal(0, rng.uniform(1, 9), values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def blend(first: Colour, second: Colour, share: float) -> Colour:
    mixed = [round(a * (1 - share) + b * share) for a, b in zip(first, second, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def vary(rng: np.random.Generator, colour: Colour, spread: int) -> Colour:
    moved = [min(255, max(0, value + int(rng.integers(-spread, spread + 1)))) for value in colour]
    return (moved[0], moved[1], moved[2])
