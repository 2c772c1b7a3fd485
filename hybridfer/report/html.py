"""One HTML page that stands alone: no script, nothing loaded from elsewhere, pictures inside."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from hybridfer.types import Pixels

STYLE = """
:root { color-scheme: light dark; --line: #d8d8d8; --soft: #666; --back: #fff; --text: #1c1c1c; }
@media (prefers-color-scheme: dark) { :root { --line: #444; --soft: #aaa; --back: #171717; --text: #e8e8e8; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--back); color: var(--text); }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
figure.chart img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: 1rem; }
.grid figure { margin: 0; } .grid img { width: 100%; height: auto; image-rendering: auto; border-radius: 4px; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.25rem; }
.pair { margin: 0; padding: .6rem; border: 1px solid var(--line); border-radius: 6px; }
.pair > div { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; margin-bottom: .3rem; }
.pair div figure { margin: 0; } .pair img { width: 100%; height: auto; border-radius: 4px; }
pre { overflow-x: auto; padding: .7rem 1rem; border: 1px solid var(--line); border-radius: 4px; }
""".strip()


def page(title: str, sections: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return a whole HTML page.

    Parameters
    ----------
    title : str
    sections : iterable of (str, sequence of str)
        A heading and what stands under it, made by :func:`paragraph`, :func:`table`, :func:`code`, :func:`figure` and
        :func:`pictures`.

    Examples
    --------
    >>> text = page("Faces & more", [("Scores", [paragraph("accuracy < 1")])])
    >>> "<h1>Faces &amp; more</h1>" in text, "<p>accuracy &lt; 1</p>" in text
    (True, True)
    """
    body = "\n".join(
        f"<section>\n<h2>{_text(heading)}</h2>\n" + "\n".join(parts) + "\n</section>" for heading, parts in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
        f"<body>\n<h1>{_text(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    """Return text as a paragraph."""
    return f"<p>{_text(text)}</p>"


def code(text: str) -> str:
    """Return text that keeps its lines and spaces, such as a command."""
    return f"<pre>{_text(text)}</pre>"


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; the first column is aligned left, the others right."""
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def figure(image: str | os.PathLike[str] | Pixels, caption: str) -> str:
    """Return a picture in its own size with a caption.

    Parameters
    ----------
    image : path or (H, W, 3) uint8
        A PNG file, which goes in as it is, or pixels.
    caption : str
    """
    return _figure(image, caption, ' class="chart"')


def pictures(images: Iterable[tuple[str | os.PathLike[str] | Pixels, str]]) -> str:
    """Return a grid of small pictures, each with its caption; images as in :func:`figure`."""
    return '<div class="grid">\n' + "\n".join(_figure(image, caption, "") for image, caption in images) + "\n</div>"


def pairs(found: Iterable[tuple[Sequence[tuple[str | os.PathLike[str] | Pixels, str]], str]]) -> str:
    """Return a grid in which the pictures of each entry stand side by side, each with its caption.

    Parameters
    ----------
    found : iterable of (pictures, str)
        Pictures as :func:`pictures` takes them, and a caption for all of them.
    """
    entries = []
    for images, caption in found:
        inside = "".join(_figure(image, words, "") for image, words in images)
        entries.append(f'<figure class="pair"><div>{inside}</div><figcaption>{_text(caption)}</figcaption></figure>')
    return '<div class="pairs">\n' + "\n".join(entries) + "\n</div>"


def _figure(image: str | os.PathLike[str] | Pixels, caption: str, kind: str) -> str:
    words = _text(caption)
    return f'<figure{kind}><img src="{_data_uri(image)}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _data_uri(image: str | os.PathLike[str] | Pixels) -> str:
    if isinstance(image, (str, os.PathLike)):
        content = Path(image).read_bytes()
    else:
        from io import BytesIO

        from PIL import Image

        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        content = buffer.getvalue()
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def _text(value: object) -> str:
    # A file's name may hold bytes that are not UTF-8; a page must be.
    return escape(str(value).encode("utf-8", "backslashreplace").decode("utf-8"))
