"""Damage: a cache is done without, a bank is refused; wrong numbers never come out in silence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from hybridfer import FeatureBank, extract, train_svm
from hybridfer.errors import BankError

Run = Callable[..., Result]


def damage(file: Path, random: np.random.Generator) -> None:
    """Do to a file one of the things that happen to files."""
    data = file.read_bytes()
    kind = random.integers(6)
    if kind == 0:
        file.write_bytes(data[: random.integers(len(data) + 1)])
    elif kind == 1:
        flipped = bytearray(data)
        for place in random.integers(0, len(data), 3):
            flipped[place] ^= 1 << int(random.integers(8))
        file.write_bytes(flipped)
    elif kind == 2:
        file.write_bytes(random.bytes(len(data)))
    elif kind == 3:
        file.write_text('{"keys": 5, "libraries": [], "spec": {}}')
    else:
        file.unlink()
        if kind == 4:
            file.mkdir()


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_damaged_cache_gives_the_same_numbers_and_says_nothing(run: Run, face_folder: Path, share: float) -> None:
    for file in sorted(face_folder.rglob("*.png"))[5:]:
        file.unlink()
    words = ("extract", face_folder, "-f", "gabor:size=128", "--detector", "none", "--quiet")
    true = run(*words, "--no-cache")
    assert run(*words).stdout == true.stdout
    cache = Path(os.environ["HYBRIDFER_CACHE"])
    whole = cache.with_name("whole")
    shutil.copytree(cache, whole)
    for seed in range(8):
        random = np.random.default_rng(seed)
        for file in sorted(p for p in cache.rglob("*") if p.is_file()):
            if random.random() < share:
                damage(file, random)
        for _ in range(2):
            again = run(*words)
            assert again.exit_code == 0 and again.stderr == "" and again.stdout == true.stdout, seed
        assert run("cache", "info").exit_code == 0
        assert run("cache", "clear").exit_code == 0
        shutil.rmtree(cache)
        shutil.copytree(whole, cache)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, lfw: tuple[np.ndarray, list[str]]) -> Path:
    """A bank of 60 faces and other pictures, a hundred kilobytes."""
    import cv2

    folder = tmp_path_factory.mktemp("bank")
    for i in (*range(30), *range(100, 130)):
        (folder / "in" / lfw[1][i]).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "in" / lfw[1][i] / f"{i}.png"), lfw[0][i])
    extract(folder / "in", ["phash", "colour"], folder / "a.parquet", labels="folder", detector="none", cache=False)
    return folder / "a.parquet"


def everything(path: Path) -> list[Any]:
    found = FeatureBank.open(path)
    return [dict(found.provenance), found.rows(), list(found.y), *(found.X(name).tolist() for name in found.blocks)]


def refusal(path: Path) -> str | None:
    """Return what reading everything of a bank is refused with, None where nothing is amiss."""
    try:
        everything(path)
    except BankError as error:
        return str(error)
    return None


def test_a_bank_cut_at_every_hundredth_byte_is_refused(bank: Path, tmp_path: Path) -> None:
    data = bank.read_bytes()
    for size in range(0, len(data), 100):
        (tmp_path / "cut.parquet").write_bytes(data[:size])
        said = refusal(tmp_path / "cut.parquet")
        assert said is not None and "extract it again" in said and "\n" not in said, size


def test_a_flipped_bit_is_found_or_does_no_harm(bank: Path, tmp_path: Path) -> None:
    """Among the flips are all of the first bytes of every page: Parquet's own check sums leave those out."""
    data, true = bank.read_bytes(), everything(bank)
    layout = pq.read_metadata(bank)
    pages = [layout.row_group(0).column(i) for i in range(layout.num_columns)]
    heads = {p.dictionary_page_offset for p in pages if p.has_dictionary_page} | {p.data_page_offset for p in pages}
    random = np.random.default_rng(0)
    flips = [(head + i, bit) for head in sorted(heads) for i in range(8, 30) for bit in range(8) if (i + bit) % 4 == 0]
    flips += zip(random.integers(0, len(data), 400).tolist(), random.integers(0, 8, 400).tolist(), strict=True)
    harmless = 0
    for place, bit in flips:
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        (tmp_path / "f.parquet").write_bytes(flipped)
        said = refusal(tmp_path / "f.parquet")
        if said is None:
            harmless += 1
            assert everything(tmp_path / "f.parquet") == true, (place, bit)
        else:
            assert "extract it again" in said and "\n" not in said, (place, bit)
    assert harmless < 10


def test_the_commands_refuse_a_damaged_bank_on_one_line(run: Run, bank: Path, tmp_path: Path) -> None:
    model = tmp_path / "a.model"
    train_svm(FeatureBank.open(bank), output=model)
    data = bank.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for place in (footer - 8, footer + 40, len(data) - 600, len(data) // 2, 400):
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        (tmp_path / "f.parquet").write_bytes(flipped)
        for words in (["bank", "info"], ["svm-train", "-o", tmp_path / "new.model"], ["svm-predict", model]):
            result = run(*words, tmp_path / "f.parquet", "--quiet")
            if result.exit_code == 0:  # what was flipped is among what this command does not read
                assert words[0] == "bank" and place in (footer - 3, len(data) // 2), (words, place)
                continue
            assert result.exit_code == 1 and result.stderr.count("\n") == 1, (words, place, result.stderr)
            assert "f.parquet" in result.stderr and "Traceback" not in result.stderr
        assert not (tmp_path / "new.model").exists()


def test_a_bank_that_another_program_wrote_is_read_where_its_rows_are_all_there(bank: Path, tmp_path: Path) -> None:
    table = pq.read_table(bank)
    pq.write_table(table, tmp_path / "again.parquet", compression="zstd")
    assert everything(tmp_path / "again.parquet") == everything(bank)
    pq.write_table(table.slice(3), tmp_path / "less.parquet")
    with pytest.raises(BankError, match="has 57 rows and its head says 60, so another program changed it"):
        FeatureBank.open(tmp_path / "less.parquet")


def test_other_parquet_files_are_no_banks(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "other.parquet")
    result = run("bank", "info", tmp_path / "other.parquet")
    assert result.exit_code == 1 and "is Parquet but no feature bank" in result.stderr


def test_others_read_a_sealed_bank(bank: Path) -> None:
    import pandas as pd

    assert pq.read_table(bank, page_checksum_verification=True).num_rows == len(pd.read_parquet(bank)) == 60
    assert pq.ParquetFile(bank, memory_map=True).read_row_group(0).num_rows == 60
