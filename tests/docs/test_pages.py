"""The pages that ``docs/make.py`` makes are fresh, whole, and the same on every machine."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from hybridfer.cli import COMMANDS
from hybridfer.commands.list import KINDS
from hybridfer.descriptors import TABLE
from hybridfer.registry import Registry

DOCS = Path(__file__).parents[2] / "docs"
MADE = ("commands.md", "catalogue.md")


@pytest.fixture(scope="module")
def pages() -> dict[str, Callable[[], str]]:
    """What makes each page."""
    made: dict[str, Callable[[], str]] = runpy.run_path(str(DOCS / "make.py"))["PAGES"]
    return made


@pytest.mark.parametrize("name", MADE)
def test_the_page_is_what_the_program_says(name: str, pages: dict[str, Callable[[], str]]) -> None:
    fresh = (DOCS / name).read_text("utf-8") == pages[name]()
    assert fresh, f"docs/{name} is stale; run: python docs/make.py"


def test_no_page_is_made_that_is_not_compared(pages: dict[str, Callable[[], str]]) -> None:
    assert tuple(pages) == MADE


def sections(page: str) -> dict[str, str]:
    """Return the text under each heading of a page."""
    parts = re.split(r"^#+ (.+)\n", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", COMMANDS.table)
def test_every_command_stands_there_with_every_option(name: str) -> None:
    page = (DOCS / "commands.md").read_text("utf-8")
    found, shared = sections(page), sections(page)["Commands"]

    def look(command: click.Command, path: str) -> None:
        said = found[path]
        assert f"    {path} [OPTIONS]" in said
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts) if isinstance(parameter, click.Option) else ():
                assert re.search(rf"^- `.*(?<![\w-]){re.escape(option)}(?![\w-]).*`: ", said + shared, re.M), option
            if isinstance(parameter.type, click.Choice):
                assert all(choice in said for choice in parameter.type.choices)
        if isinstance(command, click.Group):
            for inner, below in command.commands.items():
                look(below, f"{path} {inner}")

    look(COMMANDS.load(name), f"hybridfer {name}")


@pytest.mark.parametrize("kind", KINDS)
def test_everything_there_is_to_choose_from_stands_there(kind: str) -> None:
    said = sections((DOCS / "catalogue.md").read_text("utf-8"))[kind.capitalize()]
    registry: Registry = Registry(kind, KINDS).load(kind)
    assert re.findall(r"^\| `([\w-]+)` \|", said, re.M) == sorted(registry.table)


def test_the_catalogue_says_what_a_descriptor_is() -> None:
    # By hand: 49 cells of 59 codes; the numbers of RAF-DB begin with 1.
    page = (DOCS / "catalogue.md").read_text("utf-8")
    assert "| `grid=7`, `points=8`, `radius=1`, `size=48` | 2891 float32 | 1 | opencv-contrib-python |" in page
    assert "| 1 | happiness | disgust | anger | disgust | happiness | surprise |" in page


def test_a_new_thing_appears_by_itself(pages: dict[str, Callable[[], str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, "aaa", "hybridfer.descriptors.colour:Colour")
    assert re.search(r"^\| `aaa` \| Mean, spread and skew", pages["catalogue.md"](), re.M)


def test_the_pages_do_not_depend_on_the_machine(pages: dict[str, Callable[[], str]], tmp_path: Path) -> None:
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hybridfer.descriptors]\nmine = mine:Mine\n[hybridfer.commands]\nmine = mine:go\n"
    )
    code = f"import runpy; pages = runpy.run_path({str(DOCS / 'make.py')!r})['PAGES']; print(*[p() for p in pages.values()])"
    environment = {
        **os.environ,
        **{"HOME": str(tmp_path), "COLUMNS": "30", "FORCE_COLOR": "1", "PYTHONHASHSEED": "7", "LANG": "de_DE"},
        **{"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
    }
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, cwd=tmp_path, check=True)
    assert there.stdout.decode() == " ".join(page() for page in pages.values()) + "\n"


@pytest.mark.parametrize(
    "page", [*sorted(DOCS.glob("*.md")), DOCS.parent / "CONTRIBUTING.md"], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]+)(?:#([\w-]+))?\)", page.read_text("utf-8")):
        there = page.parent / target
        assert there.is_file(), target
        if anchor:
            headings = {heading.lower().replace(" ", "-") for heading in sections(there.read_text("utf-8"))}
            assert anchor in headings, anchor
