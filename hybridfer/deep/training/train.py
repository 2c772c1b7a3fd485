"""``train_network``: a network and a data set become a model folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hybridfer import __version__
from hybridfer.deep.checkpoints import build_network, plan_network, read_options, read_tensors
from hybridfer.deep.device import choose_device, some_threads
from hybridfer.deep.losses import Loss, create_loss
from hybridfer.deep.targets import balanced_weights
from hybridfer.deep.training.card import log_files, make_record, readme
from hybridfer.deep.training.data import TrainingData, read_training_data
from hybridfer.deep.training.loop import Normalise, Run, measure, scores_of
from hybridfer.deep.training.optimiser import choose_precision
from hybridfer.deep.training.recipe import Recipe
from hybridfer.deep.training.workplace import check_plan, workplace
from hybridfer.deep.weights import FILES, find_weights, read_record, write_weights
from hybridfer.errors import SpecError, TrainingError
from hybridfer.spec import format_value
from hybridfer.tables import check_card, check_output, discard
from hybridfer.types import Manifest

LOSS = "cross-entropy:smoothing=0.1"
"""What is descended where neither the recipe nor the network says."""

SIZE = 48
"""Side of the pictures that a network sees where nobody says otherwise: FER2013's."""


def train_network(
    net: str,
    data: str | os.PathLike[str] | Manifest,
    output: str | os.PathLike[str],
    *,
    size: int = SIZE,
    width: float = 1,
    channels: int | None = None,
    options: Mapping[str, Any] | None = None,
    weights: str | None = None,
    labels: str = "auto",
    dataset: str | None = None,
    label_set: str | None = None,
    detector: str | None = None,
    votes: str | None = None,
    val: float | None = None,
    strict: bool = False,
    half: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    jobs: int = -1,
    tell: Callable[[str], None] = lambda text: None,
    watch: Callable[[str], None] = lambda text: None,
    **recipe: Any,
) -> dict[str, Any]:
    """Train a network on a data set's faces, save it as a model folder, and return its card.

    After every epoch all is kept in ``OUTPUT.parts``; `resume` goes on from there and comes to the same losses and
    weights as a run that was never interrupted. The folder is removed in the end. ``test`` is never opened.

    Parameters
    ----------
    net : str
        A name of :data:`~hybridfer.deep.NETWORKS`.
    data : path or Manifest
        See :func:`~hybridfer.deep.training.data.read_training_data`, also for `channels`, `labels`, `dataset`,
        `label_set`, `detector`, `votes`, `val` and `strict`.
    output : path
        The folder: ``model.safetensors``, ``card.json``, ``README.md``, ``log.jsonl`` and ``curves.png``.
    size, width : int, float
        Side of the pictures that the network sees, and the factor of its numbers of channels.
    options : mapping, optional
        More keywords of the network's factory, such as ``{"affinity": "none"}``.
    weights : str, optional
        A name or folder of weights to begin with: the tensors whose names and shapes fit.
    half : bool
        Whether matrices and kernels are saved in half precision; what the card says is measured with those.
    resume, overwrite : bool
        Continue what was killed; replace `output` if it exists.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    jobs : int
        Threads to work with; -1 for one a core.
    tell, watch : callable
        Told a line now and then, and in one line how the run is doing, about every second.
    **recipe
        Fields of :class:`~hybridfer.deep.training.recipe.Recipe`: ``epochs``, ``loss`` and so on.

    Raises
    ------
    SpecError
        If there is no such network or loss, or it has no such option.
    DatasetError, PictureError, TrainingError
        If the data cannot be learnt from, the recipe is impossible, or training fails.
    WeightsError
        If `weights` cannot be read.
    DeviceError
        If the device is not there.
    OutputError
        If `output` exists, or is being written by another run, or was begun otherwise.

    Examples
    --------
    >>> card = train_network("arm", "fer2013.csv", "arm.model", width=0.5, epochs=40)     # doctest: +SKIP
    >>> card["measured"]["val"]["accuracy"]                                               # doctest: +SKIP
    0.68
    """
    asked = Recipe(**recipe)
    device = choose_device(device)
    made = {"input_size": size, "width": width, **_switches(net, options or {})}
    planned = plan_network(net, **made)
    settled = asked.settled(
        loss=getattr(planned, "loss", LOSS),
        normalised=any(isinstance(module, _BatchNorm) for module in planned.modules()),
        precision=choose_precision(asked.precision, device),
    )
    create_loss(str(settled.loss))
    first = None if weights is None else find_weights(weights)
    target = check_output(output, overwrite, FILES)
    check_card(target, "kind", "network", "a network")
    with workplace(target, resume, overwrite) as work, some_threads(jobs):
        found = read_training_data(
            data,
            size=size,
            channels=channels,
            labels=labels,
            dataset=dataset,
            label_set=label_set,
            detector=detector,
            votes=votes,
            val=val,
            strict=strict,
            seed=settled.seed,
            jobs=jobs,
            device=device,
            watch=watch,
        )
        for note in (*found.about["labels"], *found.notes):
            tell(f"note: {note}")
        made = {"channels": found.train.pixels.shape[1], **made}
        plan = {"hybridfer": __version__, "network": net, **made, "data": found.digest(), **asdict(settled)}
        check_plan(work, {**plan, "weights": None if first is None else first[1].sha256})
        begun = _create(net, found, made, settled.seed)
        if first is not None:
            tell(_begin_with(begun, read_tensors(first[0]), str(weights)))
        begun.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        tell(_opening(net, begun, found, settled, device))
        run = Run(begun, _loss(settled, found), found, settled, device, work, tell, watch)
        state = run.train()
        used = {**made, **getattr(begun, "deployed", {})}
        saved, worth = _finished(net, found, used, state, half, device)
        record = make_record(
            net,
            used,
            found,
            settled,
            log=run.log,
            epoch=run.best_epoch() if run.best else len(run.log),
            begun_with=weights and os.path.basename(os.path.normpath(weights)),
            measured=worth,
            notes=found.notes,
        )
        write_weights(target, saved, record, readme, extra=log_files(net, run.log), overwrite=overwrite, half=half)
    discard(work, target)
    return read_record(str(target))


def _switches(net: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a network that only it has, as its factory's keywords."""
    for key, name in (("input_size", "size"), ("width", "width"), ("channels", "channels")):
        if key in options:
            raise SpecError(f"{key}={options[key]} is no switch of {net}; say --{name} {options[key]} instead.")
    return read_options(net, {key: format_value(value) for key, value in options.items()})


def _create(net: str, data: TrainingData, options: Mapping[str, Any], seed: int) -> nn.Module:
    """Return an untrained network; its first weights hang on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(net, len(data.classes), **options)


def _loss(recipe: Recipe, data: TrainingData) -> Loss:
    weights = None
    if recipe.class_weights == "balanced":
        targets = data.train.targets
        shares = targets if targets.ndim == 2 else torch.nn.functional.one_hot(targets, len(data.classes))
        weights = balanced_weights(shares.sum(0).numpy())
    return create_loss(str(recipe.loss), weights)


def _begin_with(net: nn.Module, state: Mapping[str, Tensor], name: str) -> str:
    """Give a network the tensors that fit it; return how many do, in words."""
    own = net.state_dict()
    fit = {key: tensor for key, tensor in state.items() if key in own and tensor.shape == own[key].shape}
    if not any(tensor.ndim > 1 for tensor in fit.values()):
        raise TrainingError(
            f"No kernel of the weights {name!r} fits this network, by name and shape; give weights of the same "
            "backbone and --width, or leave --weights out."
        )
    net.load_state_dict(fit, strict=False)
    return f"begins with {len(fit)} of {len(state)} tensors of {name}; {len(own) - len(fit)} begin anew"


def _opening(net: str, made: nn.Module, data: TrainingData, recipe: Recipe, device: str) -> str:
    numbers = sum(p.numel() for p in made.parameters())
    val = "none" if data.val is None else f"{len(data.val):,}"
    return (
        f"{net} of {numbers:,} parameters on {device} in {recipe.precision}: {len(data.train):,} pictures of "
        f"{len(data.classes)} classes to learn from, {val} to measure on; {recipe.optimiser}, "
        f"learning rate {recipe.lr:g}, {recipe.loss}"
    )


def _finished(
    net: str, data: TrainingData, options: Mapping[str, Any], state: Mapping[str, Tensor], half: bool, device: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors that a network in use has, and what they are worth, measured in single precision."""
    made = _create(net, data, options, 0)
    saved = {name: _rounded(state[name], half) for name in made.state_dict()}
    made.load_state_dict(saved)
    made.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if data.val is None:
        return saved, {}
    look = Normalise(data, device)
    plain, mirrored = (scores_of(made, data.val.pixels, look, device, mirror=mirror) for mirror in (False, True))
    both = (plain.softmax(1) + mirrored.softmax(1)).clamp(min=torch.finfo(torch.float32).tiny) / 2
    worth = measure(plain, data.val.labels) | {"mirrored": measure(both.log(), data.val.labels)}
    return saved, {"val": worth}


def _rounded(tensor: Tensor, half: bool) -> Tensor:
    """Return a tensor as it is read again from where :func:`~hybridfer.deep.weights.write_weights` puts it."""
    tensor = tensor.detach().cpu()
    if not half or tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    rounded = tensor.half().to(tensor.dtype)
    return rounded if torch.isfinite(rounded).all() else tensor
