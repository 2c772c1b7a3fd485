"""A layer of any network is a descriptor like the others: one crop in, the same bits out, whoever its mates are."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hybridfer.deep import activations
from hybridfer.deep.activations import AT_ONCE, NetworkLayer, with_untrained
from hybridfer.deep.checkpoints import build_network
from hybridfer.deep.weights import find_weights, import_weights, write_weights
from hybridfer.descriptors import create_descriptor
from hybridfer.errors import DeviceError, SpecError, WeightsError
from hybridfer.spec import parse_spec

UNTRAINED = "size=48,untrained=true"
DICE = np.random.default_rng(7)
CROPS = [DICE.integers(0, 256, (int(h), int(w), 3), dtype=np.uint8) for h, w in DICE.integers(30, 70, (40, 2))]
SQUARES = [DICE.integers(0, 256, (12, 12, 3), dtype=np.uint8) for _ in range(11)]
"""Crops that need no resizing at size 12."""


def expected_maps(state: dict[str, torch.Tensor], crop: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The toy's convolution by hand: maps (2, 10, 10)."""
    x = (crop.astype(np.float64) / 255 - mean) / std
    kernel, bias = state["conv.weight"].double().numpy(), state["conv.bias"].double().numpy()
    maps = np.empty((2, 10, 10))
    for row in range(10):
        for column in range(10):
            seen = x[row : row + 3, column : column + 3].transpose(2, 0, 1)
            maps[:, row, column] = (kernel * seen).sum(axis=(1, 2, 3)) + bias
    return maps


@pytest.fixture
def toy_installed(toy_file: Path, toy_state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The toy's tensors, installed for pictures of 12 pixels, mean 0.4 and deviation 0.3."""
    import_weights(toy_file, "toy", size=12, mean=(0.4,) * 3, std=(0.3,) * 3)
    return toy_state


def test_maps_are_pooled_by_mean_by_maximum_or_not_at_all(toy_installed: dict[str, torch.Tensor]) -> None:
    maps = np.stack([expected_maps(toy_installed, crop, 0.4, 0.3) for crop in SQUARES])
    for pool, expected in {
        "gap": maps.mean(axis=(2, 3)),
        "max": maps.max(axis=(2, 3)),
        "flat": maps.reshape(len(maps), -1),
    }.items():
        layer = create_descriptor(f"toy@conv:pool={pool}")
        found = layer.describe_batch(SQUARES)
        assert (layer.length, layer.dtype) == (expected.shape[1], np.float32)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_vectors_stay_as_they_are_and_the_card_tells_how_many(toy_installed: dict[str, torch.Tensor]) -> None:
    state = {name: tensor.double().numpy() for name, tensor in toy_installed.items()}
    means = expected_maps(toy_installed, SQUARES[0], 0.4, 0.3).mean(axis=(1, 2))
    scale = state["norm.weight"] / np.sqrt(state["norm.running_var"] + 1e-5)
    expected = state["fc.weight"] @ ((means - state["norm.running_mean"]) * scale + state["norm.bias"])
    for pool in ("gap", "max", "flat"):
        layer = create_descriptor(f"toy@fc:pool={pool}")
        assert layer.length == 4
        np.testing.assert_allclose(layer.describe(SQUARES[0]), expected + state["fc.bias"], rtol=1e-5, atol=1e-6)


def test_mean_and_deviation_come_from_the_card(toy_file: Path, toy_state: dict[str, torch.Tensor]) -> None:
    import_weights(toy_file, "toy", name="a", size=12, mean=(0, 0, 0), std=(1, 1, 1))
    found = create_descriptor("toy@conv:weights=a,pool=flat").describe(SQUARES[1])
    np.testing.assert_allclose(found, expected_maps(toy_state, SQUARES[1], 0, 1).ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "length"),
    [
        ("conv1", 64),
        ("maxpool", 64),
        ("layer2", 128),
        ("layer3", 256),
        ("layer3.1.conv2", 256),
        ("layer4.0.downsample.1", 512),
        ("layer4", 512),
        ("avgpool", 512),
        ("fc", 7),
    ],
)
def test_every_layer_of_resnet_can_be_had(layer: str, length: int) -> None:
    made = create_descriptor(f"resnet18@{layer}:{UNTRAINED}")
    assert made.length == length
    assert made.describe(CROPS[0]).shape == (length,)


def test_flat_is_every_map_whole() -> None:
    assert create_descriptor("resnet18@layer3:pool=flat,size=48,untrained=true").length == 256 * 3 * 3
    assert create_descriptor("resnet18@layer3:pool=flat,size=224,untrained=true").length == 256 * 14 * 14


def test_a_layer_gives_what_the_whole_network_has_there() -> None:
    torch.manual_seed(5)
    net = build_network("resnet18")
    seen = {}
    net.layer3.register_forward_hook(lambda module, inputs, output: seen.update(maps=output.numpy()))
    crop = CROPS[0][:32, :32]
    picture = (crop.transpose(2, 0, 1)[None] / 255 - np.reshape([0.485, 0.456, 0.406], (3, 1, 1))) / np.reshape(
        [0.229, 0.224, 0.225], (3, 1, 1)
    )
    with torch.inference_mode():
        net(torch.from_numpy(picture.astype(np.float32)))
    found = create_descriptor("resnet18@layer3:seed=5,size=32,untrained=true").describe(np.ascontiguousarray(crop))
    np.testing.assert_allclose(found, seen["maps"].mean(axis=(2, 3))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", ["resnet18@layer3:size=48", "resnet18@fc:size=32", "resnet34@layer2:pool=max,size=40"])
def test_a_face_has_the_same_bits_alone_and_in_any_batch(spec: str) -> None:
    layer = create_descriptor(f"{spec},untrained=true")
    alone = np.stack([layer.describe(crop) for crop in CROPS[:20]])
    for count in (1, 2, 3, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 13, 20):
        order = np.random.default_rng(count).permutation(20)[:count]
        found = layer.describe_batch([CROPS[i] for i in order])
        np.testing.assert_array_equal(found, alone[order])


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["layer3", "layer4", "avgpool"])
def test_a_face_has_the_same_bits_in_batches_of_1_to_40(layer: str) -> None:
    made = create_descriptor(f"resnet18@{layer}:{UNTRAINED}")
    alone = np.stack([made.describe(crop) for crop in CROPS])
    for count in range(1, 41):
        order = np.random.default_rng(count).permutation(40)[:count]
        np.testing.assert_array_equal(made.describe_batch([CROPS[i] for i in order]), alone[order])


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    layer = create_descriptor(f"resnet18@layer4:{UNTRAINED}")
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            found.append(layer.describe_batch(CROPS[:9]))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_each_caller_works_in_one_thread_and_finds_its_own_settings_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    plain = nn.Conv2d.forward

    def noting(self: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return plain(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", noting)
    layer = create_descriptor("toy@conv:size=12,untrained=true")
    layer.describe(SQUARES[0])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        seen.clear()
        layer.describe(SQUARES[0])
        assert (seen, torch.get_num_threads()) == ([1], 3)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(layer.describe, SQUARES[0]).result()
            assert (seen, pool.submit(torch.get_num_threads).result()) == ([1, 1], 3)
    finally:
        torch.set_num_threads(before)


def test_threads_may_describe_by_several_layers_at_once() -> None:
    layers = [create_descriptor(f"resnet18@{at}:seed=11,{UNTRAINED}") for at in ("layer1", "layer2", "layer1", "fc")]
    activations._load.cache_clear()
    activations._load_stopping.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda layer: layer.describe_batch(CROPS[:10]), layers * 2))
    for layer, found in zip(layers * 2, together, strict=True):
        np.testing.assert_array_equal(found, layer.describe_batch(CROPS[:10]))


def test_layers_of_one_network_share_its_tensors() -> None:
    activations._load.cache_clear()
    activations._load_stopping.cache_clear()
    first, second = (create_descriptor(f"resnet18@{at}:{UNTRAINED}") for at in ("layer1", "layer2"))
    recipes = {layer._recipe() for layer in (first, second)}
    assert len(recipes) == 1
    recipe = recipes.pop()
    nets = [activations._load_stopping(recipe, at) for at in ("layer1", "layer2")]
    assert nets[0].fc.weight is nets[1].fc.weight
    assert nets[0] is not nets[1]


def test_layers_beyond_the_one_asked_for_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("computed for nothing")

    layer = create_descriptor("toy@conv:size=12,untrained=true")
    monkeypatch.setattr(nn.Linear, "forward", fail)
    monkeypatch.setattr(nn.BatchNorm2d, "forward", fail)
    assert layer.describe(SQUARES[0]).shape == (2,)
    with pytest.raises(AssertionError, match="for nothing"):
        create_descriptor("toy@fc:size=12,untrained=true").describe(SQUARES[0])


def test_the_seed_decides_random_weights_and_torch_s_own_dice_stay() -> None:
    activations._load.cache_clear()
    activations._load_stopping.cache_clear()
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    found = [create_descriptor(f"toy@fc:seed={seed},{UNTRAINED}").describe(CROPS[0]) for seed in (0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    activations._load.cache_clear()
    activations._load_stopping.cache_clear()
    np.testing.assert_array_equal(create_descriptor(f"toy@fc:{UNTRAINED}").describe(CROPS[0]), found[0])
    assert not np.array_equal(found[0], found[1])


def test_crops_are_left_alone_and_grey_ones_count_as_three_equal_channels() -> None:
    layer = create_descriptor(f"resnet18@layer1:{UNTRAINED}")
    grey = CROPS[0][:, :, 0].copy()
    kept = grey.copy()
    three = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(layer.describe(grey), layer.describe(three))
    np.testing.assert_array_equal(grey, kept)


def test_no_crops_give_no_rows() -> None:
    assert create_descriptor(f"resnet18@layer3:{UNTRAINED}").describe_batch([]).shape == (0, 256)


def test_the_size_changes_the_numbers() -> None:
    found = [create_descriptor(f"resnet18@layer3:size={s},untrained=true").describe(CROPS[0]) for s in (48, 64)]
    assert not np.allclose(found[0], found[1])


def test_the_spec_spells_everything_out_and_reads_back(toy_installed: dict[str, torch.Tensor]) -> None:
    for text, canonical in {
        "resnet18@layer3:untrained=true": "resnet18@layer3:pool=gap,seed=0,size=48,untrained=true",
        "resnet18@layer3:untrained=yes,seed=3,pool=flat": "resnet18@layer3:pool=flat,seed=3,size=48,untrained=true",
        "toy@conv": "toy@conv:pool=gap,size=12,weights=toy",
        "toy@conv:size=20,untrained=false": "toy@conv:pool=gap,size=20,weights=toy",
    }.items():
        layer = create_descriptor(text)
        assert layer.spec == canonical
        assert create_descriptor(canonical) == layer
        assert layer.name == text.partition(":")[0]


def test_weights_have_the_hash_of_their_file_and_random_ones_none(toy_installed: dict[str, torch.Tensor]) -> None:
    assert create_descriptor("toy@conv").weights_sha256 == find_weights("toy")[1].sha256
    assert create_descriptor("toy@conv:untrained=true").weights_sha256 is None


def test_changed_weights_describe_nothing(toy_installed: dict[str, torch.Tensor]) -> None:
    layer = create_descriptor("toy@conv")
    layer.describe(SQUARES[0])
    path, _ = find_weights("toy")
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(WeightsError, match="changed or damaged"):
        layer.describe(SQUARES[0])


def test_replaced_weights_are_the_ones_used(toy_installed: dict[str, torch.Tensor], toy_file: Path) -> None:
    layer = create_descriptor("toy@conv")
    before = layer.describe(SQUARES[0])
    toy_installed["conv.bias"] += 1
    torch.save(toy_installed, toy_file)
    import_weights(toy_file, "toy", size=12, mean=(0.4,) * 3, std=(0.3,) * 3, overwrite=True)
    np.testing.assert_allclose(layer.describe(SQUARES[0]), before + 1, rtol=1e-5)


def test_values_that_are_not_finite_are_an_error(toy_installed: dict[str, torch.Tensor], toy_file: Path) -> None:
    toy_installed["norm.running_var"][:] = -1
    torch.save(toy_installed, toy_file)
    import_weights(toy_file, "toy", size=12, overwrite=True)
    with pytest.raises(WeightsError, match="not finite; its weights are damaged"):
        create_descriptor("toy@norm").describe(SQUARES[0])


def test_a_network_without_weights_is_refused_with_the_way_out(toy_installed: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError) as caught:
        create_descriptor("resnet18@layer3")
    assert str(caught.value) == (
        "No weights named 'resnet18' are installed; resnet18@layer3 needs them. Run `hybridfer models import FILE "
        "--network resnet18`, or add --untrained to use random weights (seed 0)."
    )
    with pytest.raises(WeightsError, match="FILE --network resnet18 --name mine`"):
        create_descriptor("resnet18@layer3:weights=mine")
    with pytest.raises(WeightsError, match="'toy' are of toy, not of resnet18; write toy@LAYER:weights=toy"):
        create_descriptor("resnet18@layer3:weights=toy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet1@layer3", "No network named 'resnet1'. Did you mean 'resnet18'"),
        (
            "resnet18@layr3",
            r"resnet18 has no layer 'layr3'. Did you mean 'layer3'\? Known: conv1, bn1, relu, maxpool, ",
        ),
        ("resnet18@layer3.9", "no layer 'layer3.9'"),
        ("resnet18@layer3:poll=gap", "resnet18 has no parameter 'poll'. Did you mean 'pool'"),
        ("resnet18@layer3:device=cpu", "no parameter 'device'. .*Known: pool, seed, size, untrained, weights"),
        ("resnet18@layer3:pool=mean,untrained=true", "resnet18@layer3:pool=mean is out of range; expected gap, max or"),
        ("resnet18@layer3:size=0,untrained=true", "size=0 is out of range; expected 8 to 1024"),
        ("resnet18@layer3:seed=-1,untrained=true", "seed=-1 is out of range"),
        ("resnet18@layer3:seed=2", "seed=2 is for random weights; add untrained=true"),
        ("resnet18@layer3:weights=a,untrained=true", "weights=a and untrained=true; keep one"),
    ],
)
def test_specs_that_mean_nothing_are_named(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create_descriptor(text)


@pytest.mark.parametrize(
    ("layer", "gives"),
    [("pair", "'tuple'"), ("row", r"\(2, 3, 2304\)"), ("spare", "nothing"), ("mixed", r"\(13824,\)")],
)
def test_layers_that_give_no_maps_or_vectors_are_refused(layer: str, gives: str) -> None:
    with pytest.raises(SpecError, match=f"odd@{layer} gives .*{gives}.* for 2 pictures; expected a layer of maps"):
        NetworkLayer(network="odd", layer=layer, untrained=True).describe(SQUARES[0])


def test_pictures_too_small_for_a_network_are_refused() -> None:
    with pytest.raises(SpecError, match=r"odd does not take pictures of size 12: .*; try a larger size"):
        NetworkLayer(network="odd", layer="lone", untrained=True, size=12).describe(SQUARES[0])


def test_a_network_that_has_no_weights_said_is_refused() -> None:
    with pytest.raises(SpecError, match="has no weights; name installed ones, or say untrained=true"):
        NetworkLayer(network="resnet18", layer="layer3")
    with pytest.raises(SpecError, match="resnet18 is a network; name a layer of it"):
        NetworkLayer.from_spec(parse_spec("resnet18"))


def test_the_device_is_no_part_of_what_it_is() -> None:
    layer = create_descriptor(f"resnet18@layer3:{UNTRAINED}")
    assert layer.on("cpu") == layer
    moved = NetworkLayer(network="resnet18", layer="layer3", untrained=True, device="cuda")
    assert (moved.spec, moved) == (layer.spec, layer)
    if not torch.cuda.is_available():
        assert layer.on("auto").device == "cpu"
        with pytest.raises(DeviceError, match="no CUDA GPU here"):
            layer.on("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("layer", ["layer3", "fc"])
def test_a_gpu_gives_what_the_processor_gives(layer: str) -> None:
    made = create_descriptor(f"resnet18@{layer}:{UNTRAINED}")
    expected = made.describe_batch(CROPS)
    found = made.on("cuda").describe_batch(CROPS)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(made.on("cuda").describe(CROPS[5]), found[5])


def slim(network: str, folder: Path, size: int = 48, **facts: object) -> nn.Module:
    """A slim network for pictures of `size` pixels, written as a training writes it."""
    made = {"width": 0.125, "input_size": size, "channels": 1, **facts.pop("made", {})}  # type: ignore[arg-type]
    torch.manual_seed(2)
    net = build_network(network, 4, **made)
    record = {"name": "slim", "network": network, "classes": 4, "labels": None, "size": size, "options": made}
    grey = [0.5] * made["channels"]
    record |= {"mean": grey, "std": grey, "licence": "MIT", "origin": "a test", **facts}
    write_weights(folder, net.state_dict(), record, lambda card: "a page")
    return net


def by_hand(crop: np.ndarray, net: nn.Module, channels: int) -> np.ndarray:
    """A network's scores of a crop made grey by the weights that television gives to colours."""
    grey = np.rint(crop @ [0.299, 0.587, 0.114]) / 255
    picture = torch.from_numpy(((grey - 0.5) / 0.5).astype(np.float32)).expand(1, channels, *grey.shape)
    with torch.inference_mode():
        return net(picture)[0].numpy()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_grey_pictures_is_shown_grey_ones(tmp_path: Path, channels: int) -> None:
    net = slim("resnet18", tmp_path / "model", made={"channels": channels}, grey=channels == 3)
    crop = DICE.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    layer = create_descriptor(f"resnet18@fc:weights={tmp_path / 'model'}")
    expected = by_hand(crop, net, channels)
    # A grey value of .5 may be rounded either way.
    np.testing.assert_allclose(layer.describe(crop), expected, rtol=0.01, atol=0.01 * np.abs(expected).max())
    grey = np.rint(crop @ [0.299, 0.587, 0.114]).astype(np.uint8)
    np.testing.assert_allclose(layer.describe(grey), expected, rtol=1e-4, atol=1e-5)


def test_a_model_folder_is_named_by_its_path(tmp_path: Path) -> None:
    slim("resnet18", tmp_path / "model")
    spec = f"resnet18@layer4:weights={tmp_path / 'model'}"
    layer = create_descriptor(spec)
    assert (layer.spec, layer.length) == (f"resnet18@layer4:pool=gap,size=48,weights={tmp_path / 'model'}", 64)
    assert layer.weights_sha256 == find_weights(str(tmp_path / "model"))[1].sha256
    import_weights(tmp_path / "model", name="slim")
    np.testing.assert_array_equal(
        create_descriptor("resnet18@layer4:weights=slim").describe(CROPS[0]), layer.describe(CROPS[0])
    )
    with pytest.raises(WeightsError, match=r"There is no folder .*/gone of weights; give a name of"):
        create_descriptor(f"resnet18@layer4:weights={tmp_path / 'gone'}")
    with pytest.raises(WeightsError, match="are of resnet18, not of resnet34"):
        create_descriptor(spec.replace("resnet18@", "resnet34@"))


def test_a_network_of_one_size_takes_no_other(tmp_path: Path) -> None:
    slim("arm", tmp_path / "model")
    spec = f"arm@arm:weights={tmp_path / 'model'}"
    assert create_descriptor(spec).spec == f"arm@arm:pool=gap,size=48,weights={tmp_path / 'model'}"
    assert create_descriptor(f"{spec},size=48").describe(CROPS[0]).shape == (81,)
    with pytest.raises(
        SpecError, match=r"size=64,.*: these weights take pictures of 48 pixels and no others; leave size"
    ):
        create_descriptor(f"{spec},size=64")


def test_an_untrained_network_of_one_size_is_made_for_the_pictures(tmp_path: Path) -> None:
    assert [create_descriptor(f"arm@arm:size={size},untrained=true").length for size in (48, 64)] == [81, 169]
    assert create_descriptor("arm@fc:untrained=true").spec == "arm@fc:pool=gap,seed=0,size=48,untrained=true"
    assert create_descriptor("alexnet-emotion@fc7:untrained=true").length == 128
    with pytest.raises(SpecError, match="input_size=50 is out of range; expected 16 or more, a multiple of 8"):
        _ = create_descriptor("arm@fc:size=50,untrained=true").length


def test_a_layer_that_these_weights_do_not_have_is_named(tmp_path: Path) -> None:
    slim("rmn18", tmp_path / "model", size=32, made={"mask_act": "none"})
    assert create_descriptor(f"rmn18@layer4:weights={tmp_path / 'model'}").length == 64
    with pytest.raises(SpecError, match=r"rmn18 has no layer 'mask1'. .*Known: conv1, bn1"):
        _ = create_descriptor(f"rmn18@mask1:weights={tmp_path / 'model'}").length


@pytest.mark.slow
def test_how_long_a_vector_is_takes_little_memory_to_tell() -> None:
    program = (
        "import resource; from hybridfer.deep.activations import NetworkLayer\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "print(NetworkLayer(network='rmn', layer='layer4', untrained=True, size=64).length, peak() - before)\n"
    )
    length, megabytes = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert int(length) == 512
    assert float(megabytes) < 250  # the network has 526


def test_untrained_is_said_of_every_layer_that_names_no_weights() -> None:
    for text, expected in {
        "resnet18@layer3": "resnet18@layer3:seed=4,untrained=true",
        "resnet18@layer3:pool=max,seed=2": "resnet18@layer3:pool=max,seed=2,untrained=true",
        "resnet18@layer3:weights=fer": "resnet18@layer3:weights=fer",
        "resnet18@layer3:untrained=true": "resnet18@layer3:untrained=true",
        "lbp:grid=4": "lbp:grid=4",
    }.items():
        assert with_untrained(text, 4) == expected


def test_names_of_networks_and_of_weights_are_known_without_torch() -> None:
    program = (
        "import sys, hybridfer.deep, hybridfer.deep.weights as weights; "
        "assert {'resnet18', 'resnet34'} <= set(hybridfer.deep.NETWORKS.names()); weights.list_weights(); "
        "sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
