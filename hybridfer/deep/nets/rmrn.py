"""The Residual Masking Reconstruction Network: in training its masks are told what they should have kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep.nets.base import Answer, check_choice
from hybridfer.deep.nets.resnet import stage_sizes
from hybridfer.deep.nets.rmn import RMN, MaskAct
from hybridfer.errors import SpecError

RecFrom = Literal["features", "mask", "none"]


def rmrn34(
    *,
    classes: int = 7,
    channels: int = 3,
    input_size: int = 224,
    width: float = 1,
    mask_act: MaskAct = "softmax",
    rec_from: RecFrom = "features",
    auxiliary: bool = True,
) -> RMRN:
    """Return an untrained Residual Masking Reconstruction Network on ResNet-34.

    Parameters
    ----------
    classes : int
        Values of the last layer; with 7 the network of 137,796,423 parameters is trained with 1,579,503 more.
    channels, input_size, width, mask_act
        See :func:`~hybridfer.deep.nets.rmn.rmn34`.
    rec_from : {"features", "mask", "none"}
        What training rebuilds pictures from: the last refined maps, or the pictures as the masks let them through.
    auxiliary : bool
        Whether there is what only training uses; without it the tensors that are left are those that scores depend on.

    Returns
    -------
    RMRN
        Takes ``(n, channels, input_size, input_size) float32``. In evaluation it returns ``(n, classes) float32``, in
        training an :class:`~hybridfer.deep.nets.base.Answer` with `margins` and `reconstruction`.

    Raises
    ------
    SpecError
        If a parameter is out of range, or contradicts another.
    """
    return RMRN(
        (3, 4, 6, 3),
        classes=classes,
        channels=channels,
        input_size=input_size,
        width=width,
        mask_act=mask_act,
        rec_from=rec_from,
        auxiliary=auxiliary,
    )


def rmrn18(
    *,
    classes: int = 7,
    channels: int = 3,
    input_size: int = 224,
    width: float = 1,
    mask_act: MaskAct = "softmax",
    rec_from: RecFrom = "features",
    auxiliary: bool = True,
) -> RMRN:
    """Return an untrained Residual Masking Reconstruction Network on ResNet-18; see :func:`rmrn34`."""
    return RMRN(
        (2, 2, 2, 2),
        classes=classes,
        channels=channels,
        input_size=input_size,
        width=width,
        mask_act=mask_act,
        rec_from=rec_from,
        auxiliary=auxiliary,
    )


class RMRN(RMN):
    """A Residual Masking Network whose stages are each asked for the class, and whose last maps for the picture.

    The paper prints neither sizes nor weights. Here four heads, each a linear layer that reads the mean over a stage's
    refined maps, give the scores of the margin loss; a decoder of bilinear doublings and 3×3 convolutions rebuilds the
    picture from the last refined maps, at 224 pixels with 1,572,755 parameters. In evaluation nothing of this is
    computed.

    The text rebuilds it from a "mask image". With `rec_from` ``mask`` that is the picture times the sum of the stages'
    masks, each averaged over its channels and enlarged, and one convolution brings it to the picture's scale. A softmax
    mask averages to the same everywhere, so that this wants sigmoid ones.

    Parameters
    ----------
    depths : sequence of int
        Blocks of each of the four stages.
    classes, channels, input_size, width, mask_act, rec_from, auxiliary
        See :func:`rmrn34`.

    Raises
    ------
    SpecError
        If a parameter is out of range, or contradicts another.

    References
    ----------
    J. Shen, H. Li, "Facial Expression Recognition Method Based on Residual Masking Reconstruction Network", Journal of
    Information Processing Systems 19(3), 323-333, 2023.
    """

    deployed: ClassVar[Mapping[str, Any]] = {"auxiliary": False}
    """How it is made to be used: without what only training uses."""

    loss: ClassVar[str] = "rmrn:smoothing=0.1"
    """What it is trained by where nobody says otherwise."""

    def __init__(
        self,
        depths: Sequence[int],
        *,
        classes: int,
        channels: int,
        input_size: int,
        width: float,
        mask_act: MaskAct,
        rec_from: RecFrom,
        auxiliary: bool,
    ) -> None:
        check_choice("rec_from", rec_from, get_args(RecFrom))
        if rec_from == "mask" and mask_act != "sigmoid":
            raise SpecError(
                f"rec_from=mask and mask_act={mask_act} leave nothing to rebuild pictures from: the mean of a softmax "
                "mask is the same everywhere; add mask_act=sigmoid, or rebuild from features."
            )
        super().__init__(
            depths, classes=classes, channels=channels, input_size=input_size, width=width, mask_act=mask_act
        )
        self.rec_from = rec_from
        self.auxiliary = auxiliary
        if not auxiliary:
            return
        scores = self.fc
        del self.fc
        self.margins = nn.ModuleList(nn.Linear(c, classes) for c in self.widths)
        if rec_from == "features":
            doublings = (input_size // stage_sizes(input_size)[-1]).bit_length() - 1
            self.decoder = _decoder(self.widths[-1], channels, doublings)
        elif rec_from == "mask":
            self.decoder = _decoder(channels, channels, 0)
        self.fc = scores  # last again: the last linear layer of a network tells the classes apart

    def forward(self, pictures: Tensor) -> Tensor | Answer:  # type: ignore[override]  # an Answer is for training
        """Return ``(n, classes)`` scores of pictures ``(n, channels, H, W)``, in training with what losses want."""
        maps, masks = self.refined(pictures)
        scores = self.scores(maps[-1])
        if not (self.training and self.auxiliary):
            return scores
        margins = tuple(head(x.mean((2, 3))) for head, x in zip(self.margins, maps, strict=True))
        rebuilt = None
        if self.rec_from == "features":
            rebuilt = self.decoder(maps[-1])
        elif self.rec_from == "mask":
            rebuilt = self.decoder(pictures * _let_through(masks, pictures.shape[2:]))
        return Answer(scores, margins=margins, reconstruction=rebuilt)


def _decoder(inputs: int, channels: int, doublings: int) -> nn.Sequential:
    """Return what makes of maps pictures of 0 to 1 that are `doublings` times doubled."""
    layers: list[nn.Module] = []
    for _ in range(doublings):
        outputs = max(8, inputs // 2)
        layers += [
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, channels, 3, padding=1), nn.Sigmoid())


def _let_through(masks: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Return how much of each pixel the stages' masks let through, ``(n, 1, H, W)``."""
    means = [F.interpolate(mask.mean(1, keepdim=True), size=list(size), mode="bilinear") for mask in masks]
    return torch.stack(means).sum(0)
