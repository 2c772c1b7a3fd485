"""Expression labels: one canonical order, every data set's own order, and the words people use for them."""

from __future__ import annotations

from collections.abc import Iterable

from hybridfer.errors import DatasetError, did_you_mean

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven, in FER2013's order; columns of every prediction."""

CONTEMPT = "contempt"
"""The eighth, where a data set or model has it."""

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "fer2013": ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
    "ferplus": ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    "rafdb": ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"),
    "affectnet": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
    "ckplus": ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
    "ckextended": ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt"),
}
"""Each data set's native order, canonical words: what its numbers mean, counted from :func:`first_number`."""

COUNTED_FROM_ONE = frozenset({"rafdb"})
"""Sets whose first label is 1, not 0."""

WORDS = {
    "angry": "anger",
    "anger": "anger",
    "an": "anger",
    "disgust": "disgust",
    "disgusted": "disgust",
    "di": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "afraid": "fear",
    "fe": "fear",
    "happy": "happiness",
    "happiness": "happiness",
    "ha": "happiness",
    "sad": "sadness",
    "sadness": "sadness",
    "sa": "sadness",
    "surprise": "surprise",
    "surprised": "surprise",
    "su": "surprise",
    "neutral": "neutral",
    "ne": "neutral",
    "contempt": "contempt",
    "contemptuous": "contempt",
}
"""Words seen in data sets and folders, lower case, and the canonical label of each."""

SPLITS = ("train", "val", "test")
"""The splits, in order."""

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "publictest": "val",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}
"""A data set's own split names, lower case; FER2013's PublicTest is ``val``."""


def canonical_label(word: str) -> str:
    """Return the canonical label of a word (``Happy`` → ``happiness``); an unknown word is returned as it is."""
    return WORDS.get(word.strip().lower(), word)


def canonical_labels(words: Iterable[str]) -> dict[str, str]:
    """Return what each of a data set's labels becomes: canonical when all are expressions, else all as they are.

    A data set of other classes may well have a folder ``sa`` or ``sad``; only when every word is an expression are
    they read as expressions.

    Examples
    --------
    >>> canonical_labels(["happy", "sad"])
    {'happy': 'happiness', 'sad': 'sadness'}
    >>> canonical_labels(["sad", "lucky"])
    {'sad': 'sad', 'lucky': 'lucky'}
    """
    seen = list(dict.fromkeys(words))
    known = all(word.strip().lower() in WORDS for word in seen)
    return {word: canonical_label(word) if known else word for word in seen}


def first_number(name: str) -> int:
    """Return the number that the set `name` gives its first label: 1 for RAF-DB, 0 for the others."""
    return 1 if name in COUNTED_FROM_ONE else 0


def label_numbers(name: str) -> dict[str, int]:
    """Return the number that the set `name` gives each of its labels.

    Raises
    ------
    DatasetError
        If there is no such set.

    Examples
    --------
    >>> label_numbers("rafdb")["surprise"], label_numbers("affectnet")["surprise"]
    (1, 3)
    """
    if name not in LABEL_SETS:
        hint = did_you_mean(name, LABEL_SETS)
        raise DatasetError(f"No label set named {name!r}.{hint} Known: {', '.join(sorted(LABEL_SETS))}.")
    return {label: number for number, label in enumerate(LABEL_SETS[name], first_number(name))}


def label_in_set(label: str, name: str) -> str | None:
    """Return what a label, a number of the set `name` or a word, is in that set; None where it has no such label.

    Examples
    --------
    >>> label_in_set("1", "rafdb"), label_in_set("Happy", "rafdb"), label_in_set("contempt", "rafdb")
    ('surprise', 'happiness', None)
    """
    numbers = label_numbers(name)
    try:
        number = float(label)
    except ValueError:
        word = canonical_label(label.strip())
        return word if word in numbers else None
    return next((word for word, own in numbers.items() if own == number), None)


def canonical_split(word: str) -> str:
    """Return ``train``, ``val`` or ``test`` for a split's name or alias (``PublicTest`` → ``val``).

    Raises
    ------
    DatasetError
        If the word is no known split.
    """
    try:
        return SPLIT_ALIASES[word.strip().lower()]
    except KeyError:
        known = ("train", "val", "test", "Training", "PublicTest", "PrivateTest")
        raise DatasetError(f"No split named {word!r}.{did_you_mean(word, known)} Known: {', '.join(known)}.") from None


def class_order(labels: Iterable[str]) -> list[str]:
    """Return the distinct labels in the canonical order: expressions first, in FER2013's order, others by name."""
    order = {label: i for i, label in enumerate((*EXPRESSIONS, CONTEMPT))}
    return sorted(set(labels), key=lambda label: (order.get(label, len(order)), label))


def probability_columns(classes: Iterable[str]) -> dict[str, str]:
    """Return each class's column in a table of predictions: its own name for the expressions, else ``p_<class>``."""
    wanted = list(classes)
    expressions = set(wanted) <= {*EXPRESSIONS, CONTEMPT}
    return {label: label if expressions else f"p_{label}" for label in wanted}
