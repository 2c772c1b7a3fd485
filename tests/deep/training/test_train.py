"""A network learns, is killed, goes on to the same weights and is saved as what predict and evaluate take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deep.training.toys import broken, halves, item, manifest
from safetensors.torch import load_file
from torch import nn

from hybridfer.deep.checkpoints import load_network
from hybridfer.deep.training import loop
from hybridfer.deep.training.loop import duration, measure
from hybridfer.deep.training.train import train_network
from hybridfer.errors import DeviceError, OutputError, PictureError, SpecError, TrainingError, WeightsError
from hybridfer.types import Manifest

FILES = {"model.safetensors", "card.json", "README.md", "log.jsonl", "curves.png"}

TINY: dict[str, Any] = {"size": 16, "width": 0.125, "epochs": 2, "batch": 16, "jobs": 1, "lr": 0.05}


def train(output: Path, net: str = "resnet18", data: Manifest | Path | None = None, **options: Any) -> dict[str, Any]:
    return train_network(net, data or halves(), output, **{**TINY, **options})


class Killed(Exception):
    """What a killed run is here."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have a run die at its n-th step, counted anew for every run."""
    real = loop.Run._step

    def arm(number: int) -> None:
        steps = 0

        def step(self: loop.Run, *given: Any) -> torch.Tensor:
            nonlocal steps
            steps += 1
            if steps == number:
                raise Killed
            return real(self, *given)

        monkeypatch.setattr(loop.Run, "_step", step)

    return arm


def without_times(log: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (log / "log.jsonl").read_text("utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "pictures_per_second")} for line in lines]


def test_a_model_folder_says_what_it_is_and_is_worth_what_it_says(tmp_path: Path) -> None:
    """Whoever loads the folder and shows it the pictures as the card says comes to the accuracy on the card."""
    told: list[str] = []
    data = halves()
    card = train(tmp_path / "m", data=data, tell=told.append)
    assert {file.name for file in (tmp_path / "m").iterdir()} == FILES
    assert [file.name for file in tmp_path.iterdir()] == ["m"]  # nothing of the work is left
    assert card["kind"] == "network" and card["network"] == "resnet18" and card["detector"] == "mtcnn"
    assert card["options"] == {"channels": 1, "input_size": 16, "width": 0.125}
    assert card["labels"] == ["anger", "happiness", "surprise", "neutral"]
    assert card["training"]["rows"] == 40 and card["training"]["recipe"]["lr"] == 0.05
    assert card["training"]["epoch"] == card["training"]["epochs"] == 2
    net, found = load_network(str(tmp_path / "m"))
    shown = [known for known in data.items if known.split == "val"]
    grey = torch.tensor(np.stack([known.source.read().pixels[None, ..., 0] for known in shown])) / 255
    with torch.inference_mode():
        scores = net((grey - found.mean[0]) / found.std[0])
    right = [card["labels"][k] == known.label for k, known in zip(scores.argmax(1), shown, strict=True)]
    worth = card["measured"]["val"]
    assert worth["n"] == 20 and worth["accuracy"] == pytest.approx(np.mean(right))
    codes = torch.tensor([card["labels"].index(known.label) for known in shown])
    assert worth["loss"] == pytest.approx(float(nn.functional.cross_entropy(scores, codes)), rel=1e-4)
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    assert {t.dtype for t in tensors.values() if t.ndim > 1} == {torch.float16}
    assert "Fingerprint" in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert sum(line.startswith("epoch ") for line in told) == 2 and "40 pictures of 4 classes" in told[0]
    full = train(tmp_path / "full", data=data, half=False)
    assert {t.dtype for t in load_file(tmp_path / "full" / "model.safetensors").values()} == {
        torch.float32,
        torch.int64,
    }
    assert full["sha256"] != card["sha256"]


@pytest.mark.parametrize(
    ("net", "options"),
    [
        ("resnet18", {"epochs": 3, "mixup": 0.4, "noise": 0.1, "class_weights": "balanced", "keep": "best"}),
        pytest.param(
            "alexnet-emotion",
            {"loss": "improved-island", "optimiser": "radam", "resample": "minimal"},
            marks=pytest.mark.slow,
        ),
        pytest.param("vgg13", {"schedule": "one-cycle", "ema": 0, "precision": "float32"}, marks=pytest.mark.slow),
        pytest.param("rmrn18", {"optimiser": "adamw", "lr": 0.001}, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_weights(
    net: str, options: dict[str, Any], tmp_path: Path, kill_at: Callable[[int], None]
) -> None:
    """Dropout, centres, the running mean and the optimiser's memory are as if nothing had been."""
    before = torch.get_rng_state()
    whole = train(tmp_path / "whole", net, **options)
    kill_at(4)  # two steps an epoch
    for attempt in range(9):
        try:
            card = train(tmp_path / "cut", net, resume=attempt > 0, **options)
            break
        except Killed:
            assert not (tmp_path / "cut").exists()
    assert attempt >= 1 and card["sha256"] == whole["sha256"]
    assert without_times(tmp_path / "cut") == without_times(tmp_path / "whole")
    assert card["training"] == whole["training"]
    assert torch.equal(torch.get_rng_state(), before)  # the user's dice are where they were


@pytest.mark.slow
def test_what_a_dead_run_left_is_continued_as_it_was_begun_or_not_at_all(
    tmp_path: Path, kill_at: Callable[[int], None]
) -> None:
    kill_at(4)
    with pytest.raises(Killed):
        train(tmp_path / "m")
    with pytest.raises(OutputError, match="--resume to continue it"):
        train(tmp_path / "m")
    for other in ({"epochs": 3}, {"data": halves(44)}, {"seed": 1}, {"net": "arm"}, {"width": 0.25}):
        with pytest.raises(OutputError, match="other data, options"):
            train(tmp_path / "m", resume=True, **other)
    kill_at(99)
    train(tmp_path / "m", resume=True)
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        train(tmp_path / "m")


@pytest.mark.slow
def test_the_seed_decides(tmp_path: Path) -> None:
    first, again, other = (train(tmp_path / str(i), epochs=1, seed=seed) for i, seed in enumerate((0, 0, 1)))
    assert first["sha256"] == again["sha256"] != other["sha256"]


@pytest.mark.slow
def test_every_switch_of_the_training_changes_what_is_learnt(tmp_path: Path) -> None:
    uneven = manifest([known for i, known in enumerate(halves(60, 8).items) if i % 12])
    switches: list[dict[str, Any]] = [
        {}, {"loss": "focal"}, {"optimiser": "adamw", "lr": 0.001}, {"weight_decay": 0.1}, {"clip": 1e-3}, {"ema": 0},
        {"class_weights": "balanced"}, {"resample": "minimal"}, {"mixup": 1}, {"schedule": "constant"}, {"warmup": 0},
        {"precision": "float32"}, {"batch": 8},
    ]  # fmt: skip
    found = [train(tmp_path / str(i), data=uneven, epochs=1, **{"size": 16, **each}) for i, each in enumerate(switches)]
    assert len({card["sha256"] for card in found}) == len(switches)


@pytest.mark.slow
def test_the_best_epoch_is_kept_and_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of five epochs is made to look best; the third and the fourth are no better."""
    seen = iter([0.25, 0.75, 0.5, 0.75])
    real = loop.measure

    def told(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        return {**real(scores, labels), "accuracy": next(seen)}

    monkeypatch.setattr(loop, "measure", told)
    card = train(tmp_path / "best", epochs=5, patience=2, keep="best", schedule="constant")
    assert (card["training"]["epochs"], card["training"]["epoch"]) == (4, 2)
    monkeypatch.setattr(loop, "measure", real)
    two, four = (train(tmp_path / str(n), epochs=n, schedule="constant", warmup=0.5) for n in (2, 4))
    assert card["sha256"] == two["sha256"] != four["sha256"]


@pytest.mark.slow
def test_what_only_training_uses_is_not_saved(tmp_path: Path) -> None:
    card = train(tmp_path / "m", "rmrn18", epochs=1, size=32)
    assert card["options"]["auxiliary"] is False and card["training"]["recipe"]["loss"] == "rmrn:smoothing=0.1"
    names = load_file(tmp_path / "m" / "model.safetensors").keys()
    assert not any(name.startswith(("margins", "decoder")) for name in names)
    net, _ = load_network(str(tmp_path / "m"))
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 4)


@pytest.mark.slow
def test_weights_to_begin_with_give_the_tensors_that_fit(tmp_path: Path) -> None:
    train(tmp_path / "first")
    told: list[str] = []
    card = train(
        tmp_path / "arm", "arm", epochs=1, weights=str(tmp_path / "first"), tell=told.append, lr=1e-9, warmup=0, ema=0
    )
    assert card["training"]["begun_with"] == "first"
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "arm"))
    # Of 122 tensors ARM has other shapes in the last stage, which it wants 256 maps wide, and in the last layer.
    other = [name for name in first if name in second and first[name].shape != second[name].shape]
    assert all(name.startswith(("layer4", "fc")) for name in other)
    fit = len(first.keys() & second.keys()) - len(other)
    assert f"begins with {fit} of 122 tensors of {tmp_path / 'first'}" in told[0]
    torch.testing.assert_close(second["layer1.0.conv1.weight"], first["layer1.0.conv1.weight"])
    with pytest.raises(TrainingError, match="No kernel of the weights"):
        train(tmp_path / "x", width=0.25, weights=str(tmp_path / "first"))
    with pytest.raises(WeightsError, match="No weights named 'nobody'"):
        train(tmp_path / "x", weights="nobody")
    assert not list(tmp_path.glob("x*"))


@pytest.mark.slow
def test_a_broken_picture_among_the_data_is_left_out(tmp_path: Path) -> None:
    data = manifest([*halves().items, broken("anger")])
    assert train(tmp_path / "m", data=data, epochs=1)["training"]["left_out"] == {"error": 1}
    with pytest.raises(PictureError, match=r"broken-anger.png"):
        train(tmp_path / "x", data=data, strict=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), "try --batch 8, or a smaller --size"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "for 16 pictures at once on cpu",
        ),
        (MemoryError(), "Memory does not suffice for 16 pictures"),
    ],
)
def test_out_of_memory_says_which_batch_to_try(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: loop.Run, *given: Any) -> torch.Tensor:
        raise error

    monkeypatch.setattr(loop.Run, "_step", full)
    with pytest.raises(TrainingError) as raised:
        train(tmp_path / "m")
    assert said in str(raised.value) and not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path, kill_at: Callable[[int], None]) -> None:
    with pytest.raises(
        TrainingError, match=r"Epoch 1 came to a loss that is no number; try a smaller --lr than 1e\+30"
    ):
        train(tmp_path / "m", lr=1e30, clip=0, warmup=0, precision="float32")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"net": "resnet81"}, SpecError, "Did you mean 'resnet18'"),
        ({"loss": "island"}, TrainingError, "feeds on a network's features"),
        ({"loss": "fical"}, SpecError, "Did you mean 'focal'"),
        ({"options": {"affinity": "none"}}, SpecError, "resnet18 has no option 'affinity'"),
        ({"options": {"width": 2}}, SpecError, "width=2 is no switch of resnet18; say --width 2 instead"),
        ({"net": "arm", "options": {"affinity": "nun"}}, SpecError, "Did you mean 'none'"),
        ({"net": "arm", "size": 50}, SpecError, "input_size=50 is out of range"),
        ({"device": "cuda:7"}, DeviceError, "cuda:7"),
        ({"precision": "float16"}, TrainingError, "float16 is for GPUs"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(
    options: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as raised:
        train(tmp_path / "m", **options)
    assert said in str(raised.value) and not list(tmp_path.iterdir())


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "card.json").write_text('{"kind": "svm"}')
    with pytest.raises(OutputError, match="has no card of a network"):
        train(tmp_path / "m", overwrite=True)


@pytest.mark.slow
def test_switches_of_the_network_reach_it(tmp_path: Path) -> None:
    card = train(tmp_path / "m", "arm", epochs=1, options={"affinity": "none", "de_albino": False})
    assert card["options"] == {"channels": 1, "input_size": 16, "width": 0.125, "affinity": "none", "de_albino": False}
    assert "arm.affinity" not in load_file(tmp_path / "m" / "model.safetensors")


@pytest.mark.slow
def test_without_val_nothing_is_measured(tmp_path: Path) -> None:
    card = train(tmp_path / "m", data=halves(40, 0), val=0, keep="best", patience=1)
    assert card["measured"] == {} and card["training"]["epoch"] == 2
    assert "Not measured" in (tmp_path / "m" / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_fewer_pictures_than_a_batch_are_one_batch(tmp_path: Path) -> None:
    card = train(
        tmp_path / "m", data=manifest([item("anger", 1), item("neutral", 2), item("anger", 3)]), val=0, epochs=1
    )
    assert card["training"]["rows"] == 3


@pytest.mark.slow
def test_how_the_run_is_doing_is_shown_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "GLANCE", 0)
    seen: list[str] = []
    train(tmp_path / "m", watch=seen.append)
    assert (
        len(seen) == 4 and seen[0].startswith("epoch 1 of 2, loss ") and "pictures/s" in seen[0] and " left" in seen[0]
    )
    assert seen[-1].endswith(" 0 s left")


def test_scores_are_measured_as_by_hand() -> None:
    """Three right of four; recall 1, 1 and 1/2; F1 of 2/3, 1 and 2/3."""
    scores = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [2, 0, 0]])
    worth = measure(scores, torch.tensor([0, 1, 2, 2]))
    assert worth["n"] == 4 and worth["accuracy"] == 0.75
    assert worth["balanced_accuracy"] == pytest.approx(2.5 / 3) and worth["macro_f1"] == pytest.approx(7 / 9)
    right = np.log(np.exp(2) + 2) - 2
    assert worth["loss"] == pytest.approx((3 * right + right + 2) / 4)


def test_durations_are_said_in_words() -> None:
    assert [duration(s) for s in (0.4, 59.6, 3599, 86400)] == ["0 s", "1 min 0 s", "59 min 59 s", "24 h 0 min"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a CUDA GPU")
@pytest.mark.parametrize("precision", ["float32", "float16", "auto"])
def test_a_gpu_learns_the_same_twice_and_nearly_what_the_processor_learns(precision: str, tmp_path: Path) -> None:
    first, again = (train(tmp_path / name, device="cuda", precision=precision) for name in ("first", "again"))
    assert first["sha256"] == again["sha256"]
    train(tmp_path / "cpu", precision="float32")
    # Dice of a GPU fall otherwise, so that pictures are changed otherwise: only the losses are alike.
    losses = [[line["loss"] for line in without_times(tmp_path / name)] for name in ("first", "cpu")]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.3)


@pytest.mark.slow
def test_drawn_faces_are_learnt(tmp_path: Path) -> None:
    """After some seconds a small network tells three expressions of people it has not seen, far above chance."""
    from hybridfer.capture.faces import draw_faces

    table = draw_faces(
        tmp_path / "faces", identities=40, expressions=["happiness", "surprise", "neutral"], size=48, per_expression=2
    )
    little = {"rotate": 5, "shift": 0.04, "scale": 0.05, "cutout": 0, "contrast": 0.1, "brightness": 0.05}
    how = {"size": 32, "epochs": 12, "optimiser": "adamw", "lr": 0.002, "ema": 0.9}
    card = train(tmp_path / "m", data=table, **how, **little)
    log = without_times(tmp_path / "m")
    assert card["measured"]["val"]["n"] == 48 and card["training"]["subjects"] == 24
    assert log[-1]["loss"] < log[0]["loss"] - 0.3
    assert card["measured"]["val"]["accuracy"] > 0.6  # chance is a third
