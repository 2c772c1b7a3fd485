"""Encoders against slow and obvious versions, scikit-learn and scikit-image; what a mirror does; what is refused."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from skimage.feature import fisher_vector
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.utils.estimator_checks import parametrize_with_checks

from hybridfer.classify.encoders import ENCODERS, local_descriptor
from hybridfer.classify.encoders.bovw import BagOfWords
from hybridfer.classify.encoders.fisher import FisherVector
from hybridfer.classify.encoders.vlad import VLAD
from hybridfer.classify.specs import create_estimator, estimator_spec
from hybridfer.descriptors.siftlocal import SIFTLocal
from hybridfer.errors import SpecError

LOCAL = SIFTLocal(size=24, cells="2+3", step=4)
BLOCK = LOCAL.spec
SMALL = {"sample": 1500, "seed": 1, "block": BLOCK}
EVERY = [
    BagOfWords(words=12, pyramid=2, soft=2, components=8, **SMALL),
    FisherVector(gaussians=5, components=8, **SMALL),
    VLAD(words=6, components=8, **SMALL),
]


@pytest.fixture(scope="module")
def faces(lfw: tuple[np.ndarray, list[str]]) -> list[np.ndarray]:
    return [cv2.resize(face, (24, 24), interpolation=cv2.INTER_AREA) for face in lfw[0][60:100]]


@pytest.fixture(scope="module")
def X(faces: list[np.ndarray]) -> np.ndarray:
    return LOCAL.describe_batch(faces)


def raw(kind, **options):
    """An encoder of one view, without norms."""
    return kind(**{"components": 8, "mirror": False, "power": 1.0, "l2": False, **SMALL, **options})


def descriptors(encoder, row):
    """A face's projected descriptors and their places, those without a gradient left out."""
    each = row.reshape(-1, 128)
    filled = each.any(1)
    return (each[filled] / 512 - encoder.mean_) @ encoder.axes_, LOCAL.places()[filled]


@parametrize_with_checks([BagOfWords(words=3), FisherVector(gaussians=2), VLAD(words=3)])
def test_they_are_scikit_learn_transformers(estimator, check):
    check(estimator)


def test_fisher_vectors_are_scikit_image_s(X):
    encoder = FisherVector(gaussians=5, components=8, **SMALL, mirror=False).fit(X)
    mixture = GaussianMixture(5, covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = (
        getattr(encoder, name).astype(float) for name in ("weights_", "means_", "variances_")
    )
    mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
    for row in X[:6]:
        z = np.hstack(descriptors(encoder, row))
        # It has the gradient by weights before the others, and the sign of that by deviations turned.
        expected = fisher_vector(z, mixture)[5:] * np.repeat([1, -1], 50)
        expected = np.sign(expected) * np.sqrt(np.abs(expected))
        got = encoder.transform(row[None])[0]
        np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=2e-4)
        assert np.linalg.norm(got) == pytest.approx(1, abs=1e-5)


def test_the_mixture_is_found_again():
    random = np.random.default_rng(0)
    means, deviations = np.array([[-4.0, 0.0], [3.0, 3.0], [3.0, -4.0]]), np.array([[0.5, 1.0], [1.0, 0.4], [0.6, 0.6]])
    owner = random.choice(3, 6000, p=[0.2, 0.3, 0.5])
    drawn = (means[owner] + deviations[owner] * random.normal(size=(6000, 2))).astype(np.float32)
    encoder = FisherVector(gaussians=3, position=False)
    encoder.learn_words(drawn, np.zeros((6000, 2), np.float32))
    order = np.lexsort((-encoder.means_[:, 1], encoder.means_[:, 0].round()))
    np.testing.assert_allclose(encoder.means_[order], means, atol=0.06)
    np.testing.assert_allclose(np.sqrt(encoder.variances_[order]), deviations, atol=0.04)
    np.testing.assert_allclose(encoder.weights_[order], [0.2, 0.3, 0.5], atol=0.02)
    likelihood = GaussianMixture(3, covariance_type="diag", random_state=0, tol=1e-6).fit(drawn)
    np.testing.assert_allclose(np.sort(encoder.means_.ravel()), np.sort(likelihood.means_.ravel()), atol=2e-3)


def test_no_more_than_some_descriptors_meet_every_gaussian():
    values = np.random.default_rng(0).normal(size=(16_000, 4)).astype(np.float32)
    encoder = FisherVector(gaussians=256, position=False)
    encoder.learn_words(values[:2000], values[:2000, :2])
    tracemalloc.start()
    try:
        encoder._shares(values[:2048])
        once = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        encoder.learn_words(values, values[:, :2])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All descriptors times all Gaussians would be 16 MB.
    assert once > 2_000_000 and peak < 10_000_000


def test_vlad_is_the_sum_of_what_leads_from_words_to_descriptors(X):
    encoder = raw(VLAD, words=6).fit(X)
    for row in X[:6]:
        expected = np.zeros((6, 8))
        for d in descriptors(encoder, row)[0]:
            nearest = np.linalg.norm(encoder.words_ - d, axis=1).argmin()
            expected[nearest] += d - encoder.words_[nearest]
        np.testing.assert_allclose(encoder.transform(row[None])[0], expected.ravel(), atol=1e-4)
        norms = np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
        even = raw(VLAD, words=6, intra=True).fit(X)
        np.testing.assert_allclose(even.transform(row[None])[0], (expected / norms).ravel(), atol=1e-3)


@pytest.mark.parametrize("soft", [1, 3])
@pytest.mark.parametrize("presence", [False, True])
def test_a_bag_counts_words_in_every_part_of_the_face(X, soft, presence):
    encoder = raw(BagOfWords, words=12, pyramid=3, soft=soft, presence=presence).fit(X)
    for row in X[:4]:
        counts = [np.zeros((2**level, 2**level, 12)) for level in range(3)]
        for d, (x, y) in zip(*descriptors(encoder, row), strict=True):
            distances = ((encoder.words_ - d) ** 2).sum(1)
            near = np.argsort(distances)[:soft]
            weights = np.exp(-distances[near] / encoder.spread_)
            for level, histogram in enumerate(counts):
                part = int((y + 0.5) * 2**level), int((x + 0.5) * 2**level)
                histogram[part][near] += weights / weights.sum()
        expected = np.concatenate([histogram.ravel() for histogram in counts])
        if presence:
            expected = (expected > 0).astype(float)
        np.testing.assert_allclose(encoder.transform(row[None])[0], expected / expected.sum(), atol=1e-5)


def test_the_spread_is_the_mean_distance_to_the_nearest_word(X):
    encoder = raw(BagOfWords, words=12, sample=10**6).fit(X)
    every = np.vstack([descriptors(encoder, row)[0] for row in X])
    distances = ((every[:, None] - encoder.words_) ** 2).sum(-1).min(1)
    assert encoder.spread_ == pytest.approx(distances.mean(), rel=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_descriptors_are_rotated_as_scikit_learn_would(X, whiten):
    encoder = raw(VLAD, words=2, sample=10**6, whiten=whiten).fit(X)
    every = X.reshape(-1, 128)[X.reshape(-1, 128).any(1)] / 512
    expected = PCA(8, whiten=whiten).fit_transform(every)
    got = (every - encoder.mean_) @ encoder.axes_
    np.testing.assert_allclose(got * np.sign((got * expected).sum(0)), expected, atol=2e-3 if whiten else 1e-4)


def test_power_and_length(X):
    encoder = raw(VLAD, words=6).fit(X)
    plain = encoder.transform(X[:3])
    rooted = raw(VLAD, words=6, power=0.5).fit(X).transform(X[:3])
    np.testing.assert_allclose(rooted, np.sign(plain) * np.abs(plain) ** 0.5, atol=1e-5)
    unit = raw(VLAD, words=6, l2=True).fit(X).transform(X[:3])
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("encoder", EVERY, ids=lambda e: type(e).__name__)
def test_with_the_mirror_it_is_the_mean_of_both_faces(faces, X, encoder):
    both = encoder.fit(X)
    # The same words, shown the face and the mirrored face apart.
    one = encoder.__class__(**{**encoder.get_params(), "mirror": False})
    one.__dict__.update({name: value for name, value in vars(both).items() if name.endswith("_")})
    mirrored = LOCAL.describe_batch([np.ascontiguousarray(face[:, ::-1]) for face in faces])
    apart = one.transform(X) + one.transform(mirrored)
    expected = apart / np.linalg.norm(apart, axis=1, keepdims=True)
    got = both.transform(X)
    # A rounded value in a thousand differs by 1 of 512, and may change a descriptor's word.
    assert np.abs(got - expected).max() < 0.08 and np.abs(got - expected).mean() < 1e-3
    np.testing.assert_allclose(got, both.transform(mirrored), atol=0.08)
    assert np.abs(got - one.transform(X)).mean() > 1e-2


@pytest.mark.parametrize("encoder", EVERY, ids=lambda e: type(e).__name__)
def test_a_face_of_one_colour_gives_zeros_and_is_nothing_to_learn_from(X, encoder):
    blank = LOCAL.describe(np.full((24, 24), 99, np.uint8))
    assert not encoder.fit(X).transform(blank[None]).any()
    nothing = encoder.fit(np.stack([blank, blank])).transform(X[:2])
    assert np.isfinite(nothing).all()


@pytest.mark.parametrize("encoder", EVERY, ids=lambda e: type(e).__name__)
def test_a_row_depends_on_no_other_and_the_seed_gives_the_same_again(X, encoder):
    encoder.fit(X)
    every = encoder.transform(X)
    np.testing.assert_array_equal(every[5:6], encoder.transform(X[5:6]))
    np.testing.assert_array_equal(every, encoder.fit(X).transform(X))
    assert every.dtype == np.float32 and every.shape == (40, encoder.columns)


@pytest.mark.parametrize(
    "option",
    ["components=6", "components=0", "whiten=true", "power=1", "l2=false", "mirror=false", "sample=300"],
)
@pytest.mark.parametrize("name", ENCODERS.table)
def test_every_option_changes_the_vector(X, name, option):
    few = {"bovw": "words=6", "fisher": "gaussians=3", "vlad": "words=4"}[name]
    changed, usual = (
        create_estimator(ENCODERS, spec, block=BLOCK, seed=0).fit(X).transform(X[:5])
        for spec in (
            f"{name}:{few},{option}",
            f"{name}:{few},{'' if 'sample' in option else 'sample=1000'}".rstrip(","),
        )
    )
    assert changed.shape != usual.shape or np.abs(changed - usual).max() > 1e-3


def test_the_options_of_each_change_the_vector(X):
    for spec, other in (("bovw:words=6", "pyramid=2"), ("bovw:words=6", "soft=2"), ("bovw:words=6", "presence=true")):
        one, two = (
            create_estimator(ENCODERS, s, block=BLOCK, seed=0).fit(X).transform(X[:5])
            for s in (spec, f"{spec},{other}")
        )
        assert one.shape != two.shape or np.abs(one - two).max() > 1e-3
    assert FisherVector(gaussians=3, position=False, block=BLOCK).columns == 2 * 3 * 64
    assert FisherVector(block=SIFTLocal().spec).columns == 33_792


def test_the_canonical_spec_spells_out_every_option():
    assert estimator_spec(ENCODERS, "vlad:words=9") == (
        "vlad:components=64,intra=false,l2=true,mirror=true,power=0.5,sample=200000,whiten=false,words=9"
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bag", "No encoder named 'bag'"),
        ("bovw:word=3", "bovw has no parameter 'word'. Did you mean 'words'"),
        ("bovw:seed=3", "bovw has no parameter 'seed'"),
        ("bovw:words=0", "BagOfWords: words=0 is out of range; expected 1 to 100000"),
        ("bovw:pyramid=5", "expected 1 to 4 levels"),
        ("bovw:words=4,soft=5", "expected 1 to words"),
        ("vlad:words=0", "expected 1 to 100000"),
        ("fisher:gaussians=0", "expected 1 to 10000"),
        ("fisher:power=0", "expected more than 0, at most 1"),
        ("fisher:components=-1", "expected 0 or more"),
        ("fisher:sample=0", "expected 1 or more"),
        ("windows(fisher)", "is none of the encoders"),
    ],
)
def test_what_is_out_of_range_is_refused(spec, message):
    with pytest.raises(SpecError, match=message):
        create_estimator(ENCODERS, spec, block=None, seed=0)


def test_only_local_descriptors_are_encoded():
    assert local_descriptor(BLOCK) == LOCAL
    for block in ("sift:grid=4", "resnet18@layer3", "windows(siftlocal)", "openface_au", "no spec!"):
        assert local_descriptor(block) is None
    with pytest.raises(SpecError, match="lbp holds no local descriptors"):
        VLAD(block="lbp").fit(np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match="X has 5 columns; expected descriptors of 128 values"):
        VLAD(block=BLOCK).fit(np.ones((3, 5), np.float32))
