"""Drawn data sets: the same bytes from the same seed, and a manifest that says what is to be seen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hybridfer import FeatureBank, extract
from hybridfer.capture.expressions import draw_expression
from hybridfer.capture.faces import COLUMNS, DIFFICULTIES, chance, draw_faces, style_of
from hybridfer.capture.muscles import MUSCLES
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError, OutputError, SpecError
from hybridfer.faces import detect
from hybridfer.faces.align import EYES
from hybridfer.labels import EXPRESSIONS
from hybridfer.media.scene import Scene
from hybridfer.media.virtual import DrawnSource


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def table(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def points(row: dict[str, str]) -> np.ndarray:
    return np.array([[float(row[f"{axis}_{k}"]) for axis in "xy"] for k in range(98)])


def seen(row: dict[str, str]) -> np.ndarray:
    return np.array([row[f"v_{k}"] == "1" for k in range(98)])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five people making the seven faces, 48 pixels, in plain light."""
    out = tmp_path_factory.mktemp("drawn") / "set"
    draw_faces(out, identities=5, size=48, jobs=1)
    return out


@pytest.fixture(scope="module")
def rows(drawn: Path) -> list[dict[str, str]]:
    return table(drawn / "manifest.csv")


def test_the_same_seed_gives_the_same_bytes_whatever_the_jobs(drawn: Path, tmp_path: Path) -> None:
    draw_faces(tmp_path / "again", identities=5, size=48, jobs=2)
    assert contents(tmp_path / "again") == contents(drawn)
    draw_faces(tmp_path / "other", identities=1, size=48, seed=1)
    picture = "faces/s0000/anger_0.png"
    assert contents(tmp_path / "other")[picture] != contents(drawn)[picture]


def test_more_people_and_fewer_expressions_leave_the_others_as_they_were(drawn: Path, tmp_path: Path) -> None:
    draw_faces(tmp_path / "few", identities=2, expressions="fear,neutral", size=48, per_expression=2)
    few, many = contents(tmp_path / "few"), contents(drawn)
    shared = {name for name in few if name in many and name.endswith(".png")}
    assert len(shared) == 4 and all(few[name] == many[name] for name in shared)
    again = {row["path"]: row for row in table(tmp_path / "few" / "manifest.csv")}
    assert [again[row["path"]] for row in table(drawn / "manifest.csv") if row["path"] in shared] == [
        row for row in table(drawn / "manifest.csv") if row["path"] in shared
    ]


def test_a_folder_a_person_a_picture_an_expression(drawn: Path, rows: list[dict[str, str]]) -> None:
    names = {f"faces/s{person:04d}/{label}_0.png" for person in range(5) for label in EXPRESSIONS}
    assert {row["path"] for row in rows} == names
    assert contents(drawn).keys() == {*names, "manifest.csv", "card.json"}
    assert all(cv2.imread(str(drawn / name)).shape == (48, 48, 3) for name in names)
    assert list(rows[0]) == ["path", "label", "subject", "split", "cropped", *COLUMNS]
    card = json.loads((drawn / "card.json").read_text("utf-8"))
    assert (card["virtual"], card["seed"], card["pictures"]) == ("faces", 0, 35) and "photographs" in card["note"]


def test_no_person_stands_in_two_splits_and_three_of_five_are_trained_on(rows: list[dict[str, str]]) -> None:
    of = {(row["subject"], row["split"]) for row in rows}
    assert len(of) == 5
    assert sorted(split for _, split in of) == ["test", "train", "train", "train", "val"]


def test_the_manifest_holds_what_was_drawn(rows: list[dict[str, str]]) -> None:
    """The prototypes are tested in test_expressions; here, that rows and pictures are of the same draw."""
    for row in rows:
        person, label = int(row["subject"][1:]), row["label"]
        units = draw_expression(label, chance(0, person, label, 0), style_of(0, person))
        for muscle, (left, right) in zip(MUSCLES, units, strict=True):
            name = f"AU{muscle:02d}"
            assert (float(row[f"{name}_left"]), float(row[f"{name}_right"])) == (left, right)
            assert float(row[name]) == pytest.approx((left + right) / 2, abs=1e-3)
    smile, rest = ({r["subject"]: points(r) for r in rows if r["label"] == label} for label in ("happiness", "neutral"))
    wide = [np.ptp(smile[who][[76, 82], 0]) - np.ptp(rest[who][[76, 82], 0]) for who in smile]
    assert min(wide) > 1  # a smile of two pixels of 48 is a small one


def test_faces_are_cut_as_fer2013_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DIFFICULTIES, "plain", 0.0)
    manifest = draw_faces(tmp_path / "set", identities=3, expressions="neutral", size=64)
    for row in table(manifest):
        assert [float(row[angle]) for angle in ("yaw", "pitch", "roll")] == [0, 0, 0]
        # Pixels' centres are whole numbers, and the crop's left edge lies half a pixel before the first.
        np.testing.assert_allclose((points(row)[96:98] + 0.5) / 64, EYES, atol=0.01)


def test_points_lie_on_their_features(drawn: Path, rows: list[dict[str, str]]) -> None:
    for row in rows:
        p, visible = points(row), seen(row)
        assert ((p[visible] > -0.5) & (p[visible] < 47.5)).all()
        assert p[60, 0] < p[96, 0] < p[64, 0] < p[68, 0] < p[97, 0] < p[72, 0]  # eyes, from left to right
        assert p[35, 1] < p[96, 1] < p[54, 1] < p[57, 1] < p[79, 1] < p[85, 1] < p[16, 1]  # brow to chin
        assert p[0, 0] < p[76, 0] < p[82, 0] < p[32, 0]  # jaw about mouth
        grey = cv2.imread(str(drawn / row["path"]), cv2.IMREAD_GRAYSCALE).astype(float)
        x, y = np.rint(p[[96, 97]].mean(axis=0)).astype(int)
        for eye in np.rint(p[[96, 97]]).astype(int):
            # A pupil is darker than the skin between the eyes.
            assert grey[eye[1] - 1 : eye[1] + 2, eye[0] - 1 : eye[0] + 2].min() < grey[y, x]


def test_what_stands_before_the_face_hides_points(tmp_path: Path) -> None:
    plain = table(draw_faces(tmp_path / "plain", identities=3, size=32))
    assert {row["occluder"] for row in plain} == {""}
    hard = table(draw_faces(tmp_path / "hard", identities=8, size=128, difficulty="hard"))
    hides = {"mask": slice(76, 88), "sunglasses": [96, 97]}  # the outer lips; the pupils
    assert hides.keys() < {row["occluder"] for row in hard}
    for row in hard:
        if row["occluder"] in hides:
            assert not seen(row)[hides[row["occluder"]]].any()
    inner = {
        free: [seen(row)[33:96].mean() for row in hard if (row["occluder"] == "") == free] for free in (True, False)
    }
    assert np.mean(inner[False]) < np.mean(inner[True]) - 0.05


def test_harder_days_turn_faces_further(tmp_path: Path) -> None:
    spread = []
    for difficulty in DIFFICULTIES:
        manifest = draw_faces(
            tmp_path / difficulty, identities=6, expressions="neutral", size=16, difficulty=difficulty
        )
        spread.append(np.std([float(row["yaw"]) for row in table(manifest)]))
    assert spread == sorted(spread) and spread[0] < 6 < spread[2]


def test_the_manifest_is_read_back_and_extracted_without_a_detector(drawn: Path, tmp_path: Path) -> None:
    manifest = read_inputs([drawn / "manifest.csv"])
    assert manifest.cropped and set(manifest.columns) == set(COLUMNS)
    bank = extract(drawn / "manifest.csv", ["lbp"], tmp_path / "drawn.parquet")
    assert isinstance(bank, FeatureBank) and len(bank) == 35
    rows = bank.to_pandas()
    assert set(rows["status"]) == {"ok"} and set(rows["FaceRectWidth"]) == {48}
    assert set(rows["label"]) == set(EXPRESSIONS) and rows["subject"].nunique() == 5
    assert rows["AU12"].dtype == float and rows["occluder"].isna().all()


def test_only_a_drawn_set_is_replaced(tmp_path: Path) -> None:
    options = {"identities": 1, "expressions": "neutral", "size": 16}
    out = tmp_path / "set"
    draw_faces(out, **options)
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        draw_faces(out, **options)
    draw_faces(out, **{**options, "size": 20}, overwrite=True)
    assert cv2.imread(str(out / "faces/s0000/neutral_0.png")).shape == (20, 20, 3)
    (out / "card.json").unlink()
    with pytest.raises(OutputError, match="no card of drawn faces"):
        draw_faces(out, **options, overwrite=True)
    assert (out / "faces/s0000/neutral_0.png").exists()
    (out / "notes.txt").touch()
    with pytest.raises(OutputError, match="holds other things"):
        draw_faces(out, **options, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identities": 0}, "identities is 0; expected 1 or more"),
        ({"per_expression": 0}, "per expression is 0; expected 1 or more"),
        ({"expressions": "hapiness"}, "Did you mean 'happiness'"),
        ({"difficulty": "natrual"}, "Did you mean 'natural'"),
        ({"seed": -1}, "The seed is -1; expected 0 or more"),
        ({"size": 4}, "size is 4; expected 16"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises((DatasetError, SpecError), match=message):
        draw_faces(tmp_path / "set", **options)  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_opencvs_cascade_finds_the_faces_it_looks_for() -> None:
    """Frontal and with nothing before them, with the margin round the chin that the cascade was trained with."""
    found = []
    for person in range(24):
        for label in ("neutral", "happiness", "anger"):
            units = draw_expression(label, np.random.default_rng([person, 1]), style_of(0, person))
            source = DrawnSource(person, tuple(map(tuple, units.tolist())), Scene(size=192, zoom=0.8))
            drawn = source.draw()
            x, y = drawn.points[96:98].mean(axis=0)
            boxes = [face.box for face in detect(drawn.pixels)]
            found.append(any(x0 < x < x1 and y0 < y < y1 for x0, y0, x1, y1 in boxes))
    assert np.mean(found) >= 0.9
