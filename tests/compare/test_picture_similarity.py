"""What the metrics of picture likeness promise."""

from __future__ import annotations

from itertools import combinations, product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hybridfer.compare import METRICS
from hybridfer.compare.metric import LEVELS, QUANTILES, Metric, create_metric
from hybridfer.compare.similarity import compare_folder, compare_pictures, similarity, similarity_matrix
from hybridfer.descriptors import create_descriptor
from hybridfer.errors import PictureError, SpecError, WeightsError

ALL = ["cosine", "hog", "lbp", "phash", "sift"]
OPTIONS = [
    "cosine:of=histogram",
    "cosine:of=hog",
    "hog:size=64",
    "lbp:grid=4",
    "phash:bits=1024,threshold=mean,form=hexdigits",
    "sift:ratio=0.9,over=max,side=128",
    "sift:over=matches",
]

PICTURES = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(lambda shape: arrays(np.uint8, (*shape, 3)))


@pytest.fixture(scope="module")
def copies(astronaut: np.ndarray) -> dict[str, np.ndarray]:
    """The astronaut mirrored, brightened and blurred."""
    return {
        "mirrored": np.ascontiguousarray(astronaut[:, ::-1]),
        "brightened": cv2.convertScaleAbs(astronaut, alpha=1.0, beta=30),
        "blurred": cv2.GaussianBlur(astronaut, (0, 0), 3),
    }


def score(spec: str, a: object, b: object) -> tuple[float, dict[str, object]]:
    return create_metric(spec).score(np.asarray(a), np.asarray(b))


# Every metric


def test_without_metrics_every_metric_there_is_is_used(astronaut: np.ndarray) -> None:
    assert [s.metric for s in compare_pictures(astronaut, astronaut)] == ALL == METRICS.names()


@pytest.mark.parametrize("spec", ALL + OPTIONS)
def test_a_picture_and_itself_score_exactly_one(spec: str, astronaut: np.ndarray) -> None:
    (found,) = compare_pictures(astronaut, astronaut.copy(), [spec])
    assert found.value == 1.0
    assert isinstance(found.value, float)


@pytest.mark.parametrize("spec", ALL + OPTIONS)
def test_the_order_of_the_pictures_does_not_matter(
    spec: str, astronaut: np.ndarray, copies: dict[str, np.ndarray]
) -> None:
    for copy in copies.values():
        assert create_metric(spec).compare(astronaut, copy).value == create_metric(spec).compare(copy, astronaut).value


@settings(max_examples=25, deadline=None)
@given(a=PICTURES, b=PICTURES)
def test_symmetry_identity_and_range_hold_for_any_pictures_of_any_size(a: np.ndarray, b: np.ndarray) -> None:
    for spec in ALL:
        metric = create_metric(spec)
        there, back, self_ = metric.compare(a, b), metric.compare(b, a), metric.compare(a, a.copy())
        assert there.value == back.value
        assert 0 <= there.value <= 1
        if spec != "sift" or self_.details["keypoints_a"] >= 2:
            assert self_.value == 1


@pytest.mark.parametrize("spec", ALL + OPTIONS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (1, 1), (1, 400, 3), (2000, 1, 3)], ids=["1x1", "1x1 grey", "row", "column"]
)
def test_pictures_of_hardly_any_pixels_are_compared(spec: str, shape: tuple[int, ...]) -> None:
    a, b = np.full(shape, 200, np.uint8), np.full(shape, 7, np.uint8)
    found = create_metric(spec).compare(a, b)
    assert np.isfinite(found.value)
    assert found.reading


@pytest.mark.parametrize("spec", ALL + OPTIONS)
def test_grey_is_compared_like_rgb_of_equal_channels(spec: str, astronaut: np.ndarray) -> None:
    grey = astronaut[:, :, 1].copy()
    assert create_metric(spec).compare(np.dstack([grey] * 3), grey).value == 1


@pytest.mark.parametrize("spec", ALL)
def test_pictures_are_left_untouched(spec: str, astronaut: np.ndarray) -> None:
    before = astronaut.copy()
    create_metric(spec).compare(astronaut, astronaut)
    assert np.array_equal(astronaut, before)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((4, 4, 3)), r"\(4, 4, 3\) float64; expected \(H, W, 3\) or \(H, W\) uint8"),
        (np.zeros((0, 4, 3), np.uint8), "at least one pixel"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\) uint8"),
        ([[1, 2]], "list"),
    ],
)
def test_what_is_not_a_picture_is_refused(picture: object, said: str, astronaut: np.ndarray) -> None:
    with pytest.raises(PictureError, match=said):
        compare_pictures(astronaut, picture)  # type: ignore[arg-type]


# Specs


def test_the_canonical_spec_spells_out_every_option_and_reads_back() -> None:
    metric = create_metric("phash:form=hexdigits,bits=1024")
    assert metric.spec == "phash:bits=1024,exclude_dc=false,form=hexdigits,threshold=median"
    assert create_metric(metric.spec) == metric
    assert create_metric("lbp:grid=4").spec == create_descriptor("lbp:grid=4").spec


@pytest.mark.parametrize("spec", [*ALL, "phash:bits=256", "sift:ratio=0.8", "hog:size=64", "cosine:of=histogram"])
def test_a_label_is_the_name_with_the_options_that_are_not_the_usual_ones(spec: str) -> None:
    assert create_metric(spec).label == spec
    assert create_metric(create_metric(spec).spec).label == spec


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("phsh", "No metric named 'phsh'. Did you mean 'phash'?"),
        ("phash:bits=100", "bits=100"),
        ("phash:form=octal", "phash:form=octal is out of range; expected bits or hexdigits"),
        ("phash:threshold=mode", "threshold=mode"),
        ("sift:ratio=0", "sift:ratio=0 is out of range"),
        ("sift:over=sum", "expected min, max or matches"),
        ("sift:side=5000", "whole number from 16 to 4096"),
        ("sift:sides=50", "Did you mean 'side'?"),
        ("lbp:grid=x", "grid"),
        ("cosine:of=hig", "No descriptor named 'hig'"),
        ("resnet18@layer4", "cosine:of=resnet18@layer4"),
    ],
)
def test_a_spec_that_nothing_answers_to_is_refused(spec: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        create_metric(spec)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        ("phash", "phash:bits=256"),
        ("phash", "phash:threshold=mean"),
        ("phash:threshold=mean", "phash:threshold=mean,exclude_dc=true"),
        ("phash", "phash:form=hexdigits"),
        ("sift", "sift:ratio=0.9"),
        ("sift", "sift:over=max"),
        ("sift", "sift:over=matches"),
        ("sift", "sift:side=256"),
        ("cosine", "cosine:of=histogram"),
        ("cosine", "cosine:of=lbp"),
        ("lbp", "lbp:grid=4"),
        ("hog", "hog:size=64"),
    ],
)
def test_every_option_changes_the_value(usual: str, other: str, astronaut: np.ndarray) -> None:
    cropped = astronaut[20:, 30:]
    first, second = compare_pictures(astronaut, cropped, [usual, other])
    assert first.value != second.value


# Perceptual hash


@pytest.mark.parametrize(("bits", "hash_size"), [(64, 8), (256, 16), (1024, 32)])
def test_phash_counts_the_bits_that_imagehash_counts(
    bits: int, hash_size: int, astronaut: np.ndarray, copies: dict[str, np.ndarray]
) -> None:
    import imagehash
    from PIL import Image

    def distance(other: np.ndarray) -> int:
        a, b = (imagehash.phash(Image.fromarray(picture), hash_size) for picture in (astronaut, other))
        return a - b

    for copy in copies.values():
        found = create_metric(f"phash:bits={bits}").compare(astronaut, copy)
        assert found.details["bits_differing"] == distance(copy)
        assert found.value == 1 - distance(copy) / bits


@pytest.mark.parametrize(("digits", "printed"), [(22, 0.9140625), (26, 0.8984375)])
def test_phash_in_hex_digits_can_express_the_paper_s_values(digits: int, printed: float) -> None:
    a = np.zeros(1024, np.uint8)
    b = a.copy()
    b[: 4 * digits] = 1  # whole digits: 0 becomes f
    value, details = score("phash:bits=1024,threshold=mean,form=hexdigits", a, b)
    assert value == printed
    assert details["hexdigits_differing"] == digits
    assert details["similarity_bits"] == 1 - 4 * digits / 1024


def test_one_bit_of_a_hex_digit_is_the_whole_digit() -> None:
    a, b = np.zeros(64, np.uint8), np.zeros(64, np.uint8)
    b[[0, 3, 4]] = 1
    value, details = score("phash:form=hexdigits", a, b)
    assert details["bits_differing"] == 3
    assert details["hexdigits_differing"] == 2
    assert value == 1 - 2 / 16
    assert details["hash_b"] == "98" + "0" * 14


@pytest.mark.parametrize(("bits", "rule"), [(64, 10), (256, 40), (1024, 160)])
def test_fewer_than_ten_of_64_bits_and_their_like_count_as_similar(bits: int, rule: int) -> None:
    metric = create_metric(f"phash:bits={bits}")
    for differing, verdict in ((rule - 1, "the same picture or a near copy"), (rule, "different pictures")):
        a, b = np.zeros(bits, np.uint8), np.zeros(bits, np.uint8)
        b[:differing] = 1
        value, details = metric.score(a, b)
        assert details["similar"] == (differing < rule)
        assert metric.read(value, details) == (
            f"{verdict}: {differing} of {bits} bits differ, and fewer than {rule} bits count as similar"
        )


def test_a_negative_has_the_opposite_hash_but_for_the_mean_brightness(astronaut: np.ndarray) -> None:
    found = create_metric("phash").compare(astronaut, 255 - astronaut)
    assert found.details["bits_differing"] >= 60


# SIFT


def matches_by_hand(a: np.ndarray, b: np.ndarray, ratio: float) -> tuple[int, int]:
    """OpenCV's own matcher from both sides, and a plain loop."""

    def passing(x: np.ndarray, y: np.ndarray) -> dict[int, tuple[int, bool]]:
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(x, y, k=2)
        return {m.queryIdx: (m.trainIdx, m.distance < ratio * n.distance) for m, n in pairs}

    there, back = passing(a, b), passing(b, a)
    mutual = [(i, j) for i, (j, _) in there.items() if back[j][0] == i]
    return len(mutual), sum(there[i][1] and back[j][1] for i, j in mutual)


@pytest.mark.parametrize("ratio", [0.7, 0.75, 0.9])
def test_sift_matches_are_those_of_a_loop_over_opencv_s_matcher(
    ratio: float, astronaut: np.ndarray, copies: dict[str, np.ndarray]
) -> None:
    sift = cv2.SIFT_create()
    _, a = sift.detectAndCompute(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), None)
    for copy in copies.values():
        _, b = sift.detectAndCompute(cv2.cvtColor(copy, cv2.COLOR_RGB2GRAY), None)
        assert len(np.unique(a, axis=0)) == len(a)
        assert len(np.unique(b, axis=0)) == len(b)
        mutual, good = matches_by_hand(a, b, ratio)
        found = create_metric(f"sift:ratio={ratio}").compare(astronaut, copy)
        counts = {key: found.details[key] for key in ("keypoints_a", "keypoints_b", "mutual", "matches")}
        assert counts == {"keypoints_a": len(a), "keypoints_b": len(b), "mutual": mutual, "matches": good}
        assert found.value == good / min(len(a), len(b))
        assert found.details["matches_over_max"] == good / max(len(a), len(b))
        assert found.details["matches_over_matches"] == good / mutual


def test_sift_on_three_keypoints_by_hand() -> None:
    a = np.zeros((3, 128), np.float32)
    a[1, 0], a[2, 1] = 100, 100
    b = np.zeros((2, 128), np.float32)
    b[0, 0], b[1, 0] = 10, 104  # 10 and 4 away from two of them, far from each other
    value, details = score("sift", a, b)
    assert (details["mutual"], details["matches"], value) == (2, 2, 1.0)
    assert details["matches_over_max"] == 2 / 3
    b[1, 0] = 11  # now both lie near the first: neither is much nearer than the other
    assert score("sift", a, b)[1]["matches"] == 0


def test_sift_of_repeated_texture_counts_equal_descriptors_once_and_stays_one() -> None:
    tile = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    wall = np.tile(tile, (4, 4))
    assert create_metric("sift").compare(wall, wall.copy()).value == 1


def test_sift_of_a_picture_without_keypoints_is_zero_and_says_so(astronaut: np.ndarray) -> None:
    blank = np.full((100, 100, 3), 90, np.uint8)
    for other in (blank, astronaut):
        found = create_metric("sift").compare(blank, other)
        assert found.value == 0
        assert found.details["matches"] == 0
        assert "nothing to compare: 0 and" in found.reading


def test_sift_of_a_line_drawing_reports_its_few_keypoints() -> None:
    drawing = np.full((120, 120), 255, np.uint8)
    cv2.line(drawing, (20, 30), (90, 70), 0, 2)
    found = create_metric("sift").compare(drawing, np.roll(drawing, 5, 1))
    assert 2 <= found.details["keypoints_a"] < 20
    assert found.reading == (
        f"{found.details['matches']} matches between {found.details['keypoints_a']} and "
        f"{found.details['keypoints_b']} keypoints; with fewer than 20 in a picture the share says little"
    )


def test_sift_knows_a_part_of_a_picture_and_tells_another_picture(astronaut: np.ndarray, lfw: tuple) -> None:
    part = create_metric("sift").compare(astronaut, astronaut[:256, 100:400])
    assert part.reading.startswith("parts in common: ")
    other = create_metric("sift").compare(astronaut, cv2.resize(lfw[0][0], (512, 512), interpolation=cv2.INTER_CUBIC))
    assert other.reading.startswith("no part in common to speak of: ")


def test_sift_bounds_the_size_of_what_it_looks_at(astronaut: np.ndarray) -> None:
    large = cv2.resize(astronaut, None, fx=4, fy=4)
    metric = create_metric("sift:side=256")
    assert metric.compare(astronaut, large).value > 0.7
    assert len(metric.prepare(large)) < 600


# Cosine


def test_cosine_is_scipy_s_on_64x64_grey_values(astronaut: np.ndarray, copies: dict[str, np.ndarray]) -> None:
    from scipy.spatial.distance import cosine

    def grey(picture: np.ndarray) -> np.ndarray:
        whole = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return cv2.resize(whole, (64, 64), interpolation=cv2.INTER_AREA).ravel().astype(float)

    for copy in copies.values():
        value = create_metric("cosine").compare(astronaut, copy).value
        np.testing.assert_allclose(value, 1 - cosine(grey(astronaut), grey(copy)), rtol=1e-12)


def test_cosine_of_histograms_is_scipy_s_on_64_bins(astronaut: np.ndarray, copies: dict[str, np.ndarray]) -> None:
    from scipy.spatial.distance import cosine

    def histogram(picture: np.ndarray) -> np.ndarray:
        return np.histogram(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 64, (0, 256))[0].astype(float)

    for copy in copies.values():
        value = create_metric("cosine:of=histogram").compare(astronaut, copy).value
        np.testing.assert_allclose(value, 1 - cosine(histogram(astronaut), histogram(copy)), rtol=1e-12)


def test_cosine_by_hand() -> None:
    assert score("cosine", [3.0, 4.0], [4.0, 3.0])[0] == 24 / 25
    assert score("cosine", [1.0, 0.0], [0.0, 1.0])[1]["degrees"] == 90
    assert score("cosine", [1.0, -2.0], [-1.0, 2.0])[0] == -1


def test_black_pictures_have_no_direction(astronaut: np.ndarray) -> None:
    black = np.zeros_like(astronaut)
    assert create_metric("cosine").compare(black, black).value == 1
    found = create_metric("cosine").compare(black, astronaut)
    assert found.value == 0
    assert "one picture is empty for this metric" in found.reading


def test_cosine_of_a_network_without_weights_is_refused() -> None:
    with pytest.raises(WeightsError):
        create_metric("cosine:of=resnet18@layer4")


# Chi-square


@pytest.mark.parametrize("name", ["lbp", "hog"])
def test_chi_square_is_that_of_a_plain_loop(name: str, astronaut: np.ndarray, copies: dict[str, np.ndarray]) -> None:
    def shares(picture: np.ndarray) -> list[float]:
        vector = [float(v) for v in create_descriptor(name).describe(picture)]
        return [v / sum(vector) for v in vector]

    for copy in copies.values():
        a, b = shares(astronaut), shares(copy)
        distance = 0.5 * sum((x - y) ** 2 / (x + y) for x, y in zip(a, b, strict=True) if x + y > 0)
        found = create_metric(name).compare(astronaut, copy)
        np.testing.assert_allclose(found.details["chi_square"], distance, rtol=1e-9)
        assert found.value == 1 - found.details["chi_square"]


def test_chi_square_by_hand() -> None:
    assert score("lbp", [1.0, 0.0], [0.0, 1.0])[0] == 0
    np.testing.assert_allclose(score("lbp", [0.5, 0.5], [0.25, 0.75])[0], 1 - 0.5 * (1 / 12 + 1 / 20), rtol=1e-15)


def test_hog_of_a_picture_without_edges_is_empty(astronaut: np.ndarray) -> None:
    flat = np.full((60, 60, 3), 128, np.uint8)
    assert create_metric("hog").compare(flat, flat // 2).value == 1
    assert create_metric("hog").compare(flat, astronaut).value == 0


# Readings


def test_the_quantiles_are_what_the_pairs_of_different_faces_score(lfw: tuple) -> None:
    assert {create_metric(spec).spec for spec in ("cosine", "cosine:of=histogram", "hog", "lbp")} == set(QUANTILES)
    for spec, quantiles in QUANTILES.items():
        matrix = similarity_matrix(lfw[0][:100], spec)
        pairs = [matrix[i, j] for i, j in combinations(range(100), 2)]
        np.testing.assert_allclose(np.percentile(pairs, LEVELS), quantiles, atol=1e-3)


@pytest.mark.parametrize("spec", ["cosine", "cosine:of=histogram", "hog", "lbp"])
def test_readings_say_where_a_value_lies_among_different_faces(spec: str) -> None:
    metric = create_metric(spec)
    q = dict(zip(LEVELS, QUANTILES[metric.spec], strict=True))
    of = "of 4,950 pairs of different faces (LFW subset)"
    for value, reading in {
        1.0: f"equal for this metric; higher than all {of}",
        (1 + q[99]) / 2: f"alike: higher than 99 % {of}",
        (q[95] + q[99]) / 2: f"alike: higher than 95 % {of}",
        (q[75] + q[95]) / 2: f"no more alike than different pictures: higher than 75 %, not than 95 %, {of}",
        (q[50] + q[75]) / 2: f"no more alike than different pictures: higher than 50 %, not than 75 %, {of}",
        (q[25] + q[50]) / 2: f"unlike: lower than 50 % {of}",
        q[1] / 2: f"unlike: lower than 99 % {of}",
    }.items():
        assert metric.read(value, {"zero_vectors": 0, "degrees": 1.0, "chi_square": 0.1}) == reading


def test_without_measured_pairs_a_reading_keeps_to_the_number(astronaut: np.ndarray) -> None:
    copy = astronaut[::2]
    cosine, lbp = compare_pictures(astronaut, copy, ["cosine:of=hog", "lbp:grid=4"])
    assert (
        cosine.reading
        == f"{cosine.details['degrees']:.1f} degrees between the vectors; 0 is the same direction, 90 nothing in common"
    )
    assert lbp.reading == f"chi-square distance {lbp.details['chi_square']:.3f}; 0 is equal, 1 disjoint"


def test_a_brightened_picture_reads_as_a_copy(astronaut: np.ndarray, copies: dict[str, np.ndarray]) -> None:
    readings = {s.metric: s.reading for s in compare_pictures(astronaut, copies["brightened"])}
    assert readings["phash"].startswith("the same picture or a near copy: ")
    assert readings["sift"].startswith("parts in common: ")
    assert all(readings[name].startswith("alike: higher than 99 % ") for name in ("cosine", "lbp", "hog"))


# Matrices and files


@pytest.mark.parametrize("spec", ALL)
def test_a_matrix_holds_what_each_comparison_gives(spec: str, lfw: tuple) -> None:
    pictures = list(lfw[0][[0, 1, 150]])
    matrix = similarity_matrix(iter(pictures), spec)
    metric = create_metric(spec)
    expected = [[metric.compare(a, b).value for b in pictures] for a in pictures]
    assert np.array_equal(matrix, expected)
    assert matrix.dtype == np.float64


def test_a_matrix_of_nothing_is_empty() -> None:
    assert similarity_matrix([], "phash").shape == (0, 0)


def test_files_pictures_and_metrics_are_taken_in_any_form(tmp_path, astronaut: np.ndarray) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), astronaut[:, :, ::-1])
    for a, b in product((path, str(path), astronaut), repeat=2):
        assert [s.value for s in similarity(a, b, ["phash", create_metric("cosine")])] == [1, 1]


def test_a_detector_compares_the_faces_only(tmp_path, astronaut: np.ndarray) -> None:
    shaded = astronaut.copy()
    shaded[300:] = 0
    (whole,) = similarity(astronaut, shaded, ["cosine"])
    for detector in ("haar", "mtcnn"):
        (face,) = similarity(astronaut, shaded, ["cosine"], detector=detector)
        assert whole.value < 0.95 < face.value
    (grey,) = similarity(astronaut[..., 1].copy(), shaded, ["cosine"], detector="mtcnn")
    assert grey.value > 0.95
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros((80, 80), np.uint8))
    with pytest.raises(PictureError, match=r"blank\.png: .*no face"):
        similarity(blank, astronaut, ["cosine"], detector="haar")


def test_a_folder_becomes_a_matrix_and_a_damaged_picture_an_empty_row(face_folder) -> None:
    (face_folder / "face" / "3.png").write_bytes(b"not a picture")
    table = compare_folder(face_folder, "lbp:grid=4", jobs=2)
    assert table.metric == "lbp:grid=4"
    bad = table.inputs.index(str(face_folder / "face" / "3.png"))
    assert np.isnan(table.values[bad]).all()
    assert np.isnan(table.values[:, bad]).all()
    assert np.isnan(table.values).sum() == 2 * len(table.inputs) - 1
    assert list(table.errors) == [table.inputs[bad]]
    np.testing.assert_array_equal(table.values, table.values.T)
    with pytest.raises(PictureError, match=r"3\.png: This is not a picture"):
        compare_folder(face_folder, "lbp", strict=True)


def test_videos_in_the_folder_are_left_out(face_folder) -> None:
    before = compare_folder(face_folder, "phash")
    (face_folder / "clip.mp4").write_bytes(b"not looked at")
    assert compare_folder(face_folder, "phash").inputs == before.inputs


def test_a_new_metric_is_a_class_and_a_line(monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray) -> None:
    monkeypatch.setitem(METRICS.table, "mean", f"{__name__}:MeanSimilarity")
    assert [s.metric for s in compare_pictures(astronaut, astronaut)] == [
        "cosine",
        "hog",
        "lbp",
        "mean",
        "phash",
        "sift",
    ]
    assert create_metric("mean").compare(astronaut, astronaut).value == 1


class MeanSimilarity(Metric):
    """One minus the difference of mean brightness."""

    name = "mean"

    def prepare(self, pixels: np.ndarray) -> float:
        return float(pixels.mean())

    def score(self, a: float, b: float) -> tuple[float, dict[str, object]]:
        return 1 - abs(a - b) / 255, {}

    def read(self, value: float, details: object) -> str:
        return "as bright"
