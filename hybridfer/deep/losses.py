"""What a network's answers cost: the losses of expression networks, each named by a spec such as ``focal:gamma=2``.

All are made by :func:`create_loss` and called alike: ``loss(outputs, targets, pictures)`` is one number to descend.

- `outputs`: what the network gave. Scores ``(n, K)`` before any softmax will do for ``cross-entropy``, ``focal`` and
  ``kl``. In training ``centre``, ``island`` and ``improved-island`` want an :class:`~hybridfer.deep.nets.base.Answer`
  with `features`, ``rmrn`` one with `margins` and `reconstruction`.
- `targets`: classes ``(n,)`` counted from 0, or shares ``(n, K)`` that add to 1: FER+'s votes, or classes mixed by
  mixup. A picture of several classes costs what each of them costs, by its share.
- `pictures`: what the network saw, as values from 0 to 1 before normalising; only ``rmrn`` looks at them.

A loss is a module: ``loss.train()`` lets the centres of classes follow the features, ``loss.eval()`` holds them, and
what the outputs then lack costs nothing. The centres are part of its ``state_dict``, and loading one needs no batch
first. Costs are taken in single precision at least, also under autocast.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep import LOSSES
from hybridfer.deep.nets.base import Answer
from hybridfer.deep.targets import class_shares
from hybridfer.errors import SpecError, TrainingError
from hybridfer.spec import FeatureSpec, format_value, parse_options, parse_spec

SHORTEST = 1e-8
"""Length below which a centre has no direction."""

RADIUS_MOMENTUM = 0.1
"""How much a batch moves the running percentile; as batch norm's running statistics."""


class PerClass(tuple[float, ...]):
    """One number for all classes, or one for each; read from and printed as ``0.25`` or ``1/0.5/2``."""

    def __new__(cls, given: float | str | Iterable[float]) -> Self:
        parts = given.split("/") if isinstance(given, str) else given if isinstance(given, Iterable) else (given,)
        return super().__new__(cls, map(float, parts))

    def __str__(self) -> str:
        return "/".join(map(format_value, self))


def create_loss(text: str, class_weights: Iterable[float] | None = None) -> Loss:
    """Return the loss that ``name[:key=value,…]`` names.

    Parameters
    ----------
    text : str
        A name of :data:`~hybridfer.deep.LOSSES`, with its options if any.
    class_weights : (K,) iterable of float, optional
        How much each class counts, such as :func:`~hybridfer.deep.targets.balanced_weights`; all alike by default.

    Raises
    ------
    SpecError
        If there is no such loss, it has no such option, or a value is out of range.

    Examples
    --------
    >>> loss = create_loss("focal:gamma=0,alpha=1")
    >>> float(loss(torch.zeros(1, 4), torch.tensor([2])))  # ln 4
    1.3862943649291992
    """
    spec = parse_spec(text)
    if spec.layer is not None or spec.inner is not None:
        raise SpecError(f"{text!r} is no loss; expected a name with its options, such as focal:gamma=2.")
    kind = LOSSES.load(spec.name)
    options = parse_options(kind, spec, without=("class_weights",))
    made: Loss = kind(**options, class_weights=PerClass(1 if class_weights is None else class_weights))
    return made


@dataclass(eq=False, kw_only=True)
class Loss(nn.Module):
    """Base of all losses: what a picture's classes cost, in the mean over pictures.

    With class weights w and shares t the mean is ``sum(w t cost) / sum(w t)``. For classes that is the mean of torch's
    cross-entropy; for shares torch divides by their number.

    Parameters
    ----------
    smoothing : float
        Share of every target, from 0 to less than 1, that is spread evenly over the classes.
    class_weights : PerClass
        How much each class counts.
    """

    name: ClassVar[str]
    smoothing: float = 0.0
    class_weights: PerClass = field(default=PerClass(1))
    _weights: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__init__()
        self.require(0 <= self.smoothing < 1, "smoothing", "0 to less than 1, such as 0.1")
        self._keep("_weights", "class_weights")

    def forward(self, outputs: Tensor | Answer, targets: Tensor, pictures: Tensor | None = None) -> Tensor:
        """Return the loss ``()`` of a batch, as the module's docstring describes it.

        Raises
        ------
        TrainingError
            If targets or pictures do not fit the outputs, or the outputs lack what the loss feeds on.
        """
        return torch.stack(list(self.terms(outputs, targets, pictures).values())).sum()

    def terms(self, outputs: Tensor | Answer, targets: Tensor, pictures: Tensor | None = None) -> dict[str, Tensor]:
        """Return the parts, by name, that add to the loss of a batch; parameters and errors are those of a call."""
        logits = _full(outputs if isinstance(outputs, Tensor) else outputs.logits)
        classes = logits.shape[1]
        shares = class_shares(targets, classes).to(logits)
        if len(shares) != len(logits):
            raise TrainingError(f"There are {len(shares)} targets for {len(logits)} pictures; expected one of each.")
        if len(self._weights) not in (1, classes):
            raise TrainingError(f"{len(self._weights)} class weights for {classes} classes; expected one for each.")
        with torch.autocast(logits.device.type, enabled=False):
            smooth = shares * (1 - self.smoothing) + self.smoothing / classes
            total = (self._weights * shares).sum().clamp(min=torch.finfo(logits.dtype).tiny)
            classified = (self._weights * smooth * self.costs(logits, smooth)).sum() / total
            return {"classes": classified, **self.extra(outputs, logits, shares, pictures)}

    def costs(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return what it costs ``(n, K)`` to have scored a picture so, were it wholly of each class."""
        return -F.log_softmax(logits, 1)

    def extra(
        self, outputs: Tensor | Answer, logits: Tensor, shares: Tensor, pictures: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the parts of the loss besides classification, by name."""
        return {}

    @property
    def spec(self) -> str:
        """The canonical text: every option spelt out, keys sorted."""
        options = (f.name for f in fields(self) if f.init and f.name != "class_weights")
        return str(FeatureSpec(self.name, None, {key: format_value(getattr(self, key)) for key in options}))

    def require(self, good: bool, parameter: str, expected: str) -> None:
        """Raise :class:`SpecError` unless `good`: the value of `parameter` and what was expected of it."""
        if not good:
            value = format_value(getattr(self, parameter))
            raise SpecError(f"{self.name}:{parameter}={value} is out of range; expected {expected}.")

    def _keep(self, name: str, parameter: str) -> None:
        """Keep one number a class where the loss works; they come from options, so they are no state."""
        numbers = PerClass(getattr(self, parameter))
        setattr(self, parameter, numbers)
        good = all(0 <= number < math.inf for number in numbers) and max(numbers, default=0) > 0
        self.require(good, parameter, "numbers of 0 or more, not all 0")
        self.register_buffer(name, torch.tensor(numbers), persistent=False)

    def _part(self, outputs: Tensor | Answer, name: str) -> Any:
        """Return a part of a network's outputs; None where it is missing and may be."""
        found = None if isinstance(outputs, Tensor) else getattr(outputs, name)
        if found is not None and len(found):
            return found
        if self.training:
            raise TrainingError(
                f"The loss {self.name} feeds on a network's {name}, and this one gives none in training; choose a "
                "network that does, or another loss, such as cross-entropy."
            )
        return None


@dataclass(eq=False, kw_only=True)
class CrossEntropy(Loss):
    """The cross-entropy of targets and the softmax of scores, with label smoothing.

    With FER+'s votes as targets it is their soft-label cross-entropy (Barsoum et al. 2016,
    doi 10.1145/2993148.2993165).
    """

    name: ClassVar[str] = "cross-entropy"


@dataclass(eq=False, kw_only=True)
class Divergence(Loss):
    """The Kullback-Leibler divergence of the scores' softmax from the targets.

    It is the cross-entropy less what the targets themselves leave open, so that a perfect answer costs 0 also where
    votes disagree; its gradient is that of the cross-entropy.
    """

    name: ClassVar[str] = "kl"

    def costs(self, logits: Tensor, shares: Tensor) -> Tensor:
        return shares.clamp(min=torch.finfo(shares.dtype).tiny).log() - F.log_softmax(logits, 1)


@dataclass(eq=False, kw_only=True)
class Focal(Loss):
    """Cross-entropy that fades where the answer is right: ``-alpha (1 - p)^gamma log p``.

    A single alpha only scales the loss; one for each class weighs them. Unlike class weights, alpha is no part of what
    the mean is divided by.

    Parameters
    ----------
    gamma : float
        How fast it fades; 0 is cross-entropy.
    alpha : PerClass
        One number, or one for each class: ``alpha=0.5/1/1/0.25``.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal Loss for Dense Object Detection", ICCV 2017,
    doi 10.1109/ICCV.2017.324.
    """

    name: ClassVar[str] = "focal"
    gamma: float = 2.0
    alpha: PerClass = field(default=PerClass(0.25))
    _alphas: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 <= self.gamma < math.inf, "gamma", "0 or more, such as 2")
        self._keep("_alphas", "alpha")

    def costs(self, logits: Tensor, shares: Tensor) -> Tensor:
        classes = logits.shape[1]
        if len(self._alphas) not in (1, classes):
            raise TrainingError(f"{len(self._alphas)} alphas for {classes} classes; expected one, or one for each.")
        log_p = F.log_softmax(logits, 1)
        # Where p is 1, a power below 1 would have an endless slope.
        missing = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -self._alphas * missing**self.gamma * log_p


@dataclass(eq=False, kw_only=True)
class Centre(Loss):
    """Cross-entropy, and half the squared distance of features from the centre of their class.

    Centres are no parameters: after each batch in training they move towards its features by ``rate`` times
    ``sum(c - x) / (1 + number)``. A centre is at first the mean of its class in the first batch that has any; until
    then it pulls nothing. Features that are not finite, as in a step that mixed precision skips, move no centre.

    Parameters
    ----------
    weight : float
        Lambda, by which all this counts beside the cross-entropy.
    rate : float
        Alpha of the centres.
    reduction : {"mean", "sum"}
        Whether distances count in the mean over the batch or, as printed, in sum.

    References
    ----------
    Y. Wen, K. Zhang, Z. Li, Y. Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016,
    doi 10.1007/978-3-319-46478-7_31.
    """

    name: ClassVar[str] = "centre"
    weight: float = 0.01
    rate: float = 0.5
    reduction: str = "mean"
    centres: Tensor = field(init=False, repr=False)
    seen: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 <= self.weight < math.inf, "weight", "0 or more, such as 0.01")
        self.require(0 < self.rate <= 1, "rate", "more than 0 and at most 1, such as 0.5")
        self.require(self.reduction in ("mean", "sum"), "reduction", "mean or sum")
        self.register_buffer("centres", torch.zeros(0, 0))
        self.register_buffer("seen", torch.zeros(0, dtype=torch.bool))

    def extra(
        self, outputs: Tensor | Answer, logits: Tensor, shares: Tensor, pictures: Tensor | None
    ) -> dict[str, Tensor]:
        found = self._part(outputs, "features")
        if found is None:
            return {}
        x = _full(found)
        self._fit(shares.shape[1], x)
        sound = x.detach().isfinite().all(1, keepdim=True)
        held = torch.where(sound, x.detach(), 0)
        if self.training:
            self._begin(held, shares * sound)
        squares = (x[:, None] - self.centres).square().sum(2)
        owned = shares * self.seen
        radius = self._radius((owned * squares.detach()).sum(1), sound[:, 0])
        centre = (owned * F.relu(squares - radius)).sum() / 2
        terms = {"centre": self.weight * (centre / len(x) if self.reduction == "mean" else centre), **self._apart()}
        if self.training:
            self._follow(held, owned * sound * (squares.detach() > radius))
        return terms

    def _fit(self, classes: int, x: Tensor) -> None:
        """Have room for a centre of each class."""
        wanted = (classes, x.shape[1])
        if self.centres.numel() == 0:
            self.centres = x.new_zeros(wanted)
            self.seen = x.new_zeros(classes, dtype=torch.bool)
        if self.centres.shape != wanted:
            raise TrainingError(
                f"The loss {self.name} has centres of the shape {tuple(self.centres.shape)}, classes by features, and "
                f"this network's are {wanted}; begin with a new loss."
            )

    @torch.no_grad()
    def _begin(self, x: Tensor, shares: Tensor) -> None:
        """Put the centre of each class that is seen for the first time where its features are."""
        number = shares.sum(0)
        new = (number > 0) & ~self.seen
        means = shares.T @ x / number.clamp(min=torch.finfo(x.dtype).tiny)[:, None]
        self.centres = torch.where(new[:, None], means, self.centres)
        self.seen = self.seen | new

    @torch.no_grad()
    def _follow(self, x: Tensor, active: Tensor) -> None:
        """Move the centres once, by the shares ``(n, K)`` of the features that pull on each."""
        number = active.sum(0)[:, None]
        pull = (number * self.centres - active.T @ x) / (1 + number)
        # Out of place: what the gradient still needs must stay.
        self.centres = self.centres - self.rate * (pull + self._push())

    def _radius(self, squares: Tensor, sound: Tensor) -> Tensor | float:
        """Return the squared distance below which nothing pulls, given a batch's own."""
        return 0.0

    def _apart(self) -> dict[str, Tensor]:
        """Return what it costs that centres are near one another."""
        return {}

    def _push(self) -> Tensor | float:
        """Return the step that sets centres apart."""
        return 0.0

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("centres", "seen"):
            if prefix + name in state_dict:
                setattr(self, name, getattr(self, name).new_empty(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


@dataclass(eq=False, kw_only=True)
class Island(Centre):
    """The centre loss, and the cosines of all pairs of centres, which sets the classes apart.

    The pairs are ordered: each counts twice, so that 7 classes cost 0 to 84 and 42 when orthogonal. Centres stand still
    within a batch, so pairs have no gradient in the network; they act when the centres move, by the rule of the paper:
    ``spread / (K - 1)`` times the gradient of one centre's cosines with the others.

    Parameters
    ----------
    spread : float
        Lambda 1, by which pairs count beside distances.

    References
    ----------
    J. Cai, Z. Meng, A. S. Khan, Z. Li, J. O'Reilly, Y. Tong, "Island Loss for Learning Discriminative Features in
    Facial Expression Recognition", FG 2018, doi 10.1109/FG.2018.00051.
    """

    name: ClassVar[str] = "island"
    spread: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 <= self.spread < math.inf, "spread", "0 or more, such as 10")

    def _apart(self) -> dict[str, Tensor]:
        directions, _ = self._directions()
        pairs = torch.outer(self.seen, self.seen).fill_diagonal_(False)
        return {"island": self.weight * self.spread * ((directions @ directions.T + 1) * pairs).sum()}

    def _push(self) -> Tensor | float:
        directions, lengths = self._directions()
        # A centre's cosine with itself has no gradient, so that the sum over the others is that over all.
        everyone = directions.sum(0)
        across = everyone - (directions @ everyone)[:, None] * directions
        across = across * (lengths > SHORTEST)  # what has no direction cannot be turned
        return self.spread / max(1, len(self.centres) - 1) * across / lengths.clamp(min=SHORTEST)

    def _directions(self) -> tuple[Tensor, Tensor]:
        """Return the centres at length 1, and their lengths ``(K, 1)``; 0 for classes that were not seen."""
        centres = self.centres * self.seen[:, None]
        lengths = centres.norm(dim=1, keepdim=True)
        return centres / lengths.clamp(min=SHORTEST), lengths


@dataclass(eq=False, kw_only=True)
class ImprovedIsland(Island):
    """The island loss with a radius: features nearer to their centre than it are left alone, and do not move it.

    The distance's cost is ``max(d^2 - tau, 0) / 2``. The paper gives no tau; by default it is the median of the squared
    distances, as a running mean over batches.

    Parameters
    ----------
    tau : str
        The squared radius, such as ``4.5``; or ``p`` and a percentile, such as ``p50``, of the squared distances of
        features from their centres in training.

    References
    ----------
    H. Ge, Z. Zhu, Y. Dai, B. Wang, X. Wu, "Facial expression recognition based on deep learning", Computer Methods and
    Programs in Biomedicine 215, 2022, doi 10.1016/j.cmpb.2022.106621. Its equation of the centres has misprints; they
    move by the rule of :class:`Island`, whose loss this is with ``tau=0``.
    """

    name: ClassVar[str] = "improved-island"
    tau: str = "p50"
    radius: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tau = str(self.tau)
        self.running = self.tau.startswith("p")
        try:
            number = float(self.tau.removeprefix("p"))
        except ValueError:
            number = math.nan
        good = 0 <= number <= 100 if self.running else 0 <= number < math.inf
        self.require(good, "tau", "a squared radius of 0 or more, such as 4.5, or a percentile, such as p50")
        self.quantile = number / 100
        self.register_buffer("radius", torch.tensor(math.nan if self.running else number))

    def _radius(self, squares: Tensor, sound: Tensor) -> Tensor | float:
        if self.training and self.running:
            now = torch.where(sound, squares, math.nan).nanquantile(self.quantile)
            moved = torch.lerp(self.radius.to(now), now, RADIUS_MOMENTUM)
            # A first batch has nothing to be averaged with, one without a sound row nothing to say.
            self.radius = torch.where(now.isnan(), self.radius, torch.where(self.radius.isnan(), now, moved))
        return self.radius.nan_to_num()


@dataclass(eq=False, kw_only=True)
class Masking(Loss):
    """The loss of the residual masking network with reconstruction: cross-entropy, margin and reconstruction.

    The margin is :func:`margin_loss` of the auxiliary heads, the reconstruction :func:`reconstruction_loss`; the paper
    does not say how much they count.

    Parameters
    ----------
    margin, rec : float
        How much they count beside the cross-entropy; what counts 0 is not asked of the network.
    margin_from : {"heads", "logits"}
        Whether the margin is taken of the network's ``margins`` or of its answer itself.

    References
    ----------
    J. Shen, H. Li, "Facial Expression Recognition Method Based on Residual Masking Reconstruction Network", Journal of
    Information Processing Systems 19(3), 323-333, 2023.
    """

    name: ClassVar[str] = "rmrn"
    margin: float = 1.0
    rec: float = 0.1
    margin_from: str = "heads"

    def __post_init__(self) -> None:
        super().__post_init__()
        for parameter in ("margin", "rec"):
            self.require(0 <= getattr(self, parameter) < math.inf, parameter, "0 or more, such as 0.1")
        self.require(self.margin_from in ("heads", "logits"), "margin_from", "heads or logits")

    def extra(
        self, outputs: Tensor | Answer, logits: Tensor, shares: Tensor, pictures: Tensor | None
    ) -> dict[str, Tensor]:
        terms = {}
        if self.margin:
            heads = [logits] if self.margin_from == "logits" else self._part(outputs, "margins")
            if heads is not None:
                terms["margin"] = self.margin * margin_loss(heads, shares)
        if self.rec:
            rebuilt = self._part(outputs, "reconstruction")
            if rebuilt is not None:
                terms["rec"] = self.rec * reconstruction_loss(rebuilt, pictures)
        return terms


def margin_loss(heads: Iterable[Tensor], shares: Tensor) -> Tensor:
    """Return the mean binary cross-entropy, class by class, of sigmoid answers and the shares that classes have.

    Parameters
    ----------
    heads : iterable of (n, K) float
        Scores before the sigmoid, of one or more layers.
    shares : (n, K) float
    """
    return torch.stack([F.binary_cross_entropy_with_logits(_full(head), shares) for head in heads]).mean()


def reconstruction_loss(rebuilt: Tensor, pictures: Tensor | None) -> Tensor:
    """Return the mean absolute difference of pictures and what a network rebuilt of them.

    Parameters
    ----------
    rebuilt, pictures : (n, c, h, w) float
        From 0 to 1.

    Raises
    ------
    TrainingError
        If there are no pictures, or they have another shape or whole numbers.
    """
    if pictures is None or pictures.shape != rebuilt.shape or not pictures.is_floating_point():
        found = "none" if pictures is None else f"{pictures.dtype} of shape {tuple(pictures.shape)}"
        raise TrainingError(
            f"The network rebuilt pictures of shape {tuple(rebuilt.shape)}, and those to compare are {found}; expected "
            "what it saw, as floats from 0 to 1."
        )
    return F.l1_loss(_full(rebuilt), _full(pictures))


def _full(x: Tensor) -> Tensor:
    """Return half precision as single."""
    return x if x.dtype == torch.float64 else x.float()
