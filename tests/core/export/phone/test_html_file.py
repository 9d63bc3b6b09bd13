"""The page as a file: what went in comes out, and no name becomes markup."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from core.export.phone.html_file import count_bytes, put_together, read_back, read_known
from core.export.phone.layers import LayerList, lower_network
from core.novelty.nearest_mean import NearestMean
from models.catalog import ScratchOptions
from models.entry import Preprocessing
from models.network import build
from tests.core.novelty.test_novelty import make_novelty

NASTY = "</script><img src=x onerror=alert(1)> @@script@@ 🐈 \u2028 &amp; \"'"
SPEC = Preprocessing(40, 32, interpolation="bicubic")


@pytest.fixture(scope="module")
def listed() -> LayerList:
    return lower_network(build("scratch_cnn", 2, options=ScratchOptions((4, 8), image_size=32)), "It", 32)


def test_a_network_is_read_back_as_it_was_written(listed: LayerList) -> None:
    found, spec = read_back(put_together("a", listed, SPEC, {}))
    assert (found.layers, found.size_px, found.head) == (listed.layers, listed.size_px, listed.head)
    assert np.allclose(found.weights, listed.weights, atol=1e-4 * np.abs(listed.weights).max())
    assert np.array_equal(found.biases, listed.biases)
    assert spec == SPEC


def test_what_known_pictures_look_like_is_read_back_within_8_bits(listed: LayerList) -> None:
    whole = make_novelty()
    known = NearestMean.of(whole)
    assert known is not None
    found = read_known(put_together("a", listed, SPEC, {}, known))
    assert found is not None
    assert np.allclose((found.means**2).sum(axis=1), 1)
    assert ((found.means * known.means).sum(axis=1) > 1 - 1e-4).all()
    assert np.array_equal(found.scores, known.scores)
    assert (found.promise, found.least.tolist()) == (0.05, known.least.tolist())
    without = put_together("a", listed, SPEC, {})
    assert read_known(without) is None
    assert len(without) + count_bytes(known) - len("null") == len(put_together("a", listed, SPEC, {}, known))
    zeros = dataclasses.replace(known, means=np.zeros_like(known.means))
    found = read_known(put_together("a", listed, SPEC, {}, zeros))
    assert found is not None
    assert not found.means.any()


class Tags(HTMLParser):
    """The tags of a page, and the text of its title."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.title = ""

    def handle_starttag(self, tag: str, _: object) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        if self.found[-1:] == ["title"]:
            self.title += data


def test_names_never_become_markup(listed: LayerList) -> None:
    plain, nasty = Tags(), Tags()
    plain.feed(put_together("a", listed, SPEC, {"title": "a", "classes": ["b"]}))
    nasty.feed(put_together(NASTY, listed, SPEC, {"title": NASTY, "classes": [NASTY]}))
    assert nasty.found == plain.found
    assert NASTY in nasty.title


def test_the_policy_names_the_script_and_style_and_allows_no_connection(listed: LayerList) -> None:
    text = put_together("a", listed, SPEC, {"title": NASTY})
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == "'none'"
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for name, part in (("script-src", script), ("style-src", style)):
        assert rules[name] == f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
    assert "http:" not in text
    assert "https:" not in text
