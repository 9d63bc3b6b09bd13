"""Classify pictures: python predict.py PICTURE...   (needs torch, torchvision, pillow, safetensors, numpy)"""

import json
import logging
import runpy
import sys
from pathlib import Path

import torch
import torchvision
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchvision.transforms.v2 import functional as F

logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # it misses triton, which nothing here needs
HERE = Path(__file__).parent
describe = runpy.run_path(str(HERE / "not_sure.py"))["describe"]
ABOUT = json.loads((HERE / "config.json").read_text(encoding="utf-8"))


def load_network():
    """Takes (B, 3, S, S) in [0, 1], gives (B, classes) that sum to 1, and (B, F), what the last layer reads."""
    if not ABOUT["torchvision"]:  # the network is not in torchvision: the exported program holds it
        return torch.export.load(HERE / "model.pt2").module()
    network = torchvision.models.get_model(ABOUT["architecture"], num_classes=ABOUT["neurons"]).eval()
    network.load_state_dict(load_file(HERE / "model.safetensors"))
    seen = {}
    last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
    last.register_forward_pre_hook(lambda _, inputs: seen.update(features=inputs[0]))

    def predict(pixels):
        logits = network(F.normalize(pixels, ABOUT["mean"], ABOUT["std"]))
        if ABOUT["head"] == "softmax":
            return logits.softmax(dim=1), seen["features"]
        return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=1), seen["features"]

    return predict


def read_picture(path):
    """(1, 3, S, S) in [0, 1]: upright, RGB, resized, the middle cut out."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode[0] in "IF":
        raise ValueError("it is grey of more than 8 bits, which only the app reads: save it with 8 bits")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    pixels, size = F.pil_to_tensor(image.convert("RGB")), ABOUT["image_size"]
    how = F.InterpolationMode(ABOUT["interpolation"])
    if ABOUT["fit"] == "squeeze":
        pixels = F.resize(pixels, [size, size], how, antialias=True)
    elif ABOUT["fit"] == "pad":  # with the mean colour, on which the whole picture lies
        sides = [max(1, round(side * size / max(pixels.shape[1:]))) for side in pixels.shape[1:]]
        small = F.resize(pixels, sides, how, antialias=True)
        mean = torch.tensor(ABOUT["mean"]).mul(255).round().to(torch.uint8)
        pixels = mean.view(3, 1, 1).repeat(1, size, size)
        top, left = ((size - side) // 2 for side in small.shape[1:])
        pixels[:, top : top + small.shape[1], left : left + small.shape[2]] = small
    else:
        pixels = F.center_crop(F.resize(pixels, [ABOUT["resize"]], how, antialias=True), [size, size])
    return pixels[None] / 255


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    network = load_network()
    for name in sys.argv[1:]:
        try:
            with torch.inference_mode():
                probabilities, features = network(read_picture(name))
        except Exception as error:  # Pillow raises many kinds
            print(f"{name} cannot be read as a picture: {error}")
        else:
            print(f"{name}: {describe(ABOUT['classes'], features[0].numpy(), probabilities[0].double().numpy())}")
