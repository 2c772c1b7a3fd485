"""The page: it stands alone, shows text as text, and holds its pictures bit by bit."""

import base64
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hybridfer.report.html import code, figure, page, paragraph, pictures, table

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


class Reader(HTMLParser):
    """Collects tags that are opened and closed, attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def whole_page():
    return page(
        "Faces",
        [
            ("Scores", [paragraph("All is well."), table(["class", "recall"], [["anger", 0.5], ["fear", 1]])]),
            ("Pictures", [pictures([(PIXELS, "one"), (PIXELS, "two")]), figure(PIXELS, "large"), code("a  b")]),
        ],
    )


def test_every_tag_is_closed_and_everything_shows_in_order():
    words = " ".join(" ".join(read(whole_page()).text).split())
    order = ["Faces", "Scores", "All is well.", "class", "recall", "anger", "0.5", "Pictures", "one", "two", "large"]
    places = [words.rindex(word) for word in order]
    assert places == sorted(places)


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs():
    text = whole_page()
    links = [value for name, value in read(text).attributes if name in ("src", "href")]
    assert len(links) == 3
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "<script" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_light_and_dark_have_their_colours():
    assert "prefers-color-scheme: dark" in whole_page()
    assert "color-scheme: light dark" in whole_page()


@pytest.mark.parametrize(
    "make",
    [
        paragraph,
        code,
        lambda text: table([text], []),
        lambda text: table(["a"], [[text]]),
        lambda text: figure(PIXELS, text),
        lambda text: pictures([(PIXELS, text)]),
        lambda text: page(text, []),
        lambda text: page("a", [(text, [])]),
    ],
)
def test_text_is_shown_and_never_read_as_html(make):
    nasty = '<b onclick="x">&amp; "quoted"</b>'
    reader = read(make(nasty))
    assert nasty in reader.text
    assert not [name for name, _ in reader.attributes if name == "onclick"]


def test_bytes_that_are_not_utf_8_can_be_shown():
    page("a", [("b", [paragraph("odd \udcff name")])]).encode("utf-8")


def test_pixels_come_back_bit_for_bit():
    content = re.search(r"base64,([^\"]+)", figure(PIXELS, "a"))[1]
    with Image.open(BytesIO(base64.b64decode(content))) as image:
        np.testing.assert_array_equal(np.asarray(image), PIXELS)


def test_a_png_file_goes_in_as_it_is(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    content = re.search(r"base64,([^\"]+)", figure(tmp_path / "a.png", "a"))[1]
    assert base64.b64decode(content) == (tmp_path / "a.png").read_bytes()
