"""``train_svm``: a feature bank's labelled rows become a model, measured by folds that share no subject."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hybridfer.classify.pipelines import (
    Settings,
    block_encoders,
    feature_steps,
    histograms,
    kernel_note,
    make_pipeline,
    make_svm,
    row_weights,
)
from hybridfer.classify.splits import CALIBRATION_FOLDS, calibration_folds, make_folds
from hybridfer.datasets.copies import CopyTable, contradictions
from hybridfer.errors import TrainingError
from hybridfer.labels import canonical_split, class_order

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.classify.encoders.blocks import BankRows
    from hybridfer.classify.model import Model

Objects = npt.NDArray[np.object_]

WORTH_A_PROCESS = 1 << 25
"""Bytes of features from which linear SVMs are fitted in processes of their own."""

CLASSIFIER_FOLDS = 10
"""Of the training rows, one is held back for the probabilities of what ``--classifier`` names."""

SCORES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class TrainingRows:
    """The rows an SVM is fitted on: features ``X (n, columns)`` and what is known of each row."""

    X: npt.NDArray[np.float32] | BankRows
    y: Objects
    subjects: Objects
    groups: Objects
    pictures: Objects

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: npt.NDArray[np.intp]) -> TrainingRows:
        """Return some of the rows."""
        return TrainingRows(*(getattr(self, name)[rows] for name in TrainingRows.__dataclass_fields__))


def train_svm(
    bank: FeatureBank | str | os.PathLike[str],
    *,
    features: Sequence[str] | None = None,
    kernel: str = "linear",
    C: float | None = None,
    gamma: float | None = None,
    components: int = 256,
    cv: str | int | None = None,
    search: bool = False,
    class_weight: str | None = None,
    encoder: str | None = None,
    classifier: str | None = None,
    split: str = "train",
    seed: int = 0,
    jobs: int = -1,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    allow_leak: bool = False,
    check: str | os.PathLike[str] | None = None,
) -> Model:
    """Return an SVM fitted on a feature bank, with calibrated probabilities.

    Every block is projected on its principal components, so that none outweighs another by its length; with the
    kernel ``chi2``, histograms stay as they are. All that is fitted is fitted on training rows, anew in every fold.

    Parameters
    ----------
    bank : FeatureBank or path
    features : sequence of str, optional
        Blocks to use, by canonical spec or first word; all when not given.
    kernel : {"linear", "rbf", "chi2"}
        ``rbf`` and ``chi2`` are exact up to 10,000 training rows, above that approximated by Nyström's map.
    C : float, optional
        Weight of errors against the margin; 2**-10 for linear, 1 for the others when not given.
    gamma : float, optional
        Of ``exp(-gamma * distance)``, where the mean distance of training rows is 1; 1 when not given.
    components : int
        Principal components kept of a block.
    cv : str or int, optional
        How to measure: a number of folds, ``kfold``, ``group``, ``loso`` or ``ckplus``; see
        :func:`hybridfer.classify.splits.make_folds`. Not measured when not given.
    search : bool
        Choose C and gamma, where they are not given, by inner folds of the training rows; with `cv`, anew in every
        fold.
    class_weight : {None, "balanced"}
        Whether errors in rare classes weigh more.
    encoder : str, optional
        What makes one vector of a face's local descriptors (a ``siftlocal`` block): ``bovw``, ``vlad`` or ``fisher``
        with their options, as in ``fisher:gaussians=128``.
    classifier : str, optional
        What stands in the place of the SVM with a kernel: ``leastsquares``, or ``local:k=500``, a machine of its own
        for each face on its nearest neighbours.
    split : str
        Which split's rows to fit, when the bank has splits; all labelled rows when it has none.
    seed, jobs : int
        Of everything random; threads, -1 for one a core.
    output : path, optional
        Folder to save the model to.
    overwrite : bool
        Replace `output` if it exists.
    allow_leak : bool
        Let ``kfold`` and ``group`` put one subject's rows on both sides; the model's card then says so.
    check : path, optional
        A report of ``hybridfer datasets check``: near copies of a picture then stay in its fold, as identical ones
        always do, and those that stand in other splits are counted.

    Returns
    -------
    Model
        Its ``card["cv"]`` holds the measured scores.

    Raises
    ------
    BankError
        If the bank lacks a block.
    SpecError
        If `encoder` or `classifier` is unknown, or an option of theirs.
    TrainingError
        If there are no labelled rows, fewer than two classes, a class smaller than the folds, a subject that would
        leak, values that are not finite, local descriptors without an encoder, or an encoder without any.
    OutputError
        If `output` exists and `overwrite` is False.

    Examples
    --------
    >>> model = train_svm("fer.parquet", features=["hog", "lbp"], cv=5)     # doctest: +SKIP
    >>> model.card["cv"]["pooled"]["accuracy"]["value"]                     # doctest: +SKIP
    0.48
    """
    from hybridfer.bank.bank import FeatureBank
    from hybridfer.classify.card import make_card
    from hybridfer.classify.model import FILES, Model
    from hybridfer.tables import check_output

    if output is not None:
        check_output(output, overwrite, FILES)
    if not isinstance(bank, FeatureBank):
        bank = FeatureBank.open(bank)
    settings = Settings.checked(kernel, C, gamma, components, class_weight, seed, encoder, classifier)
    fixed = [name for name, value in (("C", C), ("gamma", gamma)) if value is not None]
    names = list(bank.blocks) if features is None else [bank.block(name) for name in features]
    names = list(dict.fromkeys(names))
    if not names:
        raise TrainingError(f"No block of {bank.path} is to be used; name one or more of {', '.join(bank.blocks)}.")
    blocks = {name: int(bank.blocks[name]["length"]) for name in names}
    whole = histograms(blocks, settings)
    encoded = any(encoder is not None for encoder in block_encoders(settings, blocks))
    copies = CopyTable({}) if check is None else CopyTable.read(check)
    chosen, used_split, notes = _choose_rows(bank, split)
    data = _read(bank, names, whole, chosen, encoded)
    notes += _copy_notes(bank, chosen, copies, used_split)
    tied = np.array(copies.tied(data.pictures.tolist()), dtype=object)
    data = replace(data, pictures=tied)
    classes = _classes(data, bank)
    measured = None
    with _threads(jobs):
        if cv is not None:
            measured, told = _cross_validate(data, settings, blocks, str(cv), search, fixed, allow_leak)
            notes += told
        searched = None
        if search:
            settings, searched = _search(data, settings, blocks, fixed)
        pipeline, told = _fit(data, settings, blocks)
    # The same may have been said of several folds and of the whole.
    notes = list(dict.fromkeys([*notes, *told, *filter(None, [kernel_note(settings, len(data))])]))
    counts = Counter(data.y.tolist())
    card = make_card(
        bank,
        names,
        settings,
        classes=classes,
        training={
            "bank": bank.fingerprint,
            "dataset": bank.provenance.get("dataset"),
            "labels": list(bank.provenance.get("notes", ())),
            "check": copies.report,
            "split": used_split,
            "rows": len(data),
            "subjects": len({s for s in data.subjects if s is not None}),
            "classes": {label: counts[label] for label in classes},
        },
        cv=measured,
        search=searched,
        notes=notes,
    )
    model = Model.of(card, pipeline)
    if output is not None:
        model.save(output, overwrite)
    return model


def _choose_rows(bank: FeatureBank, split: str) -> tuple[npt.NDArray[np.intp], str | None, list[str]]:
    """Return which faces to fit, of which split (None: the bank has none), and what is to be said."""
    labelled = np.array([label is not None for label in bank.y], dtype=bool)
    splits = bank.column("split")
    found = Counter(s for s in splits if s is not None)
    if not found:
        if not labelled.any():
            raise TrainingError(f"No face of {bank.path} has a label; extract it with --labels folder or a manifest.")
        lost = int((~labelled).sum())
        return np.flatnonzero(labelled), None, [f"{lost} faces have no label and are left out"] if lost else []
    wanted = canonical_split(split)
    of_split = np.array([s == wanted for s in splits], dtype=bool)
    if not (of_split & labelled).any():
        there = ", ".join(f"{name} ({n} faces)" for name, n in sorted(found.items()))
        raise TrainingError(
            f"No labelled face of {bank.path} is of the split {wanted!r}; there are {there}. Use --split."
        )
    notes = []
    unlabelled = int((of_split & ~labelled).sum())
    if unlabelled:
        notes.append(f"{unlabelled} faces of {wanted} have no label and are left out")
    subjects = bank.column("subject")
    here = {s for s in subjects[of_split & labelled] if s is not None}
    others = {s for s in subjects[~of_split & np.array([s is not None for s in splits])] if s is not None}
    both = sorted(here & others, key=str)
    if both:
        notes.append(
            f"{len(both)} subjects of {wanted}, such as {both[0]!r}, stand in other splits too: scores there say "
            "little of new people"
        )
    return np.flatnonzero(of_split & labelled), wanted, notes


def _copy_notes(bank: FeatureBank, chosen: npt.NDArray[np.intp], copies: CopyTable, split: str | None) -> Iterator[str]:
    """Yield what is to be said of copies among the training rows, and of training pictures in other splits."""
    pictures, labels, splits = (bank.column(name) for name in ("sha256", "label", "split"))
    used = pictures[chosen].tolist()
    groups, rows = contradictions(used, labels[chosen].tolist())
    if groups:
        yield f"{rows} of the training rows are identical pictures with different labels, in {groups} groups"
    if flat := sum(picture in copies.constant for picture in used):
        yield f"{flat} of the training rows are pictures of one colour"
    if split is None:
        return
    for other in sorted({s for s in splits if s is not None} - {split}):
        there = pictures[np.array([s == other for s in splits], dtype=bool)].tolist()
        same, near = copies.among(there, used)
        if any(same) or any(near):
            yield (
                f"{sum(same)} of the {len(there)} faces of {other} are of pictures that, byte for byte, are among the "
                f"training rows too{_and_near(same, near)}"
            )


def _and_near(same: Sequence[bool], near: Sequence[bool]) -> str:
    more = sum(n and not s for s, n in zip(same, near, strict=True))
    return f", and {more} more of near copies" if more else ""


def _read(
    bank: FeatureBank, names: Sequence[str], whole: Sequence[bool], chosen: npt.NDArray[np.intp], encoded: bool
) -> TrainingRows:
    """Return the chosen rows, their blocks side by side as float32; read when asked for if some are `encoded`."""
    from hybridfer.classify.encoders.blocks import BankRows

    lengths = [int(bank.blocks[name]["length"]) for name in names]
    X = np.empty((0 if encoded else len(chosen), sum(lengths)), np.float32)
    inputs = bank.column("input")[chosen]
    start = 0
    for name, length, histogram in zip(names, lengths, whole, strict=True):
        if encoded and bank.blocks[name]["dtype"] == "uint8":
            continue  # whole numbers, finite and not negative
        block = np.empty((len(chosen), length), np.float32) if encoded else X[:, start : start + length]
        block[...] = bank.X(name)[chosen]
        bad = np.flatnonzero(~np.isfinite(block).all(1))
        if len(bad):
            raise TrainingError(
                f"Block {name} of {bank.path} has values that are not finite (NaN or infinite) in {len(bad)} rows, the "
                f"first of {inputs[bad[0]]}; extract it again."
            )
        if histogram and block.min(initial=0) < 0:
            raise TrainingError(
                f"Block {name} of {bank.path} has negative values, so it is no histogram; use --kernel rbf."
            )
        start += length
    rows = BankRows(bank, tuple(names), chosen) if encoded else X
    columns = [bank.column(name)[chosen] for name in ("subject", "group", "sha256")]
    return TrainingRows(rows, np.array([str(label) for label in bank.y[chosen]], dtype=object), *columns)


def _classes(data: TrainingRows, bank: FeatureBank) -> list[str]:
    counts = Counter(data.y.tolist())
    classes = class_order(counts)
    if len(classes) < 2:
        raise TrainingError(
            f"All {len(data)} training rows of {bank.path} are of one class, {classes[0]!r}; an SVM needs 2 or more."
        )
    return classes


def _fit(data: TrainingRows, settings: Settings, blocks: Mapping[str, int]) -> tuple[Any, list[str]]:
    """Return the fitted pipeline, and what is to be said of it."""
    from sklearn.exceptions import ConvergenceWarning

    folds, told = calibration_folds(
        data.y,
        subjects=data.subjects,
        pictures=data.pictures,
        seed=settings.seed,
        count=CALIBRATION_FOLDS if settings.classifier is None else CLASSIFIER_FOLDS,
    )
    pipeline = make_pipeline(settings, blocks, len(data), folds)
    notes = [] if told is None else [told]
    labels = data.y.astype(str)
    weights = row_weights(settings, labels)
    svm = pipeline.named_steps["svm"]
    mapped = pipeline[:-1].fit_transform(data.X)
    # The folds are row numbers of this bank; a model keeps nothing of its rows that it does not need.
    if settings.classifier is not None:
        svm.fit(mapped, labels, sample_weight=weights)
        svm.held = None
        if not svm.learnt_:
            notes.append(
                "what the classifier learnt did not carry over to training rows held back from it, so its "
                "probabilities mean little; add pictures, or other features"
            )
        return pipeline, notes
    late = "the SVM had not converged when it stopped; use a smaller C"
    with _warnings_as_notes(ConvergenceWarning, late, notes), _fits_at_once(svm.estimator, mapped):
        svm.fit(mapped, labels, sample_weight=weights)
    slopes = [calibrator.a_ for calibrator in svm.calibrated_classifiers_[0].calibrators]
    for label, slope in zip(svm.classes_ if len(slopes) > 1 else svm.classes_[1:], slopes, strict=True):
        if slope >= 0:
            notes.append(
                f"what the SVM learnt of {str(label)!r} did not carry over to training rows held back from it, so its "
                "probabilities mean little; add pictures of it, or other features"
            )
    svm.cv = None
    return pipeline, notes


def _cross_validate(
    data: TrainingRows,
    settings: Settings,
    blocks: Mapping[str, int],
    cv: str,
    search: bool,
    fixed: Sequence[str],
    allow_leak: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Return the scores on rows that the pipeline, fitted anew in every fold, has not seen."""
    from hybridfer.evaluation.intervals import bootstrap_interval

    folds = make_folds(
        cv,
        data.y,
        subjects=data.subjects,
        groups=data.groups,
        pictures=data.pictures,
        seed=settings.seed,
        allow_leak=allow_leak,
    )
    notes = list(folds.notes)
    predicted = np.empty(len(data), object)
    scores: dict[str, list[float]] = {name: [] for name in SCORES}
    chosen = []
    for train, test in folds.splits:
        part = data.take(train)
        fitted = settings
        if search:
            fitted, _ = _search(part, settings, blocks, fixed)
            chosen.append({"C": fitted.C, "gamma": fitted.gamma})
        pipeline, told = _fit(part, fitted, blocks)
        notes += told
        predicted[test] = pipeline.predict(data.X[test])
        for name, value in _scores(data.y[test], predicted[test]).items():
            scores[name].append(value)
    known = any(s is not None for s in data.subjects)
    pooled = {}
    for name, value in _scores(data.y, predicted).items():
        low, high = bootstrap_interval(
            data.y, predicted, name, groups=data.subjects if known else None, seed=settings.seed
        )
        pooled[name] = {"value": value, "low": low, "high": high}
    measured: dict[str, Any] = {
        "cv": cv,
        "scheme": folds.scheme,
        "folds": len(folds.splits),
        "leak": folds.leaky,
        "by_fold": {
            name: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "values": values}
            for name, values in scores.items()
        },
        "pooled": pooled,
        "resampled": "subjects" if known else "rows",
    }
    if search:
        measured["searched"] = chosen
    return measured, notes


def _search(
    data: TrainingRows, settings: Settings, blocks: Mapping[str, int], fixed: Sequence[str]
) -> tuple[Settings, dict[str, Any]]:
    """Return the settings of the grid that do best on inner folds of the rows, and every one's score.

    The features of an inner fold are projected once for all of the grid, its kernel taken once a gamma.
    """
    from joblib import Parallel, delayed
    from sklearn.pipeline import Pipeline

    grid = settings.grid(fixed)
    folds, _ = calibration_folds(data.y, subjects=data.subjects, pictures=data.pictures, seed=settings.seed + 1)
    metric = "balanced_accuracy" if settings.class_weight else "accuracy"
    labels = data.y.astype(str)
    found = np.zeros((len(grid), len(folds)))
    for column, (train, test) in enumerate(folds):
        steps = feature_steps(settings, blocks, len(train))
        projection = Pipeline([step for step in steps if step[0] != "kernel"])
        inside, outside = projection.fit_transform(data.X[train]), projection.transform(data.X[test])
        for gamma in dict.fromkeys(tried.gamma for tried in grid):
            here = [i for i, tried in enumerate(grid) if tried.gamma == gamma]
            steps = feature_steps(grid[here[0]], blocks, len(train))
            kernel = Pipeline([step for step in steps if step[0] == "kernel"] or [("none", "passthrough")])
            mapped, asked = kernel.fit_transform(inside), kernel.transform(outside)

            svms = [make_svm(grid[i], blocks, len(train)) for i in here]
            weights = row_weights(settings, labels[train])
            with _fits_at_once(svms[0], mapped):
                said = Parallel()(delayed(_said)(svm, mapped, labels[train], weights, asked) for svm in svms)
            found[here, column] = [_scores(labels[test], predicted)[metric] for predicted in said]
    means = found.mean(1)
    best = grid[int(means.argmax())]
    tried = [{"C": s.C, "gamma": s.gamma, metric: float(mean)} for s, mean in zip(grid, means, strict=True)]
    return best, {"metric": metric, "folds": len(folds), "tried": tried}


def _said(svm: Any, X: Any, y: Any, weights: Any, asked: Any) -> Any:
    """Return what an SVM, fitted on some rows, says of others."""
    return svm.fit(X, y, sample_weight=weights).predict(asked)


def _scores(true: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    from hybridfer.evaluation import metrics

    labels = class_order([*map(str, np.asarray(true)), *map(str, np.asarray(predicted))])
    codes = [metrics.label_codes([str(v) for v in np.asarray(values)], labels) for values in (true, predicted)]
    confusion = metrics.confusion_matrix(codes[0], codes[1], len(labels))
    return {name: float(np.squeeze(getattr(metrics, name)(confusion))) for name in SCORES}


@contextmanager
def _threads(jobs: int) -> Iterator[None]:
    """Let joblib work with so many threads: scikit-learn's SVMs release the interpreter while they fit."""
    from joblib import parallel_config

    with parallel_config("threading", n_jobs=jobs):
        yield


@contextmanager
def _fits_at_once(svm: Any, X: npt.NDArray[Any]) -> Iterator[None]:
    """Let several such SVMs be fitted at once in the way that gives the same numbers every time.

    liblinear draws from one generator for the whole process: in threads, fits would draw from each other's, and the
    same seed would not give the same model. Processes have one each, but take a second to start, so small fits wait for
    each other. BLAS, whose last bits depend on its threads, has one wherever they are.
    """
    from joblib import parallel_config
    from sklearn.svm import LinearSVC
    from threadpoolctl import threadpool_limits

    if not isinstance(svm, LinearSVC):
        yield
        return
    small = X.nbytes < WORTH_A_PROCESS
    apart = parallel_config("sequential") if small else parallel_config("loky", inner_max_num_threads=1)
    with apart, threadpool_limits(1, "blas"):
        yield


@contextmanager
def _warnings_as_notes(kind: type[Warning], note: str, notes: list[str]) -> Iterator[None]:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", kind)
        yield
    for warning in caught:
        if issubclass(warning.category, kind):
            notes.append(note)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
