"""The bank is a plain Parquet file that says where it comes from, and refuses to be read when it is broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bank.toys import Means

from hybridfer import FeatureBank, __version__
from hybridfer.bank.bank import is_bank
from hybridfer.bank.describe import Plan
from hybridfer.bank.extract import build_bank, extract
from hybridfer.datasets.inputs import read_inputs
from hybridfer.errors import BankError
from hybridfer.faces.find import Search
from hybridfer.types import BANK_COLUMNS


@pytest.fixture
def bank(face_folder: Path, tmp_path: Path) -> FeatureBank:
    (face_folder / "face" / "cut.png").write_bytes((face_folder / "face" / "0.png").read_bytes()[:100])
    manifest = read_inputs([face_folder], labels="folder")
    build_bank(manifest, Plan((Means(), Means(size=6)), Search("none")), tmp_path / "a.parquet", jobs=1)
    return FeatureBank.open(tmp_path / "a.parquet")


def test_pandas_opens_it_without_us(bank: FeatureBank, face_folder: Path) -> None:
    frame = pd.read_parquet(bank.path)
    assert list(frame.columns) == [*BANK_COLUMNS, "means:size=4", "means:size=6"]
    assert len(frame) == 41 and (frame["status"] == "ok").sum() == 40
    first = frame.iloc[0]
    assert first["input"] == str(face_folder / "face" / "0.png") and first["label"] == "face"
    assert first["FaceRectWidth"] == first["FaceRectHeight"] == 25 and len(first["sha256"]) == 64
    assert len(frame["means:size=6"][0]) == 6


def test_blocks_are_fixed_size_lists_of_the_descriptors_dtype(bank: FeatureBank) -> None:
    assert pq.read_schema(bank.path).field("means:size=4").type == pa.list_(pa.float32(), 4)


def test_a_byte_takes_a_byte(face_folder: Path, tmp_path: Path) -> None:
    bank = extract(face_folder, ["siftlocal"], tmp_path / "a.parquet", detector="none", jobs=1)
    layout = pq.read_metadata(bank.path).row_group(0)
    block = layout.column(layout.num_columns - 1)
    # Parquet's smallest whole number has four bytes.
    assert block.total_uncompressed_size < 1.05 * len(bank) * 177_920


def test_its_head_says_what_it_was_made_with(bank: FeatureBank) -> None:
    head = json.loads(pq.read_schema(bank.path).metadata[b"hybridfer"])
    assert head["schema"] == 1 and head["hybridfer"] == __version__ and head["detector"] == "none"
    card = head["blocks"]["means:size=4"]
    assert (card["version"], card["length"], card["dtype"]) == (1, 4, "float32")
    assert set(card["libraries"]) == {"opencv-contrib-python"} and card["weights"] is None


def test_rows_without_features_hold_null_and_X_leaves_them_out(bank: FeatureBank) -> None:
    status = bank.to_pandas()["status"].tolist()
    assert status.count("error") == 1
    assert bank.to_pandas()["means:size=4"].isna().tolist() == [s != "ok" for s in status]
    assert bank.X("means:size=4").shape == (40, 4) and len(bank) == len(bank.y) == len(bank.column("input")) == 40
    assert len(bank.rows()) == 41


def test_X_holds_what_the_descriptor_says_of_each_picture(bank: FeatureBank) -> None:
    import cv2

    for path, vector in zip(bank.column("input"), bank.X("means:size=6"), strict=True):
        resized = cv2.resize(cv2.imread(path, 0), (6, 6), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(vector, resized.mean(axis=1), rtol=1e-6)


def test_a_short_name_will_do_where_it_is_clear(bank: FeatureBank) -> None:
    with pytest.raises(BankError, match="several blocks named 'means'"):
        bank.X("means")
    with pytest.raises(BankError, match="has no block 'mens'"):
        bank.X("mens")
    with pytest.raises(BankError, match="Did you mean 'label'"):
        bank.column("lable")


def test_equal_contents_have_equal_fingerprints_and_others_not(face_folder: Path, tmp_path: Path) -> None:
    def made(name: str, size: int = 4, labels: str = "folder") -> str:
        plan = Plan((Means(size=size),), Search("none"))
        build_bank(read_inputs([face_folder], labels=labels), plan, tmp_path / name, jobs=1)
        return FeatureBank.open(tmp_path / name).fingerprint

    assert made("a.parquet") == made("b.parquet")
    assert len({made("c.parquet"), made("d.parquet", size=5), made("e.parquet", labels="none")}) == 3


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_cut_file_is_refused(bank: FeatureBank, share: float, tmp_path: Path) -> None:
    whole = bank.path.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BankError, match="not a whole Parquet file"):
        FeatureBank.open(tmp_path / "cut.parquet")


def test_flipped_bits_among_the_features_are_found(bank: FeatureBank) -> None:
    data = bytearray(bank.path.read_bytes())
    place = pq.ParquetFile(bank.path).metadata.row_group(0).column(len(BANK_COLUMNS)).data_page_offset + 60
    data[place] ^= 0xFF
    bank.path.write_bytes(bytes(data))
    with pytest.raises(BankError, match="is damaged"):
        FeatureBank.open(bank.path).X("means:size=4")


def with_head(bank: FeatureBank, path: Path, **changes: object) -> Path:
    table = pq.read_table(bank.path)
    head = {**bank.provenance, **changes}
    pq.write_table(table.replace_schema_metadata({b"hybridfer": json.dumps(head).encode()}), path)
    return path


def test_a_newer_bank_says_what_to_upgrade(bank: FeatureBank, tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"has bank schema 3; this hybridfer .* reads up to 1\. Upgrade hybridfer\."):
        FeatureBank.open(with_head(bank, tmp_path / "new.parquet", schema=3))


def test_a_damaged_head_is_refused(bank: FeatureBank, tmp_path: Path) -> None:
    with pytest.raises(BankError, match="damaged head"):
        FeatureBank.open(with_head(bank, tmp_path / "a1.parquet", schema="x"))
    lost = pq.read_table(bank.path).drop_columns(["means:size=4"])
    pq.write_table(lost, tmp_path / "lost.parquet")
    with pytest.raises(BankError, match="lacks the columns means:size=4"):
        FeatureBank.open(tmp_path / "lost.parquet")


def test_parquet_of_others_is_no_bank(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    assert not is_bank(tmp_path / "other.parquet")
    with pytest.raises(BankError, match="lacks hybridfer's head"):
        FeatureBank.open(tmp_path / "other.parquet")
    with pytest.raises(BankError, match="There is no feature bank"):
        FeatureBank.open(tmp_path / "none.parquet")


def test_a_name_that_is_no_utf8_is_kept_readable(tmp_path: Path) -> None:
    import os

    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        Path(os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such name")
    build_bank(read_inputs([os.fsdecode(name)]), Plan((Means(),), Search("none")), tmp_path / "b.parquet", jobs=1)
    assert FeatureBank.open(tmp_path / "b.parquet").rows()[0]["input"].endswith(r"caf\xe9.png")
