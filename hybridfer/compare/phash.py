"""Perceptual hash: how many bits, or hexadecimal digits, of two hashes are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hybridfer.compare.metric import DescriptorMetric
from hybridfer.spec import format_value
from hybridfer.types import Pixels


@dataclass(frozen=True)
class PHashSimilarity(DescriptorMetric):
    """Share of equal bits, or of equal hexadecimal digits, of two perceptual hashes.

    With *d* of *N* bits and *n* of *N*/4 digits differing, the value is 1 − d/N or 1 − n/(N/4). Pictures count as
    similar when d < 10 N/64, the usual rule for 64 bits carried over. Both forms are always in the details.

    The paper that calls d < 10 similar prints similarities in steps of 1/256 (0.9140625 = 1 − 22/256), which 64 bits
    cannot give; ``phash:bits=1024,threshold=mean,form=hexdigits`` can. The hash sees the layout of light and dark:
    blur and brightness hardly change it, a mirror image changes half of it.

    Parameters
    ----------
    bits : int
        Length of the hash: 64, 256 or 1024.
    threshold : {"median", "mean"}
        What a coefficient must exceed to be a 1.
    exclude_dc : bool
        Whether the mean brightness is kept out of the threshold; see the descriptor ``phash``.
    form : {"bits", "hexdigits"}
        What is counted.

    References
    ----------
    W. Zhu, J. Chang: Research and implementation of perceptual hash algorithm for image retrieval. AIP Conference
    Proceedings 2073, 2019.
    """

    name: ClassVar[str] = "phash"

    bits: int = 64
    threshold: str = "median"
    exclude_dc: bool = False
    form: str = "bits"

    def __post_init__(self) -> None:
        self.require(self.form in ("bits", "hexdigits"), "form", "bits or hexdigits")
        exclude_dc = format_value(self.exclude_dc)
        self.describe_by(f"phash:bits={self.bits},threshold={self.threshold},exclude_dc={exclude_dc}")

    def prepare(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """Return the hash, ``(bits,) uint8`` of 0 and 1."""
        hashed: npt.NDArray[np.uint8] = self.descriptor.describe(pixels)
        return hashed

    def score(self, a: Any, b: Any) -> tuple[float, dict[str, Any]]:
        """Return the share that is equal; details count bits and digits and hold both hashes."""
        from hybridfer.descriptors.phash import hash_hex

        hashes = hash_hex(a), hash_hex(b)
        differing = int(np.count_nonzero(a != b))
        digits = sum(x != y for x, y in zip(*hashes, strict=True))
        forms = {"bits": 1 - differing / self.bits, "hexdigits": 1 - digits / (self.bits // 4)}
        details = {
            "bits": self.bits,
            "bits_differing": differing,
            "hexdigits": self.bits // 4,
            "hexdigits_differing": digits,
            "similarity_bits": forms["bits"],
            "similarity_hexdigits": forms["hexdigits"],
            "similar": differing < 10 * self.bits / 64,
            "hash_a": hashes[0],
            "hash_b": hashes[1],
        }
        return forms[self.form], details

    def read(self, value: float, details: Mapping[str, Any]) -> str:
        """Return whether the hashes count as similar."""
        verdict = "the same picture or a near copy" if details["similar"] else "different pictures"
        digits = f"{details['hexdigits_differing']} of {details['hexdigits']} hex digits and "
        return (
            f"{verdict}: {digits if self.form == 'hexdigits' else ''}{details['bits_differing']} of {self.bits} bits "
            f"differ, and fewer than {10 * self.bits // 64} bits count as similar"
        )
