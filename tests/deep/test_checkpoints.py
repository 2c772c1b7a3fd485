"""A trained network comes back from its folder as it was, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hybridfer.deep.checkpoints import build_network, load_network, plan_network, read_options
from hybridfer.deep.device import one_thread
from hybridfer.deep.weights import (
    find_weights,
    import_weights,
    is_network,
    read_card,
    read_record,
    verify_weights,
    weights_folder,
    write_weights,
)
from hybridfer.errors import HybridferError, OutputError, SpecError, WeightsError

pytestmark = pytest.mark.usefixtures("none_shipped")

SLIM = {"channels": 1, "input_size": 48, "width": 0.125}

PICTURES = torch.rand(3, 1, 48, 48, generator=torch.Generator().manual_seed(4))


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """The networks are too small for more threads than one."""
    with one_thread():
        yield


def trained(network: str = "resnet18", classes: int = 4, **options: Any) -> nn.Module:
    """A slim network with values that it could have learnt."""
    torch.manual_seed(6)
    net = build_network(network, classes, **SLIM, **options)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(std=0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return net


def record(network: str = "resnet18", **facts: Any) -> dict[str, Any]:
    """What a trainer says of it."""
    said: dict[str, Any] = {"name": network, "network": network, "options": SLIM, "size": 48, "classes": 4}
    said |= {"labels": ["anger", "fear", "sadness", "neutral"], "mean": [0.5], "std": [0.25]}
    return {**said, "licence": "MIT", "origin": "a test", "measured": {"val": {"accuracy": 0.5, "n": 8}}, **facts}


def page(card: Any) -> str:
    return f"# {card['name']}, {card['fingerprint']}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a slim network."""
    write_weights(tmp_path / "model", trained().state_dict(), record(), page)
    return tmp_path / "model"


def changed(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> Path:
    """The folder with other tensors, of which its card tells the SHA-256."""
    state = load_file(folder / "model.safetensors")
    change(state)
    write_weights(folder, state, record(), page, overwrite=True)
    return folder


def test_a_folder_holds_the_tensors_a_card_and_a_page(tmp_path: Path) -> None:
    net = trained()
    card = write_weights(
        tmp_path / "model", net.state_dict(), record(), page, extra={"log.jsonl": b"{}\n", "curves.png": b"png"}
    )
    found = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert sorted(found) == ["README.md", "card.json", "curves.png", "log.jsonl", "model.safetensors"]
    written = json.loads(found["card.json"])
    assert (written["kind"], written["schema"], written["tensors"]) == ("network", 1, len(net.state_dict()))
    assert written["measured"] == {"val": {"accuracy": 0.5, "n": 8}}
    assert found["README.md"].decode() == f"# resnet18, {written['fingerprint']}\n"
    assert (card.options, card.channels, card.labels) == (SLIM, 1, ("anger", "fear", "sadness", "neutral"))
    assert find_weights(str(tmp_path / "model")) == (tmp_path / "model" / "model.safetensors", card)
    assert read_record(str(tmp_path / "model")) == written


@pytest.mark.parametrize(
    ("network", "made"),
    [
        ("resnet18", {}),
        ("arm", {}),
        ("arm", {"affinity": "none"}),
        ("alexnet-emotion", {}),
        pytest.param("rmrn18", {"auxiliary": False}, marks=pytest.mark.slow),
    ],
)
def test_what_is_written_is_loaded_and_scores_pictures_as_before(
    tmp_path: Path, network: str, made: dict[str, Any]
) -> None:
    net = trained(network, **made)
    write_weights(tmp_path / "model", net.state_dict(), record(network, options=SLIM | made), page)
    dice = torch.get_rng_state()
    loaded, card = load_network(str(tmp_path / "model"))
    assert torch.equal(torch.get_rng_state(), dice)
    assert (loaded.training, card.network) == (False, network)
    assert not any(p.requires_grad for p in loaded.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(loaded(PICTURES), net(PICTURES), rtol=1e-5, atol=1e-6)


def test_half_precision_is_half_the_size_and_reckoned_in_float32(folder: Path, tmp_path: Path) -> None:
    net = trained()
    net.state_dict()["conv1.weight"][0, 0, 0, 0] = 1e5  # more than half precision can say
    write_weights(tmp_path / "half", net.state_dict(), record(), page, half=True)
    state = load_file(tmp_path / "half" / "model.safetensors")
    kinds = {name: state[name].dtype for name in ("conv1.weight", "layer1.0.conv1.weight", "bn1.running_var")}
    assert list(kinds.values()) == [torch.float32, torch.float16, torch.float32]
    sizes = [(each / "model.safetensors").stat().st_size for each in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    loaded, _ = load_network(str(tmp_path / "half"))
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32, torch.int64}
    assert torch.equal(loaded.layer1[0].conv1.weight, net.layer1[0].conv1.weight.half().float())


def test_equal_networks_have_one_fingerprint_whatever_they_are_called(folder: Path) -> None:
    first = read_record(str(folder))
    import_weights(folder, name="mine")
    assert read_record("mine") == {**first, "name": "mine"}
    write_weights(folder, trained().state_dict(), record(name="other"), page, overwrite=True)
    assert read_record(str(folder)) == {**first, "name": "other"}
    write_weights(folder, trained().state_dict(), record(licence="other"), page, overwrite=True)
    assert read_record(str(folder))["sha256"] == first["sha256"]
    assert read_record(str(folder))["fingerprint"] != first["fingerprint"]


def test_a_folder_is_replaced_only_when_asked_to_and_only_one_of_a_network(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="add --overwrite to replace it"):
        write_weights(folder, trained().state_dict(), record(), page)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("my notes")
    with pytest.raises(OutputError, match="has no card of a network, so it is not replaced"):
        write_weights(tmp_path / "mine", trained().state_dict(), record(), page, overwrite=True)
    with pytest.raises(WeightsError, match=r"have labels .* expected 4 different names"):
        write_weights(folder, trained().state_dict(), record(labels=["anger"]), page, overwrite=True)
    assert read_card(str(folder)).licence == "MIT"


def test_a_name_goes_before_a_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert find_weights("model")[0] == Path("model/model.safetensors")
    assert verify_weights("model") == {"model": None}
    import_weights(folder, name="model")
    assert find_weights("model")[0] == weights_folder() / "model" / "model.safetensors"
    with pytest.raises(WeightsError, match=r"There is no folder .*nowhere of weights; give a name of"):
        load_network(str(folder.parent / "nowhere"))


def test_networks_are_told_from_everything_else(folder: Path, toy_file: Path, tmp_path: Path) -> None:
    import_weights(toy_file, "toy")
    (tmp_path / "svm").mkdir()
    (tmp_path / "svm" / "card.json").write_text("{}")
    answers = {str(folder): True, "toy": True, "none": False, str(tmp_path / "svm"): False, str(toy_file): False}
    assert {text: is_network(text) for text in answers} == answers
    (folder / "card.json").write_text("{")
    assert is_network(str(folder))  # so that whoever reads it is told what is wrong with it


def test_the_detector_that_hybridfer_brings_is_no_network_of_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridfer.deep import weights

    monkeypatch.setattr(weights, "SHIPPED", Path(weights.__file__).parents[1] / "weights")
    assert not is_network("mtcnn-improved")
    with pytest.raises(WeightsError, match="mtcnn-improved is of mtcnn-improved, which is no network of faces; known:"):
        load_network("mtcnn-improved")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"network": "arm"}, r"does not fit arm\. 7 missing: arm\.alpha, .* of another shape: layer4"),
        ({"network": "none"}, r"is of none, which is no network of faces; known: alexnet-emotion, arm,"),
        ({"classes": 5, "labels": None}, "tells 4 classes apart, and its card says 5; one of them is of other weights"),
        ({"labels": ["anger", "fear"]}, "have labels .* expected 4 different names"),
        (
            {"options": {**SLIM, "width": 0.25}},
            r"of another shape: conv1\.weight \(8, 1, 3, 3\), expected \(16, 1, 3, ",
        ),
        ({"options": {**SLIM, "widht": 0.25}}, "resnet18 has no option 'widht'. Did you mean 'width'"),
        ({"options": {**SLIM, "width": "0.5"}}, "resnet18:width='0.5' is of the wrong kind; expected float"),
        ({"options": {**SLIM, "width": [0.5]}}, "have options .* expected plain values, and 1 or 3 channels"),
        ({"options": {**SLIM, "channels": 2}}, "have options .* expected plain values, and 1 or 3 channels"),
        ({"mean": [0.5] * 3}, "have mean .* expected a number for each channel, such as 0.5"),
        ({"schema": 2}, "has card schema 2; this hybridfer .* reads up to 1. Upgrade hybridfer"),
        ({"sha256": "0" * 64}, "changed or damaged"),
    ],
)
def test_a_card_that_says_something_else_is_refused(folder: Path, facts: dict[str, Any], message: str) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
    with pytest.raises(HybridferError, match=message):
        load_network(str(folder))


def test_tensors_that_are_not_the_network_s_are_refused(folder: Path) -> None:
    def lose(state: dict[str, Tensor]) -> None:
        del state["bn1.weight"]

    def spoil(state: dict[str, Tensor]) -> None:
        state["bn1.weight"][0] = float("nan")

    for change, message in ((lose, r"1 missing: bn1\.weight"), (spoil, r"1 with NaN or infinity: bn1\.weight")):
        with pytest.raises(WeightsError, match=message):
            load_network(str(changed(folder, change)))
        changed(folder, lambda state: state.update(trained().state_dict()))


def test_a_file_that_is_cut_is_refused_even_if_the_card_has_its_hash(folder: Path) -> None:
    import hashlib

    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="changed or damaged"):
        load_network(str(folder))
    card = json.loads((folder / "card.json").read_text())
    card["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=r"is not a \.safetensors file, or is cut"):
        load_network(str(folder))


def test_cards_of_before_there_were_options_are_read(folder: Path) -> None:
    path = folder / "card.json"
    card = json.loads(path.read_text())
    old = {key: card[key] for key in card if key not in ("options", "grey", "kind", "fingerprint")}
    path.write_text(json.dumps({**old, "mean": [0.5] * 3, "std": [0.5] * 3}))
    assert (read_card(str(folder)).options, read_card(str(folder)).grey) == ({}, False)


def test_options_are_read_as_their_network_takes_them() -> None:
    assert read_options("arm", {"width": "1", "input_size": "48", "affinity": "none", "de_albino": "no"}) == {
        "width": 1.0,
        "input_size": 48,
        "affinity": "none",
        "de_albino": False,
    }
    for texts, message in [
        ({"widht": "1"}, "arm has no option 'widht'. Did you mean 'width'[?] Known: affinity, arrangement, channels, "),
        ({"classes": "7"}, "arm has no option 'classes'"),
        ({"width": "big"}, "arm:width='big' is not a number"),
        ({"input_size": "48.5"}, "arm:input_size='48.5' is not a whole number"),
        ({"de_albino": "perhaps"}, "arm:de_albino='perhaps' is not true or false"),
    ]:
        with pytest.raises(SpecError, match=message):
            read_options("arm", texts)
    with pytest.raises(SpecError, match="affinity=some is unknown"):
        build_network("arm", 7, affinity="some")
    with pytest.raises(SpecError, match=r"odd has no option 'width'\. It has none"):
        plan_network("odd", width=0.5)


def test_a_slim_checkpoint_is_imported_with_the_options_it_was_made_with(tmp_path: Path) -> None:
    save_file(trained("arm").state_dict(), tmp_path / "arm.safetensors")
    made = {"width": "0.125", "input_size": "48", "channels": "1"}
    with pytest.raises(
        WeightsError,
        match=r"of another shape: .* give its own checkpoint, the options it was made with \(--set width=0.5\), or",
    ):
        import_weights(tmp_path / "arm.safetensors", "arm")
    with pytest.raises(WeightsError, match="arm of one channel has no usual mean and std; say both, such as"):
        import_weights(tmp_path / "arm.safetensors", "arm", options=made, mean=[0.5])
    said: dict[str, Any] = {"options": made, "mean": [0.5], "std": [0.25]}
    with pytest.raises(WeightsError, match="said to be for pictures of 40 pixels, but arm made for 48 takes no others"):
        import_weights(tmp_path / "arm.safetensors", "arm", size=40, **said)
    card = import_weights(tmp_path / "arm.safetensors", "arm", **said)
    assert (card.size, card.mean, card.std, card.options) == (48, (0.5,), (0.25,), SLIM)
    loaded, _ = load_network("arm")
    with torch.inference_mode():
        torch.testing.assert_close(loaded(PICTURES), trained("arm")(PICTURES), rtol=1e-5, atol=1e-6)


def test_one_number_stands_for_all_channels(toy_file: Path) -> None:
    card = import_weights(toy_file, "toy", mean=[0.4], std=[0.3])
    assert (card.mean, card.std) == ((0.4,) * 3, (0.3,) * 3)
