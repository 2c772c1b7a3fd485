"""The loop itself: epochs of steps, each measured and kept, so that a killed run goes on as if nothing had been."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep.losses import Loss
from hybridfer.deep.targets import resampled_rows
from hybridfer.deep.training.augment import augmented, mixed
from hybridfer.deep.training.data import TrainingData
from hybridfer.deep.training.optimiser import averaged, create_optimiser, reckoning
from hybridfer.deep.training.recipe import Recipe
from hybridfer.deep.training.workplace import load_state, save_state
from hybridfer.errors import TrainingError

STATE = "state.pt"
"""What a run keeps of itself in its workplace after every epoch."""

MEASURED = 256
"""Pictures that are measured at once."""

GLANCE = 1.0
"""Seconds between two looks at how the run is doing."""

_NO_ROOM = ("not enough memory", "can't allocate memory", "out of memory")

Log = list[dict[str, Any]]


class Normalise:
    """What a network sees of pictures: freed of the mean, divided by the deviation of each channel."""

    def __init__(self, data: TrainingData, device: str) -> None:
        self.mean, self.std = (torch.tensor(v, device=device)[:, None, None] for v in (data.mean, data.std))

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return pictures ``(n, c, s, s)``, which are from 0 to 1, as the network sees them."""
        return ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


class Run:
    """A training: all that a step changes, and what it was changed by.

    Parameters
    ----------
    net : nn.Module
        On its device; it is trained in place.
    loss : Loss
    data : TrainingData
    recipe : Recipe
        Settled.
    device : str
    work : Path
        Where what there is after an epoch is kept, and found again.
    tell, watch : callable
        Told a line after every epoch, and how the run is doing every second.

    Attributes
    ----------
    log : list of dict
        A line an epoch.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        data: TrainingData,
        recipe: Recipe,
        device: str,
        work: Path,
        tell: Callable[[str], None],
        watch: Callable[[str], None],
    ) -> None:
        self.net, self.loss, self.data, self.recipe, self.device = net, loss.to(device), data, recipe, device
        self.work, self.tell, self.watch = work, tell, watch
        self.look = Normalise(data, device)
        self.optimiser = create_optimiser(net, recipe)
        self.mean = averaged(net, recipe.ema) if recipe.ema else None
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=recipe.precision == "float16")
        self.log: Log = []
        self.best: dict[str, Tensor] = {}

    @property
    def answering(self) -> nn.Module:
        """The network that is measured and saved: the mean of its weights, where one is kept."""
        module: nn.Module = self.net if self.mean is None else self.mean.module
        return module

    def train(self) -> dict[str, Tensor]:
        """Return the tensors that are to be saved, after the last epoch.

        Raises
        ------
        TrainingError
            If the loss is no number, or memory does not suffice.
        """
        if (self.work / STATE).exists():
            self._restore()
        with self._repeatable():
            while len(self.log) < self.recipe.epochs and not self._tired():
                with self._room():
                    self._epoch(len(self.log))
                self._keep()
        if self.recipe.keep == "best" and self.best:
            return self.best
        return self.answering.state_dict()

    def best_epoch(self) -> int:
        """Return the epoch, from 1, that was best on ``val``; the first of equals."""
        return 1 + int(np.argmax([entry["val_accuracy"] for entry in self.log]))

    def _tired(self) -> bool:
        """Whether ``val`` has not become better for as many epochs as the recipe has patience."""
        patience = self.recipe.patience
        return bool(patience and self.data.val and self.log) and len(self.log) - self.best_epoch() >= patience

    def _epoch(self, epoch: int) -> None:
        """Learn from every picture once, measure, and add a line to the log."""
        recipe, start = self.recipe, time.monotonic()
        random = np.random.default_rng([recipe.seed, epoch])
        dice = torch.Generator(self.device).manual_seed(int(random.integers(2**63)))
        order = self._order(random)
        batch = min(recipe.batch, len(order))
        steps = len(order) // batch
        self.net.train()
        self.loss.train()
        total = torch.zeros(2, device=self.device)
        glanced = start
        # Dropout draws from torch's own generators, which are the user's.
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
            torch.manual_seed(int(random.integers(2**63)))
            for step in range(steps):
                for group in self.optimiser.param_groups:
                    group["lr"] = recipe.rate(epoch + (step + 0.5) / steps)
                total += self._step(order[step * batch : (step + 1) * batch], random, dice)
                now = time.monotonic()
                if now - glanced >= GLANCE:
                    glanced = now
                    loss, right = (total / (step + 1)).tolist()
                    self._check(loss)
                    speed = (step + 1) * batch / (now - start)
                    self._glance(epoch + (step + 1) / steps, len(order), loss, right, speed)
        loss, right = (total / steps).tolist()
        self._check(loss)
        seen = time.monotonic()
        entry = {"epoch": epoch + 1, "loss": round(loss, 6), "accuracy": round(right, 6)}
        if self.data.val is not None:
            scores = scores_of(self.answering, self.data.val.pixels, self.look, self.device, recipe.precision)
            measured = measure(scores, self.data.val.labels)
            entry |= {"val_loss": round(measured["loss"], 6), "val_accuracy": round(measured["accuracy"], 6)}
        entry["lr"] = self.optimiser.param_groups[0]["lr"]
        entry |= {"pictures_per_second": round(steps * batch / (seen - start), 1)}
        entry["seconds"] = round(time.monotonic() - start, 2)
        self.log.append(entry)
        self.tell(epoch_line(entry, recipe.epochs))

    def _order(self, random: np.random.Generator) -> Tensor:
        """Return the rows of an epoch, shuffled."""
        labels = self.data.train.labels.numpy()
        minimal = self.recipe.resample == "minimal"
        rows = resampled_rows(labels, random) if minimal else random.permutation(len(labels))
        return torch.from_numpy(rows)

    def _step(self, rows: Tensor, random: np.random.Generator, dice: torch.Generator) -> Tensor:
        """Learn from some pictures; return the loss and the share of right answers, (2,)."""
        pixels, targets = (t[rows].to(self.device) for t in (self.data.train.pixels, self.data.train.targets))
        pictures = augmented(pixels.float().div(255), self.recipe, dice)
        wanted = targets if targets.ndim == 1 else targets.argmax(1)
        if self.recipe.mixup:
            pictures, targets = mixed(pictures, targets, len(self.data.classes), self.recipe.mixup, random)
        with reckoning(self.device, self.recipe.precision):
            outputs = self.net(self.look(pictures))
        loss = self.loss(outputs, targets, pictures)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        if self.recipe.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.mean is not None:
            self.mean.update_parameters(self.net)
        logits = outputs if isinstance(outputs, Tensor) else outputs.logits
        return torch.stack([loss.detach(), (logits.argmax(1) == wanted).float().mean()])

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"Epoch {len(self.log) + 1} came to a loss that is no number; try a smaller --lr than "
                f"{self.recipe.lr:g}, a longer --warmup, or --precision float32."
            )

    def _glance(self, done: float, shown: int, loss: float, right: float, speed: float) -> None:
        left = (self.recipe.epochs - done) * shown / speed
        self.watch(
            f"epoch {math.ceil(done)} of {self.recipe.epochs}, loss {loss:.4f}, {right:.1%} right, "
            f"{speed:,.0f} pictures/s, {duration(left)} left"
        )

    def _keep(self) -> None:
        if self.recipe.keep == "best" and self.data.val is not None and self.best_epoch() == len(self.log):
            self.best = {name: tensor.clone() for name, tensor in self.answering.state_dict().items()}
        save_state(self.work / STATE, self._state() | {"log": self.log, "best": self.best})

    def _state(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def _parts(self) -> dict[str, Any]:
        parts = {"net": self.net, "loss": self.loss, "optimiser": self.optimiser, "scaler": self.scaler}
        return parts if self.mean is None else parts | {"mean": self.mean}

    def _restore(self) -> None:
        state = load_state(self.work / STATE, self.device)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.log, self.best = state["log"], state["best"]
        self.tell(f"continued after epoch {len(self.log)} of {self.recipe.epochs}")

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Say which batch to try where memory does not suffice."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _NO_ROOM):
                raise
            batch = self.recipe.batch
            half = f"--batch {batch // 2}, or " if batch >= 4 else ""
            raise TrainingError(
                f"Memory does not suffice for {batch} pictures at once on {self.device}; try {half}a smaller --size or "
                "--width."
            ) from None

    @contextmanager
    def _repeatable(self) -> Iterator[None]:
        """Have a GPU give the same bits every time, but where a network enlarges maps: there it adds in any order."""
        if self.device == "cpu":
            yield
            return
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True):
            yield


@torch.inference_mode()
def scores_of(
    net: nn.Module, pixels: Tensor, look: Normalise, device: str, precision: str = "float32", mirror: bool = False
) -> Tensor:
    """Return the scores ``(n, K) float32``, before any softmax, that a network gives pictures ``(n, c, s, s) uint8``.

    With `mirror` they are of the pictures' mirror images.
    """
    training = net.training
    net.eval()
    parts = []
    for part in torch.split(pixels, MEASURED):
        pictures = part.to(device).float().div(255)
        with reckoning(device, precision):
            parts.append(net(look(pictures.flip(3) if mirror else pictures)).float().cpu())
    net.train(training)
    return torch.cat(parts)


def measure(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Return what scores, or logarithms of probabilities, ``(n, K)`` are worth: ``accuracy, loss`` and so on.

    The loss is the mean cross-entropy, whatever was descended in training, so that runs can be compared.
    """
    from hybridfer.evaluation import metrics

    predicted = scores.argmax(1)
    confusion = metrics.confusion_matrix(labels.numpy(), predicted.numpy(), scores.shape[1])
    worth = {name: float(getattr(metrics, name)(confusion)) for name in ("accuracy", "balanced_accuracy", "macro_f1")}
    return {"n": len(labels), **worth, "loss": float(F.cross_entropy(scores, labels))}


def epoch_line(entry: dict[str, Any], epochs: int) -> str:
    """Return a line of the log in words."""
    val = f", val {entry['val_accuracy']:.2%} right (loss {entry['val_loss']:.4f})" if "val_loss" in entry else ""
    return (
        f"epoch {entry['epoch']} of {epochs}: loss {entry['loss']:.4f}, {entry['accuracy']:.2%} right{val}, "
        f"{entry['pictures_per_second']:,.0f} pictures/s ({duration(entry['seconds'])})"
    )


def duration(seconds: float) -> str:
    """Return a span of time in words.

    Examples
    --------
    >>> duration(8.2), duration(95), duration(5000)
    ('8 s', '1 min 35 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
