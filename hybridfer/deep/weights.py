"""Weights: a folder a set, ``model.safetensors`` or ``model.onnx`` and the card that says what it is.

The user's lie in ``$HYBRIDFER_HOME/weights/NAME/``, or in the user's data directory; only :func:`import_weights` writes
there. Those that hybridfer brings lie in the package; the user's of the same name are used instead. Nothing is used
whose content is not what its card says.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hybridfer import __version__
from hybridfer.errors import WeightsError, did_you_mean

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's red, green and blue, which torchvision's networks expect to be taken out."""

SCHEMA = 1
"""Version of the card's format."""

SHIPPED = Path(__file__).parents[1] / "weights"
"""Where the weights lie that hybridfer brings."""

TENSORS, ONNX = "model.safetensors", "model.onnx"
"""The file of a set: tensors of a network that is built here, or a whole network that runs as it came."""

CARD, README = "card.json", "README.md"
"""What may lie beside it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class WeightsCard:
    """What is known about a set of weights.

    Attributes
    ----------
    name : str
        By which specs call them.
    network : str
        The network they are of.
    classes : int or None
        How many classes its last layer tells apart; None where it has no such layer.
    labels : tuple of str or None
        The classes in order, where known.
    size : int
        Side in pixels of the pictures the network was trained on.
    mean, std : tuple of 3 float
        Taken from, and divided by, red, green and blue in 0 to 1.
    licence, origin : str
        What one may do with them, and where they are from.
    tensors : int
        How many there are.
    sha256 : str
        Of the file.
    schema : int
        Version of the card's format.

    Raises
    ------
    WeightsError
        If a value is impossible.
    """

    name: str
    network: str
    classes: int | None
    labels: tuple[str, ...] | None
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    origin: str
    tensors: int
    sha256: str
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        _check_name(self.name)
        self._require("size", isinstance(self.size, int) and self.size > 0, "a side in pixels, such as 224")
        finite = all(math.isfinite(v) for v in (*self.mean, *self.std))
        self._require("mean", len(self.mean) == 3 and finite, "three numbers, such as 0.5,0.5,0.5")
        self._require("std", len(self.std) == 3 and min(self.std) > 0, "three positive numbers, such as 0.5,0.5,0.5")
        if self.labels is not None:
            distinct = len(set(self.labels)) == len(self.labels) == self.classes and all(self.labels)
            self._require("labels", distinct, f"{self.classes} different names, one a class in the network's order")

    def _require(self, what: str, good: bool, expected: str) -> None:
        if not good:
            raise WeightsError(f"The weights {self.name!r} have {what} {getattr(self, what)!r}; expected {expected}.")


def weights_folder() -> Path:
    """Return where weights lie: in ``$HYBRIDFER_HOME``, or hybridfer's folder in the user's data directory."""
    named = os.environ.get("HYBRIDFER_HOME")
    if named:
        return Path(named) / "weights"
    from platformdirs import user_data_path

    return user_data_path("hybridfer") / "weights"


def weights_names() -> list[str]:
    """Return the names of the weights there are, the user's and hybridfer's, sorted."""
    folders = [folder for folder in (weights_folder(), SHIPPED) if folder.is_dir()]
    return sorted({p.name for folder in folders for p in folder.iterdir() if _NAME.fullmatch(p.name)})


def is_shipped(name: str) -> bool:
    """Return whether the weights of that name are those that hybridfer brings; the user's own come first."""
    return not (weights_folder() / name).exists() and (SHIPPED / name).exists()


def weights_path(text: str) -> Path:
    """Return the folder of weights by their name, or a model folder by its path, after a look at its file and card.

    Parameters
    ----------
    text : str
        A name of ``hybridfer models list``, or where ``hybridfer train`` wrote to; a name goes before a path.

    Raises
    ------
    WeightsError
        If there are no such weights, or their file is not what their card says.
    """
    folder = Path(text)
    if text in weights_names() or not folder.is_dir():
        if folder.name != text:
            raise WeightsError(
                f"There is no folder {text} of weights; give a name of `hybridfer models list`, or a folder."
            )
        return find_weights(text)[0].parent
    _checked_file(folder, card_in(folder))
    return folder


def import_weights(
    file: str | os.PathLike[str],
    network: str,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    licence: str | None = None,
    origin: str | None = None,
    overwrite: bool = False,
) -> WeightsCard:
    """Keep a checkpoint's tensors under a name, with a card; strictly those of the network.

    Parameters
    ----------
    file : path
        A ``.safetensors`` file, or a checkpoint that ``torch.load(weights_only=True)`` reads; the ONNX file of a
        network that runs as such (:data:`~hybridfer.deep.GRAPHS`); the model folder that ``hybridfer train`` wrote.
    network : str
        Whose weights they are, such as ``resnet18``.
    name : str, optional
        By which specs will call them; the network's name by default.
    labels : sequence of str, optional
        The classes in order; words for expressions become the canonical ones.
    size, mean, std : optional
        As in :class:`WeightsCard`. The defaults are those of torchvision's networks, or of the ONNX network.
    licence, origin : str, optional
        As in :class:`WeightsCard`; ``unknown`` and the file's name by default.
    overwrite : bool
        Whether weights of that name are replaced.

    Returns
    -------
    WeightsCard
        That of a model folder stays as it is, but for the name.

    Raises
    ------
    SpecError
        If there is no such network.
    WeightsError
        If the file cannot be read, does not fit the network, or what is said about it cannot be.
    OutputError
        If weights of that name are installed and `overwrite` is False.
    """
    from hybridfer.deep import GRAPHS, NETWORKS
    from hybridfer.faces import DETECTORS
    from hybridfer.labels import canonical_labels

    name = _check_name(network if name is None else name)
    if network in GRAPHS.names():
        from hybridfer.deep.graphs import check_graph, read_graph

        graph, content = GRAPHS.load(network), read_graph(file)
        kind, classes, tensors = ONNX, None, check_graph(content, graph, f"{file} does not fit {network}")
        own = (graph.size, graph.mean, graph.std)
    elif (Path(file) / CARD).is_file():
        if not all(said is None for said in (labels, size, mean, std, licence, origin)):
            raise WeightsError(f"{file} has a card that says what it is; import it without saying more than its name.")
        return _import_folder(Path(file), network, name, overwrite)
    else:
        from safetensors.torch import save

        from hybridfer.deep.checkpoints import fit_tensors, read_tensors

        if network in DETECTORS.names():
            raise WeightsError(f"{file} is no model folder; {network} comes as the one that hybridfer train wrote.")
        replace(NETWORKS, table={**NETWORKS.table, **GRAPHS.table}).load(network)
        state, classes = fit_tensors(read_tensors(file), network, str(file))
        content, kind, tensors = save(state), TENSORS, len(state)
        own = (224, IMAGENET_MEAN, IMAGENET_STD)
    card = WeightsCard(
        name=name,
        network=network,
        classes=classes,
        labels=None if labels is None else tuple(canonical_labels(labels)[label] for label in labels),
        size=own[0] if size is None else size,
        mean=tuple(map(float, own[1] if mean is None else mean)),
        std=tuple(map(float, own[2] if std is None else std)),
        licence="unknown" if licence is None else licence,
        origin=Path(file).name if origin is None else origin,
        tensors=tensors,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    _install(name, {kind: content, CARD: _card_text(asdict(card))}, overwrite)
    return card


def _import_folder(folder: Path, network: str, name: str, overwrite: bool) -> WeightsCard:
    """Keep a model folder under a name, when its tensors are the network's."""
    from hybridfer.deep import NETWORKS
    from hybridfer.faces import DETECTORS

    card = card_in(folder)
    if card.network != network:
        raise WeightsError(f"{folder} holds {card.network}, not {network}; import it with --network {card.network}.")
    file = _checked_file(folder, card)
    if network in DETECTORS.names():
        DETECTORS.load(network)(weights=str(folder))
    else:
        from hybridfer.deep.checkpoints import fit_tensors, read_tensors

        NETWORKS.load(network)
        fit_tensors(read_tensors(file), network, str(file))
    record = {**json.loads((folder / CARD).read_text("utf-8")), "name": name}
    files = {file.name: file.read_bytes(), CARD: _card_text(record)}
    if (folder / README).is_file():
        files[README] = (folder / README).read_bytes()
    _install(name, files, overwrite)
    return read_card(name)


def _card_text(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def _install(name: str, files: Mapping[str, bytes], overwrite: bool) -> None:
    from hybridfer.tables import replacing

    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be made: {error.strerror}; set HYBRIDFER_HOME to another folder."
        ) from None
    with replacing(folder / name, overwrite, (TENSORS, ONNX, CARD, README)) as beside:
        beside.mkdir()
        for file, content in files.items():
            (beside / file).write_bytes(content)


def read_card(name: str) -> WeightsCard:
    """Return the card of the weights of a name, without looking at the weights.

    Raises
    ------
    WeightsError
        If there are no weights of that name, or their card is missing, damaged or newer than this hybridfer.
    """
    folder = _named_folder(name)
    card = card_in(folder)
    if card.name != name:
        raise WeightsError(
            f"{folder / CARD} is no card of these weights (it is of the weights {card.name!r}, not of {name!r}); "
            "import the weights again with --overwrite."
        )
    return card


def _named_folder(name: str) -> Path:
    installed = weights_names()
    if _check_name(name) not in installed:
        known = f" Installed: {', '.join(installed)}." if installed else ""
        raise WeightsError(
            f"No weights named {name!r} are installed.{did_you_mean(name, installed)}{known} "
            "Run `hybridfer models import FILE --network NETWORK` to install some."
        )
    return (SHIPPED if is_shipped(name) else weights_folder()) / name


def read_record(name: str) -> dict[str, Any]:
    """Return everything that the card of the weights of a name says, beyond what a :class:`WeightsCard` holds too.

    Raises
    ------
    WeightsError
        As :func:`read_card`.
    """
    read_card(name)
    record: dict[str, Any] = json.loads((_named_folder(name) / CARD).read_text("utf-8"))
    return record


def card_in(folder: Path) -> WeightsCard:
    """Return the card in a folder of weights, whatever they are called; see :func:`read_card`."""
    path = folder / CARD
    try:
        record = json.loads(path.read_text("utf-8"))
        schema = record["schema"]
        if schema > SCHEMA:
            raise WeightsError(
                f"{path} has card schema {schema}; "
                f"this hybridfer {__version__} reads up to {SCHEMA}. Upgrade hybridfer."
            )
        values = {f.name: record[f.name] for f in fields(WeightsCard)}
        for key in ("labels", "mean", "std"):
            values[key] = None if values[key] is None else tuple(values[key])
        return WeightsCard(**values)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WeightsError(
            f"{path} is no card of weights ({error or type(error).__name__}); "
            "import the weights again with --overwrite."
        ) from None


def find_weights(name: str) -> tuple[Path, WeightsCard]:
    """Return the file and the card of the weights of a name, after a look whether the file is what its card says.

    Raises
    ------
    WeightsError
        As :func:`read_card`, or if the file is missing or its SHA-256 is not the card's.
    """
    card = read_card(name)
    return _checked_file(_named_folder(name), card), card


def _checked_file(folder: Path, card: WeightsCard) -> Path:
    path = folder / (ONNX if (folder / ONNX).exists() else TENSORS)
    try:
        found = path.stat()
        sha256 = _sha256(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror}; import the weights {card.name!r} again with --overwrite."
        ) from None
    if sha256 != card.sha256:
        raise WeightsError(
            f"{path} has SHA-256 {sha256[:12]}…, but its card says {card.sha256[:12]}…: it was changed or damaged. "
            f"Import the weights {card.name!r} again with --overwrite."
        )
    return path


def list_weights() -> tuple[list[WeightsCard], list[str]]:
    """Return the cards of all weights by name, and the messages of those that cannot be read."""
    cards, messages = [], []
    for name in weights_names():
        try:
            cards.append(read_card(name))
        except WeightsError as error:
            messages.append(str(error))
    return cards, messages


def verify_weights(name: str | None = None) -> dict[str, str | None]:
    """Return what is wrong with the weights of that name, or with all: by name, None where nothing is.

    Raises
    ------
    WeightsError
        If no weights of that name are installed.
    """
    if name is not None and name not in weights_names():
        read_card(name)
    _sha256.cache_clear()
    found: dict[str, str | None] = {}
    for each in weights_names() if name is None else [name]:
        try:
            find_weights(each)
            found[each] = None
        except WeightsError as error:
            found[each] = str(error)
    return found


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WeightsError(
            f"{name!r} is no name for weights; expected letters, digits, '-', '_' and '.', as in fer-48."
        )
    return name


@lru_cache(maxsize=32)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    """Return the SHA-256 of a file; asked again about a file with the same time and size, it does not read it again."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
