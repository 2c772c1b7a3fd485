"""From blocks side by side to calibrated probabilities: the scikit-learn pipeline of every SVM.

Blocks are projected (:class:`~hybridfer.classify.estimators.BlockProjection`), the kernel is taken, an SVM is fitted
and its scores become probabilities. The whole pipeline is fitted on training rows only. Inside one fit the calibrator's
own folds refit the SVM alone: projection and kernel landmarks, which see no labels, are those of all training rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hybridfer.errors import SpecError, TrainingError
from hybridfer.spec import parse_spec

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from hybridfer.classify.splits import Split

KERNELS = ("linear", "rbf", "chi2")

HISTOGRAMS = frozenset({"colour", "hog", "lbp", "sift", "siftlocal"})
"""Descriptors whose values are histograms, which chi-square compares as they are."""

EXACT_ROWS = 10_000
"""Training rows up to which a kernel is exact."""

LANDMARKS = 2048
"""Rows that Nyström's map rests on above that."""

DEFAULT_C = {"linear": 2.0**-10, "rbf": 1.0, "chi2": 1.0}
DEFAULT_GAMMA = 1.0
MAX_ITER = 2000

GRID_C = {
    "linear": (2.0**-14, 2.0**-12, 2.0**-10, 2.0**-8, 2.0**-6),
    "rbf": (0.25, 1.0, 4.0, 16.0),
    "chi2": (0.25, 1.0, 4.0, 16.0),
}
GRID_GAMMA = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Settings:
    """What an SVM is fitted with.

    Attributes
    ----------
    kernel : {"linear", "rbf", "chi2"}
    C : float
        Weight of errors against the margin.
    gamma : float or None
        Of ``exp(-gamma * distance)``, where the mean distance of training rows is 1; None for the linear kernel.
    components : int
        Principal components kept of a block.
    class_weight : {None, "balanced"}
        Whether errors in rare classes weigh more.
    seed : int
    """

    kernel: str = "linear"
    C: float = DEFAULT_C["linear"]
    gamma: float | None = None
    components: int = 256
    class_weight: str | None = None
    seed: int = 0

    @classmethod
    def checked(
        cls,
        kernel: str,
        C: float | None,
        gamma: float | None,
        components: int,
        class_weight: str | None,
        seed: int,
    ) -> Settings:
        """Return settings with the kernel's defaults; :class:`TrainingError` where a value is out of range."""
        if kernel not in KERNELS:
            raise TrainingError(f"No kernel {kernel!r}. Known: {', '.join(KERNELS)}.")
        if class_weight not in (None, "balanced"):
            raise TrainingError(f"No class weight {class_weight!r}; expected None or 'balanced'.")
        if gamma is not None and kernel == "linear":
            raise TrainingError(f"The linear kernel has no gamma (it is {gamma:g}); leave it out, or use --kernel rbf.")
        for name, value in (("C", C), ("gamma", gamma), ("components", components)):
            if value is not None and not 0 < value < float("inf"):
                raise TrainingError(f"{name} is {value:g}; expected more than 0.")
        width = None if kernel == "linear" else (DEFAULT_GAMMA if gamma is None else gamma)
        return cls(kernel, DEFAULT_C[kernel] if C is None else C, width, components, class_weight, seed)

    def grid(self, fixed: Sequence[str]) -> list[Settings]:
        """Return what a search tries: every C and gamma of the kernel's grid that is not `fixed`."""
        Cs = (self.C,) if "C" in fixed else GRID_C[self.kernel]
        gammas: tuple[float | None, ...] = (self.gamma,)
        if self.kernel != "linear" and "gamma" not in fixed:
            gammas = GRID_GAMMA
        return [replace(self, C=C, gamma=gamma) for gamma in gammas for C in Cs]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def histograms(blocks: Mapping[str, int], kernel: str) -> list[bool]:
    """Return which blocks the kernel compares by chi-square, and so are neither scaled nor rotated.

    Raises
    ------
    TrainingError
        If the kernel is ``chi2`` and no block is a histogram.
    """
    found = [kernel == "chi2" and _name(block) in HISTOGRAMS for block in blocks]
    if kernel == "chi2" and not any(found):
        raise TrainingError(
            f"The kernel chi2 compares histograms ({', '.join(sorted(HISTOGRAMS))}), and none is among the blocks "
            f"{', '.join(blocks)}; use --kernel rbf."
        )
    return found


def kernel_note(settings: Settings, rows: int) -> str | None:
    """Return what is to be said of a kernel fitted on so many rows: that it is approximated, or nothing."""
    if settings.kernel == "linear" or rows <= EXACT_ROWS:
        return None
    return (
        f"{rows:,} training rows are more than {EXACT_ROWS:,}, so the {settings.kernel} kernel is approximated: "
        f"Nyström's map on {LANDMARKS:,} of them, and a linear SVM"
    )


def feature_steps(settings: Settings, blocks: Mapping[str, int], rows: int) -> list[tuple[str, Any]]:
    """Return the steps that see no labels: the projection of every block and, if any, the kernel.

    Parameters
    ----------
    settings : Settings
    blocks : mapping
        Canonical spec to length, in the order of the columns.
    rows : int
        Training rows; what is exact and what is kept depends on them.
    """
    from hybridfer.classify.estimators import BlockProjection, KernelMap

    whole = histograms(blocks, settings.kernel)
    lengths = list(blocks.values())
    steps: list[tuple[str, Any]] = [
        ("blocks", BlockProjection(lengths, settings.components, whole=whole, seed=settings.seed))
    ]
    if settings.kernel != "linear":
        landmarks = None if rows <= EXACT_ROWS else LANDMARKS
        widths = _widths(settings, lengths, whole, rows)
        steps.append(("kernel", KernelMap(widths, whole, float(settings.gamma or 0), landmarks, settings.seed)))
    return steps


def make_svm(settings: Settings, blocks: Mapping[str, int], rows: int) -> Any:
    """Return the SVM on what :func:`feature_steps` gives, unfitted and not calibrated."""
    from sklearn.svm import SVC, LinearSVC

    if settings.kernel != "linear" and rows <= EXACT_ROWS:
        return SVC(kernel="precomputed", C=settings.C, cache_size=500)
    whole = histograms(blocks, settings.kernel)
    # Squared length of a row, about: a projected component has at most unit variance, a kernel map unit length.
    energy = 1 if settings.kernel != "linear" else sum(_widths(settings, list(blocks.values()), whole, rows))
    # Coordinate descent needs a handful of passes while C is small, and very many when it is not.
    dual: bool | str = True if settings.C * energy <= 4 else "auto"
    return LinearSVC(C=settings.C, dual=dual, max_iter=MAX_ITER, random_state=settings.seed)


def row_weights(settings: Settings, y: npt.ArrayLike) -> npt.NDArray[np.float64] | None:
    """Return what each row weighs, in the SVM and in the calibration of its probabilities; None where all are equal.

    Weighing classes in the SVM alone would come to nothing: calibration would put their frequencies back.
    """
    from sklearn.utils.class_weight import compute_sample_weight

    if settings.class_weight is None:
        return None
    weights: npt.NDArray[np.float64] = compute_sample_weight(settings.class_weight, y)
    return weights


def make_pipeline(settings: Settings, blocks: Mapping[str, int], rows: int, folds: Sequence[Split]) -> Pipeline:
    """Return the whole pipeline, unfitted; `folds` are the calibrator's, inside the training rows."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import Pipeline

    svm = CalibratedClassifierCV(make_svm(settings, blocks, rows), cv=folds, ensemble=False)
    return Pipeline([*feature_steps(settings, blocks, rows), ("svm", svm)])


def _widths(settings: Settings, lengths: Sequence[int], whole: Sequence[bool], rows: int) -> list[int]:
    """Return each block's columns after the projection."""
    from hybridfer.classify.estimators import projected_width

    return [
        length if as_is else projected_width(settings.components, length, rows)
        for length, as_is in zip(lengths, whole, strict=True)
    ]


def _name(block: str) -> str:
    try:
        spec = parse_spec(block)
    except SpecError:
        return ""
    spec = spec.inner or spec
    return spec.name if spec.layer is None else ""
