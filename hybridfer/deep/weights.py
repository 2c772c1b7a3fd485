"""Weights: a folder a set, ``model.safetensors`` or ``model.onnx`` and the card that says what it is.

The user's lie in ``$HYBRIDFER_HOME/weights/NAME/``, or in the user's data directory; only :func:`import_weights` writes
there. Those that hybridfer brings lie in the package; the user's of the same name are used instead. A folder that
``hybridfer train`` wrote is called by its path. Nothing is used whose content is not what its card says.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridfer import __version__
from hybridfer.errors import WeightsError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

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
"""What lies beside it."""

FILES = (TENSORS, ONNX, CARD, README, "log.jsonl", "curves.png")
"""All that may lie in a folder of weights; the last two tell how a network was trained."""

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
    mean, std : tuple of float
        Taken from, and divided by, red, green and blue in 0 to 1, or the one channel of grey pictures.
    licence, origin : str
        What one may do with them, and where they are from.
    tensors : int
        How many there are.
    sha256 : str
        Of the file.
    schema : int
        Version of the card's format.
    options : Mapping
        The keywords, besides `classes`, that make the network, such as ``width``; what is not among them is as its
        factory has it.
    grey : bool
        Whether the network has three channels and was trained on grey pictures, so that it is shown no others.

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
    options: Mapping[str, Any] = field(default_factory=dict)
    grey: bool = False

    def __post_init__(self) -> None:
        _check_name(self.name)
        self._require("size", isinstance(self.size, int) and self.size > 0, "a side in pixels, such as 224")
        plain = all(isinstance(v, (bool, int, float, str)) for v in self.options.values())
        self._require("options", plain and self.channels in (1, 3), "plain values, and 1 or 3 channels")
        like = f"number for each channel, such as {','.join(['0.5'] * self.channels)}"
        finite = all(math.isfinite(v) for v in (*self.mean, *self.std))
        self._require("mean", len(self.mean) == self.channels and finite, f"a {like}")
        self._require("std", len(self.std) == self.channels and min(self.std) > 0, f"a positive {like}")
        if self.labels is not None:
            distinct = len(set(self.labels)) == len(self.labels) == self.classes and all(self.labels)
            self._require("labels", distinct, f"{self.classes} different names, one a class in the network's order")

    @property
    def channels(self) -> int:
        """How many the network's pictures have: 3, or 1 for grey ones."""
        return int(self.options.get("channels", 3))

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
    """Return the folder of weights, by their name or its path, after a look at their file; see :func:`find_weights`."""
    return find_weights(text)[0].parent


def is_network(text: str) -> bool:
    """Return whether a name, or a folder's path, is of weights of a network that tells faces apart.

    Of a folder whose card cannot be read that is said too: reading the network then says what is wrong with it.
    """
    from hybridfer.faces import DETECTORS

    try:
        folder = _folder(text)
    except WeightsError:
        return False
    if not (folder / TENSORS).is_file():
        return False
    try:
        return card_in(folder).network not in DETECTORS.names()
    except WeightsError:
        return True


def write_weights(
    output: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    record: Mapping[str, Any],
    readme: Callable[[Mapping[str, Any]], str],
    *,
    extra: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
    half: bool = False,
) -> WeightsCard:
    """Write a trained network as a folder: its tensors, its card, a page to read.

    Parameters
    ----------
    output : path
        The folder.
    state : Mapping[str, Tensor]
        All tensors of the network that `record` names, as it is when it is used.
    record : Mapping
        What a :class:`WeightsCard` holds and whatever else its readers should know; what the tensors alone tell
        (``tensors``, ``sha256``, ``schema``, ``fingerprint``) is added.
    readme : callable
        Makes Markdown of the whole card.
    extra : Mapping[str, bytes], optional
        More files by name, of :data:`FILES`.
    overwrite : bool
        Replace the folder if it exists and has a card of a network.
    half : bool
        Whether matrices and kernels are kept in half precision, half the size; what would overflow there is not.

    Returns
    -------
    WeightsCard

    Raises
    ------
    WeightsError
        If a value of the card is impossible.
    OutputError
        If the folder cannot be written.
    """
    import torch
    from safetensors.torch import save

    from hybridfer.tables import check_card

    def kept(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        halved = tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor
        return halved if torch.isfinite(halved).all() else tensor

    content = save({name: kept(tensor) for name, tensor in state.items()})
    complete = _completed({"kind": "network", "schema": SCHEMA, **record}, content, len(state))
    card = _card_of(complete)
    check_card(output, "kind", "network", "a network")
    files = {TENSORS: content, CARD: _card_text(complete), README: readme(complete).encode(), **(extra or {})}
    _write(Path(output), files, overwrite)
    return card


def _completed(record: Mapping[str, Any], content: bytes, tensors: int) -> dict[str, Any]:
    """Return a card with what is known once there is the file, and with a fingerprint of all but the name."""
    complete = {**record, "tensors": tensors, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps({key: value for key, value in complete.items() if key != "name"}, sort_keys=True)
    return {**complete, "fingerprint": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}


def import_weights(
    file: str | os.PathLike[str],
    network: str | None = None,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    grey: bool | None = None,
    options: Mapping[str, str] | None = None,
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
    network : str, optional
        Whose weights they are, such as ``resnet18``; of a model folder the card says it.
    name : str, optional
        By which specs will call them; the network's name by default.
    labels : sequence of str, optional
        The classes in order; words for expressions become the canonical ones.
    size, mean, std, grey : optional
        As in :class:`WeightsCard`. By default the side that the network is made for, and what its authors say of
        theirs, else torchvision's numbers. One number stands for all channels.
    options : Mapping[str, str], optional
        The keywords that the network was made with, as text: ``{"width": "0.5"}``.
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
        If there is no such network, or it cannot be made with `options`.
    WeightsError
        If the file cannot be read, does not fit the network, or what is said about it cannot be.
    OutputError
        If weights of that name are installed and `overwrite` is False.
    """
    from hybridfer.deep import GRAPHS, NETWORKS
    from hybridfer.faces import DETECTORS
    from hybridfer.labels import canonical_labels

    if (Path(file) / CARD).is_file():
        said = (labels, size, mean, std, grey, options or None, licence, origin)
        if not all(value is None for value in said):
            raise WeightsError(f"{file} has a card that says what it is; import it without saying more than its name.")
        return _import_folder(Path(file), network, name, overwrite)
    if network is None:
        raise WeightsError(f"{file} does not say whose weights it holds; name the network, such as resnet18.")
    name = _check_name(network if name is None else name)
    if network in GRAPHS.names():
        from hybridfer.deep.graphs import check_graph, read_graph

        if options:
            raise WeightsError(f"{network} comes as one ONNX file; there are no options it could be made with.")
        graph, content = GRAPHS.load(network), read_graph(file)
        kind, classes, tensors = ONNX, None, check_graph(content, graph, f"{file} does not fit {network}")
        made: dict[str, Any] = {}
        usual: dict[str, Any] = {"mean": graph.mean, "std": graph.std, "grey": False}
        size = graph.size if size is None else size
    else:
        from safetensors.torch import save

        from hybridfer.deep.checkpoints import (
            check_size,
            fit_tensors,
            made_for,
            read_options,
            read_tensors,
            usual_pictures,
        )

        if network in DETECTORS.names():
            raise WeightsError(f"{file} is no model folder; {network} comes as the one that hybridfer train wrote.")
        replace(NETWORKS, table={**NETWORKS.table, **GRAPHS.table}).load(network)
        made = read_options(network, options or {})
        usual = usual_pictures(network)
        if made.get("channels", 3) != 3 and (mean is None or std is None):
            raise WeightsError(f"{network} of one channel has no usual mean and std; say both, such as 0.5 and 0.5.")
        size = made_for(network, made) if size is None else size
        check_size(network, made, size, str(file))
        state, classes = fit_tensors(read_tensors(file), network, str(file), made)
        content, kind, tensors = save(state), TENSORS, len(state)
    channels = int(made.get("channels", 3))
    mean, std = (
        tuple(map(float, values)) * (channels if len(values) == 1 else 1)
        for values in (usual["mean"] if mean is None else mean, usual["std"] if std is None else std)
    )
    record = {
        **({"kind": "network"} if kind == TENSORS else {}),
        "name": name,
        "network": network,
        "classes": classes,
        "labels": None if labels is None else tuple(canonical_labels(labels)[label] for label in labels),
        "size": size,
        "mean": mean,
        "std": std,
        "licence": "unknown" if licence is None else licence,
        "origin": Path(file).name if origin is None else origin,
        "schema": SCHEMA,
        "options": made,
        "grey": usual["grey"] if grey is None else grey,
    }
    complete = _completed(record, content, tensors)
    card = _card_of(complete)
    _install(name, {kind: content, CARD: _card_text(complete)}, overwrite)
    return card


def _import_folder(folder: Path, network: str | None, name: str | None, overwrite: bool) -> WeightsCard:
    """Keep a model folder under a name, when its tensors are those of the network that its card names."""
    from hybridfer.deep import NETWORKS
    from hybridfer.faces import DETECTORS

    card = card_in(folder)
    if network not in (None, card.network):
        raise WeightsError(f"{folder} holds {card.network}, not {network}; import it with --network {card.network}.")
    name = _check_name(card.network if name is None else name)
    file = _checked_file(folder, card)
    if card.network in DETECTORS.names():
        DETECTORS.load(card.network)(weights=str(folder))
    else:
        from hybridfer.deep.checkpoints import fit_card

        NETWORKS.load(card.network)
        fit_card(file, card)
    record = {**json.loads((folder / CARD).read_text("utf-8")), "name": name}
    there = [each for each in FILES if each != CARD and (folder / each).is_file()]
    _install(name, {each: (folder / each).read_bytes() for each in there} | {CARD: _card_text(record)}, overwrite)
    return read_card(name)


def _card_text(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def _install(name: str, files: Mapping[str, bytes], overwrite: bool) -> None:
    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be made: {error.strerror}; set HYBRIDFER_HOME to another folder."
        ) from None
    _write(folder / name, files, overwrite)


def _write(folder: Path, files: Mapping[str, bytes], overwrite: bool) -> None:
    from hybridfer.tables import replacing

    with replacing(folder, overwrite, FILES) as beside:
        beside.mkdir()
        for file, content in files.items():
            (beside / file).write_bytes(content)


def read_card(name: str) -> WeightsCard:
    """Return the card of weights, by their name or their folder's path, without looking at the weights.

    Raises
    ------
    WeightsError
        If there are no such weights, or their card is missing, damaged or newer than this hybridfer.
    """
    folder = _folder(name)
    card = card_in(folder)
    if card.name != name and folder != Path(name):
        raise WeightsError(
            f"{folder / CARD} is no card of these weights (it is of the weights {card.name!r}, not of {name!r}); "
            "import the weights again with --overwrite."
        )
    return card


def _folder(text: str) -> Path:
    """Return the folder of weights: of the name, or the path, which a name goes before."""
    installed = weights_names()
    if text in installed:
        return (SHIPPED if is_shipped(text) else weights_folder()) / text
    if Path(text).is_dir():
        return Path(text)
    if Path(text).name != text:
        raise WeightsError(
            f"There is no folder {text} of weights; give a name of `hybridfer models list`, or a folder."
        )
    known = f" Installed: {', '.join(installed)}." if installed else ""
    raise WeightsError(
        f"No weights named {_check_name(text)!r} are installed.{did_you_mean(text, installed)}{known} "
        "Run `hybridfer models import FILE --network NETWORK` to install some."
    )


def read_record(name: str) -> dict[str, Any]:
    """Return everything that the card of weights says, beyond what a :class:`WeightsCard` holds too.

    Raises
    ------
    WeightsError
        As :func:`read_card`.
    """
    read_card(name)
    record: dict[str, Any] = json.loads((_folder(name) / CARD).read_text("utf-8"))
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
        return _card_of(record)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WeightsError(
            f"{path} is no card of weights ({error or type(error).__name__}); "
            "import the weights again with --overwrite."
        ) from None


def _card_of(record: Mapping[str, Any]) -> WeightsCard:
    """Return the card among all that is recorded; old ones lack what has a default."""
    needed = {f.name for f in fields(WeightsCard) if f.default is f.default_factory is MISSING}
    values = {f.name: record[f.name] for f in fields(WeightsCard) if f.name in needed or f.name in record}
    for key in ("labels", "mean", "std"):
        values[key] = None if values[key] is None else tuple(values[key])
    return WeightsCard(**values)


def find_weights(name: str) -> tuple[Path, WeightsCard]:
    """Return the file and the card of weights, after a look whether the file is what its card says.

    Parameters
    ----------
    name : str
        A name of ``hybridfer models list``, or the path of a folder that ``hybridfer train`` wrote; a name goes first.

    Raises
    ------
    WeightsError
        As :func:`read_card`, or if the file is missing or its SHA-256 is not the card's.
    """
    card = read_card(name)
    return _checked_file(_folder(name), card), card


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
    """Return what is wrong with the weights of that name or in that folder, or with all that are installed.

    Returns
    -------
    dict
        By name; None where nothing is.

    Raises
    ------
    WeightsError
        If there are no such weights.
    """
    if name is not None:
        _folder(name)
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
