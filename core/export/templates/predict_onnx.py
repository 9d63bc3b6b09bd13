"""Classify pictures: python predict.py PICTURE...   (needs onnxruntime, numpy, pillow)"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

MODEL = Path(__file__).parent / "model.onnx"
describe = runpy.run_path(str(MODEL.with_name("not_sure.py")))["describe"]
SESSION = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
ABOUT = SESSION.get_modelmeta().custom_metadata_map
CLASSES = json.loads(ABOUT["classes"])
SIZE, RESIZE = int(ABOUT["image_size"]), int(ABOUT["resize"])
HOW = Image.Resampling[ABOUT["interpolation"].upper()]


def read_picture(path):
    """(1, 3, S, S) float32 in [0, 1]: upright, RGB, resized, the middle cut out."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode[0] in "IF":
        raise ValueError("it is grey of more than 8 bits, which only the app reads: save it with 8 bits")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    width, height = image.size
    if ABOUT["fit"] == "squeeze":
        image = image.resize((SIZE, SIZE), HOW)
    elif ABOUT["fit"] == "pad":  # with the mean colour, on which the whole picture lies
        scale = SIZE / max(width, height)
        small = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), HOW)
        image = Image.new("RGB", (SIZE, SIZE), tuple(round(255 * mean) for mean in json.loads(ABOUT["mean"])))
        image.paste(small, ((SIZE - small.width) // 2, (SIZE - small.height) // 2))
    else:
        short = min(width, height)
        image = image.resize((int(RESIZE * width / short), int(RESIZE * height / short)), HOW)
        left, top = (round((side - SIZE) / 2) for side in image.size)
        image = image.crop((left, top, left + SIZE, top + SIZE))
    return np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None] / 255


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        try:
            probabilities, features = SESSION.run(["probabilities", "features"], {"pixels": read_picture(name)})
        except Exception as error:  # Pillow raises many kinds
            print(f"{name} cannot be read as a picture: {error}")
        else:
            print(f"{name}: {describe(CLASSES, features[0], probabilities[0].astype(np.float64))}")
