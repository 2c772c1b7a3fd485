"""A network as a model: its rows, its card, what it refuses; a toy's probabilities are worked out by hand."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from deep.corner import TABLE, Corner, corner_model, picture, save
from deep.toy_networks import Toy
from torch import nn

from hybridfer import evaluate, extract, load_model
from hybridfer.datasets.inputs import read_inputs
from hybridfer.deep import NETWORKS
from hybridfer.deep.classifier import NetworkModel
from hybridfer.deep.weights import import_weights
from hybridfer.errors import ModelError, WeightsError
from hybridfer.faces.align import Alignment


@pytest.fixture(autouse=True)
def corner(monkeypatch: pytest.MonkeyPatch, none_shipped: Path) -> None:
    """The network ``corner``, and no other weights than a test's own."""
    monkeypatch.setitem(NETWORKS.table, "corner", TABLE["corner"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return corner_model(tmp_path / "corner.model")


def bright(corner: float) -> float:
    """Return the probability of ``bright`` for a corner of that value, 0 to 255: see :class:`Corner`."""
    return 1 / (1 + math.exp(-(4 * corner / 255 - 2)))


def test_rows_hold_the_softmax_of_the_scores(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    assert isinstance(model, NetworkModel) and model.classes == ["dark", "bright"] and model.detector == "none"
    light, dark = model.predict([picture(255), save(tmp_path / "dark.png", picture(10, 250))], jobs=1, cache=False)
    assert light["p_bright"] == light["confidence"] == pytest.approx(bright(255), abs=1e-6)
    assert (light["input"], light["label"], light["status"]) == ("image 0", "bright", "ok")
    assert dark["p_dark"] == dark["confidence"] == pytest.approx(1 - bright(10), abs=1e-6)
    assert (dark["label"], dark["FaceRectWidth"]) == ("dark", 16)


@pytest.mark.parametrize("cache", [False, True])
def test_a_face_alone_and_among_others_gets_the_same_bits(tmp_path: Path, cache: bool) -> None:
    torch.manual_seed(4)
    state = Toy(2)
    model = NetworkModel.load(str(corner_model(tmp_path / "m", state, network="toy", size=48)))
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (48, 48, 3), dtype=np.uint8) for _ in range(11)]
    together = model.predict(pictures, jobs=2, cache=cache)
    for number, each in enumerate(pictures):
        (alone,) = model.predict([each], jobs=1, cache=False)
        assert alone["p_dark"] == together[number]["p_dark"]


def test_it_sees_a_crop_as_its_card_says(tmp_path: Path) -> None:
    """Mean and deviation are taken out, channel by channel; a network of one channel sees grey."""
    mean, std = (0.5, 0.2, 0.1), (0.5, 2.0, 4.0)
    pixels = np.zeros((16, 16, 3), np.uint8) + np.array([255, 51, 102], np.uint8)
    (row,) = load_model(corner_model(tmp_path / "a", mean=mean, std=std)).predict([pixels], cache=False)
    seen = np.mean([(1 - 0.5) / 0.5, (0.2 - 0.2) / 2, (0.4 - 0.1) / 4])
    assert row["p_bright"] == pytest.approx(1 / (1 + math.exp(-(4 * seen - 2))), abs=1e-6)
    grey = corner_model(tmp_path / "b", Corner(channels=1), options={"channels": 1}, mean=(0.0,), std=(1.0,))
    (row,) = load_model(grey).predict([pixels], cache=False)
    assert row["p_bright"] == pytest.approx(bright(round(0.299 * 255 + 0.587 * 51 + 0.114 * 102)), abs=1e-6)


def test_expressions_have_the_columns_that_everyone_expects(tmp_path: Path) -> None:
    folder = corner_model(tmp_path / "m", labels=("sadness", "happiness"))
    (row,) = load_model(folder).predict([picture(255)], cache=False)
    assert row["happiness"] == pytest.approx(bright(255), abs=1e-6) and row["label"] == "happiness"


def test_a_card_says_how_a_face_is_found_and_cut(tmp_path: Path) -> None:
    crop = {"eyes": [[0.3, 0.4], [0.7, 0.4]], "mouth": 0.8, "margin": 0.5}
    made = {"detector": "mtcnn", "cropped": False, "crop": crop}
    model = load_model(corner_model(tmp_path / "m", detector="haar", trained_with=made))
    assert model.detector == "haar"
    assert model.alignment == Alignment(((0.3, 0.4), (0.7, 0.4)), 0.8, 0.5)


def test_weights_that_were_imported_are_a_model_when_they_have_labels(tmp_path: Path) -> None:
    torch.save(Corner().state_dict(), tmp_path / "c.pt")
    import_weights(tmp_path / "c.pt", "corner", name="nameless", size=16, mean=(0, 0, 0), std=(1, 1, 1))
    with pytest.raises(ModelError, match="'nameless' do not say what their 2 classes are called; import them with"):
        load_model("nameless")
    said = {"size": 16, "mean": (0, 0, 0), "std": (1, 1, 1), "labels": ["dark", "bright"]}
    import_weights(tmp_path / "c.pt", "corner", name="named", **said)
    model = load_model("named")
    assert (model.detector, model.alignment) == ("mtcnn", Alignment())
    (row,) = model.predict([picture(255)], detector="none", cache=False)
    assert row["p_bright"] == pytest.approx(bright(255), abs=1e-6)
    card = tmp_path / "old"
    card.mkdir()
    record = {key: value for key, value in model.card.items() if key not in ("fingerprint", "options", "grey", "kind")}
    (card / "card.json").write_text(json.dumps(record))
    (card / "model.safetensors").write_bytes((corner_model(tmp_path / "m") / "model.safetensors").read_bytes())
    assert load_model(card).fingerprint.startswith("sha256:") and load_model(card).fingerprint != model.fingerprint


def test_a_bank_of_its_scores_says_what_pictures_say(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(5):
        save(tmp_path / "in" / f"{number}.png", picture(50 * number))
    bank = extract(tmp_path / "in", [f"corner@fc:weights={folder}"], tmp_path / "b.parquet", detector="none")
    model = load_model(folder)
    from_bank, from_pictures = list(model.predict_bank(bank)), model.predict(sorted((tmp_path / "in").iterdir()))
    assert [row["p_bright"] for row in from_bank] == [row["p_bright"] for row in from_pictures]
    assert model.bank_notes(bank) == []


def test_another_bank_is_refused_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0))
    bank = extract(tmp_path / "a.png", ["phash"], tmp_path / "b.parquet", detector="none")
    with pytest.raises(
        ModelError, match=r"answers by corner@fc:.*, which .* lacks\. Extract with -f corner@fc:.*, giv"
    ):
        load_model(folder).predict_bank(bank)


def test_a_bank_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0))
    bank = extract(tmp_path / "a.png", [f"corner@fc:weights={folder}"], tmp_path / "b.parquet", detector="none")
    shutil.rmtree(folder)
    net = Corner()
    nn.init.zeros_(net.fc.bias)
    with pytest.raises(ModelError, match=r"answers by corner@fc:.* of weights .*, and .*b\.parquet has weights"):
        load_model(corner_model(folder, net)).predict_bank(bank)


def test_where_it_looked_comes_with_the_rows(folder: Path, tmp_path: Path) -> None:
    files = [save(tmp_path / "1.png", picture(255, side=32)), save(tmp_path / "2.png", picture(0, side=20))]
    manifest = read_inputs(files)
    first, second = load_model(folder).predict_items(manifest, explain=True, cache=False, jobs=1)
    (heat,) = first.heats
    assert heat.values.shape == (8, 8) and (heat.values[:4, :4] == 1).all() and heat.values.sum() == 16
    assert heat.face.box == (0, 0, 32, 32)
    assert second.rows[0]["label"] == "dark" and not second.heats[0].values.any()
    assert not next(load_model(folder).predict_items(manifest, cache=False)).heats


def test_it_is_evaluated_as_any_model(folder: Path, tmp_path: Path) -> None:
    lines = ["path,label,split,subject"]
    for number in range(8):
        save(tmp_path / f"{number}.png", picture(255 * (number % 2)))
        label = "bright" if number % 2 and number != 7 else "dark"
        lines.append(f"{number}.png,{label},{'train' if number < 2 else 'val'},s{number // 4}")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    found = evaluate(folder, tmp_path / "people.csv", split="val", by="subject", resamples=100, cache=False, jobs=1)
    assert found.n == 6 and found.metrics["accuracy"]["value"] == pytest.approx(5 / 6)
    assert found.confusion["counts"] == [[3, 1], [0, 2]]
    assert found.by["subject"]["s1"]["metrics"]["accuracy"]["value"] == 0.75
    assert found.protocol["model"] == load_model(folder).fingerprint and "torch" in found.protocol["versions"]


def test_rows_of_the_training_split_are_told(tmp_path: Path) -> None:
    folder = corner_model(tmp_path / "m", training={"dataset": "manifest", "split": "train"})
    lines = ["path,label,split"]
    for number in range(4):
        save(tmp_path / f"{number}.png", picture(255 * (number % 2)))
        lines.append(f"{number}.png,{'bright' if number % 2 else 'dark'},{'train' if number < 3 else 'val'}")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    notes = evaluate(folder, tmp_path / "people.csv", resamples=100, cache=False, jobs=1).notes
    assert any("3 of these rows are of the split train of manifest" in note for note in notes)
    notes = evaluate(folder, tmp_path / "people.csv", split="val", resamples=100, cache=False, jobs=1).notes
    assert not any("split train" in note for note in notes)


def test_a_file_that_is_not_what_its_card_says_is_refused(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="it was changed or damaged"):
        load_model(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_model(folder)
    (folder / "card.json").write_text("{")
    with pytest.raises(ModelError, match="cut or damaged"):
        load_model(folder)


def test_names_and_folders_are_never_confused(
    folder: Path, tmp_path: Path, none_shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner_model(none_shipped / "corner")
    monkeypatch.chdir(tmp_path)
    assert load_model("corner").classes == ["dark", "bright"]
    (tmp_path / "corner").mkdir()
    assert load_model("corner").classes == ["dark", "bright"]  # the folder is of no model
    (tmp_path / "corner").rmdir()
    corner_model(tmp_path / "corner", labels=("a", "b"))
    with pytest.raises(ModelError, match=r"is the name of weights and a model folder here; write \./corner"):
        load_model("corner")
    assert load_model("./corner").classes == ["a", "b"]
    with pytest.raises(ModelError, match=r"There is no model corned\. Did you mean 'corner'\? Expected .*: corner"):
        load_model("corned")


def test_a_detector_is_no_model(none_shipped: Path) -> None:
    corner_model(none_shipped / "mtcnn-improved", name="mtcnn-improved", network="mtcnn-improved")
    with pytest.raises(ModelError, match="holds mtcnn-improved, which finds faces and tells no expressions: it goes w"):
        load_model("mtcnn-improved")
