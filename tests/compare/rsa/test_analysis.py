"""From banks and pictures to comparisons: every number is made again from the patterns by Scipy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from compare.rsa.toys import make_bank
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, spearmanr

from hybridfer.bank.bank import FeatureBank
from hybridfer.compare.rsa.analysis import rsa
from hybridfer.compare.rsa.inference import noise_ceiling, permutation_p
from hybridfer.compare.rsa.models import read_matrices
from hybridfer.compare.rsa.result import COLUMNS, Analysis, write_analysis
from hybridfer.errors import BankError, DatasetError, HybridferError, SpecError
from hybridfer.faces.windows import WINDOWS

QUICK = {"permutations": 99, "resamples": 100}
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(24, 6)), RANDOM.normal(size=(24, 4))
LABELS = ["happiness", "anger", "fear", "neutral"] * 6
SUBJECTS = [f"p{i // 8}" for i in range(24)]


@pytest.fixture
def bank(tmp_path: Path) -> FeatureBank:
    """Two blocks of 24 rows: four labels, three subjects, two rows of each label a subject."""
    sides = ["left" if label in ("anger", "fear") else "right" for label in LABELS]
    return make_bank(tmp_path / "toy.parquet", {"lbp": X, "hog": Y}, label=LABELS, subject=SUBJECTS, side=sides)


def by(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["data"], row["model"]): row for row in rows}


def means(patterns: np.ndarray, labels: list[str], wanted: list[str]) -> np.ndarray:
    return np.stack([patterns[[label == one for label in labels]].mean(axis=0) for one in wanted])


def test_rows_are_compared_as_scipy_compares_them(bank: FeatureBank) -> None:
    found = rsa(bank, features=["lbp"], models=["hog"], **QUICK)
    (row,) = found.comparisons
    assert tuple(row) == COLUMNS
    assert row["similarity"] == pytest.approx(spearmanr(pdist(X, "correlation"), pdist(Y, "correlation")).statistic)
    assert row["low"] < row["similarity"] < row["high"] and row["q"] == row["p"]
    assert [row[name] for name in COLUMNS[7:]] == [None] * 5
    assert found.items == tuple(f"{i}.png" for i in range(24))
    assert (found.protocol["measure"], found.protocol["why"]) == ("spearman", "no model has equal dissimilarities")


def test_without_models_every_two_blocks_are_compared(bank: FeatureBank) -> None:
    found = rsa(bank.path, **QUICK)
    assert list(by(found.comparisons)) == [("lbp", "hog")] and list(found.matrices) == ["lbp", "hog"]
    alone = rsa(bank, features=["lbp"], **QUICK)
    assert alone.comparisons == [] and "nothing to compare: there is one matrix" in alone.summary()


def test_the_values_of_a_column_are_items_in_the_labels_order(bank: FeatureBank) -> None:
    found = rsa(bank, features=["lbp"], models=["category:side"], by="label", distance="euclidean", **QUICK)
    assert found.items == ("anger", "fear", "happiness", "neutral")
    vector = pdist(means(X, LABELS, list(found.items)), "sqeuclidean") / 6
    np.testing.assert_allclose(found.data[0].mean, vector)
    # By hand: anger and fear are left, happiness and neutral right.
    assert found.models[0].mean.tolist() == [0, 1, 1, 1, 1, 0]
    assert found.protocol["measure"] == "tau-a"
    signs = np.sign(vector[:, None] - vector) * np.sign(found.models[0].mean[:, None] - found.models[0].mean)
    assert found.comparisons[0]["similarity"] == pytest.approx(signs.sum() / 30)
    assert any("4 items have 24 orders, so hardly a p can be below 0.042" in note for note in found.notes)


def test_false_discoveries_are_counted_among_the_models_of_the_same_data(bank: FeatureBank) -> None:
    found = rsa(bank, features=["lbp", "hog"], models=["category:side", "category:subject"], **QUICK)
    assert len(found.comparisons) == 4
    for data in ("lbp", "hog"):
        # By hand, of two: the greater p as it is, the lesser twice, but no more than the greater.
        less, more = sorted((row["p"], row["q"]) for row in found.comparisons if row["data"] == data)
        assert (less[1], more[1]) == pytest.approx((min(2 * less[0], more[0]), more[0]))
    assert len({row["p"] for row in found.comparisons}) > 2


def test_subjects_have_matrices_a_ceiling_and_ranks_of_their_own(bank: FeatureBank) -> None:
    found = rsa(bank, features=["lbp"], models=["hog"], by="label", subjects="subject", measure="pearson", **QUICK)
    items = list(found.items)
    own = [
        [pdist(means(block[s : s + 8], LABELS[s : s + 8], items), "correlation") for s in (0, 8, 16)] for block in (X, Y)
    ]  # fmt: skip
    np.testing.assert_allclose(found.data[0].vectors, own[0])
    (row,) = found.comparisons
    alike = [np.corrcoef(vector, np.mean(own[1], axis=0))[0, 1] for vector in own[0]]
    assert row["similarity"] == pytest.approx(np.mean(alike)) and row["subjects"] == 3
    assert (row["ceiling_low"], row["ceiling_high"]) == pytest.approx(noise_ceiling(np.array(own[0]), "pearson"))
    assert row["p"] == permutation_p(np.array(own[0]), np.mean(own[1], axis=0), 4, "pearson", 99)
    assert min(alike) - 1e-9 <= row["low"] <= row["high"] <= max(alike) + 1e-9
    assert 0 < row["subjects_p"] <= 1 and row["subjects_q"] == row["subjects_p"]
    assert found.protocol["resampled"] == "subjects"


def test_rows_without_a_value_and_subjects_without_an_item_are_left_out_and_told(tmp_path: Path) -> None:
    labels = [None, *LABELS[1:]]
    bank = make_bank(tmp_path / "b.parquet", {"lbp": X[:18]}, label=labels[:18], subject=SUBJECTS[:18])
    found = rsa(bank, by="label", subjects="subject", **QUICK)
    assert found.data[0].subjects == ("p0", "p1")
    assert found.notes[:2] == [
        "lbp: 1 of 18 rows have no label, subject and are left out",
        "lbp: 1 of 3 subjects are left out (p2: no row of 'fear')",
    ]


def test_crossnobis_multiplies_folds(bank: FeatureBank) -> None:
    found = rsa(bank, features=["lbp"], by="label", distance="crossnobis", folds="subject", **QUICK)
    assert len(found.data[0].mean) == 6 and found.protocol["folds"] == "subject"
    far = rsa(bank, features=["lbp"], by="label", distance="mahalanobis", **QUICK)
    assert (found.data[0].mean < far.data[0].mean).all()


@pytest.fixture
def faces(tmp_path: Path) -> FeatureBank:
    """Ten faces of five people, whose windows' patterns say where they lie, with noise."""
    places = np.array(list(WINDOWS.values()))
    seen = np.stack([places @ [[1, 0.3, -1], [0.2, 1, 0.5]] + RANDOM.normal(0, 0.2, (12, 3)) for _ in range(10)])
    other = RANDOM.normal(size=(10, 12, 4))
    blocks = {
        "windows(lbp:size=48)": seen.reshape(10, -1),
        "windows(hog:size=48)": other.reshape(10, -1),
        "lbp": X[:10],
    }
    return make_bank(tmp_path / "faces.parquet", blocks, subject=[f"p{i // 2}" for i in range(10)])


def test_windows_are_items_and_every_face_has_a_matrix(faces: FeatureBank) -> None:
    models = ["physical", "symmetric", "hog"]
    found = rsa(faces, features=["lbp"], models=models, windows=True, distance="euclidean", **QUICK)
    assert found.items == tuple(WINDOWS) and len(found.data[0].subjects) == 10
    own = np.stack([pdist(face.reshape(12, 3), "sqeuclidean") / 3 for face in faces.X("windows(lbp:size=48)")])
    np.testing.assert_allclose(found.data[0].vectors, own)
    rows = by(found.comparisons)
    physical = pdist(list(WINDOWS.values())).round(12)
    signs = np.sign(physical[:, None] - physical)
    expected = np.mean([(signs * np.sign(v[:, None] - v)).sum() / (66 * 65) for v in own])
    assert rows["windows(lbp)", "physical"]["similarity"] == pytest.approx(expected)
    assert rows["windows(lbp)", "physical"]["q"] <= 0.031 < rows["windows(lbp)", "hog"]["q"]
    assert rows["windows(lbp)", "physical"]["similarity"] > rows["windows(lbp)", "symmetric"]["similarity"]
    assert kendalltau(own[0], found.models[2].mean).statistic < 0.5
    assert any("of one person" in note for note in found.notes)
    people = rsa(faces, features=["lbp"], models=models, windows=True, subjects="subject", **QUICK)
    assert len(people.data[0].subjects) == 5 and not any("of one person" in note for note in people.notes)


def test_without_a_feature_windows_are_all_blocks_of_windows_that_are_no_model(faces: FeatureBank) -> None:
    assert [made.name for made in rsa(faces, models=["hog"], windows=True, **QUICK).data] == ["windows(lbp)"]
    assert len(rsa(faces, windows=True, **QUICK).data) == 2


def test_banks_are_compared_by_the_items_they_share(bank: FeatureBank, tmp_path: Path) -> None:
    other = make_bank(tmp_path / "other.parquet", {"lbp": Y[:20]}, input=[f"{i}.png" for i in range(27, 7, -1)])
    found = rsa([bank, other], features=["lbp"], **QUICK)
    assert found.items == tuple(f"{i}.png" for i in range(8, 24))
    assert list(found.matrices) == ["toy: lbp", "other: lbp"]
    np.testing.assert_allclose(found.data[1].mean, pdist(Y[4:20][::-1], "correlation"))
    assert any("16 items are in every matrix; others, such as '0.png' of toy: lbp" in note for note in found.notes)


def test_banks_without_a_common_item_are_refused(bank: FeatureBank, tmp_path: Path) -> None:
    other = make_bank(tmp_path / "other.parquet", {"gist": Y}, input=[f"{i}.jpg" for i in range(24)])
    with pytest.raises(DatasetError, match=r"lbp and gist have no common item: the one has '0.png', the other '0.jpg'"):
        rsa([bank, other], features=["lbp", "gist"], **QUICK)
    few = make_bank(tmp_path / "few.parquet", {"gist": Y[:4]}, input=["0.png", "1.png", "x", "y"])
    with pytest.raises(DatasetError, match=r"What the matrices have in common has 2 items: 0.png, 1.png"):
        rsa([bank, few], features=["lbp", "gist"], **QUICK)


def test_a_file_is_a_model_whatever_the_order_of_its_items(bank: FeatureBank, tmp_path: Path) -> None:
    file = tmp_path / "brain.csv"
    file.write_text("x,fear,neutral,anger,happiness\nfear,0,1,2,3\nneutral,1,0,4,5\nanger,2,4,0,6\nhappiness,3,5,6,0\n")
    found = rsa(bank, features=["lbp"], models=[str(file)], by="label", **QUICK)
    assert found.items == ("anger", "fear", "happiness", "neutral")
    assert found.models[0].mean.tolist() == [2, 6, 4, 3, 1, 5]
    file.write_text("x,a,b,c\na,0,1,2\nb,1,0,3\nc,2,3,0\n")
    with pytest.raises(DatasetError, match="lbp and brain have no common item: the one has 'anger', the other 'a'"):
        rsa(bank, features=["lbp"], models=[str(file)], by="label", **QUICK)


@pytest.mark.slow
def test_layers_stand_in_the_networks_order(tmp_path: Path) -> None:
    made = "pool=gap,seed=0,size=48,untrained=true"
    names = [f"resnet18@{layer}:{made}" for layer in ("layer3", "conv1", "layer1.0", "fc")]
    blocks = {name: RANDOM.normal(size=(8, 3)) for name in names}
    bank = make_bank(tmp_path / "net.parquet", {**blocks, "hog": Y[:8], "resnet34@layer1:pool=gap": X[:8]})
    found = rsa(bank, layers="resnet18", models=["hog"], features=["resnet34@layer1"], **QUICK)
    assert found.layers == ["resnet18@conv1", "resnet18@layer1.0", "resnet18@layer3", "resnet18@fc"]
    assert [made.name for made in found.data] == ["resnet34@layer1", *found.layers]
    assert rsa(bank, layers="resnet18:pool=gap,seed=0", models=["hog"], **QUICK).layers == found.layers
    for text in ("resnet50", "resnet18:pool=max"):
        with pytest.raises(BankError, match=f"has no layer of {text}; extract some, as in -f resnet.*@LAYER"):
            rsa(bank, layers=text, **QUICK)


def test_a_model_with_a_name_that_is_taken_gets_a_number(bank: FeatureBank, tmp_path: Path) -> None:
    first = rsa(bank, **QUICK)
    file = tmp_path / "first.npz"
    np.savez(file, items=first.items, names=["lbp", "hog"], matrices=[made.matrix for made in first.data])
    found = rsa(bank, features=["lbp"], models=[str(file)], **QUICK)
    rows = by(found.comparisons)
    assert list(rows) == [("lbp", "lbp (2)"), ("lbp", "hog")]
    assert rows["lbp", "lbp (2)"]["similarity"] == pytest.approx(1)
    assert rows["lbp", "hog"] | {"q": 0} == first.comparisons[0] | {"q": 0}


def test_pictures_are_described_first(tmp_path: Path, lfw: tuple[np.ndarray, list[str]]) -> None:
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), lfw[0][i])
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    found = rsa(tmp_path, features=["lbp"], models=["gwp:scales=3,size=16"], detector="none", cache=False, **QUICK)
    assert [made.name for made in (*found.data, *found.models)] == ["lbp", "gwp:scales=3,size=16"]
    assert found.items == tuple(str(tmp_path / f"{i}.png") for i in range(6)) and found.protocol["error"] == 1


@pytest.mark.slow
def test_the_layers_of_a_network_are_one_call(tmp_path: Path, lfw: tuple[np.ndarray, list[str]]) -> None:
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), lfw[0][i])
    found = rsa(tmp_path, layers="vgg13:size=32", models=["lbp"], untrained=True, detector="none", cache=False, **QUICK)
    assert found.layers == [f"vgg13@{layer}" for layer in ("features", "avgpool", "classifier")]
    assert {row["model"] for row in found.comparisons} == {"lbp"}


@pytest.mark.slow
def test_what_is_written_is_read_again(bank: FeatureBank, tmp_path: Path) -> None:
    found = rsa(bank, features=["lbp"], models=["hog", "category"], **QUICK)
    paths = write_analysis(found, tmp_path / "out")
    assert [path.name for path in paths] == ["rsa.json", "rsa.csv", "matrices.npz", "matrices.png", "comparisons.png"]
    read = {made.name: made for made in read_matrices(str(tmp_path / "out" / "matrices.npz"))}
    assert list(read) == ["lbp", "hog", "category:label"] and read["hog"].items == found.items
    np.testing.assert_array_equal(read["hog"].mean, found.models[0].mean)
    numbers = json.loads((tmp_path / "out" / "rsa.json").read_text("utf-8"))
    assert numbers["comparisons"] == found.comparisons and numbers["matrices"]["lbp"] == found.data[0].mean.tolist()
    assert (tmp_path / "out" / "rsa.csv").read_text("utf-8") == found.to_csv()
    assert found.to_csv().splitlines()[0] == ",".join(COLUMNS) and found.to_csv().count("\n") == 3


def test_the_seed_makes_the_numbers(bank: FeatureBank) -> None:
    def numbers(**more: Any) -> Analysis:
        return rsa(bank, by="label", measure="spearman", **{**QUICK, **more})

    assert numbers().to_json() == numbers().to_json() != numbers(seed=1).to_json()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"features": ["lpb"]}, "has no block 'lpb'. Did you mean 'lbp'"),
        ({"models": ["physical"]}, "The model physical is of the windows of a face; add --windows"),
        ({"windows": True}, "there is no block of windows that is no model; extract one"),
        ({"windows": True, "features": ["lbp"]}, "has no block 'windows"),
        ({"windows": True, "by": "label"}, "the windows of a face or the values of 'label', not both"),
        ({"by": "labels"}, "has no column 'labels'. Did you mean 'label'"),
        ({"by": "group"}, "No row of .* has a value of group"),
        ({"by": "label", "models": ["category:subject"]}, "'happiness' has 3 values of subject, so it is in no category"),
        ({"models": ["category:group"]}, "'0.png' has no group, so it is in no category"),
        ({"by": "label", "models": ["category"]}, "All dissimilarities of category:label are 1, so it tells nothing apart"),
        ({"folds": "subject"}, r"Folds \(subject\) say nothing to the correlation distance"),
        ({"by": "side"}, "lbp has 2 items: left, right; matrices are compared from 3 on"),
        ({"subjects": "subject"}, "fewer than 2 subjects with every item"),
        ({"distance": "cosine"}, "No distance 'cosine'"),
        ({"measure": "tau"}, "No measure 'tau'. Did you mean 'tau-a'"),
        ({"models": ["none.csv"]}, "none.csv cannot be read as CSV"),
        ({"layers": "resnet19"}, "No network named 'resnet19'. Did you mean"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_named(asked: dict[str, Any], said: str, bank: FeatureBank) -> None:
    with pytest.raises(HybridferError, match=said):
        rsa(bank, **asked, **QUICK)


def test_banks_and_pictures_do_not_mix_and_pictures_want_a_description(bank: FeatureBank, tmp_path: Path) -> None:
    with pytest.raises(
        BankError, match=r"a.png is no feature bank, and others are; give banks alone, or pictures alone"
    ):
        rsa([bank, "a.png"], **QUICK)
    with pytest.raises(SpecError, match="say by what, such as -f lbp"):
        rsa(tmp_path, models=["gwp"], **QUICK)


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (X[:1], "lbp has 1 items: 0.png"),
        (np.full((4, 5), 3.0), "lbp gives no matrix: the pattern of '0.png' is constant"),
        (np.vstack([X[:3], [[np.nan] * 6]]), r"lbp of '3.png' is not all finite \(NaN\)"),
        (np.eye(4), "All dissimilarities of lbp are 1.33333, so it tells nothing apart"),
    ],
)
def test_patterns_that_say_nothing_are_named(patterns: np.ndarray, said: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=said):
        rsa(make_bank(tmp_path / "b.parquet", {"lbp": patterns}), **QUICK)


def test_constant_pictures_are_named(tmp_path: Path) -> None:
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((20, 20), 60 * i, np.uint8))
    with pytest.raises(DatasetError, match=r"gwp.* gives no matrix: the pattern of .*0.png' is constant"):
        rsa(tmp_path, features=["gwp:scales=2,size=16"], detector="none", cache=False, **QUICK)


def test_rows_of_one_name_cannot_be_items(tmp_path: Path) -> None:
    same = make_bank(tmp_path / "b.parquet", {"lbp": X[:4]}, input=["a", "a", "b", "c"])
    with pytest.raises(DatasetError, match="has 'a frame 0 face 0' twice, so rows cannot be items; say --by COLUMN"):
        rsa(same, **QUICK)
    film = make_bank(tmp_path / "c.parquet", {"lbp": X[:4]}, input=["a"] * 4, frame=[0, 0, 1, 2], face_id=[0, 1, 0, 0])
    assert rsa(film, **QUICK).items[1] == "a frame 0 face 1"
