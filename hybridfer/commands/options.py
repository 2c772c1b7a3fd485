"""Options that several commands share, each decided once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import click

from hybridfer.deep import RUNTIMES
from hybridfer.faces import DEFAULT_DETECTOR, DETECTORS
from hybridfer.labels import LABEL_SETS
from hybridfer.schemas import OWN, Schema, create_schema

F = TypeVar("F", bound=Callable[..., Any])

SPEC_HELP = (
    "Descriptor or network layer, such as lbp:grid=7, hog or resnet18@layer3, or windows(lbp): one on the twelve "
    "windows of a face. Give it as often as you like."
)

LABEL_OPTIONS = (
    click.option(
        "--labels",
        type=click.Choice(["auto", "folder", "manifest", "none", "ferplus-majority", "ferplus-argmax"]),
        default="auto",
        show_default=True,
        help="Where labels come from; auto takes what the data set declares.",
    ),
    click.option(
        "--dataset",
        metavar="NAME",
        help="Layout of the inputs, such as kdef or ckplus:frames=1; recognised when not given.",
    ),
    click.option(
        "--label-set",
        type=click.Choice(sorted(LABEL_SETS)),
        help="Read numbers as this set's labels, and leave out labels that it does not have.",
    ),
)


def inputs_argument(function: F) -> F:
    """``INPUT…``: files, folders, globs, manifests, data sets, or ``-`` for paths on stdin."""
    return click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(allow_dash=True))(
        function
    )


def input_options(function: F) -> F:
    """How inputs are read: standard input, labels, the layout of data sets, frames, and which faces are looked for.

    They reach the command as one mapping, ``reading``, which the library's functions take as keywords; standard input
    is among them as ``stdin``.
    """
    faces = click.option(
        "--faces",
        type=click.Choice(["auto", "all", "largest"]),
        default="auto",
        show_default=True,
        help="Faces kept of a picture; auto: the largest where the picture has a label, else all.",
    )
    return _reading(faces, f"  [default: {DEFAULT_DETECTOR}, or the model's]", function)


def detect_options(function: F) -> F:
    """As :func:`input_options`, where all faces are kept unless ``--largest`` is said."""
    largest = click.option(
        "--largest", "faces", flag_value="largest", default="all", help="Keep only the largest face of a picture."
    )
    return _reading(largest, f"  [default: {DEFAULT_DETECTOR}]", function)


def _reading(faces: Callable[[F], F], default: str, function: F) -> F:
    options: list[Callable[..., Any]] = [
        stdin_option,
        *LABEL_OPTIONS,
        detector_option(default),
        faces,
        click.option(
            "--min-face",
            type=click.IntRange(min=1),
            default=30,
            show_default=True,
            metavar="PIXELS",
            help="Smallest face to look for.",
        ),
        click.option(
            "--threshold", type=float, metavar="SCORE", help="Least score of a face, in the detector's own unit."
        ),
        click.option(
            "--max-faces",
            type=click.IntRange(min=1),
            metavar="N",
            help="Keep only so many faces of a picture, the largest.",
        ),
        click.option(
            "--every",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            metavar="N",
            help="Of a video, take one frame in so many.",
        ),
    ]
    return apply_options(options, _packed(function))


def detector_option(default: str = f"  [default: {DEFAULT_DETECTOR}]") -> Callable[[F], F]:
    """``--detector NAME``; `default` is what its help ends with."""
    names = ", ".join(name for name in sorted(DETECTORS.table) if name != "none")
    return click.option("--detector", metavar="NAME", help=f"{names}, or none: the whole picture is the face.{default}")


def stdin_option(function: F) -> F:
    """``-0``."""
    return click.option("-0", "nul", is_flag=True, help="Paths on stdin end with NUL instead of a line break.")(
        function
    )


def label_options(function: F) -> F:
    """``--labels``, ``--dataset`` and ``--label-set``: what an input is read as."""
    return apply_options(LABEL_OPTIONS, function)


def specs_option(required: bool = True) -> Callable[[F], F]:
    """``-f SPEC``, several times."""
    return click.option("-f", "--feature", "specs", metavar="SPEC", multiple=True, required=required, help=SPEC_HELP)


def output_option(function: F) -> F:
    """``-o OUT`` (``-`` is stdout) and ``--overwrite``."""
    options = [
        click.option("-o", "--output", metavar="OUT", type=click.Path(allow_dash=True), help="Where to; - is stdout."),
        click.option("--overwrite", is_flag=True, help="Replace OUT if it exists."),
    ]
    return apply_options(options, function)


def format_option(*formats: str) -> Callable[[F], F]:
    """``--format``, guessed from the output's ending when not given; parameter ``fmt``."""
    return click.option("--format", "fmt", type=click.Choice(formats), help="Guessed from OUT's ending when not given.")


def schema_option(function: F) -> F:
    """``--schema NAME``: whose columns the rows have; the command gets the schema, or None for our own."""
    return click.option(
        "--schema",
        metavar="NAME",
        default=OWN,
        show_default=True,
        callback=_schema,
        help="Columns of hybridfer, openface or pyfeat.",
    )(function)


def cache_option(function: F) -> F:
    """``--no-cache``."""
    return click.option(
        "--cache/--no-cache", "cache", default=True, show_default=True, help="Keep and reuse features."
    )(function)


def margin_option(function: F) -> F:
    """``--margin``: how much more than the face a crop shows."""
    return click.option(
        "--margin",
        type=click.FloatRange(0, 4),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="How much more of the picture a crop shows on every side, as a share of its side.",
    )(function)


def resamples_option(function: F) -> F:
    """``--resamples N``: of the bootstrap that gives intervals."""
    return click.option(
        "--resamples",
        type=click.IntRange(min=100),
        default=2000,
        show_default=True,
        metavar="N",
        help="Of the bootstrap, for 95 % intervals.",
    )(function)


def runtime_option(function: F) -> F:
    """``--runtime NAME``: what a network's answers are computed by."""
    return click.option(
        "--runtime",
        default="torch",
        show_default=True,
        metavar="NAME",
        help=f"What a network runs on: {', '.join(sorted(RUNTIMES.table))}.",
    )(function)


def strict_option(function: F) -> F:
    """``--strict``."""
    return click.option("--strict", is_flag=True, help="Stop at the first input that cannot be read.")(function)


def set_option(function: F) -> F:
    """``--set KEY=VALUE``, several times: switches of a network, which the command gets as the mapping ``options``."""
    return click.option(
        "--set",
        "options",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_pairs,
        help="A switch of the network, such as affinity=none; give it as often as you like.",
    )(function)


def check_option(function: F) -> F:
    """``--check REPORT``."""
    return click.option(
        "--check",
        type=click.Path(),
        metavar="REPORT",
        help="What datasets check found (its JSON): near copies count as copies too.",
    )(function)


def common_options(function: F) -> F:
    """``--jobs``, ``--seed``, ``--device`` and ``--quiet``: every command takes them."""
    options = [
        click.option(
            "--jobs", default=-1, metavar="N", callback=_some, help="Threads to work with; -1 for one a core."
        ),
        click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of everything random."),
        click.option("--device", default="cpu", show_default=True, help="Of networks: cpu, cuda, cuda:0 or auto."),
        click.option("--quiet", is_flag=True, help="Say nothing but errors."),
    ]
    return apply_options(options, function)


def say(quiet: bool, text: str) -> None:
    """Print talk to stderr unless `quiet`."""
    if not quiet:
        click.echo(text, err=True)


def _some(ctx: click.Context, parameter: click.Parameter, value: int) -> int:
    if value == 0:
        raise click.BadParameter("0 threads can do no work; -1 is one a core.")
    return value


def _pairs(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in value:
        key, _, said = text.partition("=")
        if not key or not said:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE, such as affinity=none.")
        if key in found:
            raise click.BadParameter(f"{key!r} is given twice; keep one.")
        found[key] = said
    return found


def _schema(ctx: click.Context, parameter: click.Parameter, value: str) -> Schema | None:
    return create_schema(value)


def _packed(function: F) -> F:
    names = (
        *("nul", "labels", "dataset", "label_set", "every"),
        *("detector", "faces", "min_face", "threshold", "max_faces"),
    )

    @wraps(function)
    def command(**values: Any) -> Any:
        reading = {name: values.pop(name) for name in names}
        return function(reading={**reading, "stdin": sys.stdin.buffer}, **values)

    return cast(F, command)


def apply_options(options: Sequence[Callable[..., Any]], function: F) -> F:
    """Return the function with options and arguments, the first of them first in the help."""
    decorated: Any = function
    for option in reversed(options):
        decorated = option(decorated)
    return cast(F, decorated)


@contextmanager
def download_bar(quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Yield what to tell how many bytes of how many are there; None unless stderr is a terminal and `quiet` is off."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("fetching", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def progress_bar(quiet: bool, what: str, items: object) -> Iterator[Callable[[int], None] | None]:
    """Yield what to tell how many more of the items are done; None unless stderr is a terminal and `quiet` is off."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    # Paths on standard input are a stream: how many there will be is not known.
    total = len(items) if isinstance(items, Sized) else None
    left = [] if total is None else [BarColumn(), TimeRemainingColumn()]
    columns = (TextColumn(what), MofNCompleteColumn(), *left, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.advance(task, done)
