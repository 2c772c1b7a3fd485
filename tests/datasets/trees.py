"""Every data set as its users have it on disk, made small: names and tables as published, pictures of one grey."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def picture(path: Path, value: int = 90, shape: tuple[int, ...] = (20, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(shape, value, np.uint8))
    return path


def pixels(value: int) -> str:
    return " ".join([str(value)] * 48 * 48)


def rafdb(root: Path) -> Path:
    """Five lines, a picture of the last is missing."""
    names = {"train_00001": 5, "train_00002": 1, "train_00003": 7, "test_0001": 4, "test_0002": 6}
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel/list_patition_label.txt").write_text("".join(f"{n}.jpg {k}\n" for n, k in names.items()))
    for name in list(names)[:-1]:
        picture(root / f"Image/aligned/{name}_aligned.jpg")
        picture(root / f"Image/original/{name}.jpg", shape=(40, 30, 3))
    return root


def rafdb_kaggle(root: Path) -> Path:
    for part, digits in (("train", 5), ("test", 4)):
        for number in range(1, 8):
            picture(root / f"DATASET/{part}/{number}/{part}_{number:0{digits}}_aligned.jpg")
        (root / f"{part}_labels.csv").write_text("image,label\n")
    return root / "DATASET"


def ckplus(root: Path) -> Path:
    """S005/001 disgust, S010/001 contempt, S010/002 surprise, each of five frames; S011/001 has no label."""
    labels = {("S005", "001"): 3, ("S010", "001"): 2, ("S010", "002"): 7, ("S011", "001"): None}
    for (subject, sequence), number in labels.items():
        for frame in range(1, 6):
            picture(root / f"cohn-kanade-images/{subject}/{sequence}/{subject}_{sequence}_{frame:08}.png", frame * 40)
        folder = root / "Emotion" / subject / sequence
        folder.mkdir(parents=True)
        if number is not None:
            (folder / f"{subject}_{sequence}_00000005_emotion.txt").write_text(f"   {number:.7e}\n")
    (root / "cohn-kanade-images/S005/001/.DS_Store").touch()
    return root


def ck48(root: Path) -> Path:
    for name, subject in (("anger", "S010"), ("contempt", "S138"), ("surprise", "S010")):
        for frame in (17, 18, 19):
            picture(root / f"{name}/{subject}_00{len(name) % 4}_{frame:08}.png", frame, (48, 48))
    return root


def ckextended(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    rows = ((6, "Training"), (0, "Training"), (3, "PublicTest"), (7, "PrivateTest"))
    lines = "".join(f"{number},{pixels(i + 20)},{usage}\n" for i, (number, usage) in enumerate(rows))
    (root / "ckextended.csv").write_text("emotion,pixels,Usage\n" + lines)
    return root


def fer2013(root: Path) -> Path:
    for part in ("train", "test"):
        for name in CLASSES:
            picture(root / part / name.lower() / "Training_1.jpg", shape=(48, 48))
    return root


def jaffe(root: Path) -> Path:
    for name in ("KA.AN1.39", "KA.HA2.30", "NM.FE3.100", "YM.NE1.49"):
        picture(root / f"{name}.tiff", shape=(32, 32))
    (root / "README_FIRST.txt").touch()
    return root


def kdef(root: Path) -> Path:
    """F01 twice, M07 once; five angles of AF01AF; the irregular files that the data set is known for."""
    for angle in ("FL", "HL", "S", "HR", "FR"):
        picture(root / f"AF01/AF01AF{angle}.JPG")
    for name in ("BF01/BF01SUS", "AM07/AM07HAS", "AM07/AM07NES"):
        picture(root / f"{name}.JPG")
    picture(root / "AM05/AM05ANFR.JPG", shape=(24, 37, 3))
    for name in ("AF31/AF31V", "AM31/AM31H"):
        picture(root / f"{name}.JPG")
    return root


AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
)


def affectnet(root: Path) -> Path:
    """Happiness, contempt, none, no face, a malformed row, neutral; the table of val has no header."""
    lists = root / "Manually_Annotated_file_lists"
    lists.mkdir(parents=True)
    for name in ("689/a", "392/b", "9/c", "10/d", "7/f", "8/g"):
        picture(root / f"Manually_Annotated_Images/{name}.jpg", shape=(40, 40, 3))
    (lists / "training.csv").write_text(
        AFFECTNET_HEADER + "689/a.jpg,14,15,20,21,31.9;43.2,1,0.785714,-0.055556\n"
        "392/b.jpg,1,2,30,30,3;4,7,-0.017253,0.004313\n"
        "9/c.jpg,1,2,30,30,3;4,8,-2,-2\n"
        "10/d.jpg,1,2,30,30,3;4,10,-2,-2\n"
        "11/e.jpg,1,2,30,30,3;4,1\n"
        "7/f.jpg,1,2,30,30,3;4,0,-2,0.5\n"
    )
    (lists / "validation.csv").write_text("8/g.jpg,3,4,33,34,3;4,6,-0.5,0.75\n")
    return root


def affectnet_arrays(root: Path) -> Path:
    """Text and numbers in the arrays; the label of 2 is cut, that of 3 missing, 4 is contempt."""
    values: dict[str, object] = {
        "train_set/0": "1",
        "train_set/1": 4,
        "train_set/2": "5",
        "train_set/4": "7",
        "val_set/9": 6.0,
    }
    for name in (*values, "train_set/3"):
        part, number = name.split("/")
        picture(root / part / "images" / f"{number}.jpg", shape=(24, 24, 3))
        stem = root / part / "annotations" / number
        stem.parent.mkdir(parents=True, exist_ok=True)
        if name in values:
            np.save(f"{stem}_exp.npy", np.array(values[name]))
        np.save(f"{stem}_val.npy", np.array("-2" if number == "1" else "0.25"))
        np.save(f"{stem}_aro.npy", np.array(-0.5))
        np.save(f"{stem}_lnd.npy", np.zeros(136))
    cut = root / "train_set/annotations/2_exp.npy"
    cut.write_bytes(cut.read_bytes()[:60])
    return root


def sfew(root: Path) -> Path:
    for part, films in (("Train", ("Airheads", "Bad_Santa")), ("Val", ("Juno", "Juno"))):
        for name in CLASSES[:5]:
            for i, film in enumerate(films):
                picture(root / part / name / f"{film}_00051924{i}_00000005.png", shape=(24, 30, 3))
    for i in range(3):
        picture(root / "Test" / f"{i}.png", shape=(24, 30, 3))
    return root


def sfew_aligned(root: Path) -> Path:
    for folder in ("Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new/Val_Aligned_Faces"):
        for name in CLASSES:
            picture(root / folder / name / "Airheads_000519240_00000005.png")
    picture(root / "Test/Test_Aligned_Faces/0.png")
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "affectnet": affectnet,
    "affectnet-arrays": affectnet_arrays,
    "ck48": ck48,
    "ckextended": ckextended,
    "ckplus": ckplus,
    "fer2013": fer2013,
    "jaffe": jaffe,
    "kdef": kdef,
    "rafdb": rafdb,
    "rafdb-kaggle": rafdb_kaggle,
    "sfew": sfew,
    "sfew-aligned": sfew_aligned,
}
"""Makers of trees by the layout, and after the ``-`` the variant; each returns the data set's own folder."""
