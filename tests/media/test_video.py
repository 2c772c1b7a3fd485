"""A video's frames come one by one, in order, upright, at their true times; what is wrong with a video is said."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from media.films import CODECS, SIZE, film, frame, number_of, retimed, turned

from hybridfer.errors import PictureError
from hybridfer.media.video import HeldFrame, VideoFrame, VideoSource, file_source, is_video, unrolled
from hybridfer.types import Item


def items(path: object, every: int = 1) -> list[Item]:
    return list(unrolled([Item(str(path), VideoSource(str(path)))], every))


def fails(item: Item, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        item.source.read()


@pytest.mark.parametrize("ending", CODECS)
def test_every_frame_comes_once_in_order(tmp_path: Path, ending: str) -> None:
    found = items(film(tmp_path / f"a{ending}", frames=12))
    assert [item.frame for item in found] == list(range(12))
    assert [number_of(item.source.read().pixels) for item in found] == list(range(12))
    np.testing.assert_allclose([item.timestamp for item in found], np.arange(12) / 25, atol=0.002)


def test_pixels_are_rgb_and_the_hash_is_theirs(tmp_path: Path) -> None:
    name = film(tmp_path / "a.avi", 2)
    picture = items(name)[1].source.read()
    assert picture.pixels.shape == (*SIZE[::-1], 3) and picture.pixels.dtype == np.uint8
    np.testing.assert_allclose(picture.pixels, frame(1), atol=40)
    alone = VideoFrame(name, 1).read()
    np.testing.assert_array_equal(alone.pixels, picture.pixels)
    assert alone.sha256 == picture.sha256 != items(name)[0].source.read().sha256
    other = HeldFrame("", 0, 0, 0, np.zeros((4, 2, 3), np.uint8)).read().sha256
    assert other != HeldFrame("", 0, 0, 0, np.zeros((2, 4, 3), np.uint8)).read().sha256


def test_one_frame_in_so_many_keeps_its_number_and_time(tmp_path: Path) -> None:
    found = items(film(tmp_path / "a.mp4", 10, rate=10), every=4)
    assert [(item.frame, number_of(item.source.read().pixels)) for item in found] == [(0, 0), (4, 4), (8, 8)]
    np.testing.assert_allclose([item.timestamp for item in found], [0, 0.4, 0.8], atol=0.001)


def test_times_are_those_of_the_container_where_the_rate_varies(tmp_path: Path) -> None:
    name = film(tmp_path / "a.mp4", 6)
    times = retimed(name, [512, 2048, 700, 5120, 512, 512])
    assert len(set(np.diff(times).round(6))) > 2
    np.testing.assert_allclose([item.timestamp for item in items(name)], times, atol=1e-6)
    np.testing.assert_allclose([item.timestamp for item in items(name, 2)], times[::2], atol=1e-6)


def test_a_video_from_a_telephone_is_upright(tmp_path: Path) -> None:
    name = film(tmp_path / "a.mp4", 3)
    lying = [item.source.read().pixels for item in items(name)]
    turned(name)
    for item, pixels in zip(items(name), lying, strict=True):
        np.testing.assert_array_equal(item.source.read().pixels, np.rot90(pixels, -1))
    np.testing.assert_array_equal(VideoFrame(name, 2).read().pixels, np.rot90(lying[2], -1))


def test_what_is_known_of_a_video_is_known_of_its_frames(tmp_path: Path) -> None:
    name = film(tmp_path / "a.avi", 2)
    known = {"label": "anger", "split": "val", "subject": "7", "group": "g", "extra": {"age": 3}}
    still = Item("a.png", file_source("a.png"))
    first, second, last = unrolled([Item("clip", VideoSource(name), **known), still])
    assert last is still
    for item in (first, second):
        assert item.input == "clip" and {key: getattr(item, key) for key in known} == known


def test_frames_that_are_named_are_those_frames_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [film(tmp_path / "a.avi", 9), film(tmp_path / "b.avi", 9)]
    wanted = [(0, 2), (0, 5), (0, 5), (0, 1), (1, 8), (0, 0)]
    opened = []
    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda *args: opened.append(args[0]) or capture(*args))
    given = [Item(names[i], VideoFrame(names[i], n), frame=n, timestamp=9.5 if n == 8 else None) for i, n in wanted]
    found = list(unrolled(given))
    assert [number_of(item.source.read().pixels) for item in found] == [n for _, n in wanted]
    assert [item.timestamp for item in found][:2] == [2 / 25, 5 / 25]
    assert found[4].timestamp == 9.5  # a table's own time stands
    assert len(opened) == 5  # once more wherever the order turns back


def test_a_frame_that_is_not_there_is_said(tmp_path: Path) -> None:
    name = film(tmp_path / "a.avi", 4)
    with pytest.raises(PictureError, match=r"has 4 frames, so none of number 9 \(they count from 0\)\. Ask Ann\.$"):
        VideoFrame(name, 9, hint="Ask Ann.").read()
    first, second = unrolled([Item(name, VideoFrame(name, 9, "Ask Ann.")), Item(name, VideoFrame(name, 3))])
    fails(first, r"none of number 9 .* Ask Ann\.$")
    assert number_of(second.source.read().pixels) == 3


def cut(name: str, share: float) -> str:
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: int(len(data) * share)])
    return name


@pytest.mark.parametrize(("ending", "share"), [(".avi", 0.6), (".mkv", 0.6), (".webm", 0.6), (".wmv", 0.4)])
def test_a_video_that_breaks_off_yields_what_it_has_and_says_where(tmp_path: Path, ending: str, share: float) -> None:
    name = film(tmp_path / f"a{ending}")
    whole = os.path.getsize(name)
    *found, last = items(cut(name, share))
    assert [number_of(item.source.read().pixels) for item in found[:5]] == list(range(5))
    assert last.frame == found[-1].frame + 1 and len(found) < 30
    least = f"{whole:,}" if ending != ".wmv" else r"[\d,]+"  # behind whose pictures lies an index that none announces
    fails(last, rf"breaks off before frame {last.frame}: the file has [\d,]+ bytes and should have {least} or more")


def test_a_video_whose_index_is_cut_off_says_so(tmp_path: Path) -> None:
    (only,) = items(cut(film(tmp_path / "a.mp4"), 0.6))
    fails(only, r"The video is cut: the file has .* and should have .*fetch it again")


@pytest.mark.parametrize("ending", CODECS)
def test_a_whole_video_lacks_nothing(tmp_path: Path, ending: str) -> None:
    assert all(isinstance(item.source, HeldFrame) for item in items(film(tmp_path / f"a{ending}", 30)))


def test_what_is_no_video_is_one_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "fake.mp4").write_text("hello" * 99)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to("gone.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    messages = {
        "empty.mp4": "empty.*expected a video",
        "fake.mp4": "not a video that OpenCV can decode",
        "folder.mp4": "a folder; expected a video",
        "link.mp4": "link to gone.mp4",
        "pipe.mp4": "not a regular file",
        "none.mp4": "no such file",
        os.fsdecode(b"caf\xe9.mp4"): "no such file",
    }
    for name, said in messages.items():
        (only,) = items(tmp_path / name)
        assert only.frame == 0
        fails(only, said)
        with pytest.raises(PictureError, match=said):
            VideoFrame(str(tmp_path / name), 0).read()


def test_a_name_that_opencv_cannot_take_is_said(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.avi")
    shutil.move(film(tmp_path / "a.avi", 2), odd)
    (only,) = items(odd)
    fails(only, "not valid UTF-8, which OpenCV cannot open; rename")
    shutil.move(odd, tmp_path / "café é.avi")
    assert len(items(tmp_path / "café é.avi")) == 2


def test_a_whole_video_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"a video; expected a picture\. A manifest may name"):
        file_source(film(tmp_path / "a.avi", 2)).read()


def test_videos_are_known_by_their_endings() -> None:
    assert is_video("a.MP4") and is_video("b.webm") and not is_video("a.gif") and not is_video("mp4")
    assert file_source("a.mov", 3) == VideoFrame("a.mov", 3) and file_source("a.mov") == VideoSource("a.mov")


def test_a_changed_video_has_another_stamp(tmp_path: Path) -> None:
    name = film(tmp_path / "a.avi", 2)
    before = [source.stamp() for source in (VideoSource(name), VideoFrame(name, 1), items(name)[0].source)]
    assert before[0] == before[1] == before[2] is not None
    film(tmp_path / "a.avi", 3)
    assert VideoSource(name).stamp() != before[0]
    (lost,) = items(tmp_path / "none.avi")
    assert lost.source.stamp() is None


def test_a_video_is_decoded_as_far_as_it_is_consumed_and_no_frame_is_kept(tmp_path: Path) -> None:
    name = film(tmp_path / "a.avi", 30)
    asked = []

    def endless() -> Iterator[Item]:
        while True:
            asked.append(name)
            yield Item(name, VideoSource(name))

    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    for number, item in enumerate(unrolled(endless())):
        assert isinstance(item.source, HeldFrame)
        alive.append(weakref.ref(item.source.pixels))
        del item
        if number % 10 == 0:
            gc.collect()
        most = max(most, sum(ref() is not None for ref in alive[-20:]))
        if number == 99:
            break
    assert len(asked) == 4 and most <= 2


def test_a_size_that_no_picture_may_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridfer.media.video.MAX_PIXELS", SIZE[0] * SIZE[1] - 1)
    (only,) = items(film(tmp_path / "a.avi", 2))
    fails(only, "12,288 pixels; at most")


def test_times_are_those_another_library_reads(data_folder: Path) -> None:
    # Read with PyAV 18.1 (FFmpeg): frames, and pts * time_base from where the stream starts.
    known = {
        "crowd_1080p.mp4": (105, [0, 0.04, 0.08, 0.12], 4.16),
        "face_noface.mov": (169, [0, 1 / 30, 2 / 30, 0.1], 6.3603515625),
        "no_face.mp4": (95, [0, 1 / 24, 2 / 24, 0.125], 3.9166666666666665),
        "single_face.mp4": (72, [0, 1 / 30, 2 / 30, 0.1], 2.3666666666666667),
        "signer/again.mkv": (77, [0, 0.034, 0.067, 0.1], 2.534),
        "signer/brother.mkv": (65, [0, 0.067, 0.1, 0.133], 2.167),
    }
    for name, (count, first, last) in known.items():
        times = [item.timestamp for item in unrolled([Item("", VideoSource(str(data_folder / "videos" / name)))])]
        assert len(times) == count, name
        np.testing.assert_allclose([*times[:4], times[-1]], [*first, last], atol=1e-6, err_msg=name)
