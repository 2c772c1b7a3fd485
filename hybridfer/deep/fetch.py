"""A file of weights from the network: by its address and its SHA-256, when it is asked for, and at no other time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from io import FileIO
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit

from hybridfer import __version__
from hybridfer.deep.weights import WeightsCard, import_weights
from hybridfer.errors import WeightsError
from hybridfer.tables import run_lock, unwritable

AT_ONCE = 1 << 18
"""Bytes that are read together."""

PATIENCE = 30
"""Seconds in which a server must say something."""

Watch = Callable[[int, int | None], None]
"""Told how many bytes are there, and how many there will be where the server says so."""

_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%~"
"""What stays as it is in an address; what else is no letter or digit is written as ``%E4``."""

_NO = ("", "0", "false", "no", "off")


def is_offline() -> bool:
    """Return whether the user forbids the network: ``HYBRIDFER_OFFLINE=1``."""
    return os.environ.get("HYBRIDFER_OFFLINE", "").lower() not in _NO


def fetch_weights(
    url: str,
    network: str,
    sha256: str,
    *,
    offline: bool = False,
    watch: Watch | None = None,
    **said: Any,
) -> WeightsCard:
    """Download a checkpoint and keep its tensors under a name; see :func:`~hybridfer.deep.weights.import_weights`.

    What of the file is there when a download breaks off is kept in the cache, and the next goes on from there. A
    file that is whole and does not fit the network stays there too, until it is asked for with another `network`.

    Parameters
    ----------
    url : str
        Where it is: ``https://…`` or ``http://…``.
    network : str
        Whose weights they are.
    sha256 : str
        Of the file, as whoever publishes it says; it decides what is let in, so that the way here need not be trusted.
    offline : bool
        Refuse, before anything is asked of the network.
    watch : callable, optional
        Told how far the download is.
    **said
        Further keywords of :func:`~hybridfer.deep.weights.import_weights`; ``origin`` is by default the address.

    Returns
    -------
    WeightsCard

    Raises
    ------
    WeightsError
        If the network must not be used, the file is not to be had or is another, or it does not fit.
    OutputError
        If it cannot be written, another run is fetching it, or weights of that name are installed.
    """
    file = fetch_file(url, sha256, offline=offline, watch=watch)
    card = import_weights(file, network, **{"origin": _public(url), **said})
    shutil.rmtree(file.parent, ignore_errors=True)
    return card


def fetch_file(url: str, sha256: str, *, offline: bool = False, watch: Watch | None = None) -> Path:
    """Return a file of this SHA-256 in the cache, downloaded from `url` if it is not there.

    Raises
    ------
    WeightsError, OutputError
        See :func:`fetch_weights`.
    """
    from hybridfer.bank.cache import cache_folder

    shown, sha256 = _public(url), sha256.lower()
    if offline or is_offline():
        raise WeightsError(
            f"{shown} is not fetched: the network must not be used (--offline, or HYBRIDFER_OFFLINE). Fetch it where "
            "that is allowed and run `hybridfer models import FILE`."
        )
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise WeightsError(f"{sha256!r} is no SHA-256; expected the file's 64 digits of 0 to f, as its publisher says.")
    if urlsplit(url).scheme.lower() not in ("http", "https"):
        raise WeightsError(f"{shown} is no address on the web; expected https://…. A file here is for models import.")
    folder = cache_folder() / "weights" / sha256
    name = re.sub(r"[^A-Za-z0-9._-]", "_", Path(unquote(urlsplit(url).path)).name).lstrip(".") or "weights"
    with _alone(folder):
        file, part = folder / name, folder / f"{name}.part"
        if file.is_file() and _sha256(file) == sha256:
            return file
        begun = part.exists()
        _download(url, part, watch)
        if begun and _sha256(part) != sha256:  # its beginning may be that of another file
            part.unlink()
            _download(url, part, watch)
        found = _sha256(part)
        if found != sha256:
            part.unlink()
            raise WeightsError(
                f"{shown} gives a file of SHA-256 {found}, expected {sha256}: it is another file, or was changed on "
                "its way. Nothing is installed; compare both with what its publisher says."
            )
        part.replace(file)
    return file


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder of the cache, which is made."""
    from filelock import Timeout

    from hybridfer.errors import OutputError

    lock = run_lock(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError("Another run is fetching this file; wait for it to end.") from None
    except OSError as error:
        raise unwritable(str(folder), error) from None
    try:
        yield
    finally:
        lock.release()


def _download(url: str, part: Path, watch: Watch | None) -> None:
    """Bring a file to its whole length, going on for as long as every connection brings some of it."""
    while True:
        before = _size(part)
        why = _bring(url, part, before, watch)
        if why is None:
            return
        size = _size(part)
        if size <= before:
            kept = f"; {size} bytes are kept, and the same command goes on from there" if size else ""
            raise WeightsError(f"{_public(url)} cannot be fetched: {why}{kept}. Check the address and the connection.")


def _bring(url: str, part: Path, before: int, watch: Watch | None) -> str | None:
    """Add what one connection brings to the first bytes of a file; return why it ended too early, or None."""
    headers = {"User-Agent": f"hybridfer/{__version__}"} | ({"Range": f"bytes={before}-"} if before else {})
    try:
        with _opener().open(
            request.Request(quote(url, safe=_IN_ADDRESSES), headers=headers), timeout=PATIENCE
        ) as answer:
            start, total = _extent(answer, before, _public(url))
            done = start
            with part.open("ab" if start else "wb", buffering=0) as stream:
                while chunk := answer.read1(AT_ONCE):
                    _write(stream, chunk)
                    done += len(chunk)
                    if watch is not None:
                        watch(done, total)
            return None if total in (None, done) else "the connection was cut"
    except HTTPError as error:
        if error.code == 416 and before:  # nothing comes after what is there
            return None
        raise WeightsError(
            f"{_public(url)} is not to be had: the server says {error.code} {error.reason}; check the address."
        ) from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _opener() -> request.OpenerDirector:
    """Return what opens addresses of the web and no others, wherever a server sends us."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPRedirectHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _extent(answer: Any, before: int, shown: str) -> tuple[int, int | None]:
    """Return where in the file an answer begins, and how long the file is where that is said."""
    if answer.status != 206:
        length = answer.headers.get("Content-Length")
        return 0, None if length is None else int(length)
    said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if said is None or int(said[1]) != before:
        raise WeightsError(f"{shown} is not to be had: the server gives another part of it than was asked for.")
    return before, None if said[2] == "*" else int(said[2])


def _write(stream: FileIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[stream.write(view) :]
    except OSError as error:
        raise unwritable(str(stream.name), error) from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _public(url: str) -> str:
    """Return an address without what may be secret in it: a user's name, a password, a key after the question mark."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise WeightsError("This is no address on the web; expected https://….") from None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
