"""From inputs to a bank: nothing is lost, nothing is done twice, a killed run goes on where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bank.toys import Means
from media.films import film

from hybridfer import FeatureBank, detect
from hybridfer.bank import describe as describing
from hybridfer.bank import extract as module
from hybridfer.bank.cache import FeatureCache
from hybridfer.bank.convert import merge
from hybridfer.bank.describe import Plan, describe_inputs, describe_items, make_descriptors
from hybridfer.bank.extract import build_bank, extract
from hybridfer.datasets.inputs import read_inputs
from hybridfer.descriptors.windows import Windows
from hybridfer.errors import BankError, OutputError, PictureError, SpecError
from hybridfer.faces.align import Alignment, align_face
from hybridfer.faces.find import Search, choose_detector
from hybridfer.faces.windows import cut_windows
from hybridfer.media.video import with_frames
from hybridfer.types import Manifest


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_ROWS", 7)
    Means.asked.clear()


def plan(detector: str = "none", faces: str = "auto", **changes: object) -> Plan:
    search = Search(detector, faces)
    return Plan(**{"descriptors": (Means(),), "search": search, **changes})  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_read_is_its_own_row(face_folder: Path, tmp_path: Path) -> None:
    (face_folder / "face" / "1.png").write_bytes(b"rubbish")
    counts = build_bank(read_inputs([face_folder]), plan(), tmp_path / "a.parquet")
    assert counts == {"ok": 39, "error": 1}
    (row,) = [r for r in FeatureBank.open(tmp_path / "a.parquet").rows() if r["status"] == "error"]
    assert row["input"].endswith("face/1.png") and "not a picture" in row["error"]


def test_strict_stops_at_it(face_folder: Path, tmp_path: Path) -> None:
    (face_folder / "face" / "1.png").write_bytes(b"rubbish")
    with pytest.raises(PictureError, match=r"face/1.png: This is not a picture"):
        build_bank(read_inputs([face_folder]), plan(strict=True), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_come_in_the_order_of_the_inputs(face_folder: Path, tmp_path: Path, jobs: int) -> None:
    manifest = read_inputs([face_folder])
    build_bank(manifest, plan(), tmp_path / "a.parquet", jobs=jobs)
    assert [r["input"] for r in FeatureBank.open(tmp_path / "a.parquet").rows()] == [i.input for i in manifest.items]
    chunks = describe_inputs(manifest, [Means()], Search("none"), jobs=jobs, chunk_rows=3)
    assert [r["input"] for chunk in chunks for r in chunk.rows] == [i.input for i in manifest.items]


def test_a_killed_run_is_continued_and_equals_an_unbroken_one(face_folder: Path, tmp_path: Path) -> None:
    manifest = read_inputs([face_folder], labels="folder")
    build_bank(manifest, plan(), tmp_path / "whole.parquet", jobs=1)
    Means.asked.clear()

    def killed(done: int) -> None:
        if sum(Means.asked) >= 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_bank(manifest, plan(), tmp_path / "a.parquet", jobs=1, progress=killed)
    assert not (tmp_path / "a.parquet").exists()
    with pytest.raises(OutputError, match="--resume"):
        build_bank(manifest, plan(), tmp_path / "a.parquet", jobs=1)
    Means.asked.clear()
    build_bank(manifest, plan(), tmp_path / "a.parquet", jobs=1, resume=True)
    assert sum(Means.asked) == 40 - 21
    assert (
        FeatureBank.open(tmp_path / "a.parquet").fingerprint == FeatureBank.open(tmp_path / "whole.parquet").fingerprint
    )
    assert not (tmp_path / "a.parquet.parts").exists()


def test_parts_of_another_plan_are_not_taken(face_folder: Path, tmp_path: Path) -> None:
    manifest = read_inputs([face_folder])

    def killed(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_bank(manifest, plan(), tmp_path / "a.parquet", jobs=1, progress=killed)
    build_bank(manifest, plan(descriptors=(Means(size=5),)), tmp_path / "a.parquet", jobs=1, resume=True)
    assert FeatureBank.open(tmp_path / "a.parquet").X("means").shape == (40, 5)


def test_parts_made_by_another_rule_for_faces_or_of_other_columns_are_not_taken(
    face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{file},1" for file in sorted(face_folder.rglob("*.png"))]
    table = tmp_path / "m.csv"
    table.write_text("\n".join(["path,age", *lines]))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "write_bank", killed)
        build_bank(read_inputs([table]), plan(), tmp_path / "a.parquet", jobs=1)
    # One row's age is now half a year more, which makes another type of all of them.
    table.write_text("\n".join(["path,age", *lines[:-1], lines[-1] + ".5"]))
    for changed in (plan(), plan(faces="all")):
        Means.asked.clear()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(module, "write_bank", killed)
            build_bank(read_inputs([table]), changed, tmp_path / "a.parquet", jobs=1, resume=True)
        assert sum(Means.asked) == 40
    build_bank(read_inputs([table]), plan(), tmp_path / "a.parquet", jobs=1, resume=True)
    assert FeatureBank.open(tmp_path / "a.parquet").column("age").tolist() == [1.0] * 39 + [1.5]


def test_a_part_that_lost_its_end_is_made_anew(
    face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "write_bank", killed)
        build_bank(read_inputs([face_folder]), plan(), tmp_path / "a.parquet", jobs=1)
    empty, cut, *_ = sorted((tmp_path / "a.parquet.parts").glob("*.arrow"))
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:-20])
    Means.asked.clear()
    build_bank(read_inputs([face_folder]), plan(), tmp_path / "a.parquet", jobs=1, resume=True)
    assert sum(Means.asked) == 14 and len(FeatureBank.open(tmp_path / "a.parquet")) == 40


def test_an_output_is_replaced_only_when_told(face_folder: Path, tmp_path: Path) -> None:
    manifest = read_inputs([face_folder])
    build_bank(manifest, plan(), tmp_path / "a.parquet")
    with pytest.raises(OutputError, match="--overwrite"):
        build_bank(manifest, plan(), tmp_path / "a.parquet")
    build_bank(manifest, plan(), tmp_path / "a.parquet", overwrite=True)


def test_a_face_is_described_once_and_one_more_picture_costs_one(face_folder: Path, tmp_path: Path) -> None:
    kept = plan(cache=FeatureCache(tmp_path / "cache"))
    build_bank(read_inputs([face_folder]), kept, tmp_path / "a.parquet", jobs=1)
    assert sum(Means.asked) == 40
    Means.asked.clear()
    again = plan(cache=FeatureCache(tmp_path / "cache"))
    cv2.imwrite(str(face_folder / "face" / "00.png"), np.full((9, 9), 7, np.uint8))
    build_bank(read_inputs([face_folder]), again, tmp_path / "b.parquet", jobs=1)
    assert Means.asked == [1]
    fresh = plan()
    build_bank(read_inputs([face_folder]), fresh, tmp_path / "c.parquet", jobs=1)
    assert FeatureBank.open(tmp_path / "b.parquet").fingerprint == FeatureBank.open(tmp_path / "c.parquet").fingerprint


def test_equal_pictures_are_described_once(tmp_path: Path) -> None:
    for i in range(5):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((9, 9), i // 4, np.uint8))
    chunk = describe_items(list(read_inputs([tmp_path]).items), plan(cache=FeatureCache(tmp_path / "cache")))
    assert Means.asked == [2]
    np.testing.assert_array_equal(chunk.blocks["means:size=4"][:, 0], [0, 0, 0, 0, 1])


def test_the_largest_face_is_kept_where_there_is_a_label_and_all_elsewhere(
    astronaut: np.ndarray, tmp_path: Path
) -> None:
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    both = np.zeros((512, 800, 3), np.uint8)
    both[:, :512], both[:256, 520:776] = astronaut, small
    (tmp_path / "in" / "happy").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in" / "happy" / "two.png"), both[..., ::-1])

    def faces(labels: str, which: str = "auto") -> list[float]:
        manifest = read_inputs([tmp_path / "in"], labels=labels)
        chunk = describe_items(list(manifest.items), plan(detector="haar", faces=which))
        return [row["FaceRectWidth"] for row in chunk.rows if row["status"] == "ok"]

    unlabelled = faces("none")
    assert len(unlabelled) >= 2 and unlabelled == sorted(unlabelled, reverse=True)
    assert faces("folder") == faces("none", "largest") == unlabelled[:1]
    assert faces("folder", "all") == unlabelled


def test_a_picture_without_a_face_is_a_row(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((200, 200), np.uint8))
    chunk = describe_items(list(read_inputs([tmp_path]).items), plan(detector="haar"))
    assert [row["status"] for row in chunk.rows] == ["no_face"] and chunk.blocks["means:size=4"].shape == (0, 4)
    assert chunk.rows[0]["face_id"] is None and len(chunk.rows[0]["sha256"]) == 64


def test_declared_crops_are_not_searched_for_faces() -> None:
    assert choose_detector(Manifest([], cropped=True), "haar") == "none"
    assert choose_detector(Manifest([]), None) == "mtcnn" and choose_detector(Manifest([]), "none") == "none"


def test_windows_and_crops_are_described_side_by_side(astronaut: np.ndarray, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut[..., ::-1])
    both = plan("mtcnn", descriptors=(Means(), Windows(Means())), cache=FeatureCache(tmp_path / "cache"))
    manifest = read_inputs([tmp_path / "a.png"])
    chunk = describe_items(manifest.items, both)
    assert Means.asked == [1, 12]
    (face,) = detect(astronaut)
    windows = cut_windows(astronaut, face, None)
    np.testing.assert_array_equal(chunk.blocks["windows(means:size=4)"][0], Means().describe_batch(windows).ravel())
    np.testing.assert_array_equal(chunk.blocks["means:size=4"][0], Means().describe(align_face(astronaut, face, None)))
    Means.asked.clear()
    again = describe_items(manifest.items, both)
    assert Means.asked == []
    for name, block in chunk.blocks.items():
        np.testing.assert_array_equal(again.blocks[name], block)
    asked = make_descriptors(["lbp", "windows(lbp:grid=4)"], windows=True)
    assert [d.spec.split(",")[0] for d in asked] == ["windows(lbp:grid=7", "windows(lbp:grid=4"]


def test_a_bank_says_how_its_faces_were_found_and_cut(astronaut: np.ndarray, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut[..., ::-1])
    bank = extract(tmp_path / "a.png", ["lbp"], tmp_path / "a.parquet", threshold=0.8, alignment=Alignment(margin=0.5))
    assert bank.provenance["detector"] == "mtcnn" and len(bank.provenance["detector_weights"]) == 64
    assert bank.provenance["threshold"] == 0.8
    assert bank.crop == {"eyes": [[0.31, 0.39], [0.69, 0.39]], "mouth": 0.78, "margin": 0.5}
    plain = extract(tmp_path / "a.png", ["lbp"], tmp_path / "b.parquet")
    assert not np.array_equal(bank.X("lbp"), plain.X("lbp"))
    with pytest.raises(BankError, match=r"has crop .*'margin': 0.5.* their faces were not cut alike"):
        merge([bank, plain], tmp_path / "c.parquet")
    for number, options in enumerate(({"threshold": 1.0}, {"min_face": 300})):
        assert len(extract(tmp_path / "a.png", ["lbp"], tmp_path / f"{number}.parquet", **options)) == 0


def test_a_bank_from_before_there_were_landmarks_opens(face_folder: Path, tmp_path: Path) -> None:
    bank = extract(face_folder, ["phash"], tmp_path / "a.parquet", detector="haar")
    old = replace(bank, provenance={**bank.provenance, "crop": {"eyes": [[0.31, 0.39], [0.69, 0.39]]}})
    assert old.crop == bank.crop
    assert replace(bank, provenance={**bank.provenance, "crop": None}).crop is None


@pytest.fixture
def crowd(astronaut: np.ndarray, tmp_path: Path) -> str:
    """A video of 12 frames: a small face, a larger one from the third frame on, neither in the sixth and seventh."""
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)

    def draw(number: int) -> np.ndarray:
        both = np.zeros((256, 512, 3), np.uint8)
        if number not in (5, 6):
            both[:200, :150] = small[:200, 40:190]
            if number >= 2:
                both[:, 150 + 4 * number : 400 + 4 * number] = astronaut[:256, 100:350]
        return both

    return film(tmp_path / "crowd.mp4", 12, draw=draw)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_frames_of_a_video_are_rows_and_a_face_keeps_its_number(
    crowd: str, tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "HELD_BYTES", 2 * 256 * 512 * 3)  # two frames a stretch
    bank = extract(crowd, [Means()], tmp_path / "a.parquet", jobs=jobs)  # type: ignore[list-item]
    rows = bank.rows()
    assert [row["status"] for row in rows if row["frame"] in (5, 6)] == ["no_face"] * 2
    assert sorted({row["frame"] for row in rows}) == list(range(12))
    assert [row["timestamp"] for row in rows if row["face_id"] == 0] == pytest.approx(
        [n / 25 for n in range(12) if n not in (5, 6)]
    )
    small, large = ([row["FaceRectWidth"] for row in rows if row["face_id"] == number] for number in (0, 1))
    assert len(small) == 10 and len(large) == 8 and max(small) < 60 < 75 < min(large)
    chunks = describe_inputs(read_inputs([crowd]), [Means()], Search("mtcnn"), jobs=jobs, chunk_rows=5)
    streamed = [row["face_id"] for chunk in chunks for row in chunk.rows]
    assert streamed == [row["face_id"] for row in rows]
    few = extract(crowd, [Means()], tmp_path / "b.parquet", every=4, jobs=jobs)  # type: ignore[list-item]
    assert sorted({row["frame"] for row in few.rows()}) == [0, 4, 8]
    one = extract(crowd, [Means()], tmp_path / "c.parquet", max_faces=1)  # type: ignore[list-item]
    assert len(one) == 10


def test_a_videos_killed_run_is_continued_too(crowd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "HELD_BYTES", 2 * 256 * 512 * 3)
    options = {"features": [Means()], "jobs": 1, "cache": False}
    whole = extract(crowd, output=tmp_path / "whole.parquet", **options)  # type: ignore[arg-type]
    Means.asked.clear()
    done = []

    def killed(*_: object) -> None:
        done.append(sum(Means.asked))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "write_bank", killed)
        extract(crowd, output=tmp_path / "a.parquet", **options)  # type: ignore[arg-type]
    last = max((tmp_path / "a.parquet.parts").glob("*.arrow"))
    last.unlink()
    Means.asked.clear()
    bank = extract(crowd, output=tmp_path / "a.parquet", resume=True, **options)  # type: ignore[arg-type]
    assert done == [18] and sum(Means.asked) == 4  # two frames of two faces
    assert bank.fingerprint == whole.fingerprint


def test_a_stretch_ends_where_it_holds_many_pixels(crowd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = 256 * 512 * 3
    monkeypatch.setattr(describing, "HELD_BYTES", 5 * frame)
    stretches = list(describing.cut(with_frames(read_inputs([crowd])).items, 64))
    assert [len(stretch) for stretch in stretches] == [5, 5, 2]
    assert [len(stretch) for stretch in describing.cut(read_inputs([crowd] * 7).items, 3)] == [3, 3, 1]


def test_a_feature_asked_for_twice_is_refused(face_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="asked for twice"):
        extract(face_folder, [Means(), Means()], tmp_path / "a.parquet")  # type: ignore[list-item]
    with pytest.raises(SpecError, match="No feature"):
        extract(face_folder, [], tmp_path / "a.parquet")
