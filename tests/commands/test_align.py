"""``hybridfer align`` as a shell user meets it: crops with names of their own, a manifest that leads back to them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from media.films import film

from hybridfer import FeatureBank
from hybridfer.faces.windows import WINDOWS
from hybridfer.types import ROW_COLUMNS

Run = Callable[..., Result]


@pytest.fixture
def photos(tmp_path: Path, astronaut: np.ndarray) -> Path:
    """Two photographs of one name with a face, turned in the second; one without a face; one that is none."""
    folder = tmp_path / "in"
    tilted = cv2.warpAffine(astronaut, cv2.getRotationMatrix2D((225, 112), 20, 1), (512, 512))
    for name, pixels in {"happy/a.png": astronaut, "sad/a.png": tilted, "sad/black.png": 0 * astronaut}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), pixels[..., ::-1])
    (folder / "sad" / "lies.jpg").write_bytes(b"rubbish")
    return folder


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_face_is_a_file_and_every_input_a_row(run: Run, photos: Path, tmp_path: Path) -> None:
    result = run("align", photos, "-o", tmp_path / "out")
    assert result.exit_code == 3, result.stderr
    assert "2 faces, 1 pictures without a face, 1 pictures that cannot be read" in result.stderr
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows] == ["ok", "ok", "no_face", "error"]
    assert [row["path"] for row in rows] == ["crops/a_000000_0.png", "crops/a-2_000000_0.png", "", ""]
    assert [row["label"] for row in rows] == ["happiness", "sadness", "sadness", "sadness"]
    assert {row["cropped"] for row in rows} == {"true"} and "not a picture" in rows[-1]["error"]
    assert sorted(p.name for p in (tmp_path / "out" / "crops").iterdir()) == ["a-2_000000_0.png", "a_000000_0.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]
    assert list(rows[0])[: 1 + len(ROW_COLUMNS)] == ["path", *ROW_COLUMNS]
    for row in rows[:2]:
        crop = cv2.imread(str(tmp_path / "out" / row["path"]))
        points = np.array([[float(row[f"{axis}_{i}"]) for axis in "xy"] for i in range(5)])
        places = (points + 0.5) / len(crop)
        # The face looks ahead: least squares leave its eyes and mouth within 3 percent of the template.
        np.testing.assert_allclose(places[:2], [[0.31, 0.39], [0.69, 0.39]], atol=0.03)
        np.testing.assert_allclose(places[3:].mean(axis=0), [0.5, 0.78], atol=0.03)


@pytest.mark.parametrize("given", ["out", "out/manifest.csv"])
@pytest.mark.parametrize("detector", ["mtcnn", "haar"])
def test_what_is_extracted_of_the_folder_is_what_is_extracted_of_the_pictures(
    run: Run, photos: Path, tmp_path: Path, given: str, detector: str
) -> None:
    specs = ("-f", "lbp", "-f", "colour", "--no-cache", "--detector", detector)
    assert run("align", photos, "--detector", detector, "-o", tmp_path / "out").exit_code == 3
    assert run("extract", photos, *specs, "-o", tmp_path / "a.parquet").exit_code == 3
    result = run("extract", tmp_path / given, *specs, "-o", tmp_path / "b.parquet")
    assert result.exit_code == 0 and "2 rows of inputs that had no face to cut out are left out" in result.stderr
    pictures, crops = (FeatureBank.open(tmp_path / f"{name}.parquet") for name in "ab")
    assert len(pictures) == len(crops) > 0 and crops.provenance["cropped"] and crops.crop is None
    assert crops.y.tolist() == pictures.y.tolist()
    for name in ("lbp", "colour"):
        np.testing.assert_array_equal(pictures.X(name), crops.X(name))


def test_the_windows_are_named_and_are_what_windows_describes(run: Run, photos: Path, tmp_path: Path) -> None:
    inputs = (photos / "happy", "--labels", "none", "--no-cache")
    assert run("align", *inputs[:3], "--windows", "-o", tmp_path / "out").exit_code == 0
    rows = table(tmp_path / "out")
    assert [row["path"] for row in rows] == [f"crops/a_000000_0_{name}.png" for name in WINDOWS]
    assert [row["window"] for row in rows] == list(WINDOWS) and {row["face_id"] for row in rows} == {"0"}
    assert run("extract", *inputs, "-f", "hog", "--windows", "-o", tmp_path / "a.parquet").exit_code == 0
    result = run("extract", tmp_path / "out", "-f", "hog", "--no-cache", "-o", tmp_path / "b.parquet")
    assert result.exit_code == 0, result.stderr
    whole, each = (FeatureBank.open(tmp_path / f"{name}.parquet") for name in "ab")
    np.testing.assert_array_equal(whole.X("windows(hog)")[0], each.X("hog").ravel())
    assert each.column("window").tolist() == list(WINDOWS)


def test_every_option_changes_the_crops(run: Run, photos: Path, tmp_path: Path) -> None:
    picture = photos / "happy" / "a.png"

    def crops(*options: object) -> list[np.ndarray]:
        assert run("align", picture, *options, "--overwrite", "-o", tmp_path / "out").exit_code == 0
        return [cv2.imread(str(tmp_path / "out" / row["path"])) for row in table(tmp_path / "out") if row["path"]]

    (plain,) = crops()
    assert [crop.shape for crop in crops("--size", 64)] == [(64, 64, 3)]
    (wide,) = crops("--margin", 0.25)
    assert abs(len(wide) - 1.5 * len(plain)) <= 1
    assert json.loads((tmp_path / "out" / "card.json").read_text())["crop"]["margin"] == 0.25
    (other,) = crops("--detector", "haar")
    assert other.shape != plain.shape
    assert crops("--min-face", 300) == [] and crops("--threshold", 1) == []
    assert crops("--detector", "none")[0].shape == (512, 512, 3)
    ears, moved = crops("--windows"), crops("--windows", "--ears", "0.6")
    same = [np.array_equal(one, two) for one, two in zip(ears, moved, strict=True)]
    assert [name for name, equal in zip(WINDOWS, same, strict=True) if not equal] == ["left_ear", "right_ear"]


def test_a_videos_frames_have_their_numbers_and_a_face_keeps_its_own(
    run: Run, tmp_path: Path, astronaut: np.ndarray
) -> None:
    path = film(tmp_path / "film.mp4", 6, draw=lambda n: np.roll(astronaut, 10 * n, axis=1)[:256])
    assert run("align", path, "--every", 2, "-o", tmp_path / "out").exit_code == 0
    rows = table(tmp_path / "out")
    assert [row["path"] for row in rows] == [f"crops/film_{n:06d}_0.png" for n in (0, 2, 4)]
    assert [float(row["timestamp"]) for row in rows] == pytest.approx([0, 0.08, 0.16])


def test_names_are_never_shared_and_never_leave_the_folder(run: Run, tmp_path: Path) -> None:
    names = ["a.png", "A.PNG", "x/a.png", "x/a-2.png", "b  #c.png", "ü" * 100 + ".png"]
    for number, name in enumerate(names):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imencode(".png", np.full((20, 20), number, np.uint8))[1].tofile(tmp_path / "in" / name)
    result = run("align", tmp_path / "in", "--detector", "none", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    rows = table(tmp_path / "out")
    assert len({row["path"].casefold() for row in rows}) == len(names)
    for row in rows:
        assert Path(row["path"]).parts[0] == "crops" and len(Path(row["path"]).parts) == 2
        shown = cv2.imread(str(tmp_path / "out" / row["path"]))
        np.testing.assert_array_equal(shown, cv2.imdecode(np.fromfile(row["input"], np.uint8), 1))


def test_only_a_folder_of_crops_is_replaced(run: Run, photos: Path, tmp_path: Path) -> None:
    picture = photos / "happy" / "a.png"
    assert run("align", picture, "-o", tmp_path / "out").exit_code == 0
    assert "--overwrite" in run("align", picture, "-o", tmp_path / "out").stderr
    assert run("align", picture, "-o", tmp_path / "out", "--overwrite").exit_code == 0
    (tmp_path / "mine" / "crops").mkdir(parents=True)
    for folder, said in ((photos, "holds other things"), (tmp_path / "mine", "no card of aligned faces")):
        result = run("align", picture, "-o", folder, "--overwrite")
        assert result.exit_code == 1 and said in result.stderr
    assert (tmp_path / "mine" / "crops").is_dir() and picture.is_file()


def test_a_run_that_breaks_off_leaves_nothing(run: Run, photos: Path, tmp_path: Path) -> None:
    result = run("align", photos, "--strict", "-o", tmp_path / "out")
    assert result.exit_code == 1 and "lies.jpg: This is not a picture" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--size", "0"), 2, "1<=x<=4096"),
        (("--margin", "-1"), 2, "0<=x<=4"),
        (("--detector", "mtcn"), 1, "Did you mean 'mtcnn'"),
        (("--detector", "mtcnn:size=3"), 1, "no parameter 'size'"),
        (("--device", "cuda:99"), 1, "cuda:99"),
    ],
)
def test_mistakes_are_named(run: Run, photos: Path, tmp_path: Path, options: tuple, code: int, said: str) -> None:
    result = run("align", photos, "-o", tmp_path / "out", *options)
    assert result.exit_code == code and said in result.stderr and "Traceback" not in result.stderr


def test_nothing_found_is_said_and_read_back_it_is_an_error(run: Run, photos: Path, tmp_path: Path) -> None:
    result = run("align", photos / "sad" / "black.png", "-o", tmp_path / "out")
    assert result.exit_code == 0 and "--detector none" in result.stderr
    result = run("extract", tmp_path / "out", "-f", "lbp")
    assert result.exit_code == 1 and "in none of its 1 rows was there a face to cut out" in result.stderr
