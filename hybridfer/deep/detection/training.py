"""The improved MTCNN trained, network by network, from pictures whose faces are marked."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridfer import __version__
from hybridfer.datasets.boxes import Annotated, read_annotated
from hybridfer.deep.cascade import CELL, Cascade
from hybridfer.deep.detection.augment import mirrored, relit
from hybridfer.deep.detection.losses import detection_loss, place_loss
from hybridfer.deep.detection.sampling import NEGATIVE, PART, POSITIVE, Look, Samples, collect
from hybridfer.deep.device import choose_device, some_threads
from hybridfer.deep.nets.mtcnn import ONet
from hybridfer.deep.nets.mtcnn_improved import ImprovedPNet, OctaveRNet
from hybridfer.deep.training.workplace import check_plan, load_state, save_state, workplace
from hybridfer.errors import TrainingError
from hybridfer.tables import check_output, discard, json_line, replacing
from hybridfer.types import Pixels

FILES = ("model.safetensors", "card.json", "README.md")
"""What a model's folder holds."""

SIDES = {"pnet": CELL, "rnet": 24, "onet": 48}
"""The networks in the order in which they are trained, and the side of what they see."""

WEIGHTS = {"pnet": (1.0, 0.5, 0.5), "rnet": (1.0, 0.5, 0.5), "onet": (1.0, 0.5, 1.0)}
"""How much face or not, box and points count."""

MIX = {"pnet": (3, 1, 1), "rnet": (3, 1, 1), "onet": (3, 2, 2)}
"""Negatives, positives and parts of a batch; O-Net, which alone places points, sees more of the latter two."""

SCENES = {"pnet": 2, "rnet": 1, "onet": 1}
EPOCHS = {"pnet": 3, "rnet": 2, "onet": 2}
"""From how many times as many scenes a network's samples come, and how many times as often it sees them. P-Net's are
cheap."""

LOOSE = {"pnet": 0.3, "rnet": 0.2}
"""The scores that let a window through to the next network's samples, no higher than when faces are found: what is
doubtful is worth learning."""

SCALE = 0.3
"""Typical scale of the pyramid's levels, which decides how the cascade rounds a cell to a box."""

THRESHOLDS = (0.3, 0.5, 0.9)
"""The least scores that pass when faces are found, as the card says them: of those tried, the best on the people whom
``docs/recipes/mtcnn_improved.py`` holds back as ``val``. Later networks are surer, so that P-Net may be generous."""

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides what is learnt, besides the data.

    Parameters
    ----------
    epochs : int
        How often networks go through as many samples as there are: R-Net and O-Net twice, P-Net three times as often.
    alpha : float
        Share of R-Net's channels at half the resolution.
    batch : int
        Samples that are learnt from at once.
    lr : float
        Learning rate at the beginning; it sinks to 0 along a cosine.
    scenes : int
        Scenes that samples come from; P-Net's come from twice as many.
    min_face : int
        Smallest faces that are looked for in scenes, in pixels.
    seed : int

    Raises
    ------
    TrainingError
        If a value is impossible.
    """

    epochs: int = 4
    alpha: float = 0.25
    batch: int = 256
    lr: float = 1e-3
    scenes: int = 1200
    min_face: int = 14
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "scenes", "min_face"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; expected 1 or more.")
        if not 0 <= self.alpha < 1:
            raise TrainingError(f"alpha is {self.alpha:g}; expected 0 to less than 1, such as 0.25 or 0.5.")
        if not 0 < self.lr < math.inf:
            raise TrainingError(f"The learning rate is {self.lr:g}; expected a number above 0, such as 0.001.")


def train_detector(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    negatives: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    jobs: int = -1,
    tell: Tell = lambda text: None,
    **options: Any,
) -> dict[str, Any]:
    """Train P-Net, R-Net and O-Net one after the other, save them as a model folder, and return its card.

    After every epoch all is kept in ``OUTPUT.parts``, the losses too, as JSON lines; `resume` goes on from there and
    comes to the same weights as a run that was never interrupted. The folder is removed in the end.

    Parameters
    ----------
    data : path
        What :func:`~hybridfer.datasets.boxes.read_annotated` reads. Where it has splits only ``train`` is used.
    output : path
        The folder: ``model.safetensors`` (``pnet.*``, ``rnet.*``, ``onet.*``), ``card.json`` and ``README.md``.
    negatives : path, optional
        A folder of pictures in which there is no face.
    resume, overwrite : bool
        Continue what was killed; replace `output` if it exists.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    jobs : int
        Threads to work with; -1 for one a core.
    tell : callable
        Given a line of talk now and then.
    **options
        Those of :class:`Recipe`: ``epochs``, ``alpha`` and so on.

    Raises
    ------
    DatasetError, PictureError, TrainingError, OutputError, DeviceError
    """
    recipe = Recipe(**options)
    device = choose_device(device)
    target = check_output(output, overwrite, FILES)
    pictures = _pictures(data, negatives)
    with workplace(target, resume, overwrite) as work, some_threads(jobs):
        check_plan(work, _plan(pictures, recipe))
        nets = create_networks(recipe)
        for position, (name, net) in enumerate(nets.items()):
            net.to(device)
            finished = work / f"{name}.pt"
            if not finished.exists() or not load_state(finished)["finished"]:
                samples = _samples(work, pictures, nets, name, position, recipe, device, tell)
                _train(net, samples, name, position, recipe, work, tell)
            net.load_state_dict(load_state(finished)["net"])
            net.eval()
        card = _write(target, overwrite, nets, recipe, data, pictures, work)
    discard(work, target)
    return card


def create_networks(recipe: Recipe) -> dict[str, nn.Module]:
    """Return the three untrained networks by name; their first weights hang on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return {"pnet": ImprovedPNet(), "rnet": OctaveRNet(recipe.alpha), "onet": ONet()}


def _pictures(data: str | os.PathLike[str], negatives: str | os.PathLike[str] | None) -> list[Annotated]:
    from hybridfer.datasets.inputs import read_inputs

    pictures = read_annotated(data)
    if any(picture.split for picture in pictures):
        pictures = [picture for picture in pictures if picture.split == "train"]
        if not pictures:
            raise TrainingError(f"{data} has splits, but no picture of the split train; expected some to learn from.")
    if not any(len(picture.boxes) > picture.ignored.sum() for picture in pictures):
        raise TrainingError(f"{data} has no face to learn from; expected pictures with boxes round their faces.")
    if negatives is not None:
        none = np.empty((0, 4)), np.empty(0, np.bool_), np.empty((0, 5, 2))
        items = read_inputs([str(negatives)], labels="none").items
        pictures += [Annotated(item.input, item.source, *none) for item in items]
    return pictures


def _plan(pictures: Sequence[Annotated], recipe: Recipe) -> dict[str, Any]:
    """Return what a run that is continued must have in common with the one that was killed."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.input.encode("utf-8", "surrogateescape"))
        for values in (picture.boxes, picture.ignored, picture.points):
            digest.update(values.tobytes())
    return {"hybridfer": __version__, "data": digest.hexdigest(), **asdict(recipe)}


def _samples(
    work: Path,
    pictures: Sequence[Annotated],
    nets: dict[str, nn.Module],
    name: str,
    position: int,
    recipe: Recipe,
    device: str,
    tell: Tell,
) -> Samples:
    """Return a network's samples, as a killed run left them or new ones."""
    file = work / f"{name}.npz"
    if not file.exists():
        start = time.monotonic()
        random = np.random.default_rng([recipe.seed, position])
        look = None if name == "pnet" else _look(nets, name, recipe.min_face, device)
        samples = collect(pictures, SIDES[name], SCENES[name] * recipe.scenes, random, look)
        with replacing(file, overwrite=False) as beside, beside.open("wb") as stream:
            np.savez(stream, **vars(samples))
        counts = ", ".join(
            f"{(samples.kinds == kind).sum():,} {word}"
            for kind, word in ((NEGATIVE, "without a face"), (POSITIVE, "with one"), (PART, "with a part"))
        )
        tell(f"{name}: windows {counts} ({time.monotonic() - start:.0f} s)")
    with np.load(file, allow_pickle=False) as stored:
        return Samples(**stored)


def _look(nets: dict[str, nn.Module], name: str, min_face: int, device: str) -> Look:
    thresholds = (LOOSE["pnet"], LOOSE["rnet"], THRESHOLDS[2])
    cascade = Cascade(nets["pnet"], nets["rnet"], nets["onet"], device, thresholds)

    def look(pixels: Pixels) -> np.ndarray[Any, np.dtype[np.float64]]:
        squares, _ = cascade.propose(pixels, min_face)
        return squares if name == "rnet" else cascade.refine(pixels, squares)[0]

    return look


def _train(net: nn.Module, samples: Samples, name: str, position: int, recipe: Recipe, work: Path, tell: Tell) -> None:
    """Train one network, from the last epoch that a killed run finished on."""
    file = work / f"{name}.pt"
    device = next(net.parameters()).device
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.lr, weight_decay=1e-4)
    log: list[dict[str, Any]] = []
    if file.exists():
        state = load_state(file)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        log = state["log"]
    epochs, steps = EPOCHS[name] * recipe.epochs, max(1, len(samples) // recipe.batch)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for epoch in range(len(log), epochs):
        start = time.monotonic()
        net.train()
        random = np.random.default_rng([recipe.seed, position, epoch])
        drawn = torch.Generator().manual_seed(int(random.integers(2**63)))
        # Dropout draws from torch's own generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.integers(2**63)))
            total = np.zeros(4)
            for step in range(steps):
                along = (epoch * steps + step) / (epochs * steps)
                for group in optimiser.param_groups:
                    group["lr"] = recipe.lr * (1 + math.cos(math.pi * along)) / 2
                losses = _losses(net, samples, name, recipe.batch, random, drawn, device)
                loss = losses @ losses.new_tensor(WEIGHTS[name])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += [loss.item(), *losses.tolist()]
        means = (total / steps).tolist()
        if not all(map(math.isfinite, means)):
            raise TrainingError(f"{name} came to a loss that is no number; try a smaller --lr than {recipe.lr:g}.")
        seconds = time.monotonic() - start
        entry = dict(zip(("loss", "detection", "box", "points"), means, strict=True))
        log.append({"network": name, "epoch": epoch + 1, **entry, "seconds": round(seconds, 1)})
        state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "log": log}
        save_state(file, {**state, "finished": epoch + 1 == epochs})
        with replacing(work / f"{name}.jsonl", overwrite=True) as beside:
            beside.write_text("".join(json_line(line) + "\n" for line in log), "utf-8")
        tell(f"{name}: epoch {epoch + 1} of {epochs}, loss {means[0]:.4f} ({seconds:.0f} s)")


def _losses(
    net: nn.Module,
    samples: Samples,
    name: str,
    batch: int,
    random: np.random.Generator,
    drawn: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Return the three losses ``(3,)`` of a batch drawn from the samples."""
    rows = draw_batch(samples.kinds, MIX[name], batch, random)
    pixels = torch.from_numpy(samples.pixels[rows]).to(device).permute(0, 3, 1, 2).float()
    kinds, boxes, points = (
        torch.from_numpy(values[rows]).to(device) for values in (samples.kinds, samples.boxes, samples.points)
    )
    which = (torch.rand(len(rows), generator=drawn) < 0.5).to(device)
    pixels, boxes, points = mirrored(pixels, boxes, points, which)
    pixels = ((relit(pixels, drawn) - 127.5) / 128).contiguous(memory_format=torch.channels_last)
    logits, offsets, *placed = net.cells(pixels) if isinstance(net, ImprovedPNet) else net(pixels)
    logits, offsets = logits.flatten(1), offsets.flatten(1)
    told = kinds != PART
    parts = [
        detection_loss(logits[told], (kinds[told] == POSITIVE).long()),
        place_loss(offsets, box_targets(boxes, name)),
        place_loss(placed[0], points) if placed else logits.new_zeros(()),
    ]
    return torch.stack(parts)


def draw_batch(
    kinds: np.ndarray[Any, np.dtype[np.uint8]], mix: Sequence[int], batch: int, random: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return rows of a batch, negatives, positives and parts as in `mix`; what there is none of is left out."""
    rows = []
    for kind, share in zip((NEGATIVE, POSITIVE, PART), mix, strict=True):
        members = np.flatnonzero(kinds == kind)
        if len(members):
            rows.append(random.choice(members, max(1, round(batch * share / sum(mix)))))
    return np.concatenate(rows)


def box_targets(boxes: Tensor, name: str) -> Tensor:
    """Return the offsets of corners that a network should give, for boxes in shares of the window.

    They are told in sides of the box that the cascade makes of a window. That is the window itself but for P-Net: of a
    cell of 12 pixels in a level of scale s it takes those from 1 to 12, so that it is 11 wide and begins 1 - s late.
    """
    corners = boxes.new_tensor([0, 0, 1, 1])
    if name != "pnet":
        return boxes - corners
    late = boxes.new_tensor([1 - SCALE, 1 - SCALE, 0, 0])
    return ((boxes - corners) * CELL - late) / (CELL - 1)


def _write(
    target: Path,
    overwrite: bool,
    nets: dict[str, nn.Module],
    recipe: Recipe,
    data: str | os.PathLike[str],
    pictures: Sequence[Annotated],
    work: Path,
) -> dict[str, Any]:
    """Write the model folder and return its card."""
    from safetensors.torch import save

    # Half precision is enough, and half the size: scores move by less than a thousandth.
    state = {
        f"{name}.{key}": value.detach().cpu().half().contiguous()
        for name, net in nets.items()
        for key, value in net.state_dict().items()
    }
    content = save(state)
    log = [line for name in nets for line in load_state(work / f"{name}.pt")["log"]]
    faces = [int((~picture.ignored).sum()) for picture in pictures]
    card = {
        "schema": 1,
        "hybridfer": __version__,
        "name": "mtcnn-improved",
        "network": "mtcnn-improved",
        "alpha": recipe.alpha,
        "thresholds": list(THRESHOLDS),
        "data": {
            "name": Path(data).name,
            "pictures": len(pictures),
            "without_face": faces.count(0),
            "faces": sum(faces),
            "with_points": sum(int(np.isfinite(p.points[~p.ignored]).all((1, 2)).sum()) for p in pictures),
        },
        "recipe": asdict(recipe),
        "log": log,
        "classes": None,
        "labels": None,
        "size": SIDES["onet"],
        # Networks see (x - 127.5) / 128 of a pixel's 0 to 255; here it is 0 to 1.
        "mean": [0.5] * 3,
        "std": [128 / 255] * 3,
        "licence": "that of the data; none is granted here",
        "origin": f"hybridfer train mtcnn-improved {Path(data).name}",
        "tensors": len(state),
        "sha256": hashlib.sha256(content).hexdigest(),
        "torch": torch.__version__,
    }
    with replacing(target, overwrite, FILES) as beside:
        beside.mkdir()
        (beside / "model.safetensors").write_bytes(content)
        (beside / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (beside / "README.md").write_text(_readme(card), "utf-8")
    return card


def _readme(card: dict[str, Any]) -> str:
    """Return the card as text for people."""
    data = card["data"]
    last = {entry["network"]: entry for entry in card["log"]}
    lines = [
        "# mtcnn-improved",
        "",
        "P-Net with fused scales and factorised kernels, R-Net with Octave Convolutions (Wang et al. 2022), and O-Net, "
        f"trained with hybridfer {card['hybridfer']} by `hybridfer train mtcnn-improved`.",
        "",
        f"- data: {data['name']}, {data['pictures']:,} pictures with {data['faces']:,} faces "
        f"({data['with_points']:,} of them with points), {data['without_face']:,} pictures without",
        f"- licence: {card['licence']}",
        "- recipe: " + ", ".join(f"{key} {value}" for key, value in card["recipe"].items()),
        "- losses in the last epoch: " + ", ".join(f"{name} {entry['loss']:.4f}" for name, entry in last.items()),
        f"- SHA-256 of model.safetensors: {card['sha256']}",
        "",
        "Use it with `--detector mtcnn-improved:weights=FOLDER`, where FOLDER is this one.",
        "",
    ]
    return "\n".join(lines)
