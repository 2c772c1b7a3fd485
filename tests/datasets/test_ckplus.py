"""CK+: the last frames of labelled sequences, whose they are, and what is left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from datasets.trees import ckplus, picture

from hybridfer.datasets import read_dataset
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError, SpecError


def taken(manifest: object) -> list[tuple[str | None, int, str | None]]:
    return [(item.group, item.extra["frame_number"], item.label) for item in manifest.items]  # type: ignore[attr-defined]


def test_the_last_three_frames_of_labelled_sequences_are_taken(tmp_path: Path) -> None:
    manifest = read_inputs([ckplus(tmp_path)])
    # By hand: 3, 2 and 7 in CK+'s order are disgust, contempt and surprise.
    sequences = {"S005_001": "disgust", "S010_001": "contempt", "S010_002": "surprise"}
    assert taken(manifest) == [(group, frame, label) for group, label in sequences.items() for frame in (3, 4, 5)]
    assert "1 of 4 sequences without a label left out" in manifest.notes
    first, *_ = manifest.items
    assert (first.subject, first.split, dict(first.extra)) == ("S005", None, {"sequence": "001", "frame_number": 3})
    assert not manifest.cropped and manifest.columns == {"sequence": str, "frame_number": int}
    assert first.source.read().pixels[0, 0, 0] == 120


def test_how_many_frames_is_an_option(tmp_path: Path) -> None:
    manifest = read_inputs([ckplus(tmp_path)], dataset="ckplus:frames=1")
    assert [item.extra["frame_number"] for item in manifest.items] == [5, 5, 5]
    assert len(list(read_inputs([tmp_path], dataset="ckplus:frames=99").items)) == 15
    with pytest.raises(SpecError, match="frames=0 takes no picture; expected 1"):
        read_dataset("ckplus:frames=0", tmp_path)


def test_the_first_frame_is_neutral_when_asked_for_and_stands_once(tmp_path: Path) -> None:
    manifest = read_inputs([ckplus(tmp_path)], dataset="ckplus:frames=1,neutral=true,contempt=false")
    sequences = {"S005_001": "disgust", "S010_002": "surprise"}
    frames = ((1, "neutral"), (5, None))
    assert taken(manifest) == [(g, frame, word or label) for g, label in sequences.items() for frame, word in frames]
    assert "1 sequences of contempt left out" in manifest.notes
    every = read_inputs([tmp_path], dataset="ckplus:frames=99,neutral=true")
    assert Counter(item.label for item in every.items) == {"neutral": 3, "disgust": 4, "contempt": 4, "surprise": 4}
    assert len({item.input for item in every.items}) == 15


def test_without_labels_every_sequence_is_taken(tmp_path: Path) -> None:
    manifest = read_inputs([ckplus(tmp_path)], labels="none")
    assert Counter(item.group for item in manifest.items) == dict.fromkeys(
        ("S005_001", "S010_001", "S010_002", "S011_001"), 3
    )
    assert {item.label for item in manifest.items} == {None}


@pytest.mark.parametrize("place", ["Emotion_labels", "Emotion_labels/Emotion"])
def test_the_labels_folder_may_be_named_as_its_archive(tmp_path: Path, place: str) -> None:
    root = ckplus(tmp_path)
    (root / "Emotion").rename(root / "moved")
    (root / place).parent.mkdir(exist_ok=True)
    (root / "moved").rename(root / place)
    assert len(list(read_inputs([root]).items)) == 9
    assert len(list(read_inputs([root / "cohn-kanade-images"]).items)) == 9


def test_the_images_may_lie_in_their_archives_folder(tmp_path: Path) -> None:
    root = ckplus(tmp_path)
    (root / "extended-cohn-kanade-images").mkdir()
    (root / "cohn-kanade-images").rename(root / "extended-cohn-kanade-images/cohn-kanade-images")
    assert len(list(read_inputs([root]).items)) == 9


def test_without_the_labels_folder_it_says_what_to_unpack(tmp_path: Path) -> None:
    picture(tmp_path / "cohn-kanade-images/S005/001/S005_001_00000001.png")
    with pytest.raises(DatasetError, match=r"no folder Emotion .*Emotion_labels\.zip"):
        read_inputs([tmp_path])
    assert len(list(read_inputs([tmp_path], labels="none").items)) == 1


@pytest.mark.parametrize("text", ["", "8", "happy!", "nan"])
def test_a_damaged_label_is_named(tmp_path: Path, text: str) -> None:
    file = ckplus(tmp_path) / "Emotion/S010/002/S010_002_00000005_emotion.txt"
    file.write_text(text)
    with pytest.raises(DatasetError, match=r"S010_002_00000005_emotion\.txt; expected one file with a number from 0"):
        read_inputs([tmp_path])


def test_two_labels_of_a_sequence_are_refused(tmp_path: Path) -> None:
    (ckplus(tmp_path) / "Emotion/S010/002/S010_002_00000004_emotion.txt").write_text("1")
    with pytest.raises(DatasetError, match="has 2 files; expected one"):
        read_inputs([tmp_path])


def test_a_picture_of_another_name_is_left_out_and_named(tmp_path: Path) -> None:
    picture(ckplus(tmp_path) / "cohn-kanade-images/S005/001/thumbnail.png")
    manifest = read_inputs([tmp_path])
    assert "1 pictures (thumbnail.png) not named like S005_001_00000011.png left out" in manifest.notes
    assert len(list(manifest.items)) == 9
