"""``docs/formats.md`` held against files of every kind: each name it names is there, and each that is there is named."""

from __future__ import annotations

import ast
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from docs.made import Made, make

from hybridfer import rsa
from hybridfer.bank.bank import SCHEMA
from hybridfer.classify import card
from hybridfer.classify.predict import prediction_columns
from hybridfer.compare.rsa.result import FILES
from hybridfer.datasets.manifest import OWN_COLUMNS, Table
from hybridfer.datasets.split import COLUMNS
from hybridfer.faces.table import POINT_COLUMNS
from hybridfer.labels import CONTEMPT, EXPRESSIONS
from hybridfer.types import BANK_COLUMNS, ROW_COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
SCORE = {"value", "low", "high"}
PICTURE = {"input", "frame", "split", "label", "subject", "sha256"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Made:
    return make(tmp_path_factory.mktemp("formats"), astronaut)


def section(heading: str) -> str:
    """Return the text under a heading, up to the next."""
    return re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.M)[0]


def names(heading: str) -> list[str]:
    """Return what the first column of the table under a heading names."""
    cells = re.findall(r"^\| (`.+?) \|", section(heading), re.M)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def code(language: str) -> list[str]:
    """Return the page's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def keys(value: Any, named: list[str], path: str = "") -> Iterator[str]:
    """Yield the paths in what JSON holds, with ``*`` for a name where the page has it; scores and pictures are one."""
    if isinstance(value, dict) and value and value.keys() != SCORE:
        if path.endswith("*") and "input" in value:
            yield path
            value = {name: inner for name, inner in value.items() if name not in PICTURE}
        any_name = any(f"{name}.".startswith(f"{path}.*.".removeprefix(".")) for name in named)
        for name, inner in value.items():
            yield from keys(inner, named, f"{path}.{'*' if any_name else name}".removeprefix("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from keys(inner, named, f"{path}.*")
    elif value != {}:
        yield path


def assert_named(heading: str, *found: dict[str, Any]) -> None:
    named = names(heading)
    assert len(set(named)) == len(named)
    assert {key for one in found for key in keys(one, named)} == set(named)


def test_the_columns_of_a_bank(made: Made) -> None:
    described = re.findall(r"^\| `(\w+)` \| (\w+) \|", section("Bank"), re.M)
    assert [name for name, _ in described] == list(BANK_COLUMNS)
    schema = pq.read_schema(made.bank.path)
    assert described == [(name, str(schema.field(name).type)) for name in BANK_COLUMNS]
    rows = pq.read_table(made.bank.path)
    assert {row["status"] for row in rows.select(["status"]).to_pylist()} == {"ok", "error"}
    for block in made.bank.blocks:
        assert rows[block].is_null().to_pylist() == [status != "ok" for status in rows["status"].to_pylist()]


def test_the_head_of_a_bank(made: Made) -> None:
    assert_named("The head", *(dict(bank.provenance) for bank in (made.bank, made.found, made.imported)))
    assert f"version of the format, now {SCHEMA}" in section("The head")


def test_the_fingerprint_is_computed_again_without_hybridfer(made: Made) -> None:
    (recipe,) = [block for block in code("python") if "def fingerprint" in block]
    imported = {
        alias.name for node in ast.walk(ast.parse(recipe)) if isinstance(node, ast.Import) for alias in node.names
    }
    assert imported == {"hashlib", "json", "pyarrow.parquet"} and "from" not in recipe
    space: dict[str, Any] = {}
    exec(recipe, space)
    for bank in (made.bank, made.found, made.imported):
        assert space["fingerprint"](bank.path) == bank.fingerprint


def test_the_check_sums_lie_where_the_page_says(made: Made) -> None:
    data, layout = made.bank.path.read_bytes(), pq.read_metadata(made.bank.path)
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert data[footer - 4 : footer] == b"HyFR" and "`HyFR`" in section("Versions")
    columns = [layout.row_group(0).column(i) for i in range(layout.num_columns)]
    starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
    sums = b"".join(
        zlib.crc32(data[start : start + c.total_compressed_size]).to_bytes(4, "little")
        for start, c in zip(starts, columns, strict=True)
    )
    whole = zlib.crc32(sums + data[footer:]).to_bytes(4, "little")
    assert data[: footer - 4].endswith(sums + whole) and layout.num_row_groups == 1


def test_the_python_of_the_page_runs(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.folder)
    space: dict[str, Any] = {}
    for block in code("python"):
        exec(compile(block, "formats.md", "exec"), space)
    # By hand: 28 rows, one of which cannot be read; 2x2 cells of 9 moments.
    assert space["X"].shape == (27, 36) and space["labels"].num_rows == space["head"]["rows"] == 28
    np.testing.assert_array_equal(space["X"], made.bank.X("colour"))


def test_the_columns_of_a_manifest(tmp_path: Path) -> None:
    named = set(names("Manifest"))
    assert named <= OWN_COLUMNS and set(COLUMNS) <= named
    read = []
    for ending, block in (("csv", code("csv")[0]), ("jsonl", code("json")[0])):
        file = tmp_path / f"people.{ending}"
        file.write_text(block, "utf-8")
        read.append([(i.input, i.label, i.split, i.subject, i.extra) for i in Table().read(file, "auto").items])
    assert read[0] == read[1] == [
        (str(tmp_path / "anna/1.jpg"), "happiness", "train", "anna", {"age": 31}),
        (str(tmp_path / "bob/7.jpg"), "sadness", "test", "bob", {"age": None}),
    ]  # fmt: skip


@pytest.mark.parametrize("column", names("Manifest"))
def test_every_column_of_a_manifest_is_read(column: str, tmp_path: Path) -> None:
    row = {"path": "a.png", "label": "sad"} if column != "input" else {}
    told = {
        "path": "b.png", "input": "b.png", "label": "fear", "true_label": "fear", "split": "PublicTest", "subject": "p",
        "group": "g", "frame": 4, "timestamp": 1.5, "cropped": "true",
    }  # fmt: skip
    file = tmp_path / "m.jsonl"
    manifests = []
    for known in (row, {**row, column: told[column]}):
        file.write_text(json.dumps(known or {"path": "a.png"}))
        manifests.append(Table().read(file, "auto"))
    without, with_it = (
        [(i.input, i.label, i.split, i.subject, i.group, i.frame, i.timestamp) for i in m.items] for m in manifests
    )
    assert without != with_it or (column == "cropped" and manifests[1].cropped and not manifests[0].cropped)


def test_the_columns_of_predictions() -> None:
    ours = prediction_columns([*EXPRESSIONS, CONTEMPT], numbered=True)[len(ROW_COLUMNS) :]
    assert names("Predictions") == [*ours[:8], "p_<class>", *ours[8:]]
    assert prediction_columns(["face"])[len(ROW_COLUMNS)] == "p_face"


def test_the_card_of_a_model(made: Made) -> None:
    assert_named("Model", *made.cards)
    assert f"version of the folder, now {card.SCHEMA}" in section("Model")
    assert sorted(file.name for file in (made.folder / "faces.model").iterdir()) == [
        "README.md",
        "card.json",
        "model.skops",
    ]


def test_an_evaluation(made: Made) -> None:
    assert_named("Evaluation", *made.evaluations)


def test_an_evaluation_of_a_detector(made: Made) -> None:
    # A missed face has an input, as pictures do, and is none: its keys are named one by one.
    missed = {f"missed.*.{key}": value for key, value in made.detection["missed"][0].items()}
    assert_named("Evaluation of a detector", {**made.detection, "missed": {}, **missed})


def test_the_card_of_aligned_faces(made: Made) -> None:
    assert_named("Aligned faces", made.aligned)
    assert {path.name for path in (made.folder / "aligned").iterdir()} == {"crops", "manifest.csv", "card.json"}


def test_the_columns_of_faces() -> None:
    assert tuple(f"{axis}_{i}" for i in range(5) for axis in "xy") == POINT_COLUMNS
    assert all(f"`{name}`" in section("Faces") for name in ("x_0", "y_0", "x_4", "y_4"))


def test_an_analysis_of_representations(made: Made) -> None:
    found = rsa(made.bank, features=["colour"], models=["category:subject"], permutations=99, resamples=100)
    assert_named("Analysis of representations", json.loads(found.to_json()))
    assert all(
        f"`{name}`" in section("Analysis of representations") for name in ("items", "names", "matrices", FILES[2])
    )


def test_the_report_of_a_check(made: Made) -> None:
    assert_named("Check report", made.report)
    pictures = [*made.report["constant"], *made.report["near_duplicates"][0]["first"]]
    assert {key for picture in pictures for key in picture} == PICTURE | {"value"}
    assert all(f"`{name}`" in section("Check report").partition("| key")[0] for name in PICTURE)
