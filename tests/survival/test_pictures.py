"""Pictures as malice and bad luck leave them, and pictures that change while they are read: a row each, never a crash."""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from bank.toys import Means
from PIL import Image
from survival.mutator import mutants, originals

from hybridfer import FeatureBank
from hybridfer.bank import extract as module
from hybridfer.bank.describe import Plan, describe_items
from hybridfer.bank.extract import build_bank
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import PictureError
from hybridfer.faces.find import Search
from hybridfer.media.images import decode_image, read_image

ADVICE = ("fetch it again", "ake it smaller", "expected", "save it again", "save it with")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bombs() -> dict[str, bytes]:
    """Small files that claim, or unpack to, more than any memory holds or anybody waits for."""
    lines = chunk(b"IDAT", zlib.compress(bytes(50_000_000), 9)) + chunk(b"IEND", b"")
    frames = [Image.fromarray(np.full((64, 64), i % 256, np.uint8)) for i in range(3000)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], loop=0)
    drawn = io.BytesIO()
    Image.new("L", (7990, 7990), 128).save(drawn, "JPEG", progressive=True)
    picture = drawn.getvalue()
    last_scan = picture[picture.rindex(b"\xff\xda") : -2]
    tags = [
        (256, 60000),
        (257, 60000),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 60000),
        (279, 3_600_000_000),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return {
        "scans.jpg": picture[:-2] + last_scan * 10_000 + picture[-2:],
        "wide.png": b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0))
        + lines,
        "text.png": b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
        + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9))
        + lines,
        "tall.bmp": b"BM" + struct.pack("<IHHIIiiHHII", 1000, 0, 0, 54, 40, 50_000, 50_000, 1, 24, 0, 0) + bytes(1000),
        "giant.tif": b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4),
        "loop.tif": b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 8),
        "endless.gif": stream.getvalue(),
        "screen.gif": b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0xF7, 0, 0)
        + bytes(768)
        + stream.getvalue()[781:],
        "large.webp": b"RIFF"
        + struct.pack("<I", 30)
        + b"WEBPVP8X"
        + struct.pack("<IB3x", 10, 2)
        + b"\xfe\x3f\0\xfe\x3f\0"
        + bytes(4),
    }


def test_the_originals_are_pictures(astronaut: np.ndarray) -> None:
    for name, data in originals(astronaut[::8, ::8]).items():
        assert decode_image(data).pixels.shape == (64, 64, 3), name


def test_two_thousand_broken_pictures_are_a_row_each(tmp_path: Path, astronaut: np.ndarray) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    files = dict(bombs())
    endings = (".jpg", ".png", ".webp", ".bmp", ".tif", ".gif")
    for number, data in enumerate(mutants(astronaut[::8, ::8], 2000, seed=0)):
        files[f"{number}{endings[number % 6]}"] = data
    for name, data in files.items():
        (folder / name).write_bytes(data)
    words = ["extract", folder, "-f", "phash", "--detector", "none", "--no-cache", "-o", tmp_path / "a.parquet"]
    # What a process used at most is told by itself: to those who wait for it, it began as large as its parent was.
    program = "import sys\nfrom hybridfer.cli import main\n"
    program += "try:\n    main()\nfinally:\n    sys.stderr.write(open('/proc/self/status').read())"
    running = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True)
    said = running.stderr
    assert running.returncode == 3, said[-1000:]
    assert "Traceback" not in said and "Warning" not in said, said[-1000:]
    most = re.search(r"VmHWM:\s+(\d+) kB", said)
    assert most and int(most[1]) < 2 << 20  # two pictures of the largest size that is decoded, at once
    rows = FeatureBank.open(tmp_path / "a.parquet").rows()
    assert sorted(Path(row["input"]).name for row in rows) == sorted(files)
    errors = {Path(row["input"]).name: row["error"] for row in rows if row["status"] == "error"}
    assert 300 < len(rows) - len(errors) < 1000 and set(bombs()) - set(errors) == {"endless.gif"}
    for name, error in errors.items():
        assert "\n" not in error and any(advice in error for advice in ADVICE), (name, error)


def save(path: Path, seed: int) -> None:
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8))


def test_pixels_and_hash_are_of_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (1, 2):
        save(tmp_path / f"{seed}.png", seed)
    new = (tmp_path / "2.png").read_bytes()
    read_bytes = Path.read_bytes

    def replaced_meanwhile(path: Path) -> bytes:
        data = read_bytes(path)
        if data != new:
            (tmp_path / "2.png").replace(path)
        return data

    monkeypatch.setattr(Path, "read_bytes", replaced_meanwhile)
    picture = read_image(tmp_path / "1.png")
    assert picture.sha256 == hashlib.sha256(new).hexdigest()
    np.testing.assert_array_equal(picture.pixels, decode_image(new).pixels)


def test_a_file_that_somebody_writes_to_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "1.png", 1)
    read_bytes = Path.read_bytes
    reads = []

    def growing(path: Path) -> bytes:
        data = read_bytes(path)
        reads.append(len(data))
        path.write_bytes(data + b"\0")
        return data

    monkeypatch.setattr(Path, "read_bytes", growing)
    with pytest.raises(PictureError, match="changed while it was read, twice; run again when nothing writes to it"):
        read_image(tmp_path / "1.png")
    assert len(reads) == 2


PLAN = Plan((Means(),), Search("none"))


def interrupted(manifest_of: Path, out: Path) -> None:
    """Leave the parts of an extraction whose bank was never written."""
    with pytest.MonkeyPatch.context() as patched:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(module, "write_bank", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build_bank(read_inputs([manifest_of]), PLAN, out, jobs=1)


def resumed(inputs: Path, tmp_path: Path) -> int:
    """Continue, check the bank against an unbroken run's, and return how many pictures were described anew."""
    Means.asked.clear()
    build_bank(read_inputs([inputs]), PLAN, tmp_path / "a.parquet", jobs=1, resume=True)
    anew = sum(Means.asked)
    build_bank(read_inputs([inputs]), PLAN, tmp_path / "whole.parquet", jobs=1, overwrite=True)
    banks = [FeatureBank.open(tmp_path / name).fingerprint for name in ("a.parquet", "whole.parquet")]
    assert banks[0] == banks[1]
    return anew


@pytest.mark.parametrize("change", ["none", "replaced", "touched", "mended", "gone"])
def test_a_picture_that_changed_before_the_resumption_is_described_anew(
    face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(module, "PART_ROWS", 10)
    one = face_folder / "face" / "3.png"
    whole = one.read_bytes()
    if change == "mended":
        one.write_bytes(whole[:50])
    interrupted(face_folder, tmp_path / "a.parquet")
    if change == "replaced":
        save(one, 9)
    elif change == "touched":
        os.utime(one)
    elif change == "mended":
        one.write_bytes(whole)
    elif change == "gone":
        one.unlink()
        one.symlink_to("nowhere")
    assert resumed(face_folder, tmp_path) == {"none": 0, "gone": 9}.get(change, 10)


def write_csv(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [f"{i % 7},{' '.join(map(str, random.integers(100, 256, 2304)))},Training" for i in range(8)]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")


def test_parts_of_a_csv_that_changed_are_not_taken(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013.csv", 1)
    interrupted(tmp_path / "fer2013.csv", tmp_path / "a.parquet")
    write_csv(tmp_path / "fer2013.csv", 2)
    assert resumed(tmp_path / "fer2013.csv", tmp_path) == 8


def test_a_csv_that_changes_during_the_run_gives_errors_and_no_other_faces(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013.csv", 1)
    items = list(read_inputs([tmp_path / "fer2013.csv"]).items)
    assert [row["status"] for row in describe_items(items[:2], PLAN).rows] == ["ok", "ok"]
    write_csv(tmp_path / "fer2013.csv", 2)
    (row,) = describe_items(items[2:3], PLAN).rows
    assert row["status"] == "error" and "has changed since its rows were counted; run again" in row["error"]
