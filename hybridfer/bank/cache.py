"""The feature cache: joblib keeps the vectors, an index beside it says which face lies where.

A face is described once. The key of a vector is the content hash of the crop, the canonical spec, the descriptor's
version, the versions of the libraries it rests on, and the hash of its weights; never a path, never source code. The
vectors of a stretch of faces are kept together in one *pack*, because joblib needs most of a millisecond to read an
entry: read row by row, the cache would be slower than most descriptors. A pack is never changed, so runs can share
the cache. It is private and disposable; the bank is what people share.

A cache may be damaged, full, or emptied by another run at any moment, and joblib then raises whatever it meets. None of
it concerns the user: what cannot be read is computed again, what cannot be written is not kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer.bank.bank import block_card
from hybridfer.descriptors.base import Descriptor
from hybridfer.media.images import quiet
from hybridfer.types import Pixels


def cache_folder() -> Path:
    """Return where the cache lies: ``$HYBRIDFER_CACHE``, or hybridfer's folder in the user's cache directory."""
    named = os.environ.get("HYBRIDFER_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("hybridfer")


def content_key(crop: Pixels) -> str:
    """Return the content hash of a crop: SHA-256 over its shape and pixels."""
    digest = hashlib.sha256(repr(crop.shape).encode())
    digest.update(np.ascontiguousarray(crop).data)
    return digest.hexdigest()


def _check_sum(key: str, vector: npt.NDArray[Any]) -> int:
    """Return a check sum that binds a vector to its face."""
    return zlib.crc32(vector.tobytes(), zlib.crc32(key.encode()))


def _remember(pack: str, vectors: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return vectors


@dataclass(frozen=True)
class Identity:
    """What a vector depends on besides the face."""

    spec: str
    version: int
    libraries: tuple[tuple[str, str], ...]
    weights: str | None

    @classmethod
    def of(cls, descriptor: Descriptor) -> Identity:
        """Return the identity of a descriptor as installed."""
        card = block_card(descriptor)
        made_with = dict(card["libraries"])
        # Another device rounds the last bits otherwise.
        device = getattr(descriptor, "device", None) or "cpu"
        if device != "cpu":
            made_with["device"] = device.split(":")[0]
        return cls(descriptor.spec, card["version"], tuple(sorted(made_with.items())), card["weights"])

    @property
    def key(self) -> str:
        """A short hash of it: the name of its folder in the index."""
        text = json.dumps([self.spec, self.version, self.libraries, self.weights])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def differs_from(self, other: Identity) -> list[str]:
        """Return in words what is different in `other`."""
        found = []
        if self.version != other.version:
            found.append(f"descriptor version {other.version}, now {self.version}")
        for name in sorted({*dict(self.libraries), *dict(other.libraries)}):
            was, now = dict(other.libraries).get(name), dict(self.libraries).get(name)
            if was != now:
                found.append(f"{name} {was}, now {now}")
        if self.weights != other.weights:
            found.append(f"weights {str(other.weights)[:12]}, now {str(self.weights)[:12]}")
        return found


class FeatureCache:
    """Vectors of faces already described.

    Parameters
    ----------
    folder : path, optional
        Where it lies; :func:`cache_folder` by default. Nothing is made there before the first vector is kept.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_folder()
        self._indexes: dict[Identity, dict[str, tuple[str, int, int]]] = {}
        self._lock = threading.Lock()

    @cached_property
    def _stored(self) -> Any:
        from joblib import Memory

        return Memory(str(self.folder), mmap_mode="r", verbose=0).cache(_remember, ignore=["vectors"])

    def get(self, descriptor: Descriptor, keys: Sequence[str]) -> dict[int, npt.NDArray[Any]]:
        """Return the vectors that are there: position in `keys` to ``(length,)`` vector.

        A vector whose check sum does not fit, or that cannot be read, is not there.
        """
        identity = Identity.of(descriptor)
        index = self._index(identity)
        wanted: dict[str, list[tuple[int, int, int]]] = {}
        for position, key in enumerate(keys):
            if key in index:
                pack, row, check = index[key]
                wanted.setdefault(pack, []).append((position, row, check))
        found: dict[int, npt.NDArray[Any]] = {}
        for pack, places in wanted.items():
            vectors = self._load(pack)
            if vectors is None or vectors.shape[1:] != (descriptor.length,) or vectors.dtype != descriptor.dtype:
                vectors = np.empty((0, descriptor.length), descriptor.dtype)
            for position, row, check in places:
                if row < len(vectors) and _check_sum(keys[position], vectors[row]) == check:
                    found[position] = vectors[row]
            if any(position not in found for position, _, _ in places):
                # Its entry would stand before that of the pack which is about to take its place.
                with suppress(OSError):
                    (self._index_folder(identity) / f"{pack}.json").unlink()
        return found

    def put(self, descriptor: Descriptor, keys: Sequence[str], vectors: npt.NDArray[Any]) -> None:
        """Keep the ``(n, length)`` vectors of `n` faces. A full disk or a folder that cannot be written is no error."""
        identity = Identity.of(descriptor)
        pack = hashlib.sha256("".join([identity.key, *keys]).encode()).hexdigest()
        checks = [_check_sum(key, vector) for key, vector in zip(keys, vectors, strict=True)]
        folder = self._index_folder(identity)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            head = {"spec": identity.spec, "version": identity.version, "weights": identity.weights}
            _write(folder / "identity.json", {**head, "libraries": dict(identity.libraries)})
            if not self._store(pack, np.ascontiguousarray(vectors)):
                return
            _write(folder / f"{pack}.json", {"keys": list(keys), "checks": checks})
        index = self._index(identity)
        with self._lock:
            index.update({key: (pack, row, checks[row]) for row, key in enumerate(keys)})

    def identities(self) -> Iterator[tuple[Identity, Path]]:
        """Yield what the cache holds vectors of, and the folder of each one's index."""
        for head in _files(self.folder / "index", "*/identity.json"):
            identity = None
            with suppress(Exception):
                record = _read(head)
                libraries = tuple(sorted(record["libraries"].items()))
                identity = Identity(record["spec"], record["version"], libraries, record["weights"])
            if identity is not None and identity.key == head.parent.name:
                yield identity, head.parent

    def info(self) -> list[dict[str, Any]]:
        """Return a row for everything kept: spec, version, faces, packs."""
        rows = []
        for identity, _ in self.identities():
            index = self._index(identity)
            packs = {pack for pack, _, _ in index.values()}
            rows.append({"spec": identity.spec, "version": identity.version, "faces": len(index), "packs": len(packs)})
        return rows

    def size(self) -> int:
        """Return the bytes the cache takes on disk."""
        found = 0
        for file in _files(self.folder, "**/*"):
            with suppress(OSError):
                found += file.stat().st_size if file.is_file() else 0
        return found

    def why(self, descriptor: Descriptor, crop: Pixels) -> str:
        """Return in words why this face's vector is or is not in the cache."""
        if not descriptor.cacheable:
            return "never kept: computing it is cheaper than reading it back"
        key = content_key(crop)
        now = Identity.of(descriptor)
        if 0 in self.get(descriptor, [key]):
            return "hit: kept under this face, spec, versions and weights"
        if key in self._index(now):
            return "miss: it was kept, but its file is damaged or gone; it will be computed again"
        for identity, _ in self.identities():
            if identity.spec == now.spec and identity != now and key in self._index(identity):
                return f"miss: kept under {'; '.join(now.differs_from(identity))}"
        kept = sorted({i.spec for i, _ in self.identities() if key in self._index(i)})
        if kept:
            return f"miss: this face was described only as {', '.join(kept)}"
        return "miss: this face was never described"

    def clear(self) -> None:
        """Forget everything."""
        import shutil

        for name in ("index", "joblib", "weights"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self._indexes.clear()

    def _index_folder(self, identity: Identity) -> Path:
        return self.folder / "index" / identity.key

    def _index(self, identity: Identity) -> dict[str, tuple[str, int, int]]:
        with self._lock:
            if identity not in self._indexes:
                index: dict[str, tuple[str, int, int]] = {}
                for file in _files(self._index_folder(identity), "*.json"):
                    if file.name != "identity.json":
                        with suppress(Exception):
                            record = _read(file)
                            pairs = enumerate(zip(record["keys"], record["checks"], strict=True))
                            index.update({key: (file.stem, row, check) for row, (key, check) in pairs})
                self._indexes[identity] = index
            return self._indexes[identity]

    def _store(self, pack: str, vectors: npt.NDArray[Any]) -> bool:
        """Keep the vectors of a pack, and return whether that went well."""
        with suppress(Exception), quiet():
            # What an earlier, broken run left under this name would be returned instead of the vectors.
            if self._stored.check_call_in_cache(pack, None):
                self._stored.call_and_shelve(pack, None).clear()
            kept = self._stored.call_and_shelve(pack, vectors)
            if self._stored.check_call_in_cache(pack, None):
                return True
            kept.clear()  # half of it may lie there
        return False

    def _load(self, pack: str) -> npt.NDArray[Any] | None:
        with suppress(Exception), quiet():
            if self._stored.check_call_in_cache(pack, None):
                # Called, joblib would print a traceback of a damaged entry and remember None instead.
                vectors = self._stored.call_and_shelve(pack, None).get()
                return vectors if isinstance(vectors, np.ndarray) and vectors.ndim == 2 else None
        return None


def _files(folder: Path, pattern: str) -> list[Path]:
    """Return files in order; none where another run empties the folder just now."""
    with suppress(OSError):
        return sorted(folder.glob(pattern))
    return []


def _read(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _write(file: Path, record: dict[str, Any]) -> None:
    beside = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        beside.write_text(json.dumps(record), "utf-8")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
