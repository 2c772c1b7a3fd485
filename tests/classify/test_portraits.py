"""A model trained on FER2013 sees a photograph's face as it saw its training faces: the portraits of London say so."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer import extract, load_model, train_svm

ROWS = 4000
"""Training faces."""


@pytest.fixture(scope="module")
def fer_model(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of LBP and HOG on the first faces of FER2013, which are crops as they are."""
    folder = tmp_path_factory.mktemp("fer")
    with np.load(data_folder / "fer2013" / "fer2013_dev.npz") as data:
        blob, offsets, labels = data["blob"], data["offsets"], data["label"][:ROWS]
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "cropped"])
        for number, label in enumerate(labels):
            grey = cv2.imdecode(blob[offsets[number] : offsets[number + 1]], cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(folder / f"{number}.png"), grey)
            names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
            table.writerow([f"{number}.png", names[label], "true"])
    bank = extract(folder / "manifest.csv", ["lbp:grid=4", "hog"], folder / "fer.parquet")
    train_svm(bank, output=folder / "model")
    return folder / "model"


def cut_by_hand(picture: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The square in which these eye centres lie at (0.31, 0.39) and (0.69, 0.39): three corners, and OpenCV's warp."""
    across = (right - left) / 0.38
    down = np.array([-across[1], across[0]])
    corner = left - 0.31 * across - 0.39 * down
    side = round(float(np.hypot(*across)))
    corners = np.array([corner, corner + across, corner + down], np.float32)
    square = np.array([[0, 0], [side, 0], [0, side]], np.float32) - 0.5
    return cv2.warpAffine(
        picture, cv2.getAffineTransform(corners, square), (side, side), borderMode=cv2.BORDER_REPLICATE
    )


@pytest.mark.slow
def test_a_portrait_and_the_same_cut_by_hand_get_nearly_the_same_answer(data_folder: Path, fer_model: Path) -> None:
    london = data_folder / "london"
    portraits, crops, moved = [], [], []
    hand = np.random.default_rng(0)
    with (london / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["landmarks"]:
                portraits.append(london / row["path"])
                # Of the 189 points, the first two are the pupils.
                points = np.loadtxt(london / row["landmarks"], delimiter=",", skiprows=1)
                eyes = points[:2]
                picture = cv2.imread(str(portraits[-1]))[..., ::-1]
                crops.append(cut_by_hand(picture, *eyes))
                moved.append(cut_by_hand(picture, *(eyes + hand.normal(0, 1.5, (2, 2)))))
    model = load_model(fer_model)
    assert len(portraits) == 51 and model.detector == "mtcnn"

    def answers(pictures: Sequence[Path | np.ndarray], **options: object) -> np.ndarray:
        rows = model.predict(pictures, cache=False, **options)
        assert [row["status"] for row in rows] == ["ok"] * 51
        return np.array([[row[name] for name in model.classes] for row in rows])

    found, by_hand, by_another, uncut = (
        answers(portraits),
        answers(crops, detector="none"),
        answers(moved, detector="none"),
        answers(portraits, detector="none"),
    )
    # Measured: probabilities are 0.033 apart in the mean, and 88 percent of the labels are the same. A second hand that
    # puts the eyes 1.5 pixels (a hundredth of the face) elsewhere is 0.032 apart with 80 percent: so exact is the
    # model. Two persons are 0.065 apart, and whole portraits, with hair and shoulders, 0.123.
    apart = np.abs(found - by_hand).mean()
    assert apart < 0.045 and apart < 1.4 * np.abs(by_hand - by_another).mean()
    assert apart < 0.7 * np.abs(by_hand - np.roll(by_hand, 1, axis=0)).mean()
    assert np.mean(found.argmax(axis=1) == by_hand.argmax(axis=1)) > 0.75
    assert np.abs(uncut - by_hand).mean() > 2 * apart
