"""The three networks of MTCNN, with facenet-pytorch's names for every parameter."""

from __future__ import annotations

from torch import Tensor, nn


class PNet(nn.Module):
    """Looks for faces of 12 pixels at every second pixel of a picture of any size.

    The released weights have no head for landmarks, although the paper's figure has one; neither has this network.
    No layer pads, so a cell of the map depends on its own 12×12 pixels alone. Pooling rounds sizes up, as Caffe does.
    6,632 parameters.

    References
    ----------
    K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
    Networks", IEEE Signal Processing Letters 23(10), 2016, doi 10.1109/LSP.2016.2603342.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps of logits ``(n, 2, h, w)``, no face and face, and of corner offsets ``(n, 4, h, w)``.

        Parameters
        ----------
        x : (n, 3, H, W) float32
            RGB in -1 to 1. ``h`` is ``ceil((H - 2) / 2) - 4``, and ``w`` likewise.
        """
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x), self.conv4_2(x)


class RNet(nn.Module):
    """Tells faces among windows of 24×24 pixels and moves their corners: 100,178 parameters. See :class:`PNet`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(n, 2)`` and corner offsets ``(n, 4)`` of windows ``(n, 3, 24, 24) float32`` in -1 to 1."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(flatten_columns(x)))
        return self.dense5_1(x), self.dense5_2(x)


class ONet(nn.Module):
    """Tells faces among windows of 48×48 pixels and places five points in them: 389,040 parameters. See :class:`PNet`.

    The points are image-left eye, image-right eye, nose, image-left and image-right corner of the mouth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.drop5 = nn.Dropout(0.25)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits ``(n, 2)``, corner offsets ``(n, 4)`` and points ``(n, 10)``, five x and then five y.

        Parameters
        ----------
        x : (n, 3, 48, 48) float32
            RGB in -1 to 1.
        """
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.drop5(self.dense5(flatten_columns(x))))
        return self.dense6_1(x), self.dense6_2(x), self.dense6_3(x)


def flatten_columns(x: Tensor) -> Tensor:
    """Return maps ``(n, C, H, W)`` as vectors column by column: the released weights were trained width-major."""
    return x.permute(0, 3, 2, 1).flatten(1)
