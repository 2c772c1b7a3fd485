"""What holds for every data set's layout: known by itself and by no other, described from the shell, labels or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from datasets.trees import TREES, picture

from hybridfer import FeatureBank
from hybridfer.datasets import DATASETS, PLAIN, create_layout, read_dataset, recognise
from hybridfer.datasets import layout as looking
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import DatasetError
from hybridfer.labels import CONTEMPT, EXPRESSIONS

Run = Callable[..., Result]

LAYOUTS = [name for name in DATASETS.names() if name not in PLAIN]

MADE = sorted(TREES)


def name_of(tree: str) -> str:
    return tree.partition("-")[0]


@pytest.mark.parametrize("tree", MADE)
def test_a_data_set_is_known_by_itself_and_by_no_other(tree: str, tmp_path: Path) -> None:
    root = TREES[tree](tmp_path / "data")
    known = recognise(root)
    assert known is not None and known[0] == name_of(tree) and known[1]
    assert [name for name in LAYOUTS if create_layout(name).recognise(root) is not None] == [name_of(tree)]


@pytest.mark.parametrize("tree", MADE)
def test_the_folder_it_was_unpacked_into_is_as_good(tree: str, tmp_path: Path) -> None:
    root = TREES[tree](tmp_path / "unpacked" / "data")
    above = root if tree == "ckextended" else root.parent
    known = recognise(above)
    assert known is not None and known[0] == name_of(tree)

    def files(path: Path) -> list[str]:
        return [os.path.relpath(item.input, root) for item in read_dataset(name_of(tree), path).items]

    assert files(above) == files(root)


@pytest.mark.parametrize("tree", MADE)
def test_a_folder_of_several_data_sets_is_none_of_them(tree: str, tmp_path: Path) -> None:
    TREES[tree](tmp_path / "one")
    picture(tmp_path / "two" / "holiday.png")
    picture(tmp_path / "three" / "birthday.png")
    known = recognise(tmp_path)
    assert known is not None and known[0] == "folders"


@pytest.mark.parametrize("tree", MADE)
def test_labels_are_the_data_sets_own_or_none(tree: str, tmp_path: Path) -> None:
    root = TREES[tree](tmp_path / "data")
    labels = {item.label for item in read_dataset(name_of(tree), root).items}
    assert len(labels - {None}) > 2 and labels <= {*EXPRESSIONS, CONTEMPT, None}
    assert {item.label for item in read_dataset(name_of(tree), root, "none").items} == {None}
    with pytest.raises(DatasetError, match="--labels ferplus-majority does not go with"):
        read_dataset(name_of(tree), root, "ferplus-majority")


@pytest.mark.parametrize("name", sorted(set(map(name_of, MADE))))
def test_another_folder_is_refused_and_what_was_expected_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"is not laid out as .*; expected"):
        read_dataset(name, tmp_path / "empty")
    with pytest.raises(DatasetError):
        read_dataset(name, tmp_path / "nowhere")
    assert create_layout(name).recognise(tmp_path / "nowhere") is None


@pytest.mark.parametrize("tree", MADE)
def test_a_data_set_is_described_from_the_shell(tree: str, tmp_path: Path, run: Run) -> None:
    root = TREES[tree](tmp_path / "data")
    bank = tmp_path / "a.parquet"
    result = run("extract", root, "-f", "phash", "--detector", "none", "-o", bank)
    manifest = read_inputs([root])
    items = list(manifest.items)
    # RAF-DB's list names a picture that is not there.
    assert result.exit_code == (3 if tree == "rafdb" else 0), result.stderr
    assert f"{root} read as {name_of(tree)}: " in result.stderr
    rows = FeatureBank.open(bank).rows()
    told = ("input", "frame", "label", "split", "subject", "group")
    assert [[row[name] for name in told] for row in rows] == [[getattr(item, name) for name in told] for item in items]
    assert [[row[name] for name in manifest.columns] for row in rows] == [list(dict(i.extra).values()) for i in items]


def test_a_look_at_a_folder_is_at_a_handful_of_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3 * looking.HANDFUL):
        (tmp_path / f"{i}.png").touch()
    taken = 0
    scandir = os.scandir

    class Counting:
        def __init__(self, folder: Path) -> None:
            self.entries = scandir(folder)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return self.counted()

        def __exit__(self, *error: object) -> None:
            self.entries.close()

        def counted(self) -> Iterator[os.DirEntry[str]]:
            nonlocal taken
            for entry in self.entries:
                taken += 1
                yield entry

    monkeypatch.setattr(looking.os, "scandir", Counting)
    assert len(looking.few(tmp_path)) == looking.HANDFUL and taken == looking.HANDFUL


def test_most_of_the_names_must_fit(tmp_path: Path) -> None:
    picture(tmp_path / "KA.AN1.39.tiff")
    assert recognise(tmp_path) == ("jaffe", "its pictures are named like KA.AN1.39.tiff")
    picture(tmp_path / "holiday.png")
    assert recognise(tmp_path) == ("folders", "it is a folder")
