"""A detector's scores: against pycocotools, a slow plain count, and faces placed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hybridfer.errors import DatasetError, OutputError, PictureError, SpecError, TrainingError
from hybridfer.evaluation.detection import (
    FALSE,
    IGNORED,
    DetectorEvaluation,
    evaluate_detector,
    match_faces,
    write_evaluation,
)
from hybridfer.evaluation.intervals import bootstrap_intervals
from hybridfer.faces import DETECTORS
from hybridfer.types import Face

Boxes = np.ndarray
Scene = tuple[Boxes, Boxes, np.ndarray]
"""Marked boxes, found boxes, and how sure of them the detector is."""

POINTS = np.array([[10.0, 10], [30, 10], [20, 20], [12, 30], [28, 30]])


@dataclass
class Told:
    """A detector that was told what there is: the picture's first pixel is the scene's number."""

    scenes: ClassVar[Sequence[Scene]] = ()
    landmarks: ClassVar[np.ndarray | None] = None
    usual: ClassVar[float] = 0.5
    eyes: ClassVar = None
    weights: ClassVar = "5ha"

    min_face: int = 30
    threshold: float | None = None
    device: str = "cpu"

    def detect(self, pixels: np.ndarray) -> list[Face]:
        _, boxes, scores = self.scenes[pixels[0, 0, 0]]
        least = self.usual if self.threshold is None else self.threshold
        return [
            Face(tuple(box), float(score), self.landmarks)
            for box, score in zip(boxes.tolist(), scores, strict=True)
            if score >= least
        ]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector ``told``, for the length of a test."""
    monkeypatch.setitem(DETECTORS.table, "told", f"{__name__}:Told")


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write pictures of some scenes and a list of the faces marked in them; tell the detector of the scenes."""

    def write(scenes: Sequence[Scene], name: str = "faces.csv", more: Sequence[str] = (), head: str = "") -> Path:
        monkeypatch.setattr(Told, "scenes", scenes)
        lines = [f"path,x0,y0,x1,y1{head}"]
        for number, (truth, _, _) in enumerate(scenes):
            cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 4, 3), number, np.uint8))
            tail = more[number] if more else ""
            lines += [",".join([f"{number}.png", *map(str, box)]) + tail for box in truth.tolist()]
            if not len(truth):
                lines.append(f"{number}.png,,,,{tail}")
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return write


def _chance_scenes(seed: int, pictures: int = 30) -> list[Scene]:
    """Scenes with faces missed, found twice, and found where there is none."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(pictures):
        truth = random.integers(0, 200, (random.integers(0, 5), 2)).astype(float)
        truth = np.hstack([truth, truth + random.integers(20, 80, truth.shape)])
        near = truth[random.random(len(truth)) < 0.8]
        near = np.vstack([near, near[: random.integers(0, 3)]])
        found = near + random.integers(-9, 10, near.shape)
        other = random.integers(0, 200, (random.integers(0, 3), 2)).astype(float)
        boxes = np.vstack([found, np.hstack([other, other + 50])])
        scores = random.random(len(boxes)) + np.r_[np.full(len(found), 0.3), np.zeros(len(other))]
        made.append((truth, boxes, scores))
    return made


def _boxes(*places: tuple[float, float]) -> Boxes:
    """Squares of side 40 with these corners."""
    corners = np.array(places, dtype=float).reshape(-1, 2)
    return np.hstack([corners, corners + 40])


def _iou(a: Boxes, b: Boxes) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


def _plain_average_precision(scenes: Sequence[Scene]) -> float:
    """The VOC development kit's rule of 2010, one face after the other; faces of one score come together."""
    total = sum(len(truth) for truth, _, _ in scenes)
    found: list[tuple[float, bool]] = []
    for truth, boxes, scores in scenes:
        free = set(range(len(truth)))
        for place in np.argsort(-scores):
            shared = {k: _iou(boxes[place], truth[k]) for k in free}
            best = max(shared, key=lambda k: shared[k], default=-1)
            found.append((float(scores[place]), best >= 0 and shared[best] >= 0.5))
            if found[-1][1]:
                free.discard(best)
    points = []
    for least in sorted({score for score, _ in found}, reverse=True):
        taken = [hit for score, hit in found if score >= least]
        points.append((sum(taken) / total, sum(taken) / len(taken)))
    recalls = [0.0, *(recall for recall, _ in points)]
    return sum(
        (recalls[i + 1] - recalls[i]) * max(precision for _, precision in points[i:]) for i in range(len(points))
    )


# pycocotools 2.0.11 on the same boxes, with 200,001 recall thresholds instead of 101, so that every step counts;
# areaRng all, maxDets 1000; its average precision at overlap 0.5 and its largest recall.
COCO = {0: (0.455634, 0.680556), 1: (0.600760, 0.755102), 2: (0.644910, 0.786885)}


@pytest.mark.parametrize("seed", COCO)
def test_average_precision_is_pycocotools_and_a_plain_count(marked, seed: int) -> None:
    scenes = _chance_scenes(seed)
    found = evaluate_detector("told", marked(scenes), resamples=100, jobs=1)
    assert found.metrics["average_precision"]["value"] == pytest.approx(COCO[seed][0], abs=2e-5)
    assert found.metrics["average_precision"]["value"] == pytest.approx(_plain_average_precision(scenes), abs=1e-12)
    assert found.curve[-1]["recall"] == pytest.approx(COCO[seed][1], abs=1e-6)


def test_counts_at_the_threshold_and_the_curve_by_hand(marked) -> None:
    scenes = [
        (_boxes((0, 0), (100, 0)), _boxes((0, 0), (100, 5), (200, 0)), np.array([0.9, 0.4, 0.8])),
        (_boxes(), _boxes((0, 0)), np.array([0.7])),
        (_boxes((50, 50)), _boxes((52, 50), (50, 52)), np.array([0.6, 0.55])),
    ]
    found = evaluate_detector("told", marked(scenes), resamples=100)
    assert (found.pictures, found.faces) == (3, 3)
    assert found.counts == {"matched": 2, "missed": 1, "false": 3, "landmarks": 0}
    assert [found.metrics[name]["value"] for name in ("recall", "precision", "false_faces")] == [2 / 3, 2 / 5, 1]
    # Right at 0.9, wrong at 0.8 and 0.7, right at 0.6, wrong at 0.55 (the second of one face), right at 0.4.
    assert [point["score"] for point in found.curve] == [0.9, 0.8, 0.7, 0.6, 0.55, 0.4]
    assert [point["false_faces"] for point in found.curve] == [0, 1, 2, 2, 3, 3]
    assert_allclose([point["recall"] for point in found.curve], [1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
    assert_allclose([point["precision"] for point in found.curve], [1, 1 / 2, 1 / 3, 2 / 4, 2 / 5, 3 / 6])
    assert found.metrics["average_precision"]["value"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert found.metrics["recall_at_0.1"]["value"] == pytest.approx(1 / 3)
    assert found.metrics["recall_at_1"]["value"] == 1
    assert [(Path(face["input"]).name, face["x0"]) for face in found.missed] == [("0.png", 100)]


def test_a_given_threshold_moves_the_counts_and_not_the_curve(marked) -> None:
    path = marked(_chance_scenes(3))
    usual, low = (evaluate_detector("told", path, threshold=t, resamples=100) for t in (None, 0.1))
    assert low.metrics["recall"]["value"] > usual.metrics["recall"]["value"]
    assert low.metrics["false_faces"]["value"] > usual.metrics["false_faces"]["value"]
    assert low.curve == usual.curve


def test_the_overlap_asked_for_decides(marked) -> None:
    path = marked([(_boxes((0, 0)), _boxes((0, 10)), np.array([0.9]))])  # 30 of 50 rows in common: 0.6
    for iou, recall in ((0.6, 1), (0.61, 0)):
        assert evaluate_detector("told", path, iou=iou, resamples=100).metrics["recall"]["value"] == recall


def test_faces_of_one_score_come_together_in_any_order(marked) -> None:
    truth, found = _boxes((0, 0), (100, 0)), _boxes((0, 0), (100, 0), (200, 0), (300, 0))
    values = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        scores = np.full(4, 0.7)
        path = marked([(truth, found[order], scores)])
        values.append(evaluate_detector("told", path, resamples=100).metrics["average_precision"]["value"])
    assert values == [0.5, 0.5, 0.5]


def test_a_marked_face_is_found_once_by_the_surest_and_the_next_takes_what_is_left() -> None:
    truth = _boxes((0, 0), (10, 0))
    none = np.zeros(2, bool)
    assert match_faces(_boxes((2, 0), (1, 0), (3, 0)), truth, none, 0.5).tolist() == [0, 1, FALSE]
    assert match_faces(_boxes((200, 0)), truth, none, 0.5).tolist() == [FALSE]
    assert match_faces(_boxes(), truth, none, 0.5).tolist() == []
    assert match_faces(_boxes((2, 0)), _boxes(), none[:0], 0.5).tolist() == [FALSE]


def test_ignored_faces_neither_help_nor_harm() -> None:
    truth, ignored = _boxes((0, 0), (100, 0)), np.array([False, True])
    found = _boxes((101, 0), (99, 0), (0, 1), (200, 0))
    assert match_faces(found, truth, ignored, 0.5).tolist() == [IGNORED, IGNORED, 0, FALSE]
    # A face that is both takes the one that counts.
    assert match_faces(_boxes((0, 0)), _boxes((5, 0), (0, 0)), ignored, 0.5).tolist() == [0]


def test_ignored_faces_of_a_file_change_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((4, 4, 3), np.uint8))
    scene = (_boxes(), _boxes((0, 0), (100, 0), (200, 0)), np.array([0.9, 0.8, 0.7]))
    monkeypatch.setattr(Told, "scenes", [scene])
    scores = []
    for ignored in ("0 0 40 40 0 0 0 0 0 0\n", "0 0 40 40 0 0 0 0 0 0\n100 0 40 40 0 0 0 1 0 0\n"):
        (tmp_path / "list.txt").write_text(f"0.png\n{ignored.count(chr(10))}\n{ignored}")
        found = evaluate_detector("told", tmp_path / "list.txt", resamples=100)
        scores.append((found.faces, found.counts["false"], found.protocol["data"]["ignored"], len(found.missed)))
    assert scores == [(1, 2, 0, 0), (1, 1, 1, 0)]


def test_landmarks_are_measured_in_distances_of_the_eyes(marked, monkeypatch: pytest.MonkeyPatch) -> None:
    head = "," + ",".join(f"{axis}_{k}" for k in range(5) for axis in "xy")
    points = "," + ",".join(map(str, POINTS.ravel()))
    unknown = "," + ",".join([*map(str, POINTS[:2].ravel()), *[""] * 6])
    scenes = [(_boxes((0, 0)), _boxes((0, 0)), np.array([0.9]))] * 3
    path = marked(scenes, more=[points, unknown, "," * 10], head=head)
    monkeypatch.setattr(Told, "landmarks", POINTS + np.array([3, 4]))
    found = evaluate_detector("told", path, resamples=100)
    # Every point is 5 pixels away, and the eyes are 20 apart.
    assert found.metrics["landmark_error"]["value"] == pytest.approx(0.25)
    assert found.counts["landmarks"] == 2
    monkeypatch.setattr(Told, "landmarks", None)
    found = evaluate_detector("told", path, resamples=100)
    assert np.isnan(found.metrics["landmark_error"]["value"])
    assert json.loads(found.to_json())["metrics"]["landmark_error"]["value"] is None


def test_pictures_that_cannot_be_read_are_missed_faces_or_left_out(marked, tmp_path: Path) -> None:
    path = marked([(_boxes((0, 0)), _boxes((0, 0)), np.array([0.9]))] * 2)
    (tmp_path / "1.png").write_bytes(b"no picture")
    found = evaluate_detector("told", path, resamples=100)
    assert (found.pictures, found.metrics["recall"]["value"], found.protocol["error"]) == (2, 0.5, 1)
    assert any("1 pictures that could not be read count" in note for note in found.notes)
    found = evaluate_detector("told", path, missing="skip", resamples=100)
    assert (found.pictures, found.metrics["recall"]["value"], found.protocol["error"]) == (1, 1, 1)
    with pytest.raises(PictureError, match=r"1\.png: This is not a picture"):
        evaluate_detector("told", path, strict=True)
    (tmp_path / "0.png").unlink()
    with pytest.raises(TrainingError, match="No face is marked in 0 pictures"):
        evaluate_detector("told", path, missing="skip")


def test_subjects_are_drawn_where_they_are_known(marked) -> None:
    scenes = _chance_scenes(4)
    alone = evaluate_detector("told", marked(scenes), resamples=200)
    people = [f",{'ann' if number < 15 else 'bob'}" for number in range(len(scenes))]
    grouped = evaluate_detector("told", marked(scenes, more=people, head=",subject"), resamples=200)
    assert (alone.protocol["resampled"], grouped.protocol["resampled"]) == ("pictures", "subjects")
    assert alone.metrics["recall"]["value"] == grouped.metrics["recall"]["value"]
    assert alone.metrics["recall"]["low"] != grouped.metrics["recall"]["low"]
    low, high = (alone.metrics["average_precision"][end] for end in ("low", "high"))
    assert low < alone.metrics["average_precision"]["value"] < high


def test_a_resample_scores_as_if_its_pictures_were_all_there_are(marked, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = _chance_scenes(5, pictures=8)
    seen: list[Callable[[np.ndarray], dict[str, np.ndarray]]] = []

    def keep(statistics, n: int, **how):
        seen.append(statistics)
        return bootstrap_intervals(statistics, n, **how)

    monkeypatch.setattr("hybridfer.evaluation.detection.bootstrap_intervals", keep)
    monkeypatch.setattr("hybridfer.evaluation.detection._CHUNK", 1)  # one resample at a time
    evaluate_detector("told", marked(scenes), resamples=100)
    drawn = [range(8), [0, 0, 3, 5, 5, 5, 6, 7], [1, 1, 1, 1, 2, 2, 4, 4]]
    weights = np.array([np.bincount(places, minlength=8) for places in drawn], dtype=float)
    scores = seen[0](weights)
    for row, places in enumerate(drawn):
        part = [scenes[place] for place in places]
        alone = evaluate_detector("told", marked(part), resamples=100)
        assert scores["average_precision"][row] == pytest.approx(_plain_average_precision(part))
        for name, values in scores.items():
            assert_allclose(values[row], alone.metrics[name]["value"], err_msg=name)


def test_resamples_of_a_long_curve_go_by_steps_and_its_scores_by_every_face(
    marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = marked(_chance_scenes(0))
    exact = evaluate_detector("told", path, resamples=200).metrics
    monkeypatch.setattr("hybridfer.evaluation.detection.STEPS", 40)
    coarse = evaluate_detector("told", path, resamples=200).metrics
    for name in exact:
        assert coarse[name]["value"] == pytest.approx(exact[name]["value"], nan_ok=True)
    assert coarse["average_precision"]["low"] != exact["average_precision"]["low"]
    assert coarse["average_precision"]["low"] == pytest.approx(exact["average_precision"]["low"], abs=0.02)


def test_a_recall_without_spread_is_told_of(marked) -> None:
    found = evaluate_detector("told", marked([(_boxes((0, 0)), _boxes((0, 0)), np.array([0.9]))] * 6), resamples=100)
    assert (
        "all of the 6 faces are found, so resampling shows no spread; the true recall may be up to 0.5 away "
        "(rule of three)"
    ) in found.notes


def test_the_protocol_says_how_it_was_measured_wherever_the_pictures_lie(marked, tmp_path: Path) -> None:
    path = marked(_chance_scenes(6))
    found = evaluate_detector("told", path, min_face=25, threshold=0.4, resamples=100)
    kept = {name: found.protocol[name] for name in ("detector", "weights", "min_face", "threshold", "iou", "split")}
    assert kept == {"detector": "told", "weights": "5ha", "min_face": 25, "threshold": 0.4, "iou": 0.5, "split": None}
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    moved = evaluate_detector("told", tmp_path.with_name("elsewhere") / path.name, resamples=100)
    assert moved.protocol["data"] == found.protocol["data"]
    tmp_path.with_name("elsewhere").rename(tmp_path)
    path.write_text(path.read_text().replace(path.read_text().splitlines()[1], "0.png,1,2,30,40"))
    other = evaluate_detector("told", path, resamples=100)
    assert other.protocol["data"]["fingerprint"] != found.protocol["data"]["fingerprint"]


def test_one_split_can_be_scored(marked) -> None:
    scenes = _chance_scenes(7)
    splits = [f",{('Training', 'PrivateTest')[number % 2]}" for number in range(len(scenes))]
    path = marked(scenes, more=splits, head=",split")
    found = evaluate_detector("told", path, split="test", resamples=100)
    assert found.pictures == 15
    assert " 15 pictures of test, " in found.summary()
    with pytest.raises(TrainingError, match=r"No row of the input is of the split 'val'; there are train \(15 rows\)"):
        evaluate_detector("told", path, split="val")


def test_the_same_numbers_come_out_of_any_number_of_threads(marked) -> None:
    path = marked(_chance_scenes(8))
    one, three = (evaluate_detector("told", path, jobs=jobs, resamples=100) for jobs in (1, 3))
    assert one.to_json() == three.to_json()


def test_several_files_are_scored_as_one(marked, tmp_path: Path) -> None:
    path = marked([(_boxes((0, 0)), _boxes((0, 0)), np.array([0.9]))] * 2)
    lines = path.read_text().splitlines()
    for number in (1, 2):
        (tmp_path / f"{number}.csv").write_text("\n".join([lines[0], lines[number]]))
    parts = evaluate_detector("told", [tmp_path / "1.csv", tmp_path / "2.csv"], resamples=100)
    assert parts.protocol == evaluate_detector("told", path, resamples=100).protocol


def test_small_faces_are_told_of(marked) -> None:
    found = evaluate_detector("told", marked([(_boxes((0, 0)), _boxes(), np.empty(0))]), min_face=41, resamples=100)
    assert "1 marked faces are smaller than 41 pixels, the smallest looked for" in found.notes
    assert (found.metrics["average_precision"]["value"], found.curve) == (0, [])


def test_what_cannot_be_scored_is_an_error(marked) -> None:
    path = marked([(_boxes(), _boxes((0, 0)), np.array([0.9]))])
    with pytest.raises(TrainingError, match="No face is marked in 1 pictures"):
        evaluate_detector("told", path)
    for how, message in [
        ({"iou": 0.0}, "asked to be 0; expected above 0 and up to 1"),
        ({"missing": "maybe"}, "No rule 'maybe'"),
    ]:
        with pytest.raises(TrainingError, match=message):
            evaluate_detector("told", path, **how)
    with pytest.raises(SpecError, match="Did you mean 'told'"):
        evaluate_detector("tolt", path)
    with pytest.raises(DatasetError, match="is no file"):
        evaluate_detector("told", path.with_name("gone.csv"))


@pytest.fixture
def scored(marked) -> DetectorEvaluation:
    return evaluate_detector("told", marked(_chance_scenes(9)), resamples=100)


def test_a_folder_takes_the_numbers_and_the_curves(scored: DetectorEvaluation, tmp_path: Path) -> None:
    paths = write_evaluation(scored, tmp_path / "out")
    assert [path.name for path in paths] == ["evaluation.json", "detection.png"]
    record = json.loads(paths[0].read_text())
    assert record["counts"] == scored.counts
    assert list(record) == ["pictures", "faces", "metrics", "counts", "curve", "missed", "protocol", "notes"]
    picture = cv2.imread(str(paths[1]))
    assert min(picture.shape[:2]) > 300
    with pytest.raises(OutputError, match="add --overwrite"):
        write_evaluation(scored, tmp_path / "out")
    (alone,) = write_evaluation(scored, tmp_path / "out.json")
    assert alone.read_bytes() == paths[0].read_bytes()
    with pytest.raises(OutputError, match=r"FILE\.json or into a folder"):
        write_evaluation(scored, tmp_path / "out.csv")


def test_the_summary_is_a_page_of_scores(scored: DetectorEvaluation) -> None:
    head, scores, counts, *_ = scored.summary().split("\n\n")
    assert head == (
        f"told: 30 pictures, {scored.faces} faces; smallest face 30, its own threshold, overlap 0.5; "
        "95% intervals from 100 resamples of pictures, seed 0"
    )
    recall = scored.metrics["recall"]
    assert f"recall                                    {recall['value']:.3f} [{recall['low']:.3f}, " in scores
    assert counts.splitlines()[0].split() == ["faces", "matched", "missed", "false", "landmarks"]
    assert_array_equal([int(text) for text in counts.splitlines()[1].split()], list(scored.counts.values()))


def test_haar_finds_most_faces_of_the_nine_photographs(data_folder: Path) -> None:
    lists = [data_folder / "photos" / "boxes" / f"{name}.xml" for name in ("training", "testing")]
    found = evaluate_detector("haar", lists, resamples=100)
    assert (found.pictures, found.faces) == (9, 43)
    assert found.metrics["recall"]["value"] > 0.75
    assert found.metrics["precision"]["value"] > 0.9
