"""Classify pictures: python predict.py PICTURE...   (needs ai-edge-litert, numpy, pillow)"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

HERE = Path(__file__).parent
CLASSES = [line.split(" ", 1)[1] for line in (HERE / "labels.txt").read_text(encoding="utf-8").splitlines()]
HOW, FIT, MEAN = Image.Resampling["{{ interpolation | upper }}"], "{{ fit }}", "{{ mean | join(' ') }}"
SIZE = 224
MODEL = Interpreter(str(HERE / "{{ model }}"))
MODEL.allocate_tensors()
(INPUT,), (OUTPUT,) = MODEL.get_input_details(), MODEL.get_output_details()


def read_picture(path):
    """(224, 224, 3) uint8: upright, RGB, square."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    width, height = image.size
    if FIT == "squeeze":
        image = image.resize((SIZE, SIZE), HOW)
    elif FIT == "pad":  # with the mean colour, on which the whole picture lies
        scale = SIZE / max(width, height)
        small = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), HOW)
        image = Image.new("RGB", (SIZE, SIZE), tuple(round(255 * float(mean)) for mean in MEAN.split()))
        image.paste(small, ((SIZE - small.width) // 2, (SIZE - small.height) // 2))
    else:
        short = min(width, height)
        image = image.resize((int(SIZE * width / short), int(SIZE * height / short)), HOW)
        left, top = (round((side - SIZE) / 2) for side in image.size)
        image = image.crop((left, top, left + SIZE, top + SIZE))
    return np.asarray(image)


def predict(pixels):
    """(classes,) that sum to 1."""
    whole = INPUT["dtype"] == np.uint8
    MODEL.set_tensor(INPUT["index"], pixels[None] if whole else pixels[None].astype(np.float32) / 127.5 - 1)
    MODEL.invoke()
    (answer,) = MODEL.get_tensor(OUTPUT["index"])
    scale, zero = OUTPUT["quantization"]
    return (answer.astype(np.float32) - zero) * scale if scale else answer


if __name__ == "__main__":
    for name in sys.argv[1:]:
        answer = predict(read_picture(name))
        best = int(answer.argmax())
        print(f"{name}: {CLASSES[best]} ({100 * float(answer[best]):.1f} %)")
