"""What is learnt from is what the data set has of train, read once; what is left out is told."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from deep.training.toys import HALVES, Held, broken, halves, item, manifest

from hybridfer.deep.training.data import read_training_data
from hybridfer.descriptors.base import grey_stack, rgb_stack
from hybridfer.errors import PictureError, TrainingError
from hybridfer.types import Item, Picture


class Exam:
    """A picture of test, which nobody may open."""

    def read(self) -> Picture:
        raise AssertionError("test was opened")


def test_tensors_hold_the_pictures_and_their_classes_in_the_canonical_order() -> None:
    items = [item("surprise", 1), item("anger", 2), item("neutral", 3), item("anger", 4, "val")]
    items.append(Item("exam", Exam(), label="fear", split="test"))
    data = read_training_data(manifest(items), size=16, jobs=1)
    assert data.classes == ("anger", "surprise", "neutral") and data.val is not None
    assert data.train.labels.tolist() == [1, 0, 2] and data.val.labels.tolist() == [0]
    assert data.train.pixels.shape == (3, 1, 16, 16) and data.train.pixels.dtype == torch.uint8
    for pixels, known in zip(data.train.pixels, items, strict=False):
        np.testing.assert_array_equal(pixels[0], known.source.read().pixels[..., 0])
    values = np.stack([known.source.read().pixels for known in items[:3]]) / 255
    assert data.mean == (pytest.approx(values.mean(), abs=1e-6),)
    assert data.std == (pytest.approx(values.std(), abs=1e-6),)
    assert data.about["classes"] == {"anger": 1, "surprise": 1, "neutral": 1}
    assert data.trained_with == {"detector": "none", "detector_weights": None, "cropped": True, "crop": None}


def test_one_colour_makes_three_channels_unless_grey_is_asked_for() -> None:
    items = [item("anger", 1), item("neutral", 2, colour=True)]
    pixels = [known.source.read().pixels for known in items]
    colour = read_training_data(manifest(items), size=24, val=0, jobs=1)
    np.testing.assert_array_equal(colour.train.pixels.permute(0, 2, 3, 1), rgb_stack(pixels, 24))
    assert len(colour.mean) == 3 and not colour.grey and colour.val is None
    np.testing.assert_allclose(colour.mean, rgb_stack(pixels, 24).mean((0, 1, 2)) / 255, atol=1e-6)
    grey = read_training_data(manifest(items), size=24, channels=1, val=0, jobs=1)
    np.testing.assert_array_equal(grey.train.pixels[:, 0], grey_stack(pixels, 24))
    three = read_training_data(manifest([item("anger", 1), item("neutral", 2)]), size=24, channels=3, val=0, jobs=1)
    assert three.train.pixels.shape[1] == 3 and three.grey


def test_what_cannot_be_read_is_left_out_and_told_or_stops() -> None:
    items = [item("anger", 1), broken("anger"), item("neutral", 2), broken("neutral", "val"), item("neutral", 3, "val")]
    items += [item(None, 4), item("anger", 5, None)]
    data = read_training_data(manifest(items), size=16, jobs=2)
    assert len(data.train) == 2 and data.val is not None and len(data.val) == 1
    assert data.about["left_out"] == {"error": 2} and data.about["rows"] == 2
    assert data.notes == (
        "1 pictures without a label are left out",
        "1 pictures without a split are left out",
        "2 pictures cannot be read and are left out, the first of them broken-anger.png: it is cut; fetch it again.",
    )
    with pytest.raises(PictureError, match=r"broken-anger.png: it is cut"):
        read_training_data(manifest(items), size=16, strict=True, jobs=1)


def test_pictures_without_a_face_are_left_out(astronaut: np.ndarray) -> None:
    """The default detector finds the astronaut and nobody in noise; the crop is what every command cuts."""
    from hybridfer.faces.align import align_face
    from hybridfer.faces.find import Search

    astronaut = np.ascontiguousarray(astronaut[:256, 100:356])
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    shown = [("anger", astronaut), ("anger", noise), ("neutral", np.ascontiguousarray(astronaut[:, ::-1]))]
    items = [Item(f"{i}.png", Held(pixels), label=label) for i, (label, pixels) in enumerate(shown)]
    from hybridfer.types import Manifest

    data = read_training_data(Manifest(items), size=48, val=0, detector="haar", jobs=1)
    assert data.about["left_out"] == {"no_face": 1} and "1 pictures without a face are left out" in data.notes
    finder = Search("haar").finder()
    face = finder.detect(astronaut)[0]
    crop = rgb_stack([align_face(astronaut, face, finder.eyes)], 48)[0]
    np.testing.assert_array_equal(data.train.pixels[0].permute(1, 2, 0), crop)
    assert data.trained_with["detector"] == "haar" and data.trained_with["crop"]["margin"] == 0


def test_people_and_copies_on_both_sides_are_told() -> None:
    same = item("anger", 1, subject="ann")
    items = [
        same,
        item("neutral", 2, subject="bob"),
        Item("copy", same.source, label="anger", split="val", subject="ann"),
    ]
    notes = read_training_data(manifest(items), size=16, jobs=1).notes
    assert notes == (
        "1 subjects, such as 'ann', stand in train and in val: the scores say little of new people",
        "1 of the 1 pictures of val are, byte for byte, among those that are learnt from",
    )


def test_without_val_some_people_are_held_back() -> None:
    items = [
        item(label, 10 * person + i, None, subject=f"s{person}")
        for person in range(10)
        for i, label in enumerate(HALVES)
    ]
    data = read_training_data(manifest(items), size=16, val=0.2, jobs=1)
    assert data.val is not None and (len(data.train), len(data.val)) == (32, 8) and data.about["subjects"] == 8
    assert data.notes[0] == "20% of the pictures held back as val, every subject on one side"
    again, other = (read_training_data(manifest(items), size=16, val=0.2, seed=seed, jobs=1) for seed in (0, 1))
    assert again.digest() == data.digest() != other.digest()
    assert read_training_data(manifest(items), size=16, val=0, jobs=1).val is None
    tenth = read_training_data(manifest(items), size=16, jobs=1)
    assert tenth.val is not None and len(tenth.val) == 4


def test_the_digest_knows_every_pixel_and_label() -> None:
    def digest(*items: Item) -> str:
        return read_training_data(manifest(items), size=16, val=0, jobs=1).digest()

    one, two = item("anger", 1), item("neutral", 2)
    found = {digest(one, two), digest(two, one), digest(one, item("neutral", 3)), digest(one, item("surprise", 2))}
    assert len(found) == 4 and digest(one, two) in found


@pytest.mark.parametrize(
    ("items", "options", "said"),
    [
        ([item("anger", 1), item("anger", 2)], {"val": 0}, "All 2 training pictures are of one class, 'anger'"),
        ([item("anger", 1), broken("neutral")], {"val": 0}, "No training picture of the class 'neutral' can be read"),
        (
            [item("anger", 1), item("neutral", 2), item("fear", 3, "val")],
            {},
            "1 pictures of val are of the class 'fear'",
        ),
        ([item(None, 1)], {}, "No picture has a label to learn; use --labels folder"),
        (
            [item("anger", 1, "test"), item("fear", 2, "val")],
            {},
            "of the split 'train'; there are test (1 pictures), val",
        ),
        ([item("anger", 1), item("neutral", 2), item("anger", 3, "val")], {"val": 0.2}, "has 1 pictures of val"),
        ([item("anger", 1), item("neutral", 2)], {"val": 1.0}, "The share of val is 1; expected 0 to less than 1"),
        (
            [item("anger", 1), item("neutral", 2)],
            {"votes": "soft", "val": 0},
            "FER+'s votes are of the rows of fer2013.csv",
        ),
    ],
)
def test_data_that_cannot_be_learnt_are_refused(items: list[Item], options: dict[str, object], said: str) -> None:
    with pytest.raises(TrainingError) as error:
        read_training_data(manifest(items), size=16, jobs=1, **{"val": None, **options})  # type: ignore[arg-type]
    assert said in str(error.value)


@pytest.fixture
def fer(tmp_path: Path) -> Path:
    """FER2013 of four rows: three to train on, of which the last has no votes for an expression."""
    random = np.random.default_rng(0)
    rows = [(0, "Training"), (3, "Training"), (6, "Training"), (3, "PublicTest")]
    lines = [f"{label},{' '.join(map(str, random.integers(0, 256, 2304)))},{usage}" for label, usage in rows]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines) + "\n")
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = ["5,0,0,0,5,0,0,0,0,0", "0,10,0,0,0,0,0,0,0,0", "0,0,0,0,0,0,0,0,0,10", "0,0,0,10,0,0,0,0,0,0"]
    table = [f"{usage},x,{vote}" for (_, usage), vote in zip(rows, votes, strict=True)]
    (tmp_path / "fer2013new.csv").write_text("\n".join([head, *table]) + "\n")
    return tmp_path / "fer2013.csv"


def test_votes_are_learnt_and_val_keeps_its_labels(fer: Path) -> None:
    """By FER+'s rule: five votes of ten each for neutral and anger are two halves; the third row has no expression."""
    data = read_training_data(fer, size=48, votes="soft", jobs=1)
    assert data.classes == ("anger", "happiness", "neutral")
    assert data.train.targets.tolist() == [[0.5, 0, 0.5], [0, 1, 0]] and data.train.labels.tolist() == [0, 1]
    assert data.val is not None and data.val.labels.tolist() == [1]  # happiness, though FER+ says sadness
    assert "learns FER+'s votes (soft): 2 training pictures have any" in data.notes
    folder = read_training_data(fer.parent, size=48, votes="soft", jobs=1)
    assert folder.digest() == data.digest()
    plain = read_training_data(fer, size=48, jobs=1)
    assert plain.train.targets.tolist() == [0, 1, 2] and plain.digest() != data.digest()


def test_notes_do_not_say_where_the_data_lay(fer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(read_training_data(fer.parent, size=48, jobs=1).about)
    assert str(fer.parent) not in text and f"{fer.parent.name} read as fer2013" in text
    monkeypatch.chdir(fer.parent)
    assert (
        f"{fer.parent.name} read as fer2013: it holds fer2013.csv"
        in read_training_data(".", size=48, jobs=1).about["labels"]
    )


def test_how_far_reading_has_come_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridfer.deep.training.data.EVERY", 25)
    seen: list[str] = []
    read_training_data(halves(40, 20), size=16, jobs=1, watch=seen.append)
    assert seen == ["25 of 60 pictures read", "50 of 60 pictures read"]


def test_a_folder_of_colours_and_classes_of_ones_own(tmp_path: Path) -> None:
    for label in ("cats", "dogs"):
        (tmp_path / label).mkdir()
        for i in range(6):
            cv2.imwrite(
                str(tmp_path / label / f"{i}.png"), np.random.default_rng(i + len(label)).integers(0, 256, (20, 20, 3))
            )
    data = read_training_data(tmp_path, size=16, detector="none", labels="folder", val=0, jobs=1)
    assert data.classes == ("cats", "dogs") and len(data.train) == 12
