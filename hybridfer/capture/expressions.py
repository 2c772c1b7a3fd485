"""What the muscles do in each expression: FACS's prototypes, varied as people vary.

Prototypes and their variants are those of the FACS investigator's guide [1]_ as tabulated in [2]_, in the 18 units that
the head has: happiness 6+12, sadness 1+4+15, surprise 1+2+5+26, fear 1+2+4+5+7+20, anger 4+5+7+23, disgust 9+10,
contempt 12+14 on one side. Means and likelihoods are ours: grades B to E of A to E, strong enough to be seen.

References
----------
.. [1] P. Ekman, W. V. Friesen, J. C. Hager, "Facial Action Coding System", 2002
.. [2] J. F. Cohn, Z. Ambadar, P. Ekman, "Observer-based measurement of facial expression with the Facial Action Coding
   System", in Handbook of Emotion Elicitation and Assessment, 2007
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hybridfer.capture.muscles import MUSCLES
from hybridfer.errors import DatasetError, did_you_mean
from hybridfer.labels import CONTEMPT, EXPRESSIONS, canonical_label, class_order

SPREAD = 0.5
"""Standard deviation of an intensity about its mean; none lies further away than two of them."""

WHOLE = frozenset({25, 26, 28, 45})
"""Units that both sides share alike: of jaw, lips and, at a blink, lids."""

IDLE = 0.15
"""Standard deviation of what a muscle does that is not asked."""

FAITH = 0.6
"""How often a person shows, or does not show, a unit that may go with an expression because that is their way."""


@dataclass(frozen=True)
class Prototype:
    """What an expression is made of.

    Attributes
    ----------
    core : mapping of int to float
        Units that always move, and their mean intensity.
    variants : mapping of int to (float, float)
        Units that may go with it: how often, and their mean intensity.
    one_sided : bool
        Whether it shows on one side only.
    """

    core: Mapping[int, float] = field(default_factory=dict)
    variants: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    one_sided: bool = False


PROTOTYPES: Mapping[str, Prototype] = {
    "anger": Prototype({4: 4.0, 5: 2.4, 7: 3.0, 23: 3.8}, {17: (0.5, 2.4)}),
    "disgust": Prototype({9: 4.0, 10: 3.4}, {4: (0.4, 2.0), 15: (0.3, 2.0), 17: (0.4, 2.2), 25: (0.35, 2.0)}),
    "fear": Prototype({1: 3.6, 2: 2.8, 4: 2.8, 5: 4.0, 7: 2.0, 20: 3.8, 25: 2.8}, {26: (0.4, 2.0)}),
    "happiness": Prototype({6: 3.4, 12: 4.0}, {25: (0.75, 3.0)}),
    "sadness": Prototype({1: 3.8, 4: 2.6, 15: 3.8}, {17: (0.6, 2.6)}),
    "surprise": Prototype({1: 4.0, 2: 4.0, 5: 3.2, 25: 3.4, 26: 3.6}),
    "neutral": Prototype(),
    CONTEMPT: Prototype({12: 2.6, 14: 4.0}, one_sided=True),
}


@dataclass(frozen=True)
class Style:
    """How one person expresses.

    Attributes
    ----------
    strength : float
        What intensities are multiplied by.
    lean : float
        How much stronger the picture's left side is than both on average; below 0 where the right side is.
    habits : tuple of 18 float
        0 to 1 for each of :data:`~hybridfer.capture.muscles.MUSCLES`: a unit that may go with an expression does where
        this is below its likelihood, most of the time.
    """

    strength: float = 1.0
    lean: float = 0.0
    habits: tuple[float, ...] = (0.5,) * len(MUSCLES)

    @classmethod
    def draw(cls, random: np.random.Generator) -> Style:
        """Return the style of somebody."""
        return cls(
            float(np.clip(random.normal(1, 0.12), 0.75, 1.25)),
            float(np.clip(random.normal(0, 0.05), -0.12, 0.12)),
            tuple(random.random(len(MUSCLES)).tolist()),
        )


def draw_expression(label: str, random: np.random.Generator, style: Style | None = None) -> npt.NDArray[np.float64]:
    """Return what the muscles do when somebody makes a face.

    Parameters
    ----------
    label : str
        One of :data:`PROTOTYPES`, or another word for it.
    random : numpy.random.Generator
        The same state makes the same face.
    style : Style, optional
        Whose; nobody's in particular where left out.

    Returns
    -------
    (18, 2) float64
        Intensities of :data:`~hybridfer.capture.muscles.MUSCLES`, 0 to 5 in hundredths, left and right in the picture.

    Raises
    ------
    DatasetError
        If there is no such expression.

    Examples
    --------
    >>> units = draw_expression("happiness", np.random.default_rng(0))
    >>> [muscle for muscle, strength in zip(MUSCLES, units.mean(axis=1)) if strength > 1]
    [6, 12, 25]
    """
    prototype, style = PROTOTYPES[_known(label)], style or Style()
    # Every number is drawn whether it is wanted or not: what one unit does then hangs on no other.
    side = int(random.random() < 0.5)
    variation = SPREAD * np.clip(random.normal(size=len(MUSCLES)), -2, 2)
    chance = np.where(random.random(len(MUSCLES)) < FAITH, style.habits, random.random(len(MUSCLES)))
    sides = 1 + np.clip(style.lean + random.normal(0, 0.05, len(MUSCLES)), -0.2, 0.2)[:, None] * (1, -1)
    if prototype.one_sided:
        sides[:, side] *= 0.15
    units = np.abs(np.clip(random.normal(0, IDLE, (len(MUSCLES), 2)), -2 * IDLE, 2 * IDLE))
    for row, muscle in enumerate(MUSCLES):
        likely, mean = prototype.variants.get(muscle, (1.0, prototype.core.get(muscle, 0.0)))
        if mean and chance[row] < likely:
            units[row] = (mean + variation[row]) * style.strength * (1 if muscle in WHOLE else sides[row])
        elif muscle in WHOLE:
            units[row] = 0
    return np.round(np.clip(units, 0, 5), 2)


def expression_names(names: str | Sequence[str]) -> list[str]:
    """Return canonical expressions in the canonical order: ``all`` stands for the seven; commas part several.

    Raises
    ------
    DatasetError
        If there is no such expression.

    Examples
    --------
    >>> expression_names("happy,anger"), expression_names("all") == list(EXPRESSIONS)
    (['anger', 'happiness'], True)
    """
    words = names.split(",") if isinstance(names, str) else names
    wanted = [label for word in words for label in (EXPRESSIONS if word.strip() == "all" else [_known(word)])]
    if not wanted:
        raise DatasetError(f"No expression is asked for; name some of {', '.join(PROTOTYPES)}, or all.")
    return class_order(wanted)


def _known(word: str) -> str:
    label = canonical_label(word)
    if label not in PROTOTYPES:
        known = ("all", *PROTOTYPES)
        raise DatasetError(f"No expression named {word!r}.{did_you_mean(word, known)} Known: {', '.join(known)}.")
    return label
