"""The numbers of a network as text in a page: deflated, in base64, most of them in 16 bits.

Each filter has its own scale, a float32, by which its weights become whole numbers of 16 bits: several times nearer to
what they were than as float16. Layers with few weights, where rounding shows most, keep theirs as float32. High bytes
resemble each other and low bytes do not, so each kind is packed by itself. `web/engine.js` reads them.
"""

import base64
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.export.phone.layers import Layer

LEVEL = 9
LARGEST = 32767

Floats = npt.NDArray[np.float32]


def pack(layers: Sequence[Layer], weights: Floats, biases: Floats) -> str:
    """Low bytes of the whole numbers, their high bytes, then float32: of each layer scales or weights, and biases."""
    whole: list[npt.NDArray[np.int16]] = []
    floats: list[Floats] = []
    for layer in layers:
        if not layer.numbers:
            continue
        own = weights[layer.weights : layer.weights + layer.numbers]
        if layer.exact:
            floats.append(own)
        else:
            filters = own.reshape(layer.shape[2], -1)
            scales = (np.abs(filters).max(axis=1) / LARGEST).astype(np.float32)
            steps = np.where(scales > 0, scales, 1)[:, None]
            whole.append(np.clip(np.rint(filters / steps), -LARGEST, LARGEST).astype("<i2").ravel())
            floats.append(scales)
        floats.append(biases[layer.biases : layer.biases + layer.shape[2]])
    pairs = np.concatenate([np.empty(0, "<i2"), *whole]).view(np.uint8).reshape(-1, 2)
    raw = pairs[:, 0].tobytes() + pairs[:, 1].tobytes() + np.concatenate(floats).astype("<f4").tobytes()
    return base64.b64encode(zlib.compress(raw, LEVEL)).decode("ascii")


def unpack(text: str, layers: Sequence[Layer]) -> tuple[Floats, Floats]:
    """Weights and biases as a page reads them."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    count = sum(layer.numbers for layer in layers if not layer.exact)
    pairs = np.ascontiguousarray(np.stack([raw[:count], raw[count : 2 * count]], axis=1))
    whole, floats = pairs.view("<i2")[:, 0], raw[2 * count :].copy().view("<f4")
    weights, biases = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for layer in layers:
        if not layer.numbers:
            continue
        filters = layer.shape[2]
        if layer.exact:
            weights.append(floats[: layer.numbers])
            floats = floats[layer.numbers :]
        else:
            own = whole[: layer.numbers].astype(np.float32).reshape(filters, -1)
            weights.append((own * floats[:filters, None]).ravel())
            whole, floats = whole[layer.numbers :], floats[filters:]
        biases.append(floats[:filters])
        floats = floats[filters:]
    return np.concatenate(weights), np.concatenate(biases)
