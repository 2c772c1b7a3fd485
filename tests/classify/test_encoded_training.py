"""``train_svm`` on local descriptors: encoders and classifiers by spec, fitted on training rows, kept in the model."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from hybridfer import load_model, train_svm
from hybridfer.classify import pipelines
from hybridfer.classify.encoders.base import LocalEncoder
from hybridfer.classify.encoders.blocks import BankRows, BlockEncoding, stretches
from hybridfer.classify.encoders.fisher import FisherVector
from hybridfer.classify.estimators import BlockProjection
from hybridfer.classify.local_svm import LeastSquaresSVM
from hybridfer.classify.splits import calibration_folds, make_folds
from hybridfer.descriptors.siftlocal import SIFTLocal
from hybridfer.errors import SpecError, TrainingError

from .conftest import LBP, features

LOCAL = SIFTLocal(size=24, cells="2+3", step=4)
FISHER = "fisher:components=8,gaussians=4,sample=1000"


@pytest.fixture
def local_bank(make_bank, lfw):
    """Sixty pictures, faces and others, with local descriptors and a block of another kind."""
    pictures = [cv2.resize(lfw[0][i], (24, 24), interpolation=cv2.INTER_AREA) for i in (*range(30), *range(100, 130))]
    labels = ["face"] * 30 + ["other"] * 30
    order = np.random.default_rng(0).permutation(60)
    blocks = {
        LOCAL.spec: LOCAL.describe_batch([pictures[i] for i in order]),
        LBP: features([labels[i] for i in order], 12, 1, apart=1),
    }
    return make_bank(
        [labels[i] for i in order],
        blocks=blocks,
        cards={LOCAL.spec: {"dtype": "uint8"}},
        subject=[f"s{i // 2}" for i in range(60)],
    )


def predictions(model, bank):
    return model.predict_features({name: bank.X(name) for name in model.blocks})


@pytest.mark.parametrize(
    "options",
    [
        {"encoder": "bovw:components=8,sample=1000,words=16"},
        {"encoder": "bovw:components=8,sample=1000,words=16,power=1,l2=false", "kernel": "chi2"},
        {"encoder": "vlad:components=8,sample=1000,words=4", "kernel": "rbf"},
        {"encoder": FISHER, "classifier": "leastsquares"},
        {"encoder": FISHER, "classifier": "local:k=20", "class_weight": "balanced"},
        {"encoder": FISHER, "classifier": "local:k=20", "features": ["siftlocal", "lbp"]},
        {"classifier": "leastsquares", "features": ["lbp"]},
    ],
    ids=lambda options: " ".join(value for value in options.values() if isinstance(value, str)),
)
def test_it_learns_is_saved_and_says_the_same_again(local_bank, tmp_path, options):
    options = {"features": ["siftlocal"], **options}
    model = train_svm(local_bank, output=tmp_path / "m", **options)
    labels, values = predictions(model, local_bank)
    assert (labels == local_bank.y).mean() > 0.8
    np.testing.assert_allclose(values.sum(1), 1)
    read = load_model(tmp_path / "m")
    assert read.fingerprint == model.fingerprint == train_svm(local_bank, **options).fingerprint
    np.testing.assert_allclose(predictions(read, local_bank)[1], values, atol=1e-5)
    for name in ("encoder", "classifier"):
        said = read.card["settings"][name]
        assert (said is None) == (name not in options)
        # The canonical text spells out what was asked for among the rest.
        assert {*re.split("[:,]", options.get(name, ""))} - {""} <= {*re.split("[:,]", said or "")}
        assert (said or "") in (tmp_path / "m" / "README.md").read_text()


def test_it_is_the_encoder_the_projection_and_the_machine_one_after_the_other(local_bank):
    model = train_svm(local_bank, encoder=FISHER, classifier="leastsquares", C=2)
    encoder = FisherVector(block=LOCAL.spec, components=8, gaussians=4, sample=1000)
    X = local_bank.X("lbp").astype(np.float32)
    rotated = BlockProjection().fit_transform(X)
    mapped = np.hstack(
        [encoder.fit_transform(local_bank.X("siftlocal")), rotated / np.linalg.norm(rotated, axis=1, keepdims=True)]
    )
    y = local_bank.y.astype(str)
    folds, _ = calibration_folds(
        y, subjects=local_bank.column("subject"), pictures=local_bank.column("sha256"), count=10
    )
    expected = LeastSquaresSVM(C=2, held=folds[0][1]).fit(mapped, y).predict_proba(mapped)
    np.testing.assert_allclose(predictions(model, local_bank)[1], expected, atol=1e-4)


def test_in_every_fold_the_encoder_sees_training_rows_only(local_bank, monkeypatch):
    seen = []
    learn = LocalEncoder.learn
    monkeypatch.setattr(
        LocalEncoder, "learn", lambda self, drawn, n: (seen.append(drawn.copy()), learn(self, drawn, n))[1]
    )
    options = {"features": ["siftlocal"], "encoder": FISHER.replace("1000", "100000"), "classifier": "leastsquares"}
    train_svm(local_bank, cv=3, **options)
    known = {"groups": [None] * 60, "subjects": local_bank.column("subject"), "pictures": local_bank.column("sha256")}
    rows = [train for train, _ in make_folds("3", local_bank.y, **known).splits]
    assert len(seen) == 4
    X = local_bank.X("siftlocal").reshape(60, -1, 128)
    for drawn, chosen in zip(seen, [*rows, np.arange(60)], strict=True):
        # All of every face is drawn, some of it mirrored, which leaves a descriptor's sum as it is.
        each = X[chosen].reshape(-1, 128).astype(float)
        np.testing.assert_array_equal(np.sort(drawn[:, :-2].sum(1)), np.sort(each[each.any(1)].sum(1)))


def test_a_search_takes_the_best_C_of_the_classifier_s_grid(local_bank):
    card = train_svm(local_bank, encoder=FISHER, classifier="leastsquares", search=True).card
    assert [tried["C"] for tried in card["search"]["tried"]] == [0.25, 1, 4, 16]
    assert train_svm(local_bank, encoder=FISHER, classifier="leastsquares").card["settings"]["C"] == 1


def test_rows_of_a_bank_are_those_of_the_blocks_in_any_order(local_bank):
    whole = np.hstack([local_bank.X(name).astype(np.float32) for name in local_bank.blocks])
    order = np.random.default_rng(1).permutation(60)[:45]
    rows = BankRows(local_bank, tuple(local_bank.blocks), np.arange(60))[order]
    assert len(rows) == 45
    found = np.zeros((45, whole.shape[1]), np.float32)
    for positions, some in stretches(rows):
        found[positions] = some
    np.testing.assert_array_equal(found, whole[order])


def test_a_bank_and_its_array_are_encoded_alike(local_bank):
    lengths = [card["length"] for card in local_bank.blocks.values()]
    encoders = [FisherVector(block=LOCAL.spec, components=8, gaussians=4, sample=500), None]
    rows = BankRows(local_bank, tuple(local_bank.blocks), np.arange(60))
    whole = np.hstack([local_bank.X(name).astype(np.float32) for name in local_bank.blocks])
    one, other = (BlockEncoding(lengths, encoders).fit_transform(X) for X in (rows, whole))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one[:, -12:], local_bank.X("lbp"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, TrainingError, r"holds local descriptors, which an SVM cannot compare; add --encoder"),
        ({"features": ["lbp"], "encoder": "fisher"}, TrainingError, "wants local descriptors, and none are among"),
        ({"encoder": "fischer"}, SpecError, "No encoder named 'fischer'. Did you mean 'fisher'"),
        ({"encoder": FISHER, "classifier": "local", "kernel": "rbf"}, TrainingError, "leave --kernel rbf out"),
        ({"encoder": FISHER, "features": ["siftlocal"], "kernel": "chi2"}, TrainingError, "chi2 compares histograms"),
    ],
)
def test_what_does_not_go_together_is_refused(local_bank, options, error, message):
    with pytest.raises(error, match=message):
        train_svm(local_bank, **options)


def test_vectors_too_long_for_memory_are_refused_before_the_work(local_bank, monkeypatch):
    monkeypatch.setattr(pipelines, "MOST_BYTES", 60 * 4 * (5 * 1000 + 12) - 1)
    with pytest.raises(
        TrainingError, match=r"makes 5,012 values of a face, 0 GB of 60 faces; .* Use fewer words or levels"
    ):
        train_svm(local_bank, encoder="bovw:words=1000,pyramid=2")


def test_what_the_classifier_did_not_learn_is_told(make_bank):
    labels = np.random.default_rng(0).permutation(["a", "b"] * 30).tolist()
    noise = [{LBP: np.random.default_rng(i).normal(size=(60, 30)).astype(np.float32)} for i in range(6)]
    told = [train_svm(make_bank(labels, blocks=X), classifier="leastsquares", C=10.0).card["notes"] for X in noise]
    assert any("what the classifier learnt did not carry over" in note for notes in told for note in notes)
