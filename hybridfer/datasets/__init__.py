"""Data sets: what lies on disk becomes a manifest. A new layout is a file here and a line in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hybridfer.errors import SpecError
from hybridfer.media.images import SUFFIXES
from hybridfer.media.video import is_video
from hybridfer.registry import Registry
from hybridfer.spec import parse_options, parse_spec
from hybridfer.types import Manifest

DATASETS = Registry(
    "datasets",
    {
        "affectnet": "hybridfer.datasets.affectnet:AffectNet",
        "ck48": "hybridfer.datasets.ck48:CK48",
        "ckextended": "hybridfer.datasets.ckextended:CKExtended",
        "ckplus": "hybridfer.datasets.ckplus:CKPlus",
        "fer2013": "hybridfer.datasets.fer2013:Fer2013",
        "folders": "hybridfer.datasets.folders:Folders",
        "jaffe": "hybridfer.datasets.jaffe:Jaffe",
        "kdef": "hybridfer.datasets.kdef:Kdef",
        "manifest": "hybridfer.datasets.manifest:Table",
        "mmi": "hybridfer.datasets.mmi:Mmi",
        "openface": "hybridfer.datasets.openface:OpenFaceTable",
        "pyfeat": "hybridfer.datasets.pyfeat:PyFeatTable",
        "rafdb": "hybridfer.datasets.rafdb:RafDb",
        "sfew": "hybridfer.datasets.sfew:Sfew",
    },
)

PLAIN = ("manifest", "folders")
"""Layouts of no data set in particular; they are tried last, the one that takes any folder at the very end."""


class Layout(Protocol):
    """How one data set lies on disk.

    A layout is a frozen dataclass; its fields, if it has any, are what a user may choose with ``--dataset
    name:key=value``, such as how many frames of a sequence are taken.
    """

    def recognise(self, path: Path) -> str | None:
        """Return how `path` shows that it has this layout, or None when it does not."""
        ...

    def read(self, path: Path, labels: str) -> Manifest:
        """Return the data set's items; `labels` is the ``--labels`` option.

        Raises
        ------
        DatasetError
            If a file of the data set is damaged or `labels` asks for what it does not have.
        """
        ...


def recognise(path: Path) -> tuple[str, str] | None:
    """Return the name of the layout that `path` has and how it shows, or None for no known data set."""
    if (path.suffix.lower() in SUFFIXES or is_video(path)) and not path.is_dir():
        return None  # a shell's *.jpg may name 100,000 pictures
    for name in (*(name for name in DATASETS.names() if name not in PLAIN), *PLAIN):
        how = create_layout(name).recognise(path)
        if how is not None:
            return name, how
    return None


def create_layout(text: str) -> Layout:
    """Return the layout that ``name[:key=value,…]`` names.

    Raises
    ------
    SpecError
        If there is no such layout, or it has no such parameter.
    """
    spec = parse_spec(text)
    if spec.layer is not None:
        raise SpecError(f"{text!r} is no data set; expected a name with its options, such as ckplus:frames=1.")
    layout: Layout = DATASETS.load(spec.name)
    made: Layout = layout(**parse_options(layout, spec))  # type: ignore[operator, arg-type]
    return made


def read_dataset(name: str, path: Path, labels: str = "auto") -> Manifest:
    """Return the items of the data set at `path`, read as the layout `name`, such as ``ckplus:frames=1``.

    Raises
    ------
    SpecError
        If there is no such layout.
    DatasetError
        If what lies at `path` does not have it.
    """
    return create_layout(name).read(path, labels)
