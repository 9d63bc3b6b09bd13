"""Building, seeding, heads, optimizer groups and loading pretrained weights."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models import weights
from models.catalog import CATALOG, ScratchOptions, get_entry
from models.errors import NetworkError, WeightsError
from models.network import Network, build, build_pretrained
from models.pretrained import build_original

SMALL = ScratchOptions(filters=(4, 8), dense_neurons=6, image_size=16)


def small(classes: int = 3, head: str = "softmax", seed: int | None = 0) -> Network:
    return build("scratch_cnn", classes, head=head, options=SMALL, seed=seed)


def equal(one: Network, other: Network) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "mish"])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("filters", [(4,), (4, 8, 4)])
def test_every_scratch_option_builds_what_the_catalog_promises(
    activation: str, batch_norm: bool, kernel_size: int, filters: tuple[int, ...]
) -> None:
    options = ScratchOptions(filters, kernel_size, activation, batch_norm, 0.5, 5, 32)
    entry = get_entry("scratch_cnn", options)
    network = build("scratch_cnn", 3, options=options, seed=0)
    counted = [(name, sum(p.numel() for p in block.parameters())) for name, block in network.blocks.items()]
    assert counted == [(block.name, block.parameters) for block in entry.blocks]
    logits = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 3)
    wanted: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish}
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(wanted[activation]) == len(filters) + 1
    assert kinds.count(nn.BatchNorm2d) == (len(filters) if batch_norm else 0)
    dropout = network.head.get_submodule("dropout")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.5


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_folded_weights_compute_what_a_scale_and_the_weights_compute(head: str) -> None:
    images = torch.randn(4, 3, 16, 16)
    plain, scaled = small(2, head).eval(), small(2, head).eval()
    scaled.scale_features(0.3)
    assert scaled.feature_scale == 0.3
    assert list(scaled.state_dict()) == list(plain.state_dict())
    assert equal(plain, scaled), "the state dict of a training does not hold the scale"
    found = scaled(images)
    assert not torch.allclose(found, plain(images))
    plain.load_state_dict(scaled.folded_state())
    assert torch.allclose(found, plain(images), atol=1e-6)
    scaled.scale_features(1.0)
    assert equal(scaled, small(2, head))


def test_a_scratch_network_without_dropout_has_none() -> None:
    network = build("scratch_cnn", 2, options=ScratchOptions(dropout=0.0, image_size=32), seed=0)
    assert not any(isinstance(module, nn.Dropout) for module in network.modules())


def test_the_smallest_scratch_image_goes_through() -> None:
    network = build("scratch_cnn", 2, options=ScratchOptions(filters=(4,) * 5, image_size=32), seed=0)
    assert network.eval()(torch.randn(1, 3, 32, 32)).shape == (1, 2)


def test_a_small_network_learns_two_colours_from_scratch() -> None:
    network = build("scratch_cnn", 2, options=SMALL, seed=0)
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(16) % 2
    batch = torch.randn(16, 3, 16, 16, generator=generator) * 0.3
    batch[labels == 1, 0] += 1.0
    optimizer = torch.optim.Adam(network.parameter_groups(1e-2, 1.0))
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(batch), labels).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
    assert torch.equal(network.eval()(batch).argmax(dim=1), labels)


def test_same_seed_same_weights_and_another_seed_others() -> None:
    assert equal(small(seed=3), small(seed=3))
    assert not equal(small(seed=3), small(seed=4))
    assert equal(build("resnet18", 2, seed=5), build("resnet18", 2, seed=5))


def test_a_seed_leaves_the_global_generator_alone_and_none_draws_from_it() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        state = torch.get_rng_state()
        small(seed=3)
        assert torch.equal(torch.get_rng_state(), state)
        first = small(seed=None)
        assert not torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(11)
        assert equal(first, small(seed=None))


def test_softmax_probabilities_are_those_of_softmax() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(small().probabilities(logits), logits.softmax(dim=1))


def test_the_sigmoid_neuron_stands_for_the_second_class() -> None:
    network = small(classes=2, head="sigmoid")
    logits = network.eval()(torch.randn(4, 3, 16, 16))
    assert logits.shape == (4, 1)
    assert network.probabilities(logits).shape == (4, 2)
    found = network.probabilities(torch.tensor([[0.0], [2.0], [-50.0]]))
    expected = torch.tensor([[0.5, 0.5], [0.1192, 0.8808], [1.0, 0.0]])
    assert torch.allclose(found, expected, atol=1e-4)
    assert found[2, 1] > 0


def test_probabilities_of_half_precision_logits_are_float32() -> None:
    assert small().probabilities(torch.zeros(1, 3, dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize(("classes", "head"), [(3, "sigmoid"), (1, "softmax"), (2, "tanh")])
def test_a_head_that_does_not_fit_is_refused(classes: int, head: str) -> None:
    with pytest.raises(NetworkError):
        small(classes=classes, head=head)


def test_an_unknown_freeze_point_is_refused_with_the_known_ones() -> None:
    network = small()
    with pytest.raises(NetworkError, match=r"no block 'conv9': choose one of conv1, conv2, dense\."):
        network.freeze("conv9")
    assert network.freeze_point is None


def test_optimizer_groups_hold_what_learns_and_nothing_else() -> None:
    network = small()
    backbone, head = network.parameter_groups(0.5, 0.1)
    assert (backbone["lr"], head["lr"]) == (0.05, 0.5)
    assert {id(p) for p in backbone["params"]} == {id(p) for p in network.blocks.parameters()}
    assert {id(p) for p in head["params"]} == {id(p) for p in network.head.parameters()}

    network.freeze("conv2")
    backbone, head = network.parameter_groups(0.5, 0.1)
    assert {id(p) for p in backbone["params"]} == {id(p) for p in network.blocks["dense"].parameters()}

    network.freeze("dense")
    (head,) = network.parameter_groups(0.5, 0.1)
    assert head["lr"] == 0.5
    assert {id(p) for p in head["params"]} == {id(p) for p in network.head.parameters()}


@pytest.fixture(scope="module")
def old_resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ResNet-18 as the official file holds it: no metadata, no counters of batches."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_original("resnet18").state_dict()
    plain = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    path = tmp_path_factory.mktemp("weights") / "resnet18-f37072fd.pth"
    torch.save(plain, path)
    return path


def test_a_pretrained_backbone_holds_the_weights_of_the_file(old_resnet_file: Path) -> None:
    network = build_pretrained("resnet18", 4, seed=1, weights_file=old_resnet_file)
    official: dict[str, Tensor] = torch.load(old_resnet_file, weights_only=True)
    ours = network.state_dict()
    assert torch.equal(ours["blocks.stem.conv1.weight"], official["conv1.weight"])
    assert torch.equal(ours["blocks.layer4.1.bn2.running_var"], official["layer4.1.bn2.running_var"])
    assert not any(value.is_meta for value in ours.values())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert list(ours) == list(build("resnet18", 4, seed=0).state_dict())
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 4)


def test_a_pretrained_network_has_a_seeded_head(old_resnet_file: Path) -> None:
    state = torch.get_rng_state()
    one = build_pretrained("resnet18", 4, seed=1, weights_file=old_resnet_file)
    assert equal(one, build_pretrained("resnet18", 4, seed=1, weights_file=old_resnet_file))
    assert torch.equal(torch.get_rng_state(), state)
    other = build_pretrained("resnet18", 4, seed=2, weights_file=old_resnet_file)
    assert not torch.equal(one.state_dict()["head.linear.weight"], other.state_dict()["head.linear.weight"])


def test_weights_with_a_nan_are_refused(old_resnet_file: Path, tmp_path: Path) -> None:
    state: dict[str, Tensor] = torch.load(old_resnet_file, weights_only=True)
    state["layer3.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth holds numbers that are not finite: delete it"):
        build_pretrained("resnet18", 2, weights_file=path)


def test_weights_of_another_network_are_refused(old_resnet_file: Path) -> None:
    with pytest.raises(
        WeightsError,
        match="does not hold ResNet-50: delete it from TORCH_HOME and run `python -m core prefetch resnet50`",
    ):
        build_pretrained("resnet50", 2, weights_file=old_resnet_file)


@pytest.mark.parametrize(
    "content", [b"", b"<html>log in</html>", b"PK\x03\x04 no zip", pickle.dumps({"a": 1}), b"\x80\x02."]
)
def test_a_file_that_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "resnet18-f37072fd.pth"
    path.write_bytes(content)
    with pytest.raises(
        WeightsError,
        match=r"resnet18-f37072fd\.pth .* delete it from TORCH_HOME and run `python -m core prefetch resnet18`",
    ):
        build_pretrained("resnet18", 2, weights_file=path)


def test_a_cut_off_file_is_refused_wherever_it_ends(old_resnet_file: Path, tmp_path: Path) -> None:
    whole = old_resnet_file.read_bytes()
    path = tmp_path / "resnet18-f37072fd.pth"
    for kept in (10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(WeightsError, match="is damaged or cut off"):
            build_pretrained("resnet18", 2, weights_file=path)


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "touched"), "w"))  # type: ignore[return-value]  # a trap, not a value

    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save({"conv1.weight": Harmful()}, path)
    with pytest.raises(WeightsError):
        build_pretrained("resnet18", 2, weights_file=path)
    assert not (tmp_path / "touched").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth is missing: run `python -m core prefetch resnet18`"):
        build_pretrained("resnet18", 2, weights_file=tmp_path / "gone.pth")


def test_a_network_without_weights_cannot_be_pretrained(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="has no pretrained weights"):
        build_pretrained("scratch_cnn", 2, weights_file=tmp_path / "none.pth")


@pytest.mark.usefixtures("shared_weights")
@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_0"])
def test_genuine_weights_load(name: str) -> None:
    path = weights.find(CATALOG[name])
    assert path is not None
    network = build_pretrained(name, 2, seed=0, weights_file=path)
    original = build_original(name)
    original.load_state_dict(torch.load(path, weights_only=True))
    batch = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.freeze(CATALOG[name].freeze_points[-1])
        features = original.eval().get_submodule("features")(batch).mean(dim=(2, 3))
        assert torch.allclose(network.frozen_prefix(batch), features, atol=1e-5)


def test_a_genuine_file_that_was_cut_off_is_refused(shared_data: Path) -> None:
    path = shared_data / "odd_files" / "cut_off_resnet18-f37072fd.pth"
    with pytest.raises(
        WeightsError, match=r"cut_off_resnet18-f37072fd\.pth is damaged or cut off: delete it from TORCH_HOME and run"
    ):
        build_pretrained("resnet18", 2, weights_file=path)
