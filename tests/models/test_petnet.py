"""The weights that come with the program: whole, true to their sidecar, and worth having."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core.datasets.pictures.resizing import fit_square
from models import weights
from models.catalog import CATALOG
from models.errors import WeightsError
from models.network import Network, build, build_pretrained

ENTRY = CATALOG["petnet"]
MAX_BYTES = 4_000_000


@pytest.fixture(scope="module")
def file() -> Path:
    path = weights.find(ENTRY)
    assert path is not None
    return path


def test_the_weights_lie_in_the_program_whatever_torch_home_is(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights.find(ENTRY) == file
    assert file.parent == Path(weights.__file__).parent
    assert list(weights.fetch(ENTRY)) == [(file.stat().st_size,) * 2]


def test_the_file_is_small_and_in_half_precision(file: Path) -> None:
    assert ENTRY.weights is not None
    assert file.stat().st_size == ENTRY.weights.bytes <= MAX_BYTES
    tensors = load_file(file)
    assert {value.dtype for value in tensors.values() if value.ndim == 4} == {torch.float16}
    counted = sum(value.numel() for name, value in tensors.items() if "running" not in name)
    assert counted == ENTRY.backbone_parameters


def test_the_sidecar_speaks_of_this_file_and_of_this_network(file: Path) -> None:
    sidecar = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert sidecar["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert sidecar["bytes"] == file.stat().st_size
    assert sidecar["parameters"] == ENTRY.backbone_parameters
    spec = ENTRY.preprocessing
    assert sidecar["preprocessing"] == {
        "resize_px": spec.resize_px,
        "crop_px": spec.crop_px,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "interpolation": spec.interpolation,
    }
    for part in ("licence", "training", "figures"):
        assert sidecar[part], part


def test_a_missing_file_is_no_matter_of_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.weights.files.SHIPPED_DIR", tmp_path)
    assert weights.find(ENTRY) is None
    with pytest.raises(WeightsError, match=r"petnet\.safetensors, are missing: install TuneMyPets again"):
        list(weights.fetch(ENTRY))


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_damaged_file_is_refused_with_the_remedy(file: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="is damaged or cut off: install TuneMyPets again"):
        build_pretrained("petnet", 2, weights_file=path)


def test_the_default_network_is_petnet_only_while_nothing_better_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights.default_network() == "efficientnet_lite0"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert weights.default_network() == "petnet"
    folder = weights.checkpoint_dir()
    folder.mkdir(parents=True)
    (folder / "mobilenet_v2-b0353104.pth").write_bytes(b"there")
    assert weights.default_network() == "mobilenet_v2"


def test_same_weights_whatever_the_seed_of_the_head(file: Path) -> None:
    one, other = (build_pretrained("petnet", 3, seed=seed, weights_file=file) for seed in (0, 1))
    for name, value in one.blocks.state_dict().items():
        assert torch.equal(value, other.blocks.state_dict()[name])
    assert not torch.equal(one.head.get_parameter("linear.weight"), other.head.get_parameter("linear.weight"))


def _features(network: Network, files: list[Path]) -> torch.Tensor:
    """(files, feature_width) of whole photographs."""
    spec = ENTRY.preprocessing
    margin = (spec.resize_px - spec.crop_px) // 2
    squares = []
    for path in files:
        with Image.open(path) as image:
            square = fit_square(image.convert("RGB"), spec)
        squares.append(square[margin : margin + spec.crop_px, margin : margin + spec.crop_px])
    batch = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    network.eval()
    network.freeze(ENTRY.freeze_points[-1])
    return network.frozen_prefix((batch - mean) / std)


def test_a_ridge_on_its_features_tells_cats_from_dogs_where_random_weights_do_not(
    file: Path, shared_data: Path
) -> None:
    folders = [shared_data / "data" / "cats_dogs" / name for name in ("Cat", "Dog")]
    files = [
        path for pair in zip(*(sorted(folder.iterdir())[:150] for folder in folders), strict=True) for path in pair
    ]
    goals = torch.tensor([-1.0, 1.0]).repeat(150)
    accuracies = {}
    for name, network in (
        ("trained", build_pretrained("petnet", 2, seed=0, weights_file=file)),
        ("random", build("petnet", 2, seed=0)),
    ):
        features = _features(network, files)
        features = (features - features[:200].mean(dim=0)) / (features[:200].std(dim=0) + 1e-3)
        gram = features[:200] @ features[:200].T
        solved = torch.linalg.solve(gram + 300.0 * torch.eye(200), goals[:200])
        answers = features[200:] @ features[:200].T @ solved
        accuracies[name] = float(((answers > 0) == (goals[200:] > 0)).float().mean())
    assert accuracies["trained"] > 0.88  # 100 photographs: three standard errors below 0.95
    assert accuracies["random"] < 0.8
