"""What points are worth: against published constants, plain loops, and faces placed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.datasets.points import ATTRIBUTES
from hybridfer.errors import SpecError, TrainingError
from hybridfer.evaluation.landmarks import (
    LENGTHS,
    PUBLISHED,
    comparison_table,
    error_distribution,
    evaluate_landmarks,
    face_errors,
    published_area,
)
from hybridfer.faces.schemes import to_ibug68, to_wflw98

FIVE_ERRORS = (0.02, 0.04, 0.06, 0.08, 0.12)


def faces(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 100, (count, 98, 2))


def found_at(truth: np.ndarray, errors: tuple[float, ...]) -> np.ndarray:
    """Points that are as far from their places as said, in distances of the outer corners of the eyes."""
    lengths = np.linalg.norm(truth[:, 60] - truth[:, 72], axis=1)
    return truth + np.array([0.6, 0.8]) * (np.array(errors) * lengths)[:, None, None]


@pytest.mark.parametrize(
    ("errors", "auc", "simpson", "failures"),
    # SPEC 2.7, computed apart from this program.
    [((0.05,) * 4, 0.5, 0.5003, 0), (FIVE_ERRORS, 0.4, 0.40027, 0.2)],
)
def test_scores_are_the_published_constants(
    errors: tuple[float, ...], auc: float, simpson: float, failures: float
) -> None:
    truth = faces(len(errors))
    scores = evaluate_landmarks(found_at(truth, errors), truth, resamples=100).metrics
    assert scores["auc"]["value"] == pytest.approx(auc, abs=1e-9)
    assert scores["failure_rate"]["value"] == pytest.approx(failures)
    assert scores["nme"]["value"] == pytest.approx(np.mean(errors))
    assert published_area(np.array(errors)) == pytest.approx(simpson, abs=5e-5)


def test_the_published_area_is_scipy_s_simpson_of_a_plain_count() -> None:
    from scipy.integrate import simpson

    errors = np.random.default_rng(2).exponential(0.06, 77)
    steps = np.arange(1001) * 1e-4
    shares = [sum(error <= step for error in errors) / 77 for step in steps]
    assert published_area(errors) == pytest.approx(simpson(shares, x=steps) / 0.1, abs=1e-12)


def plain_error(found: np.ndarray, truth: np.ndarray, length: float) -> float:
    """One point after the other."""
    total, known = 0.0, 0
    for (x, y), (u, v) in zip(found, truth, strict=True):
        if not np.isnan([u, v]).any():
            total += ((x - u) ** 2 + (y - v) ** 2) ** 0.5
            known += 1
    return total / known / length


def test_errors_are_a_plain_loop_s_in_each_length() -> None:
    truth, found = faces(6), faces(6, seed=1)
    truth[0, 5:9] = np.nan
    truth[3, 90] = np.nan

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.hypot(*(one - other)))

    for number in range(6):
        marked, known = truth[number], truth[number][~np.isnan(truth[number]).any(1)]
        width, height = known.max(0) - known.min(0)
        lengths = {
            "ocular": apart(marked[60], marked[72]),
            "pupil": apart(marked[96], marked[97]),
            "box": float(np.sqrt(width * height)),
        }
        assert set(lengths) == set(LENGTHS)
        for length, size in lengths.items():
            one = face_errors(found[number : number + 1], truth[number : number + 1], length)
            assert one[0] == pytest.approx(plain_error(found[number], marked, size))


def test_pupils_of_68_points_are_the_middles_of_the_eyes() -> None:
    truth = to_ibug68(faces(1))
    found = truth + np.array([3, 4])
    eyes = truth[0, 36:42].mean(0), truth[0, 42:48].mean(0)
    expected = 5 / np.hypot(*(eyes[1] - eyes[0]))
    assert face_errors(found, truth, "pupil")[0] == pytest.approx(expected)
    outer = 5 / np.hypot(*(truth[0, 45] - truth[0, 36]))
    assert face_errors(found, truth)[0] == pytest.approx(outer)


def test_98_points_against_68_are_compared_by_the_68() -> None:
    truth, found = faces(4), faces(4, seed=1)
    expected = face_errors(to_ibug68(found), to_ibug68(truth))
    assert_allclose(face_errors(found, to_ibug68(truth)), expected)
    assert_allclose(face_errors(to_ibug68(found), truth), expected)
    # As unknown points of 98 the others count for nothing either.
    assert_allclose(face_errors(found, to_wflw98(to_ibug68(truth))), expected)


def test_the_distribution_counts_errors_that_are_no_greater() -> None:
    assert error_distribution(np.array([0.3, 0.1, np.inf, 0.1]), [0, 0.1, 0.2, 0.3, 9]).tolist() == [
        0,
        0.5,
        0.5,
        0.75,
        0.75,
    ]


def test_faces_that_were_not_found_fail_and_are_told_beside_the_mean() -> None:
    truth = faces(5)
    found = found_at(truth, FIVE_ERRORS)
    found[1] = np.nan
    evaluation = evaluate_landmarks(found, truth, resamples=100)
    assert (evaluation.faces, evaluation.missed) == (5, 1)
    assert evaluation.metrics["nme"]["value"] == pytest.approx((0.02 + 0.06 + 0.08 + 0.12) / 4)
    assert evaluation.metrics["failure_rate"]["value"] == pytest.approx(2 / 5)
    assert evaluation.metrics["auc"]["value"] == pytest.approx((0.8 + 0 + 0.4 + 0.2 + 0) / 5)
    assert evaluation.curve[-1]["share"] == pytest.approx(3 / 5)
    nobody = evaluate_landmarks(np.full_like(truth, np.nan), truth, resamples=100)
    assert np.isnan(nobody.metrics["nme"]["value"])
    assert "-" in nobody.summary()


def marks(*names: str) -> dict[str, bool]:
    return {name: name in names for name in ATTRIBUTES}


def test_subsets_are_those_that_the_marks_say() -> None:
    truth = faces(5)
    given = [marks("pose"), marks("pose", "blur"), marks(), marks("blur"), marks()]
    evaluation = evaluate_landmarks(found_at(truth, FIVE_ERRORS), truth, attributes=given, resamples=100)
    assert list(evaluation.subsets) == ["pose", "blur"]
    pose, blur = evaluation.subsets["pose"], evaluation.subsets["blur"]
    assert (pose["faces"], blur["faces"]) == (2, 2)
    assert pose["metrics"]["nme"]["value"] == pytest.approx(0.03)
    assert blur["metrics"]["nme"]["value"] == pytest.approx(0.06)
    assert blur["metrics"]["auc"]["value"] == pytest.approx(0.4)
    alone = evaluate_landmarks(found_at(truth, FIVE_ERRORS)[:2], truth[:2], resamples=100)
    assert pose["metrics"]["auc"]["value"] == pytest.approx(alone.metrics["auc"]["value"])
    assert all(np.isfinite(score["low"]) for score in pose["metrics"].values())


def test_the_curve_goes_from_0_to_the_limit_and_the_limit_moves_everything() -> None:
    truth = faces(5)
    found = found_at(truth, FIVE_ERRORS)
    usual, wide = (evaluate_landmarks(found, truth, limit=limit, resamples=100) for limit in (0.1, 0.2))
    assert (usual.curve[0], usual.curve[-1]) == ({"error": 0, "share": 0}, {"error": 0.1, "share": 0.8})
    assert [point["error"] for point in usual.curve] == sorted(point["error"] for point in usual.curve)
    assert wide.metrics["failure_rate"]["value"] == 0
    assert wide.metrics["auc"]["value"] == pytest.approx((0.18 + 0.16 + 0.14 + 0.12 + 0.08) / 5 / 0.2)


def test_whole_subjects_are_drawn_for_the_intervals() -> None:
    truth = faces(60)
    errors = tuple(np.repeat([0.02, 0.08], 30))
    people = [f"p{k // 15}" for k in range(60)]
    alone, together = (
        evaluate_landmarks(found_at(truth, errors), truth, subjects=subjects) for subjects in (None, people)
    )
    assert (alone.protocol["resampled"], together.protocol["resampled"]) == ("faces", "subjects")
    widths = [each.metrics["nme"]["high"] - each.metrics["nme"]["low"] for each in (alone, together)]
    assert widths[1] > 2 * widths[0]
    again = evaluate_landmarks(found_at(truth, errors), truth, subjects=people)
    assert again.metrics == together.metrics
    other = evaluate_landmarks(found_at(truth, errors), truth, subjects=people, seed=1)
    assert other.metrics["nme"]["value"] == together.metrics["nme"]["value"]


def test_it_can_be_read_as_json_and_as_text() -> None:
    truth = faces(5)
    evaluation = evaluate_landmarks(
        found_at(truth, FIVE_ERRORS), truth, attributes=[marks("makeup")] * 5, resamples=100
    )
    record = json.loads(evaluation.to_json())
    assert record["subsets"]["makeup"]["metrics"]["failure_rate"]["value"] == pytest.approx(0.2)
    assert record["protocol"]["length"] == "ocular"
    text = evaluation.summary()
    assert text.startswith(
        "5 faces of 98 points; errors in distance of the eyes' outer corners, limit 0.1; 95% intervals"
    )
    assert "makeup" in text and "0.400 [" in text


def test_the_table_is_the_paper_s_and_ours_below_it() -> None:
    """Paper 001, Table 1: spot checks of what it prints, and its columns."""
    truth = faces(5)
    evaluation = evaluate_landmarks(found_at(truth, FIVE_ERRORS), truth, attributes=[marks("pose")] * 5, resamples=100)
    lines = comparison_table({"ours": evaluation}).splitlines()
    assert lines[0].split() == ["metric", "method", "fullset", *ATTRIBUTES]
    assert lines[1].split() == ["NME", "(%)", "LAB", "5.27", "10.24", "5.51", "5.23", "5.15", "6.79", "6.32"]
    assert lines[3].split()[:3] == ["MTHR-Face", "4.39", "7.38"]
    assert lines[4].split() == ["ours", "6.40", "6.40", "-", "-", "-", "-", "-"]
    assert lines[8].split()[:3] == ["ours", "20.00", "20.00"]
    assert lines[11].split()[-1] == "0.5536"
    assert lines[12].split()[:2] == ["ours", "0.4000"]
    assert len(comparison_table({"ours": evaluation}, published=False).splitlines()) == 4
    assert {len(scores) for method in PUBLISHED.values() for scores in method.values()} == {1 + len(ATTRIBUTES)}


def test_what_cannot_be_scored_is_refused() -> None:
    truth = faces(2)
    with pytest.raises(TrainingError, match=r"No length 'pupils'\. Did you mean 'pupil'"):
        face_errors(truth, truth, "pupils")
    with pytest.raises(TrainingError, match="points of 1 faces and marks of 2"):
        face_errors(truth[:1], truth)
    with pytest.raises(SpecError, match=r"shape \(2, 5, 2\)"):
        face_errors(truth[:, :5], truth)
    with pytest.raises(TrainingError, match="2 faces and marks of 1"):
        evaluate_landmarks(truth, truth, attributes=[{}])
    with pytest.raises(TrainingError, match="A limit of 0 is out of range"):
        evaluate_landmarks(truth, truth, limit=0)
    with pytest.raises(TrainingError, match="no rows to score"):
        evaluate_landmarks(truth[:0], truth[:0])
    for spoilt in (np.nan, truth[1, 60]):
        marked = truth.copy()
        marked[1, 72] = spoilt
        with pytest.raises(TrainingError, match="Marked face 1, counted from 0, has no distance of the eyes' outer"):
            face_errors(truth, marked)


def test_a_perfect_detector_has_no_error() -> None:
    truth = faces(3)
    assert_array_equal(face_errors(truth, truth), 0)
    assert evaluate_landmarks(truth, truth, resamples=100).metrics["auc"]["value"] == 1
