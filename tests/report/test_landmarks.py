"""The curve of landmark errors: a PNG file with a line a method, the same bytes twice."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hybridfer.report.landmarks import ced_png

CURVES = {
    "light": [{"error": error, "share": share} for error, share in ((0, 0), (0.04, 0.5), (0.1, 0.9))],
    "full $x$": [{"error": error, "share": share} for error, share in ((0, 0), (0.02, 0.6), (0.1, 0.97))],
}


def test_it_is_a_png_on_white_with_a_line_a_method(tmp_path) -> None:
    ced_png(tmp_path / "a.png", CURVES)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels[0, 0] == 255).all()
    for colour in ((0, 114, 178), (213, 94, 0)):  # the first two of the colours
        assert (pixels == colour).all(2).sum() > 200


def test_the_same_numbers_give_the_same_bytes_and_others_others(tmp_path) -> None:
    for name, curves in (("a", CURVES), ("b", CURVES), ("c", {"light": CURVES["light"]}), ("d", {})):
        ced_png(tmp_path / f"{name}.png", curves)
    first, again, *others = ((tmp_path / f"{name}.png").read_bytes() for name in "abcd")
    assert first == again
    assert len({first, *others}) == 3


@pytest.mark.parametrize("name", ["_hidden", "naïve\udcff", "two\nlines"])
def test_any_name_can_be_drawn(tmp_path, name: str) -> None:
    ced_png(tmp_path / "a.png", {name: CURVES["light"]}, title=name)
    assert (tmp_path / "a.png").stat().st_size > 1000
