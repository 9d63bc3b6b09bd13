"""The page itself: markup, style, scripts, facts and numbers put together into one file, and read back from it."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from typing import Any

import numpy as np

from core.export.phone.layers import Layer, LayerList
from core.export.phone.packed_weights import pack, unpack
from core.novelty.distances import unit
from core.novelty.nearest_mean import NearestMean
from models.entry import Preprocessing

SCRIPTS = ("engine.js", "pictures.js", "not_sure.js", "page.js")
PLACE = re.compile(r"@@([a-z]+)@@")
LARGEST = 127  # of 8 bits
DATA = re.compile(r'<script type="[a-z/]+" id="([a-z-]+)">(.*?)</script>', re.DOTALL)


def put_together(
    title: str,
    listed: LayerList,
    spec: Preprocessing,
    about: Mapping[str, Any],
    known: NearestMean | None = None,
    *,
    web: str = "core.export.phone",
) -> str:
    """The text of the page.

    Args:
        title: of the window.
        about: what else `web/page.js` shows.
        known: what known pictures look like; None where no picture shall be called strange.
        web: the package whose folder `web` holds the parts.
    """
    folder = resources.files(web) / "web"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)
    assert "</" not in style
    assert "</script" not in script
    facts = {
        **about,
        "known": None if known is None else _describe_known(known),
        "preprocessing": {
            "resize_px": spec.resize_px,
            "crop_px": spec.crop_px,
            "interpolation": spec.interpolation,
            "fit": spec.fit,
            "mean": spec.mean,
        },
        "network": {
            "size": listed.size_px,
            "head": listed.head,
            "mean": spec.mean,
            "std": spec.std,
            "multiplications": listed.multiplications,
            "layers": [asdict(layer) for layer in listed.layers],
        },
    }
    parts = {
        "policy": content_policy(style, script),
        "title": html.escape(title),
        "style": style,
        "script": script,
        "facts": _as_data(facts),
        "numbers": pack(listed.layers, listed.weights, listed.biases),
    }
    markup = (folder / "page.html").read_text(encoding="utf-8")
    return PLACE.sub(lambda found: parts[found.group(1)], markup)  # in one go: no part is searched for places


def content_policy(style: str, script: str) -> str:
    """What the page may do: run its own script, show pictures that it holds or was given, and connect to nothing."""
    rules = {
        "default-src": "'none'",
        "connect-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "blob: data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def read_back(text: str) -> tuple[LayerList, Preprocessing]:
    """The network and its preprocessing as a finished page holds them."""
    data = dict(DATA.findall(text))
    facts = json.loads(data["page-facts"])
    network, steps = facts["network"], facts["preprocessing"]
    layers = tuple(Layer(**{key: _tuples(value) for key, value in layer.items()}) for layer in network["layers"])
    weights, biases = unpack(data["numbers"], layers)
    listed = LayerList(network["size"], network["head"], layers, weights, biases, network["multiplications"])
    spec = Preprocessing(
        steps["resize_px"],
        steps["crop_px"],
        tuple(network["mean"]),
        tuple(network["std"]),
        steps["interpolation"],
        steps["fit"],
    )
    return listed, spec


def read_known(text: str) -> NearestMean | None:
    """What known pictures look like, as a finished page holds it; None where it calls no picture strange."""
    known = json.loads(dict(DATA.findall(text))["page-facts"])["known"]
    if known is None:
        return None
    means, scores = (
        np.frombuffer(base64.b64decode(known[name]), kind) for name, kind in (("means", "i1"), ("scores", "<f4"))
    )
    directions = unit(means.reshape(-1, known["width"]).astype(np.float32))
    return NearestMean(known["promise"], directions, scores, np.array(known["least"]))


def count_bytes(known: NearestMean) -> int:
    """What known pictures add to a page."""
    return len(_as_data(_describe_known(known)))


def _describe_known(known: NearestMean) -> dict[str, Any]:
    """As `web/not_sure.js` reads it: directions of class means in 8 bits, distances in 32."""
    largest = np.maximum(np.abs(known.means).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return {
        "promise": known.promise,
        "width": known.means.shape[1],
        "means": base64.b64encode(np.rint(known.means / largest * LARGEST).astype("i1").tobytes()).decode("ascii"),
        "scores": base64.b64encode(known.scores.astype("<f4").tobytes()).decode("ascii"),
        "least": known.least.tolist(),
    }


def _as_data(value: Any) -> str:
    """JSON that ends no script: ASCII, and without a less-than sign."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
