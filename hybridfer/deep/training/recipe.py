"""All that decides what a network learns besides the data, with what it is where nobody says otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hybridfer.errors import TrainingError, did_you_mean

OPTIMISERS: Mapping[str, tuple[float, float]] = {"sgd": (0.1, 5e-4), "adamw": (1e-3, 0.05), "radam": (1e-3, 1e-3)}
"""By name: the learning rate and the weight decay."""

SCHEDULES = ("cosine", "step", "one-cycle", "constant")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
CLASS_WEIGHTS = ("none", "balanced")
RESAMPLES = ("none", "minimal")
KEEPS = ("last", "best")

WARMUP = 2.0
"""Epochs in which the learning rate rises, where that is no more than a tenth of all."""

RISE = 0.3
"""Share of all epochs in which it rises in ``one-cycle``."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        How often it sees all pictures, or with `resample` as many as that leaves.
    batch : int
        Pictures that are learnt from at once.
    loss : str, optional
        A spec of :data:`~hybridfer.deep.LOSSES`; where not given, the one that the network names as its ``loss``, or
        the cross-entropy, both smoothed by 0.1.
    optimiser : str, optional
        ``sgd`` (Nesterov's momentum of 0.9), ``adamw`` or ``radam``; where not given, ``sgd`` for networks with batch
        normalisation and ``adamw`` for others, which hardly move by steps of one length for all. In three epochs of
        FER2013, AlexNet-Emotion at a quarter of its width came to 40.7 % of ``val`` by ``adamw`` at 0.001 and to
        33.8 % at 0.0003; by ``sgd`` at 0.01 it named the commonest class alone, 25.3 %.
    lr, weight_decay : float, optional
        The highest learning rate, and how much weights shrink by it; where not given, those of :data:`OPTIMISERS`.
        Biases, and all else that is one number a channel, do not shrink.
    schedule : str
        ``cosine``: to 0 along half a wave; ``step``: to a tenth after half and after three quarters of the epochs;
        ``one-cycle``: as cosine, but it rises for three tenths of the epochs; ``constant``.
    warmup : float, optional
        Epochs in which the rate rises from 0; where not given 2, or a tenth of all epochs where that is less.
    clip : float
        The greatest length of a gradient, which is made shorter if it is longer; 0 for any.
    class_weights : {"none", "balanced"}
        Whether rare classes count more.
    resample : {"none", "minimal"}
        Whether an epoch shows every picture, or of every class as many as the rarest has, others in every epoch.
    ema : float
        How much of itself the running mean of the weights keeps at every step; it is what is measured and saved. Early
        on it keeps less. 0 for the weights as they are.
    flip : float
        Share of pictures that are mirrored.
    rotate : float
        The greatest angle they are turned by, in degrees.
    shift : float
        The furthest they are moved, as a share of the side.
    scale : float
        By up to which factor they are made larger or smaller, as its logarithm.
    brightness, contrast : float
        How much is added at most, where a picture is from 0 to 1, and the logarithm of the largest factor.
    noise : float
        Deviation of what is added to every pixel.
    cutout : float
        Share of pictures a square of which is painted over.
    mixup : float
        Alpha of the beta distribution by which pictures and targets are mixed with another's; 0 for none.
    precision : str
        ``float32``, ``bfloat16`` or ``float16``; ``auto``: bfloat16 where the device reckons in it, else on a GPU
        float16, else float32.
    patience : int
        Training ends after so many epochs in which ``val`` got no better; 0: never early.
    keep : {"last", "best"}
        Whether the last epoch is saved, or the one that was best on ``val``.
    seed : int

    Raises
    ------
    TrainingError
        If a value is impossible.
    """

    epochs: int = 60
    batch: int = 128
    loss: str | None = None
    optimiser: str | None = None
    lr: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    warmup: float | None = None
    clip: float = 5.0
    class_weights: str = "none"
    resample: str = "none"
    ema: float = 0.999
    flip: float = 0.5
    rotate: float = 15.0
    shift: float = 0.1
    scale: float = 0.12
    brightness: float = 0.15
    contrast: float = 0.3
    noise: float = 0.0
    cutout: float = 0.5
    mixup: float = 0.0
    precision: str = "auto"
    patience: int = 0
    keep: str = "last"
    seed: int = 0

    def __post_init__(self) -> None:
        self._require("epochs", self.epochs >= 1, "1 or more")
        self._require("batch", self.batch >= 2, "2 or more: networks compare a picture with the others of its batch")
        for name in ("lr", "clip", "weight_decay", "brightness", "contrast", "noise", "mixup", "scale"):
            value = getattr(self, name)
            self._require(name, value is None or 0 <= value < math.inf, "0 or more")
        self._require("lr", self.lr != 0, "more than 0, such as 0.001")
        for name in ("flip", "cutout", "shift"):
            self._require(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        self._require("rotate", 0 <= self.rotate <= 180, "0 to 180 degrees")
        self._require("ema", 0 <= self.ema < 1, "0 to less than 1, such as 0.999")
        within = self.warmup is None or 0 <= self.warmup < self.epochs
        self._require("warmup", within, f"0 or more epochs, and less than all {self.epochs}")
        self._require("patience", self.patience >= 0, "0 or more epochs")
        self._require("seed", self.seed >= 0, "0 or more")
        for name, known in (
            ("optimiser", tuple(OPTIMISERS)),
            ("schedule", SCHEDULES),
            ("class_weights", CLASS_WEIGHTS),
            ("resample", RESAMPLES),
            ("precision", PRECISIONS),
            ("keep", KEEPS),
        ):
            value = getattr(self, name)
            if value is not None and value not in known:
                hint = did_you_mean(value, known)
                raise TrainingError(f"{_words(name)} is {value!r}.{hint} Known: {', '.join(known)}.")

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise TrainingError(f"{_words(name)} is {getattr(self, name)}; expected {expected}.")

    def settled(self, loss: str, normalised: bool, precision: str) -> Recipe:
        """Return the recipe with everything said that it leaves to the network and the device.

        Parameters
        ----------
        loss : str
            The network's own.
        normalised : bool
            Whether it has batch normalisation.
        precision : str
            The device's own.
        """
        optimiser = self.optimiser or ("sgd" if normalised else "adamw")
        lr, decay = OPTIMISERS[optimiser]
        rise = RISE * self.epochs if self.schedule == "one-cycle" else min(WARMUP, self.epochs / 10)
        return replace(
            self,
            loss=self.loss or loss,
            optimiser=optimiser,
            lr=lr if self.lr is None else self.lr,
            weight_decay=decay if self.weight_decay is None else self.weight_decay,
            warmup=rise if self.warmup is None else self.warmup,
            precision=precision,
        )

    def rate(self, done: float) -> float:
        """Return the learning rate of a settled recipe when so many epochs are done.

        Examples
        --------
        >>> recipe = Recipe(epochs=10, lr=0.1, warmup=2)
        >>> recipe.rate(1), recipe.rate(2), round(recipe.rate(6), 6), recipe.rate(10)
        (0.05, 0.1, 0.05, 0.0)
        """
        highest, warmup = self.lr or 0.0, self.warmup or 0.0
        if done < warmup:
            return highest * done / warmup
        along = (done - warmup) / (self.epochs - warmup)
        if self.schedule == "constant":
            return highest
        if self.schedule == "step":
            return highest * 0.1 ** ((done >= self.epochs / 2) + (done >= self.epochs * 3 / 4))
        return highest * (1 + math.cos(math.pi * along)) / 2


def _words(name: str) -> str:
    return {"lr": "The learning rate"}.get(name, name.replace("_", " "))
