"""Splits part no subject, no group and no copy of a picture, hold near-equal shares, and are written down."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridfer.datasets.check import check
from hybridfer.datasets.inputs import read_inputs
from hybridfer.datasets.split import manifest_rows, split
from hybridfer.errors import DatasetError
from hybridfer.tables import open_output, write_rows
from hybridfer.types import Item, Manifest, Picture

THREE = {"train": 0.7, "val": 0.1, "test": 0.2}


class Drawn:
    """A picture that is drawn from its number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self) -> Picture:
        pixels = np.random.default_rng(self.number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        return Picture(cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_CUBIC), f"sha {self.number}")


def items(n: int, per_subject: int = 0, labels: tuple[str, ...] = ("anger", "fear", "neutral")) -> list[Item]:
    return [
        Item(
            f"{i}.png", Drawn(i), label=labels[i % len(labels)], subject=f"s{i // per_subject}" if per_subject else None
        )
        for i in range(n)
    ]


def of(manifest: Manifest, name: str) -> dict[str, set[str]]:
    held = defaultdict(set)
    for item in manifest.items:
        held[getattr(item, name)].add(item.split)
    return held


def test_no_subject_is_parted_and_shares_are_near(tmp_path: Path) -> None:
    made = split(Manifest(items(300, 5)), THREE, near=False)
    assert made.by == "subject" and all(len(splits) == 1 for splits in of(made.manifest, "subject").values())
    assert made.units == {"train": 42, "val": 6, "test": 12}
    rows = Counter(item.split for item in made.manifest.items)
    assert rows == {"train": 210, "val": 30, "test": 60}


def test_pictures_are_dealt_by_label_to_the_row() -> None:
    made = split(Manifest(items(900)), THREE, near=False)
    assert made.by == "picture"
    assert made.counts == {
        "train": {"anger": 210, "fear": 210, "neutral": 210},
        "val": {"anger": 30, "fear": 30, "neutral": 30},
        "test": {"anger": 60, "fear": 60, "neutral": 60},
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=30, max_size=80), st.integers(0, 5))
def test_whatever_the_subjects_none_is_parted_and_every_row_has_a_place(rows: list[tuple[int, int]], seed: int) -> None:
    made = [Item(f"{i}.png", Drawn(i), label=str(label), subject=f"s{who}") for i, (who, label) in enumerate(rows)]
    if len({who for who, _ in rows}) < 2:
        return
    found = split(Manifest(made), {"train": 0.8, "test": 0.2}, near=False, seed=seed)
    assert [i.input for i in found.manifest.items] == [i.input for i in made]
    assert all(splits <= {"train", "test"} and len(splits) == 1 for splits in of(found.manifest, "subject").values())


def test_the_seed_decides_and_nothing_else() -> None:
    def places(seed: int) -> list[str | None]:
        return [item.split for item in split(Manifest(items(60)), THREE, near=False, seed=seed).manifest.items]

    assert places(0) == places(0) != places(1)


def test_copies_stay_together_identical_and_near(tmp_path: Path, astronaut: np.ndarray) -> None:
    face = astronaut[20:200, 140:320]
    for i in range(30):
        pixels = Drawn(i).read().pixels
        cv2.imwrite(str(tmp_path / f"{i:02d}.png"), pixels)
    cv2.imwrite(str(tmp_path / "a.png"), face)
    cv2.imwrite(str(tmp_path / "b.png"), face[5:, 5:])
    cv2.imwrite(str(tmp_path / "c.png"), face[:, ::-1])
    cv2.imwrite(str(tmp_path / "d.bmp"), face)
    manifest = read_inputs([tmp_path])
    for seed in range(6):
        made = split(manifest, {"train": 0.5, "test": 0.5}, seed=seed)
        assert not check(made.manifest).leaks, seed
    parted = [split(manifest, {"train": 0.5, "test": 0.5}, seed=s, near=False).manifest for s in range(6)]
    assert any(check(p).leaks for p in parted) and not any("identical" in k for p in parted for k in check(p).leaks)


def test_a_split_that_is_kept_stays_and_nothing_leaks_into_it() -> None:
    made = [*items(60, 2)]
    made = [
        Item(i.input, i.source, label=i.label, subject=i.subject, split="test" if n % 10 == 0 else None)
        for n, i in enumerate(made)
    ]
    found = split(Manifest(made), {"train": 0.8, "val": 0.2}, keep=["PrivateTest"], near=False)
    assert all(len(splits) == 1 for splits in of(found.manifest, "subject").values())
    held = {item.input: item.split for item in found.manifest.items}
    assert [name for name, where in held.items() if where == "test"] == [i.input for i in made if i.split == "test"]
    assert len(held) == 54 and "6 rows are tied to rows of test" in found.notes[0]


def test_groups_are_kept_whole_when_asked() -> None:
    made = [Item(f"{i}.png", Drawn(i), label="x", subject=f"s{i}", group=f"g{i // 4}") for i in range(40)]
    found = split(Manifest(made), {"train": 0.5, "test": 0.5}, by="group", near=False)
    assert all(len(splits) == 1 for splits in of(found.manifest, "group").values())
    assert found.units == {"train": 5, "test": 5}


@pytest.mark.parametrize(
    ("shares", "options", "said"),
    [
        ({"train": 0.8, "test": 0.3}, {}, "add up to 1.1"),
        ({"train": 1.0}, {}, "less than 1"),
        ({"train": 0.5}, {}, "two parts or more"),
        ({"train": 0.5, "dev": 0.5}, {}, "'dev' is no split"),
        ({"train": 0.5, "validation": 0.5}, {}, "'validation' is no split"),
        ({"train": 0.8, "test": 0.2}, {"by": "subject"}, "No row has a subject"),
        ({"train": 0.8, "test": 0.2}, {"by": "face"}, "expected auto, subject, group, picture"),
        ({"train": 0.8, "test": 0.2}, {"keep": ["val"]}, "No row is of the split 'val'"),
    ],
)
def test_what_cannot_be_is_said(shares: dict[str, float], options: dict[str, object], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        split(Manifest(items(20)), shares, near=False, **options)  # type: ignore[arg-type]


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(DatasetError, match="Only 2 groups of rows"):
        split(Manifest(items(20, 10)), THREE, near=False)


def test_what_is_written_reads_back_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "out").mkdir()
    for i in range(12):
        cv2.imwrite(str(tmp_path / "photos" / f"{i}.png"), Drawn(i).read().pixels)
    rows = "".join(f"photos/{i}.png,{('happy', 'sad')[i % 2]},p{i // 2},{20 + i}\n" for i in range(12))
    (tmp_path / "m.csv").write_text("path,label,subject,age\n" + rows)
    monkeypatch.chdir(tmp_path)
    made = split(read_inputs(["m.csv"]), {"train": 0.5, "test": 0.5}, near=False)
    columns, table = manifest_rows(made.manifest, "out/split.csv")
    assert columns == ["path", "label", "split", "subject", "age"]
    with open_output("out/split.csv") as stream:
        write_rows(stream, "csv", columns, [table])
    monkeypatch.chdir("/")
    back = list(read_inputs([tmp_path / "out" / "split.csv"]).items)
    wanted = list(made.manifest.items)
    assert [(i.label, i.split, i.subject, i.extra) for i in back] == [
        (i.label, i.split, i.subject, i.extra) for i in wanted
    ]
    assert all(item.source.read().pixels.shape == (32, 32, 3) for item in back)


def test_declared_crops_stay_declared_and_rows_of_a_csv_stay_rows(tmp_path: Path) -> None:
    pixels = [" ".join(map(str, np.random.default_rng(i).integers(0, 256, 2304))) for i in range(10)]
    (tmp_path / "fer2013.csv").write_text(
        "emotion,pixels,Usage\n" + "".join(f"{i % 2},{p},Training\n" for i, p in enumerate(pixels))
    )
    made = split(read_inputs([tmp_path / "fer2013.csv"]), {"train": 0.5, "val": 0.5})
    columns, table = manifest_rows(made.manifest, str(tmp_path / "s.csv"))
    with open_output(str(tmp_path / "s.csv")) as stream:
        write_rows(stream, "csv", columns, [table])
    back = read_inputs([tmp_path / "s.csv"])
    assert back.cropped and Counter(i.split for i in back.items) == {"train": 5, "val": 5}
    assert [i.source.read().sha256 for i in back.items] == [i.source.read().sha256 for i in made.manifest.items]


def test_a_picture_that_cannot_be_read_keeps_its_row_and_is_told(tmp_path: Path) -> None:
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), Drawn(i).read().pixels)
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    made = split(read_inputs([tmp_path]), {"train": 0.5, "test": 0.5})
    assert len(list(made.manifest.items)) == 7 and made.notes[0].startswith("1 pictures cannot be read")
