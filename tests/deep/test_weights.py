"""Weights come in strictly, lie under a card, and are used only while they are what the card says."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path

import pytest
import torch
from deep.toy_networks import Toy
from safetensors.torch import load_file, save_file

from hybridfer.deep import NETWORKS
from hybridfer.deep.weights import (
    find_weights,
    import_weights,
    is_shipped,
    list_weights,
    read_card,
    read_record,
    verify_weights,
    weights_folder,
    weights_names,
    weights_path,
)
from hybridfer.errors import OutputError, SpecError, WeightsError
from hybridfer.faces import create_detector

State = dict[str, torch.Tensor]

pytestmark = pytest.mark.usefixtures("none_shipped")


class Evil:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_what_is_imported_lies_beside_its_card(toy_file: Path, toy_state: State) -> None:
    card = import_weights(
        toy_file,
        "toy",
        name="mine-1.0",
        labels=["Happy", "sad", "Fear", "neutral"],
        size=40,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        licence="MIT",
        origin="a paper",
    )
    folder = weights_folder() / "mine-1.0"
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "model.safetensors"]
    stored = load_file(folder / "model.safetensors")
    assert set(stored) == set(toy_state)
    assert all(torch.equal(stored[name], toy_state[name]) for name in stored)
    record = json.loads((folder / "card.json").read_text())
    assert record.pop("fingerprint").startswith("sha256:")
    assert record == {
        "kind": "network",
        "name": "mine-1.0",
        "network": "toy",
        "classes": 4,
        "labels": ["happiness", "sadness", "fear", "neutral"],
        "size": 40,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "licence": "MIT",
        "origin": "a paper",
        "tensors": 9,
        "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "schema": 1,
        "options": {},
        "grey": False,
    }
    assert find_weights("mine-1.0") == (folder / "model.safetensors", card)
    assert (list_weights(), weights_names()) == (([card], []), ["mine-1.0"])


def test_defaults_are_the_network_s_name_imagenet_and_the_file_s_name(toy_file: Path) -> None:
    card = import_weights(toy_file, "toy")
    assert (card.name, card.labels, card.size, card.licence, card.origin) == ("toy", None, 224, "unknown", "toy.pt")
    assert (card.mean, card.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "net"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("old", [False, True])
def test_every_way_of_saving_gives_the_same_weights(
    tmp_path: Path, toy_state: State, toy_file: Path, wrapper: str | None, prefix: str, old: bool
) -> None:
    expected = import_weights(toy_file, "toy").sha256
    state = {prefix + name: tensor for name, tensor in toy_state.items()}
    saved = state if wrapper is None else {"epoch": 3, wrapper: state, "loss": 0.5}
    torch.save(saved, tmp_path / "other.bin", _use_new_zipfile_serialization=not old)
    assert import_weights(tmp_path / "other.bin", "toy", name="again").sha256 == expected


def test_safetensors_and_odd_endings_are_read_too(tmp_path: Path, toy_state: State, toy_file: Path) -> None:
    expected = import_weights(toy_file, "toy").sha256
    save_file(toy_state, tmp_path / "toy.safetensors")
    toy_file.rename(tmp_path / "Z_rot30_2019Nov30_13.32")
    for number, name in enumerate(["toy.safetensors", "Z_rot30_2019Nov30_13.32"]):
        assert import_weights(tmp_path / name, "toy", name=f"n{number}").sha256 == expected


def test_half_precision_becomes_the_network_s_own(tmp_path: Path, toy_state: State) -> None:
    torch.save({n: t.half() if t.is_floating_point() else t for n, t in toy_state.items()}, tmp_path / "half.pt")
    import_weights(tmp_path / "half.pt", "toy")
    stored = load_file(find_weights("toy")[0])
    assert stored["fc.weight"].dtype == torch.float32
    assert torch.equal(stored["fc.weight"], toy_state["fc.weight"].half().float())


def test_counters_of_batches_may_be_absent(tmp_path: Path, toy_state: State) -> None:
    del toy_state["norm.num_batches_tracked"]
    torch.save(toy_state, tmp_path / "old.pt")
    import_weights(tmp_path / "old.pt", "toy")
    assert load_file(find_weights("toy")[0])["norm.num_batches_tracked"] == 0


def test_every_missing_unexpected_and_misshapen_tensor_is_named(tmp_path: Path, toy_state: State) -> None:
    for name in ("conv.bias", "norm.weight"):
        del toy_state[name]
    toy_state |= {"head.weight": torch.ones(2), "head.bias": torch.ones(2), "conv.weight": torch.ones(2, 1, 3, 3)}
    toy_state["norm.bias"] = torch.ones(2, dtype=torch.int64)
    torch.save(toy_state, tmp_path / "bad.pt")
    with pytest.raises(WeightsError) as caught:
        import_weights(tmp_path / "bad.pt", "toy")
    assert str(caught.value) == (
        f"{tmp_path / 'bad.pt'} does not fit toy. 2 missing: conv.bias, norm.weight; "
        "2 unexpected: head.weight, head.bias; "
        "1 of another shape: conv.weight (2, 1, 3, 3), expected (2, 3, 3, 3); "
        "1 not plain numbers: norm.bias (torch.int64). "
        "Expected every tensor of the network and no other; give its own checkpoint, "
        f"or another --network (known: {', '.join(NETWORKS.names())})."
    )
    assert weights_names() == []


def test_a_missing_last_layer_is_named_with_the_others(tmp_path: Path, toy_state: State) -> None:
    del toy_state["fc.weight"]
    torch.save(toy_state, tmp_path / "bad.pt")
    with pytest.raises(
        WeightsError, match=r"1 missing: fc\.weight; 1 of another shape: fc\.bias \(4,\), expected \(7,"
    ):
        import_weights(tmp_path / "bad.pt", "toy")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, toy_state: State, value: float) -> None:
    toy_state["conv.bias"][1] = value
    torch.save(toy_state, tmp_path / "bad.pt")
    with pytest.raises(WeightsError, match=r"1 with NaN or infinity: conv\.bias"):
        import_weights(tmp_path / "bad.pt", "toy")


def test_pickled_modules_and_other_code_are_refused_and_not_run(tmp_path: Path) -> None:
    torch.save(Toy(), tmp_path / "module.pt")
    with pytest.raises(WeightsError, match=r"pickled code \(deep\.toy_networks\.Toy\), which hybridfer never runs"):
        import_weights(tmp_path / "module.pt", "toy")
    mark = tmp_path / "ran"
    torch.save({"state_dict": Evil(mark)}, tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil(mark)))
    for name in ("evil.pt", "plain.pt"):
        with pytest.raises(WeightsError):
            import_weights(tmp_path / name, "toy")
    assert not mark.exists()


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_cut_file_is_an_error_wherever_it_is_cut(tmp_path: Path, toy_state: State, form: str) -> None:
    path = tmp_path / ("toy.safetensors" if form == "safetensors" else "toy.pt")
    if form == "safetensors":
        save_file(toy_state, path)
    else:
        torch.save(toy_state, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    for size in (*range(1, 40, 7), *range(40, len(whole), max(1, len(whole) // 40)), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match="cut"):
            import_weights(path, "toy")


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello, this is text")
    torch.save({"epoch": 3, "best": torch.tensor(1.0), "net": {}}, tmp_path / "other.pt")
    torch.save(torch.ones(3), tmp_path / "tensor.pt")
    save_file({}, tmp_path / "none.safetensors")
    for name, message in {
        "": "is a folder; name the checkpoint file in it",
        "gone.pt": "cannot be read: No such file",
        "empty.pt": "is empty",
        "text.pt": "is not a checkpoint of torch",
        "text.safetensors": "is not a .safetensors file",
        "other.pt": "holds epoch, best, net; expected a state dict",
        "tensor.pt": "holds a Tensor; expected a state dict",
        "none.safetensors": "holds no tensors",
    }.items():
        with pytest.raises(WeightsError, match=message):
            import_weights(tmp_path / name, "toy")


def test_what_cannot_be_said_about_weights_is_refused(toy_file: Path) -> None:
    for said, message in [
        ({"name": "../toy"}, "is no name for weights"),
        ({"size": 0}, "have size 0; expected a side in pixels"),
        ({"mean": (0.5, 0.5)}, "have mean .* expected a number for each channel, such as 0.5,0.5,0.5"),
        ({"mean": (0.5, 0.5, float("nan"))}, "have mean .* expected a number for each channel"),
        ({"std": (0.5, 0.5, 0)}, "have std .* expected a positive number for each channel"),
        ({"labels": ["a", "b", "c"]}, "have labels .* expected 4 different names"),
        ({"labels": ["happy", "happiness", "sad", "fear"]}, "have labels .* expected 4 different names"),
    ]:
        with pytest.raises(WeightsError, match=message):
            import_weights(toy_file, "toy", **said)
    with pytest.raises(SpecError, match=r"No network named 'toi'\. Did you mean 'toy'"):
        import_weights(toy_file, "toi")
    assert weights_names() == []


def test_weights_are_replaced_only_when_asked_to_be(tmp_path: Path, toy_file: Path, toy_state: State) -> None:
    first = import_weights(toy_file, "toy")
    toy_state["conv.bias"] += 1
    torch.save(toy_state, tmp_path / "other.pt")
    with pytest.raises(OutputError, match="add --overwrite to replace it"):
        import_weights(tmp_path / "other.pt", "toy")
    assert find_weights("toy")[1] == first
    second = import_weights(tmp_path / "other.pt", "toy", overwrite=True)
    assert second.sha256 != first.sha256
    assert find_weights("toy")[1] == second
    assert [p.name for p in weights_folder().iterdir()] == ["toy"]


def test_changed_weights_are_not_used(toy_file: Path) -> None:
    import_weights(toy_file, "toy")
    path, _ = find_weights("toy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"has SHA-256 .*but its card says .*changed or damaged"):
        find_weights("toy")
    path.unlink()
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        find_weights("toy")


def test_a_damaged_or_newer_card_is_named_and_hides_no_other(toy_file: Path) -> None:
    good = import_weights(toy_file, "toy")
    import_weights(toy_file, "toy", name="bad")
    card = weights_folder() / "bad" / "card.json"
    record = json.loads(card.read_text())
    for text, message in [
        (json.dumps(record)[:-20], "is no card of weights"),
        ("[]", "is no card of weights"),
        (json.dumps({k: v for k, v in record.items() if k != "std"}), "is no card of weights"),
        (json.dumps({**record, "mean": "abc"}), "is no card of weights"),
        (json.dumps({**record, "name": "else"}), "is of the weights 'else', not of 'bad'"),
        (json.dumps({**record, "schema": 2}), "has card schema 2; this hybridfer .* reads up to 1. Upgrade hybridfer"),
    ]:
        card.write_text(text)
        with pytest.raises(WeightsError, match=message):
            read_card("bad")
        assert list_weights()[0] == [good]
        assert len(list_weights()[1]) == 1


def test_verify_looks_at_every_byte_again(toy_file: Path) -> None:
    import_weights(toy_file, "toy")
    import_weights(toy_file, "toy", name="other")
    assert verify_weights() == {"toy": None, "other": None}
    path, _ = find_weights("other")
    path.write_bytes(path.read_bytes()[:-1])
    found = verify_weights()
    assert found["toy"] is None
    assert "changed or damaged" in str(found["other"])
    assert list(verify_weights("toy")) == ["toy"]
    with pytest.raises(WeightsError, match=r"No weights named 'othr' are installed. Did you mean 'other'\?"):
        verify_weights("othr")


def test_the_folder_is_hybridfer_s_home_or_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYBRIDFER_HOME", str(tmp_path / "home"))
    assert weights_folder() == tmp_path / "home" / "weights"
    assert (list_weights(), verify_weights()) == (([], []), {})
    monkeypatch.delenv("HYBRIDFER_HOME")
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / "user" / name)
    assert weights_folder() == tmp_path / "user" / "hybridfer" / "weights"


def test_a_home_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, toy_file: Path) -> None:
    monkeypatch.setenv("HYBRIDFER_HOME", str(toy_file))
    with pytest.raises(WeightsError, match=r"cannot be made: .*; set HYBRIDFER_HOME to another folder"):
        import_weights(toy_file, "toy")


def test_tensors_that_share_memory_are_stored_apart(tmp_path: Path, toy_state: State) -> None:
    both = torch.rand(2)
    toy_state |= {"norm.weight": both, "norm.running_var": both}
    buffer = io.BytesIO()
    torch.save(toy_state, buffer)
    (tmp_path / "shared.pt").write_bytes(buffer.getvalue())
    import_weights(tmp_path / "shared.pt", "toy")
    stored = load_file(find_weights("toy")[0])
    assert torch.equal(stored["norm.weight"], both)
    assert torch.equal(stored["norm.running_var"], both)


def _ship(name: str, folder: Path) -> None:
    (weights_folder() / name).rename(folder / name)


def test_weights_that_are_shipped_are_found_like_the_users_own_and_give_way_to_them(
    toy_file: Path, none_shipped: Path
) -> None:
    import_weights(toy_file, "toy", licence="MIT")
    _ship("toy", none_shipped)
    assert (weights_names(), is_shipped("toy")) == (["toy"], True)
    assert find_weights("toy")[0] == none_shipped / "toy" / "model.safetensors"
    assert list_weights()[0][0].licence == "MIT"
    assert verify_weights() == {"toy": None}
    import_weights(toy_file, "toy", licence="mine")
    assert (weights_names(), is_shipped("toy")) == (["toy"], False)
    assert find_weights("toy")[0] == weights_folder() / "toy" / "model.safetensors"
    assert read_card("toy").licence == "mine"


def test_a_changed_byte_in_what_is_shipped_is_noticed(toy_file: Path, none_shipped: Path) -> None:
    import_weights(toy_file, "toy")
    _ship("toy", none_shipped)
    path = none_shipped / "toy" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    assert "changed or damaged" in str(verify_weights()["toy"])


def _model_folder(folder: Path, toy_file: Path, **facts: object) -> Path:
    """What a training writes: weights, a card that says more, a page to read."""
    import_weights(toy_file, "toy", name="trained", licence="MIT")
    (weights_folder() / "trained").rename(folder)
    record = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**record, **facts}))
    (folder / "README.md").write_text("# A toy\n")
    return folder


def test_a_model_folder_is_imported_with_all_that_its_card_says(tmp_path: Path, toy_file: Path) -> None:
    folder = _model_folder(tmp_path / "model", toy_file, thresholds=[0.6, 0.7])
    card = import_weights(folder, "toy", name="mine")
    assert (card.name, card.licence, card.tensors) == ("mine", "MIT", 9)
    assert read_record("mine")["thresholds"] == [0.6, 0.7]
    assert sorted(p.name for p in weights_path("mine").iterdir()) == ["README.md", "card.json", "model.safetensors"]
    assert find_weights("mine")[1] == card


def test_a_path_to_weights_is_a_name_or_a_model_folder(
    tmp_path: Path, toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _model_folder(tmp_path / "model", toy_file)
    assert weights_path(str(folder)) == folder
    monkeypatch.chdir(tmp_path)
    assert weights_path("model") == Path("model")
    import_weights(folder, "toy", name="model")
    assert weights_path("model") == weights_folder() / "model"
    with pytest.raises(WeightsError, match="No weights named 'none' are installed"):
        weights_path("none")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    with pytest.raises(WeightsError, match="changed or damaged"):
        weights_path(str(folder))
    (folder / "card.json").unlink()
    with pytest.raises(WeightsError, match="is no card of weights"):
        weights_path(str(folder))


def test_a_model_folder_that_is_not_what_it_says_is_refused(tmp_path: Path, toy_file: Path, toy_state: State) -> None:
    folder = _model_folder(tmp_path / "model", toy_file)
    with pytest.raises(WeightsError, match="holds toy, not resnet18; import it with --network toy"):
        import_weights(folder, "resnet18")
    with pytest.raises(WeightsError, match="does not say whose weights it holds; name the network"):
        import_weights(toy_file)
    with pytest.raises(WeightsError, match="has a card that says what it is"):
        import_weights(folder, "toy", size=48)
    del toy_state["conv.bias"]
    save_file(toy_state, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="changed or damaged"):
        import_weights(folder, "toy")
    record = json.loads((folder / "card.json").read_text())
    record["sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(record))
    with pytest.raises(WeightsError, match=r"does not fit toy\. 1 missing: conv\.bias"):
        import_weights(folder, "toy")
    assert weights_names() == []


def test_a_trained_detector_is_imported_as_a_folder_and_used_by_its_name(tmp_path: Path) -> None:
    from hybridfer.deep.nets.mtcnn import ONet
    from hybridfer.deep.nets.mtcnn_improved import ImprovedPNet, OctaveRNet

    nets = {"pnet": ImprovedPNet(), "rnet": OctaveRNet(0.25), "onet": ONet()}
    state = {f"{net}.{name}": t.contiguous() for net, module in nets.items() for name, t in module.state_dict().items()}

    def write(folder: Path, **facts: object) -> Path:
        folder.mkdir()
        save_file(state, folder / "model.safetensors")
        sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        card = {"name": "model", "network": "mtcnn-improved", "classes": None, "labels": None, "size": 48}
        card |= {"mean": [0.5] * 3, "std": [0.5] * 3, "licence": "MIT", "origin": "a test", "tensors": len(state)}
        card |= {"schema": 1, "sha256": sha256, "thresholds": [0.6, 0.7, 0.7], "alpha": 0.25}
        (folder / "card.json").write_text(json.dumps({**card, **facts}))
        return folder

    card = import_weights(write(tmp_path / "model"), "mtcnn-improved", name="mine")
    assert create_detector("mtcnn-improved:weights=mine").weights == card.sha256
    for name, value in {"alpha": 0.5, "thresholds": [0.6]}.items():
        folder = write(tmp_path / name, **{name: value})
        with pytest.raises(WeightsError, match="holds no weights of mtcnn-improved"):
            import_weights(folder, "mtcnn-improved", name="other")
    assert weights_names() == ["mine"]


def test_a_detector_that_is_trained_as_a_whole_is_not_imported_from_a_file(toy_file: Path) -> None:
    with pytest.raises(WeightsError, match="is no model folder; mtcnn-improved comes as the one that hybridfer train"):
        import_weights(toy_file, "mtcnn-improved")
