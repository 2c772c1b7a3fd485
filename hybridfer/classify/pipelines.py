"""From blocks side by side to calibrated probabilities: the scikit-learn pipeline of every SVM.

Blocks of local descriptors are encoded (:mod:`hybridfer.classify.encoders`), the others, or all for an SVM with a
kernel, are projected (:class:`~hybridfer.classify.estimators.BlockProjection`), the kernel is taken, an SVM is fitted
and its scores become probabilities. The whole pipeline is fitted on training rows only. Inside one fit the calibrator's
own folds refit the SVM alone: projection and kernel landmarks, which see no labels, are those of all training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hybridfer.classify.encoders import ENCODERS, local_descriptor
from hybridfer.classify.specs import CLASSIFIERS, create_estimator, estimator_spec
from hybridfer.errors import SpecError, TrainingError
from hybridfer.spec import parse_spec

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from hybridfer.classify.splits import Split

KERNELS = ("linear", "rbf", "chi2")

HISTOGRAMS = frozenset({"colour", "hog", "lbp", "sift"})
"""Descriptors whose values are histograms, which chi-square compares as they are."""

EXACT_ROWS = 10_000
"""Training rows up to which a kernel is exact."""

LANDMARKS = 2048
"""Rows that Nyström's map rests on above that."""

MOST_BYTES = 8 << 30
"""Of the encoded training rows."""

DEFAULT_C = {"linear": 2.0**-10, "rbf": 1.0, "chi2": 1.0}
DEFAULT_GAMMA = 1.0
MAX_ITER = 2000

GRID_C = {
    "linear": (2.0**-14, 2.0**-12, 2.0**-10, 2.0**-8, 2.0**-6),
    "rbf": (0.25, 1.0, 4.0, 16.0),
    "chi2": (0.25, 1.0, 4.0, 16.0),
}
GRID_GAMMA = (0.5, 1.0, 2.0)

CLASSIFIER_C = 1.0
"""Default of the classifiers that ``--classifier`` names: rows are of unit length."""

CLASSIFIER_GRID_C = (0.25, 1.0, 4.0, 16.0)


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
    encoder : str or None
        Canonical spec of what makes a vector of local descriptors.
    classifier : str or None
        Canonical spec of what stands in the place of the SVM with a kernel.
    """

    kernel: str = "linear"
    C: float = DEFAULT_C["linear"]
    gamma: float | None = None
    components: int = 256
    class_weight: str | None = None
    seed: int = 0
    encoder: str | None = None
    classifier: str | None = None

    @classmethod
    def checked(
        cls,
        kernel: str,
        C: float | None,
        gamma: float | None,
        components: int,
        class_weight: str | None,
        seed: int,
        encoder: str | None = None,
        classifier: str | None = None,
    ) -> Settings:
        """Return settings with the kernel's defaults.

        Raises
        ------
        TrainingError
            If a value is out of range, or two do not go together.
        SpecError
            If `encoder` or `classifier` is unknown, or an option of theirs.
        """
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
        usual = DEFAULT_C[kernel]
        if encoder is not None:
            encoder = estimator_spec(ENCODERS, encoder)
        if classifier is not None:
            if kernel != "linear":
                raise TrainingError(f"--classifier compares rows by their products; leave --kernel {kernel} out.")
            classifier = estimator_spec(CLASSIFIERS, classifier)
            usual = CLASSIFIER_C
        C = usual if C is None else C
        return cls(kernel, C, width, components, class_weight, seed, encoder, classifier)

    def grid(self, fixed: Sequence[str]) -> list[Settings]:
        """Return what a search tries: every C and gamma of the kernel's grid that is not `fixed`."""
        Cs = GRID_C[self.kernel] if self.classifier is None else CLASSIFIER_GRID_C
        if "C" in fixed:
            Cs = (self.C,)
        gammas: tuple[float | None, ...] = (self.gamma,)
        if self.kernel != "linear" and "gamma" not in fixed:
            gammas = GRID_GAMMA
        return [replace(self, C=C, gamma=gamma) for gamma in gammas for C in Cs]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def histograms(blocks: Iterable[str], settings: Settings) -> list[bool]:
    """Return which blocks the kernel compares by chi-square, and so are neither scaled nor rotated.

    Raises
    ------
    TrainingError
        If the kernel is ``chi2`` and no block is a histogram.
    """
    found = [settings.kernel == "chi2" and _is_histogram(block, settings) for block in blocks]
    if settings.kernel == "chi2" and not any(found):
        raise TrainingError(
            f"The kernel chi2 compares histograms ({', '.join(sorted(HISTOGRAMS))}), and none is among the blocks "
            f"{', '.join(blocks)}; use --kernel rbf."
        )
    return found


def block_encoders(settings: Settings, blocks: Iterable[str]) -> list[Any]:
    """Return what encodes each block, not fitted; None for a block that is one vector already.

    Raises
    ------
    TrainingError
        If local descriptors have no encoder, or an encoder has none to encode.
    """
    local = [block for block in blocks if local_descriptor(block) is not None]
    if settings.encoder is None:
        if local:
            raise TrainingError(
                f"The block {local[0]} holds local descriptors, which an SVM cannot compare; add --encoder, such as "
                f"--encoder {ENCODERS.names()[0]}, or choose other blocks with -f."
            )
        return [None for _ in blocks]
    if not local:
        raise TrainingError(
            f"--encoder {settings.encoder} wants local descriptors, and none are among the blocks {', '.join(blocks)}; "
            "extract them with -f siftlocal."
        )
    return [
        create_estimator(ENCODERS, settings.encoder, block=block, seed=settings.seed) if block in local else None
        for block in blocks
    ]


def kernel_note(settings: Settings, rows: int) -> str | None:
    """Return what is to be said of a kernel fitted on so many rows: that it is approximated, or nothing."""
    if settings.kernel == "linear" or rows <= EXACT_ROWS:
        return None
    return (
        f"{rows:,} training rows are more than {EXACT_ROWS:,}, so the {settings.kernel} kernel is approximated: "
        f"Nyström's map on {LANDMARKS:,} of them, and a linear SVM"
    )


def feature_steps(settings: Settings, blocks: Mapping[str, int], rows: int) -> list[tuple[str, Any]]:
    """Return the steps that see no labels: the encoding of local descriptors, the projection of blocks, the kernel.

    Each is there if there is something for it to do.

    Parameters
    ----------
    settings : Settings
    blocks : mapping
        Canonical spec to length, in the order of the columns.
    rows : int
        Training rows; what is exact and what is kept depends on them.
    """
    from hybridfer.classify.estimators import BlockProjection, KernelMap

    encoders = block_encoders(settings, blocks)
    lengths, whole, widths = _widths(settings, blocks, rows)
    steps: list[tuple[str, Any]] = []
    if any(encoder is not None for encoder in encoders):
        from hybridfer.classify.encoders.blocks import BlockEncoding

        size = 4 * rows * sum(lengths)
        if size > MOST_BYTES:
            raise TrainingError(
                f"--encoder {settings.encoder} makes {sum(lengths):,} values of a face, {size / 1e9:.0f} GB of "
                f"{rows:,} faces; expected {MOST_BYTES / 1e9:.0f} GB at most. Use fewer words or levels."
            )
        steps.append(("encoding", BlockEncoding(list(blocks.values()), encoders)))
    if not all(whole) or not steps:
        unit = settings.classifier is not None
        steps.append(("blocks", BlockProjection(lengths, settings.components, whole, settings.seed, unit)))
    if settings.kernel != "linear":
        landmarks = None if rows <= EXACT_ROWS else LANDMARKS
        steps.append(("kernel", KernelMap(widths, whole, float(settings.gamma or 0), landmarks, settings.seed)))
    return steps


def make_svm(settings: Settings, blocks: Mapping[str, int], rows: int) -> Any:
    """Return the SVM on what :func:`feature_steps` gives, unfitted and not calibrated."""
    from sklearn.svm import SVC, LinearSVC

    if settings.classifier is not None:
        return create_estimator(CLASSIFIERS, settings.classifier, C=settings.C, held=[], seed=settings.seed)
    if settings.kernel != "linear" and rows <= EXACT_ROWS:
        return SVC(kernel="precomputed", C=settings.C, cache_size=500)
    # Squared length of a row, about: a projected component has at most unit variance, a kernel map unit length.
    energy = 1 if settings.kernel != "linear" else sum(_widths(settings, blocks, rows)[2])
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
    """Return the whole pipeline, unfitted; `folds` are for the probabilities, inside the training rows."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import Pipeline

    svm = make_svm(settings, blocks, rows)
    if settings.classifier is None:
        svm = CalibratedClassifierCV(svm, cv=folds, ensemble=False)
    else:
        svm.set_params(held=folds[0][1])
    return Pipeline([*feature_steps(settings, blocks, rows), ("svm", svm)])


def _widths(settings: Settings, blocks: Mapping[str, int], rows: int) -> tuple[list[int], list[bool], list[int]]:
    """Return each block's columns when local descriptors are encoded, whether it then stays, and its columns if not."""
    from hybridfer.classify.estimators import projected_width

    encoders = block_encoders(settings, blocks)
    lengths = [
        length if encoder is None else int(encoder.columns)
        for encoder, length in zip(encoders, blocks.values(), strict=True)
    ]
    encoded = [settings.classifier is not None and encoder is not None for encoder in encoders]
    whole = [a or b for a, b in zip(histograms(blocks, settings), encoded, strict=True)]
    widths = [
        length if as_is else projected_width(settings.components, length, rows)
        for length, as_is in zip(lengths, whole, strict=True)
    ]
    return lengths, whole, widths


def _is_histogram(block: str, settings: Settings) -> bool:
    if settings.encoder is not None and local_descriptor(block) is not None:
        return bool(create_estimator(ENCODERS, settings.encoder, block=block, seed=settings.seed).counts)
    return _name(block) in HISTOGRAMS


def _name(block: str) -> str:
    try:
        spec = parse_spec(block)
    except SpecError:
        return ""
    spec = spec.inner or spec
    return spec.name if spec.layer is None else ""
