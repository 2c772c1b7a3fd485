"""The user's weights: a folder a set, ``model.safetensors`` and the card that says what it is.

They lie in ``$HYBRIDFER_HOME/weights/NAME/``, or in the user's data directory. Only :func:`import_weights` writes
there; nothing is used whose content is not what its card says.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

from hybridfer import __version__
from hybridfer.errors import WeightsError, did_you_mean

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's red, green and blue, which torchvision's networks expect to be taken out."""

SCHEMA = 1
"""Version of the card's format."""

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
        Of ``model.safetensors``.
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
    """Return the names of the installed weights, sorted."""
    folder = weights_folder()
    return sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name)) if folder.is_dir() else []


def import_weights(
    file: str | os.PathLike[str],
    network: str,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    size: int = 224,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    licence: str = "unknown",
    origin: str | None = None,
    overwrite: bool = False,
) -> WeightsCard:
    """Keep a checkpoint's tensors under a name, with a card; strictly those of the network.

    Parameters
    ----------
    file : path
        A ``.safetensors`` file, or a checkpoint that ``torch.load(weights_only=True)`` reads.
    network : str
        Whose weights they are, such as ``resnet18``.
    name : str, optional
        By which specs will call them; the network's name by default.
    labels : sequence of str, optional
        The classes in order; words for expressions become the canonical ones.
    size, mean, std, licence
        As in :class:`WeightsCard`. The defaults are those of torchvision's networks.
    origin : str, optional
        Where they are from; the file's name by default.
    overwrite : bool
        Whether weights of that name are replaced.

    Returns
    -------
    WeightsCard

    Raises
    ------
    SpecError
        If there is no such network.
    WeightsError
        If the file cannot be read, does not fit the network, or what is said about it cannot be.
    OutputError
        If weights of that name are installed and `overwrite` is False.
    """
    from safetensors.torch import save

    from hybridfer.deep import NETWORKS
    from hybridfer.deep.checkpoints import fit_tensors, read_tensors
    from hybridfer.labels import canonical_labels
    from hybridfer.tables import replacing

    NETWORKS.load(network)
    name = _check_name(network if name is None else name)
    state, classes = fit_tensors(read_tensors(file), network, str(file))
    content = save(state)
    card = WeightsCard(
        name=name,
        network=network,
        classes=classes,
        labels=None if labels is None else tuple(canonical_labels(labels)[label] for label in labels),
        size=size,
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
        licence=licence,
        origin=Path(file).name if origin is None else origin,
        tensors=len(state),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be made: {error.strerror}; set HYBRIDFER_HOME to another folder."
        ) from None
    with replacing(folder / name, overwrite, ("model.safetensors", "card.json")) as beside:
        beside.mkdir()
        (beside / "model.safetensors").write_bytes(content)
        (beside / "card.json").write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return card


def read_card(name: str) -> WeightsCard:
    """Return the card of installed weights, without looking at the weights.

    Raises
    ------
    WeightsError
        If no weights of that name are installed, or their card is missing, damaged or newer than this hybridfer.
    """
    path = weights_folder() / _check_name(name) / "card.json"
    installed = weights_names()
    if name not in installed:
        known = f" Installed: {', '.join(installed)}." if installed else ""
        raise WeightsError(
            f"No weights named {name!r} are installed.{did_you_mean(name, installed)}{known} "
            "Run `hybridfer models import FILE --network NETWORK` to install some."
        )
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
        if values["name"] != name:
            raise ValueError(f"it is of the weights {values['name']!r}, not of {name!r}")
        return WeightsCard(**values)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WeightsError(
            f"{path} is no card of weights ({error or type(error).__name__}); "
            "import the weights again with --overwrite."
        ) from None


def find_weights(name: str) -> tuple[Path, WeightsCard]:
    """Return the file and the card of installed weights, after a look whether the file is what its card says.

    Raises
    ------
    WeightsError
        As :func:`read_card`, or if the file is missing or its SHA-256 is not the card's.
    """
    card = read_card(name)
    path = weights_folder() / name / "model.safetensors"
    try:
        found = path.stat()
        sha256 = _sha256(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror}; import the weights {name!r} again with --overwrite."
        ) from None
    if sha256 != card.sha256:
        raise WeightsError(
            f"{path} has SHA-256 {sha256[:12]}…, but its card says {card.sha256[:12]}…: it was changed or damaged. "
            f"Import the weights {name!r} again with --overwrite."
        )
    return path, card


def list_weights() -> tuple[list[WeightsCard], list[str]]:
    """Return the cards of the installed weights by name, and the messages of those that cannot be read."""
    cards, messages = [], []
    for name in weights_names():
        try:
            cards.append(read_card(name))
        except WeightsError as error:
            messages.append(str(error))
    return cards, messages


def verify_weights(name: str | None = None) -> dict[str, str | None]:
    """Return what is wrong with the weights of that name, or with all installed: by name, None where nothing is.

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
