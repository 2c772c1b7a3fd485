"""What theories expect: distances in the face by hand, matrices of files, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hybridfer.compare.rsa.models import read_matrices, window_model
from hybridfer.errors import DatasetError
from hybridfer.faces.windows import WINDOWS

PAIRS = [("left_eye", "right_eye"), ("left_jawline", "right_jawline"), ("left_hairline", "right_hairline"), ("left_ear", "right_ear")]  # fmt: skip


def test_twelve_windows_are_66_distances_of_their_middles() -> None:
    found = window_model("physical", WINDOWS)
    matrix, place = found.matrix, found.items.index
    assert found.vectors.shape == (1, 66)
    # SPEC 9.6: eyes at (-+0.5, 0), nose at (0, 0.55), mouth at (0, 1.1), jawline at (-+0.75, 1.35).
    assert matrix[place("left_eye"), place("right_eye")] == 1
    assert matrix[place("nose"), place("mouth")] == 0.55
    assert matrix[place("mouth"), place("left_jawline")] == pytest.approx(np.hypot(0.75, 0.25))
    # The mouth lies as far from the nose as from the chin: rounding must not put the one before the other.
    assert matrix[place("nose"), place("mouth")] == matrix[place("mouth"), place("chin")]


def test_folded_both_halves_of_the_face_are_the_same() -> None:
    found = window_model("symmetric", WINDOWS)
    matrix = found.matrix
    for left, right in ((found.items.index(a), found.items.index(b)) for a, b in PAIRS):
        assert matrix[left, right] == 0
        np.testing.assert_array_equal(matrix[left], matrix[right])
    assert (matrix == 0).sum() == 12 + 2 * len(PAIRS)


def test_a_csv_file_names_its_items_on_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "brain.csv"
    file.write_text("input,a,b,c\na,0,1,2\nb,1,,3\nc,2,3,0\n\n", "utf-8")
    (found,) = read_matrices(str(file))
    assert (found.name, found.items, found.mean.tolist()) == ("brain", ("a", "b", "c"), [1, 2, 3])


def test_an_npz_file_holds_one_matrix_or_several(tmp_path: Path) -> None:
    file, matrix = tmp_path / "brain.npz", np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    np.savez(file, items=["a", "b", "c"], matrices=matrix)
    (found,) = read_matrices(str(file))
    assert (found.name, found.items, found.mean.tolist()) == ("brain", ("a", "b", "c"), [1, 2, 3])
    np.savez(file, items=["a", "b", "c"], names=["V1", "OFA"], matrices=np.stack([matrix, 2 * matrix]))
    assert [(made.name, made.mean.tolist()) for made in read_matrices(str(file))] == [("V1", [1, 2, 3]), ("OFA", [2, 4, 6])]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 names in its first row and 0 rows"),
        ("x,a,b\na,0,1\n", "2 names in its first row and 1 rows after it; expected a square"),
        ("x,a,b\nb,0,1\na,1,0\n", "the same names in the first row and the first column"),
        ("x,a,b\na,0\nb,1,0\n", "expected a square"),
        ("x,a,b\na,0,one\nb,1,0\n", "something else than numbers"),
        ("x,a,a\na,0,1\na,1,0\n", "names 'a' twice"),
        ("x,a,b\na,0,\nb,1,0\n", "the value of 'a' and 'b' is not a finite number"),
        ("x,a,b\na,0,inf\nb,inf,0\n", "the value of 'a' and 'b' is not a finite number"),
        ("x,a,b\na,0,1\nb,2,0\n", "the value of 'a' and 'b' differs from its mirror image"),
        ("x,a,b\na,1,0.4\nb,0.4,1\n", "has 1 on its diagonal.*expected dissimilarities.*by 1 - x"),
    ],
)
def test_a_csv_file_that_holds_no_matrix_is_named(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(DatasetError, match=said) as error:
        read_matrices(str(file))
    assert str(file) in str(error.value)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "bytes.csv").write_bytes(b"x,\xff\xfe\n")
    np.savez(tmp_path / "other.npz", values=np.zeros((3, 3)))
    np.savez(tmp_path / "shape.npz", items=["a", "b"], matrices=np.zeros((3, 3)))
    np.savez(tmp_path / "pickled.npz", items=np.array(["a"], object), matrices=np.zeros((1, 1)))
    for name, said in (
        ("cut.npz", "cannot be read as NPZ"),
        ("bytes.csv", "cannot be read as CSV"),
        ("none.csv", "cannot be read as CSV"),
        ("none.npz", "cannot be read as NPZ"),
        ("other.npz", "holds values; expected arrays items and matrices"),
        ("shape.npz", r"has 2 items, 1 names and matrices \(3, 3\) float64; expected numbers \(1, 2, 2\)"),
        ("pickled.npz", "cannot be read as NPZ"),
    ):
        with pytest.raises(DatasetError, match=said):
            read_matrices(str(tmp_path / name))
