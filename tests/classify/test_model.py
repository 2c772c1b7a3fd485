"""The model folder: what it holds, what it refuses, and that it predicts what was trained."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from hashlib import sha256

import cv2
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from hybridfer import extract, load_model, train_svm
from hybridfer.classify.model import FILES, TRUSTED, Model
from hybridfer.errors import ModelError, OutputError
from hybridfer.faces.align import Alignment
from hybridfer.types import BANK_COLUMNS

from .conftest import HOG, LBP, features


@pytest.fixture
def model(bank):
    return train_svm(bank)


@pytest.fixture
def folder(model, tmp_path):
    model.save(tmp_path / "toy.model")
    return tmp_path / "toy.model"


@pytest.fixture(scope="module")
def faces(tmp_path_factory, lfw):
    """A folder of 60 faces and 60 other pictures, their bank, and a model of it."""
    root = tmp_path_factory.mktemp("lfw")
    for i in (*range(60), *range(100, 160)):
        (root / "pictures" / lfw[1][i]).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "pictures" / lfw[1][i] / f"{i}.png"), lfw[0][i])
    bank = extract(
        root / "pictures", ["lbp", "hog"], root / "faces.parquet", labels="folder", detector="none", cache=False, jobs=1
    )
    train_svm(bank, cv=3, output=root / "faces.model")
    return root


def rewrite(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))


def replace_pipeline(folder, data):
    (folder / "model.skops").write_bytes(data)
    rewrite(folder, sha256={"model.skops": sha256(data).hexdigest()})


def test_a_folder_holds_three_files_and_no_pickle(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    with zipfile.ZipFile(folder / "model.skops") as archive:
        assert {name.rsplit(".", 1)[-1] for name in archive.namelist()} <= {"json", "npy"}
        for name in archive.namelist():
            if name.endswith("npy"):
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "chi2"])
def test_a_saved_model_predicts_what_the_trained_one_did(bank, tmp_path, kernel):
    blocks = {name: bank.X(name) for name in (LBP, HOG)}
    model = train_svm(bank, kernel=kernel, output=tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_features(blocks)[1], model.predict_features(blocks)[1])
    assert loaded.card == model.card and loaded.fingerprint == model.fingerprint


def test_a_binary_model_has_both_classes_probabilities(make_bank, tmp_path):
    bank = make_bank(["b", "a"] * 20)
    train_svm(bank, kernel="rbf", output=tmp_path / "m")
    labels, values = load_model(tmp_path / "m").predict_features({LBP: bank.X("lbp"), HOG: bank.X("hog")})
    assert values.shape == (40, 2) and (labels == bank.y).all()


def test_the_card_says_what_it_is(folder, bank):
    card = json.loads((folder / "card.json").read_text())
    assert card["classes"] == ["anger", "fear", "neutral"]
    assert list(card["blocks"]) == [LBP, HOG]
    assert card["blocks"][HOG]["length"] == 20
    assert card["training"]["bank"] == bank.fingerprint
    assert card["training"]["classes"] == {"anger": 30, "fear": 30, "neutral": 30}
    assert card["training"]["subjects"] == 15
    assert card["sha256"]["model.skops"] == sha256((folder / "model.skops").read_bytes()).hexdigest()


def test_the_readme_says_it_to_people(bank, tmp_path):
    train_svm(bank, cv=3, output=tmp_path / "m")
    text = (tmp_path / "m" / "README.md").read_text()
    for part in ("anger, fear, neutral", "3 folds of whole subjects", "95 % interval", LBP, "hybridfer svm-predict"):
        assert part in text


def test_the_detector_to_deploy_with_is_the_banks_or_the_default_for_declared_crops(make_bank):
    labels = ["a", "b"] * 5
    assert train_svm(make_bank(labels)).detector == "none"
    assert train_svm(make_bank(labels, head={"detector": "haar"})).detector == "haar"
    assert train_svm(make_bank(labels, head={"cropped": True})).detector == "mtcnn"


def test_of_a_bank_one_split_can_be_predicted_alone(make_bank, model):
    bank = make_bank(["anger", "sadness", None, "anger"], faceless=1, split=["train", "val", "val", "test"])
    rows = list(model.predict_bank(bank))
    for split in ("train", "val", "test"):
        alone = list(model.predict_bank(bank, split))
        assert [row["input"] for row in alone] == [row["input"] for row in rows if row["split"] == split]
        for row in alone:
            (same,) = [r for r in rows if r["input"] == row["input"]]
            assert row["label"] == same["label"] and row["confidence"] == pytest.approx(same["confidence"])


def test_rows_of_a_bank_come_with_predictions_and_truth(make_bank, model):
    bank = make_bank(["anger", "sadness", None], faceless=1, own={"age": [20, 30, 40]})
    rows = list(model.predict_bank(bank))
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "no_face"]
    assert [row["true_label"] for row in rows] == ["anger", "sadness", None, None]
    assert [row["age"] for row in rows[:3]] == [20, 30, 40]
    for row in rows[:3]:
        best = max(model.classes, key=lambda name: row[name])
        assert row["label"] == best and row["confidence"] == row[best]
    assert rows[3]["label"] is None and "anger" not in rows[3]
    assert set(BANK_COLUMNS) <= set(rows[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 2}, r"of version 1, and .* has version 2: other numbers"),
        ({"weights": "abc"}, r"of weights None, and .* has weights abc"),
    ],
)
def test_a_bank_made_otherwise_is_refused_and_says_which(make_bank, model, changed, message):
    other = make_bank(
        ["anger", "fear"], blocks={LBP: features("ab", 12, 1), HOG: features("ab", 20, 1)}, cards={HOG: changed}
    )
    with pytest.raises(ModelError, match=f"The model was trained on {HOG} {message}"):
        model.predict_bank(other)


def test_a_bank_of_another_length_is_refused(make_bank, model):
    other = make_bank(["anger", "fear"], blocks={LBP: features("ab", 12, 1), HOG: features("ab", 21, 1)})
    with pytest.raises(ModelError, match=r"of length 20, and .* has length 21"):
        model.predict_bank(other)


def test_a_bank_of_other_specs_is_refused_and_told_of_the_nearest(make_bank, model):
    near = HOG.replace("cell=8", "cell=6")
    other = make_bank(["anger", "fear"], blocks={LBP: features("ab", 12, 1), near: features("ab", 20, 1)})
    with pytest.raises(ModelError, match=rf"trained on {HOG}, which .* lacks. It has {near}. Extract with -f"):
        model.predict_bank(other)


def test_another_library_version_is_a_note(make_bank, model):
    other = make_bank(
        ["anger"] * 2,
        blocks={LBP: features("ab", 12, 1), HOG: features("ab", 20, 1)},
        cards={LBP: {"libraries": {"opencv-contrib-python": "4.99"}}},
        head={"detector": "haar"},
    )
    notes = model.bank_notes(other)
    assert "trained on with opencv-contrib-python 4.14.0 and is here made with 4.99" in notes[0]
    assert "trained on whole pictures" in notes[1]
    assert len(list(model.predict_bank(other))) == 2


CROP = {"eyes": [[0.31, 0.39], [0.69, 0.39]], "mouth": 0.78, "margin": 0.0}


@pytest.mark.parametrize(
    ("trained", "given", "said"),
    [
        (CROP, {**CROP, "margin": 0.2}, r"cuts faces with margin 0\.0, and .* has faces cut with margin 0\.2"),
        ({**CROP, "mouth": 0.9}, CROP, r"with mouth 0\.9, and .* with mouth 0\.78\. Extract them again"),
        (None, {**CROP, "eyes": [[0.3, 0.4], [0.7, 0.4]]}, r"with eyes \[\[0\.31, 0\.39\]"),
        ({**CROP, "margin": 1}, {"eyes": CROP["eyes"]}, r"with margin 1, and"),
    ],
)
def test_a_bank_whose_faces_were_cut_otherwise_is_refused(make_bank, trained, given, said):
    labels = ["a", "b"] * 5
    head = {"detector": "mtcnn"} if trained else {"cropped": True}
    model = train_svm(make_bank(labels, head={**head, "crop": trained}))
    with pytest.raises(ModelError, match=said):
        model.predict_bank(make_bank(labels, name="b.parquet", head={"detector": "mtcnn", "crop": given}))


@pytest.mark.parametrize("crop", [CROP, {"eyes": CROP["eyes"]}, None])
def test_banks_and_models_from_before_faces_were_turned_fit_the_usual_cut(make_bank, crop):
    labels = ["a", "b"] * 5
    model = train_svm(make_bank(labels, head={"detector": "haar", "crop": crop}))
    assert model.alignment == Alignment()
    bank = make_bank(labels, name="b.parquet", head={"detector": "mtcnn", "crop": CROP})
    assert len(list(model.predict_bank(bank))) == 10
    assert "faces found with haar, and" in model.bank_notes(bank)[0]
    older = Model({**model.card, "trained_with": {"detector": "haar", "cropped": False}}, model.pipeline)
    assert older.alignment == Alignment() and len(list(older.predict_bank(bank))) == 10


def test_other_weights_of_the_detector_are_a_note(make_bank):
    labels = ["a", "b"] * 5
    found = {"detector": "mtcnn-improved", "crop": CROP}
    model = train_svm(make_bank(labels, head={**found, "detector_weights": "abc"}))
    for weights, notes in (("abc", 0), ("abd", 1), (None, 0)):
        bank = make_bank(labels, name=f"{weights}.parquet", head={**found, "detector_weights": weights})
        assert len(model.bank_notes(bank)) == notes


def test_a_model_cuts_pictures_as_its_training_faces_were_cut(tmp_path, astronaut, monkeypatch):
    folder = tmp_path / "in"
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(5):
            shade = np.clip(astronaut * (0.7 + 0.1 * number + (label == "b") / 20), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / label / f"{number}.png"), shade[..., ::-1])
    bank = extract(folder, ["phash"], tmp_path / "a.parquet", labels="folder", alignment=Alignment(margin=0.5))
    train_svm(bank, output=tmp_path / "m")
    model = load_model(tmp_path / "m")
    assert (model.detector, model.alignment) == ("mtcnn", Alignment(margin=0.5))
    assert "with a margin of 0.5" in (tmp_path / "m" / "README.md").read_text()
    pictures = sorted(folder.rglob("*.png"))
    by_picture, by_bank = model.predict(pictures), list(model.predict_bank(bank))
    for one, two in zip(by_picture, by_bank, strict=True):
        assert one["confidence"] == pytest.approx(two["confidence"], abs=1e-9)


def test_features_that_do_not_fit_are_refused(bank, model):
    with pytest.raises(ModelError, match="wants the block hog"):
        model.predict_features({LBP: bank.X("lbp")})
    with pytest.raises(ModelError, match=r"has the shape \(90, 3\)"):
        model.predict_features({LBP: bank.X("lbp"), HOG: bank.X("hog")[:, :3]})
    bad = bank.X("hog").copy()
    bad[4] = np.nan
    with pytest.raises(ModelError, match=r"not finite .* in 1 rows"):
        model.predict_features({LBP: bank.X("lbp"), HOG: bad})


def test_no_faces_are_no_predictions(model):
    labels, values = model.predict_features({LBP: np.empty((0, 12)), HOG: np.empty((0, 20))})
    assert len(labels) == 0 and values.shape == (0, 3)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"There is no model .*none. Expected a model's folder"):
        load_model(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is a file; expected a model folder"):
        load_model(tmp_path / "file")
    with pytest.raises(ModelError, match=r"has no card.json, so it is no model folder"):
        load_model(tmp_path)


def test_a_missing_file_is_named(folder):
    (folder / "model.skops").unlink()
    with pytest.raises(ModelError, match=r"has no model.skops"):
        load_model(folder)


def test_a_cut_card_is_refused(folder):
    text = (folder / "card.json").read_text()
    (folder / "card.json").write_text(text[: len(text) // 2])
    with pytest.raises(ModelError, match=r"card.json is cut or damaged"):
        load_model(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 1}', '{"schema": "x"}', "null"])
def test_a_card_of_another_shape_is_refused(folder, text):
    (folder / "card.json").write_text(text)
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)


def test_a_newer_folder_is_refused(folder):
    rewrite(folder, schema=7)
    with pytest.raises(ModelError, match=r"has model schema 7; this hybridfer .* reads up to 1. Upgrade"):
        load_model(folder)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-100], lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:]]
)
def test_a_cut_or_flipped_pipeline_is_refused(folder, damage):
    path = folder / "model.skops"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match="is cut or was changed: its SHA-256"):
        load_model(folder)


class Foreign(LinearRegression):
    """A type nobody vouched for."""


def test_types_that_are_not_on_the_list_are_never_built(folder):
    replace_pipeline(folder, skops.io.dumps(Foreign()))
    with pytest.raises(ModelError, match="holds types that are not trusted"):
        load_model(folder)
    assert not any("Foreign" in name for name in TRUSTED)


def test_a_pickle_is_no_model(folder):
    replace_pipeline(folder, pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(folder)


def test_a_pipeline_of_other_classes_is_refused(folder):
    rewrite(folder, classes=["x", "y"])
    with pytest.raises(ModelError, match=r"not those of model.skops"):
        load_model(folder)


def test_an_existing_folder_is_replaced_only_when_asked(bank, folder):
    before = (folder / "model.skops").read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        train_svm(bank, C=1.0, output=folder)
    assert (folder / "model.skops").read_bytes() == before
    train_svm(bank, C=1.0, output=folder, overwrite=True)
    assert load_model(folder).card["settings"]["C"] == 1.0


def test_a_folder_of_other_things_is_never_replaced(bank, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match=r"holds other things than model.skops, .* \(thesis.txt\)"):
        train_svm(bank, output=tmp_path / "precious", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, and this is written as a folder"):
        train_svm(bank, output=tmp_path / "file", overwrite=True)


def test_faces_and_other_pictures_are_told_apart(faces, lfw):
    model = load_model(faces / "faces.model")
    assert model.card["cv"]["pooled"]["accuracy"]["value"] > 0.9
    unseen = [np.repeat(lfw[0][i][..., None], 3, axis=2) for i in (*range(60, 100), *range(160, 200))]
    rows = model.predict(unseen, jobs=1, cache=False)
    assert (
        np.mean([row["label"] == lfw[1][i] for row, i in zip(rows, (*range(60, 100), *range(160, 200)), strict=True)])
        > 0.9
    )
    assert rows[0]["p_face"] + rows[0]["p_other"] == pytest.approx(1)


def test_paths_and_pixels_give_the_same_rows(faces, lfw):
    model = load_model(faces / "faces.model")
    path = faces / "pictures" / "face" / "3.png"
    from_path, from_pixels = model.predict([path, np.repeat(lfw[0][3][..., None], 3, axis=2)], jobs=1, cache=False)
    assert from_path["input"] == str(path) and from_pixels["input"] == "image 1"
    assert from_path["p_face"] == from_pixels["p_face"]


def test_a_picture_that_cannot_be_read_is_a_row(faces):
    (row,) = load_model(faces / "faces.model").predict([faces / "missing.png"], jobs=1)
    assert row["status"] == "error" and row["label"] is None and "no such file" in row["error"]


def test_the_detector_may_be_chosen(faces, lfw):
    (row,) = load_model(faces / "faces.model").predict(
        [np.full((64, 64, 3), 9, np.uint8)], detector="haar", cache=False
    )
    assert row["status"] == "no_face"


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), 7])
def test_what_is_no_picture_is_refused(faces, image):
    with pytest.raises(ModelError, match=r"Image 0 is .*; expected a path or"):
        load_model(faces / "faces.model").predict([image])


def test_features_this_hybridfer_makes_otherwise_are_refused(faces, tmp_path):
    import shutil

    shutil.copytree(faces / "faces.model", tmp_path / "old")
    card = json.loads((tmp_path / "old" / "card.json").read_text())
    next(iter(card["blocks"].values()))["version"] = 0
    rewrite(tmp_path / "old", blocks=card["blocks"])
    with pytest.raises(ModelError, match=r"of version 0, and this hybridfer .* has version 1"):
        load_model(tmp_path / "old").predict([faces / "pictures" / "face" / "3.png"])
