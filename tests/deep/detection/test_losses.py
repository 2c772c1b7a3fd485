"""The three losses are the paper's, equation 1 corrected, and their gradients are those of finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from hybridfer.deep.detection.losses import detection_loss, place_loss


def slow_detection(logits: list[list[float]], faces: list[int], kept: float) -> float:
    """-(y log p + (1 - y) log(1 - p)) of each sample, and the mean of the largest."""
    losses = []
    for (none, face), y in zip(logits, faces, strict=True):
        p = math.exp(face) / (math.exp(none) + math.exp(face))
        losses.append(-(y * math.log(p) + (1 - y) * math.log(1 - p)))
    hardest = sorted(losses, reverse=True)[: max(1, math.floor(kept * len(losses)))]
    return sum(hardest) / len(hardest)


@pytest.mark.parametrize("kept", [0.7, 1.0, 0.01])
def test_detection_is_the_slow_loss(kept: float) -> None:
    torch.manual_seed(0)
    logits, faces = torch.randn(10, 2, dtype=torch.float64) * 3, torch.randint(0, 2, (10,))
    wanted = slow_detection(logits.tolist(), faces.tolist(), kept)
    assert detection_loss(logits, faces, kept).item() == pytest.approx(wanted)


def test_seven_of_ten_are_learnt_from() -> None:
    torch.manual_seed(1)
    logits = torch.randn(10, 2, requires_grad=True)
    detection_loss(logits, torch.zeros(10, dtype=torch.int64)).backward()
    assert logits.grad is not None
    learnt = logits.grad.abs().sum(1) > 0
    assert learnt.sum() == 7
    margin = (logits[:, 1] - logits[:, 0]).detach()
    assert margin[learnt].min() > margin[~learnt].max()  # the three that are no faces most clearly


def test_places_are_the_sum_of_squares() -> None:
    """By hand: rows (1, 2) and (0, 3) from (0, 0) are 5 and 9 away; the row that is not known counts for nothing."""
    places = torch.tensor([[1.0, 2], [0, 3], [100, 100]])
    targets = torch.tensor([[0.0, 0], [0, 0], [math.nan, 0]])
    assert place_loss(places, targets).item() == 7


def test_nothing_to_learn_costs_nothing() -> None:
    logits, places = torch.randn(0, 2, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    loss = detection_loss(logits, torch.zeros(0, dtype=torch.int64)) + place_loss(places, torch.full((3, 4), math.nan))
    assert loss.item() == 0
    loss.backward()
    assert places.grad is not None and not places.grad.any()


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(2)
    logits = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
    faces = torch.randint(0, 2, (9,))
    assert torch.autograd.gradcheck(lambda x: detection_loss(x, faces), logits)
    places = torch.randn(5, 10, dtype=torch.float64, requires_grad=True)
    targets = torch.randn(5, 10, dtype=torch.float64)
    targets[1] = math.nan
    assert torch.autograd.gradcheck(lambda x: place_loss(x, targets), places)
