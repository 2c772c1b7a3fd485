"""Every loss is what plain loops over its formula give, with the slope that finite differences show."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridfer.deep import LOSSES
from hybridfer.deep.losses import Loss, PerClass, create_loss, margin_loss, reconstruction_loss
from hybridfer.deep.nets.base import Answer
from hybridfer.errors import SpecError, TrainingError

CLASSES, WIDTH, ROWS = 4, 5, 9
WEIGHTS = (0.5, 2.0, 1.0, 0.25)
CENTRED = ("centre", "island", "improved-island")


@dataclass
class Batch:
    outputs: Answer
    labels: Tensor
    shares: Tensor
    pictures: Tensor

    def cost(self, loss: Loss, targets: Tensor | None = None) -> Tensor:
        return loss(self.outputs, self.labels if targets is None else targets, self.pictures)


def batch(seed: int = 0, rows: int = ROWS, labels: list[int] | None = None) -> Batch:
    """Chance outputs and targets in float64."""
    dice = torch.Generator().manual_seed(seed)

    def chance(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=dice, dtype=torch.float64)

    outputs = Answer(
        chance(rows, CLASSES) * 2,
        chance(rows, WIDTH) * 3,
        (chance(rows, CLASSES), chance(rows, CLASSES)),
        chance(rows, 1, 3, 3).sigmoid(),
    )
    drawn = torch.randint(CLASSES, (rows,), generator=dice)
    shares = chance(rows, CLASSES).softmax(1)
    shares[0] = torch.eye(CLASSES)[2]  # some classes have no share at all
    return Batch(outputs, drawn if labels is None else torch.tensor(labels), shares, chance(rows, 1, 3, 3).sigmoid())


def one_hot(labels: Tensor) -> np.ndarray:
    return np.eye(CLASSES)[labels.numpy()]


# Plain loops -------------------------------------------------------------------------------------------------------


def slow_costs(name: str, logits: np.ndarray, shares: np.ndarray, gamma: float, alpha: list[float]) -> np.ndarray:
    """The cost of each class of each picture."""
    costs = np.zeros_like(logits)
    for i, row in enumerate(logits):
        total = sum(math.exp(score) for score in row)
        for j, score in enumerate(row):
            p = math.exp(score) / total
            costs[i, j] = -math.log(p)
            if name == "focal":
                costs[i, j] = -alpha[j] * (1 - p) ** gamma * math.log(p)
            if name == "kl" and shares[i, j] > 0:
                costs[i, j] = math.log(shares[i, j]) - math.log(p)
    return costs


def slow_classified(
    name: str,
    logits: np.ndarray,
    shares: np.ndarray,
    weights: tuple[float, ...] = (1,) * CLASSES,
    smoothing: float = 0,
    gamma: float = 2,
    alpha: tuple[float, ...] = (0.25,) * CLASSES,
) -> float:
    smooth = shares * (1 - smoothing) + smoothing / CLASSES
    costs = slow_costs(name, logits, smooth, gamma, alpha)
    above = below = 0.0
    for i in range(len(logits)):
        for j in range(CLASSES):
            above += weights[j] * smooth[i, j] * costs[i, j]
            below += weights[j] * shares[i, j]
    return above / below


def slow_beginnings(
    x: np.ndarray, labels: np.ndarray, centres: np.ndarray, seen: list[int]
) -> tuple[np.ndarray, list[int]]:
    """The centres before a batch: a new class begins at its mean."""
    centres = centres.copy()
    new = sorted(set(labels.tolist()) - set(seen))
    for label in new:
        centres[label] = x[labels == label].mean(0)
    return centres, seen + new


def slow_distance(x: np.ndarray, labels: np.ndarray, centres: np.ndarray, tau: float) -> float:
    total = 0.0
    for i, label in enumerate(labels):
        total += max(sum((x[i, k] - centres[label, k]) ** 2 for k in range(x.shape[1])) - tau, 0)
    return total / 2


def slow_pairs(centres: np.ndarray, seen: list[int]) -> float:
    total = 0.0
    for j in seen:
        for k in seen:
            if k != j:
                total += (
                    centres[k] @ centres[j] / (np.sqrt(centres[k] @ centres[k]) * np.sqrt(centres[j] @ centres[j])) + 1
                )
    return total


def slow_centres(
    x: np.ndarray, labels: np.ndarray, centres: np.ndarray, seen: list[int], tau: float, spread: float, rate: float
) -> np.ndarray:
    """The centres after a batch, by the corrected equation of the paper."""
    moved = centres.copy()
    for j in seen:
        c = centres[j]
        near, number = np.zeros_like(c), 0
        for i, label in enumerate(labels):
            if label == j and (x[i] - c) @ (x[i] - c) > tau:
                near += c - x[i]
                number += 1
        apart = np.zeros_like(c)
        for k in seen:
            if k != j:
                length_k, length_j = np.sqrt(centres[k] @ centres[k]), np.sqrt(c @ c)
                apart += centres[k] / (length_k * length_j) - (centres[k] @ c) * c / (length_k * length_j**3)
        moved[j] = c - rate * (near / (1 + number) + spread / (CLASSES - 1) * apart)
    return moved


# Classification ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", ["cross-entropy", "kl", "focal"])
def test_classification_costs_what_plain_loops_say(name: str, weights: tuple | None, smoothing: float) -> None:
    b = batch()
    loss = create_loss(f"{name}:smoothing={smoothing}", weights)
    for targets, shares in ((b.labels, one_hot(b.labels)), (b.shares, b.shares.numpy())):
        expected = slow_classified(name, b.outputs.logits.numpy(), shares, weights or (1,) * CLASSES, smoothing)
        assert float(loss(b.outputs.logits, targets)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("p", "published"), [(0.9, 2.634e-4), (0.5, 0.04332), (0.1, 0.46627)])
def test_focal_loss_of_one_answer_is_the_published_one(p: float, published: float) -> None:
    logits = torch.tensor([[math.log(p), math.log(1 - p)]])
    assert float(create_loss("focal")(logits, torch.tensor([0]))) == pytest.approx(published, rel=3e-4)
    assert float(create_loss("focal:alpha=1/0")(logits, torch.tensor([0]))) == pytest.approx(4 * published, rel=3e-4)
    assert float(create_loss("focal:alpha=0/1")(logits, torch.tensor([0]))) == 0


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 5])
def test_every_class_has_its_alpha(gamma: float) -> None:
    b = batch(1)
    found = create_loss(f"focal:gamma={gamma},alpha=0.5/2/1/0.25")(b.outputs.logits, b.shares)
    expected = slow_classified("focal", b.outputs.logits.numpy(), b.shares.numpy(), gamma=gamma, alpha=WEIGHTS)
    assert float(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0, 0.2])
@pytest.mark.parametrize("spec", ["cross-entropy:", "focal:gamma=0,alpha=1,"])
def test_for_classes_it_is_torch_s_cross_entropy(spec: str, smoothing: float) -> None:
    b = batch(2)
    found = create_loss(f"{spec}smoothing={smoothing}", WEIGHTS)(b.outputs.logits, b.labels)
    weight = torch.tensor(WEIGHTS, dtype=torch.float64)
    expected = F.cross_entropy(b.outputs.logits, b.labels, weight=weight, label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)


def test_a_perfect_answer_to_split_votes_has_no_divergence_and_the_same_slope() -> None:
    b = batch(3)
    answer = b.shares.clamp(min=1e-30).log()
    assert float(create_loss("kl")(answer, b.shares)) == pytest.approx(0, abs=1e-12)
    logits = b.outputs.logits.requires_grad_()
    kl, entropy = (create_loss(name)(logits, b.shares) for name in ("kl", "cross-entropy"))
    torch.testing.assert_close(kl, F.kl_div(logits.log_softmax(1), b.shares, reduction="batchmean"))
    torch.testing.assert_close(torch.autograd.grad(kl, logits), torch.autograd.grad(entropy, logits))


@pytest.mark.parametrize("smoothing", ["0", "0.1"])
@pytest.mark.parametrize("name", ["cross-entropy", "kl", "focal:gamma=0", "focal:gamma=0.5", "focal", "focal:gamma=5"])
def test_extreme_scores_cost_something_finite_and_have_a_finite_slope(name: str, smoothing: str) -> None:
    loss = create_loss(f"{name}{',' if ':' in name else ':'}smoothing={smoothing}")
    for size in (1e2, 1e4, 1e30):
        for right in (0, 1):
            logits = torch.tensor([[size, -size, 0, 0], [0, 0, 0, 0]]).requires_grad_()
            value = loss(logits, torch.tensor([right, 3]))
            (slope,) = torch.autograd.grad(value, logits)
            assert value.isfinite() and slope.isfinite().all()
            if right == 1 and "gamma=5" not in name:
                assert value > size / 10


def test_classes_that_weigh_nothing_cost_nothing() -> None:
    logits = torch.zeros(2, 3).requires_grad_()
    value = create_loss("cross-entropy", (0, 1, 1))(logits, torch.tensor([0, 0]))
    assert value.item() == 0 and not torch.autograd.grad(value, logits)[0].any()


# Centres -----------------------------------------------------------------------------------------------------------

BATCHES = [batch(10, labels=[0, 0, 1, 1, 1, 0, 0, 1, 1]), batch(11, labels=[2] * 4 + [0] * 5), batch(12)]
"""The first has two of the classes, the second one that is new and one that was there, the third all."""


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    ("spec", "spread", "tau"),
    [
        ("centre", 0, 0),
        ("island:spread=4", 4, 0),
        ("improved-island:spread=4,tau=30", 4, 30),
        ("improved-island:spread=0,tau=45", 0, 45),
        ("improved-island:tau=0", 10, 0),
    ],
)
def test_centres_cost_and_move_as_plain_loops_say(spec: str, spread: float, tau: float, reduction: str) -> None:
    mark = "," if ":" in spec else ":"
    loss = create_loss(f"{spec}{mark}weight=0.5,rate=0.25,reduction={reduction},smoothing=0.1")
    centres, seen = np.zeros((CLASSES, WIDTH)), []
    for b in BATCHES:
        x, labels = b.outputs.features.numpy(), b.labels.numpy()
        centres, seen = slow_beginnings(x, labels, centres, seen)
        distance = slow_distance(x, labels, centres, tau) / (len(x) if reduction == "mean" else 1)
        expected = {
            "classes": slow_classified("cross-entropy", b.outputs.logits.numpy(), one_hot(b.labels), smoothing=0.1),
            "centre": 0.5 * distance,
        }
        if spec != "centre":
            expected["island"] = 0.5 * spread * slow_pairs(centres, seen)
        found = {name: float(term) for name, term in loss.terms(b.outputs, b.labels).items()}
        assert found == pytest.approx(expected, rel=1e-9)
        centres = slow_centres(x, labels, centres, seen, tau, spread, rate=0.25)
        np.testing.assert_allclose(loss.centres, centres, rtol=1e-9, atol=1e-12)
        assert loss.seen.nonzero()[:, 0].tolist() == sorted(seen)
    assert sorted(seen) == [0, 1, 2, 3]


def test_centres_begin_at_the_means_of_their_class() -> None:
    loss = create_loss("centre")
    loss(
        Answer(logits=torch.zeros(3, 2), features=torch.tensor([[1.0, 3], [3, 5], [8, 8]])),
        torch.tensor([0, 0, 1]),
    )
    torch.testing.assert_close(loss.centres, torch.tensor([[2.0, 4], [8, 8]]))


def test_only_what_lies_beyond_the_radius_pulls_and_moves_its_centre() -> None:
    loss = create_loss("improved-island:tau=4,spread=0,weight=1,reduction=sum")
    loss.load_state_dict(
        {"centres": torch.zeros(2, 2), "seen": torch.tensor([True, False]), "radius": torch.tensor(4.0)}
    )
    x = torch.tensor([[1.0, 1], [3, 0]]).requires_grad_()
    outputs = Answer(logits=torch.zeros(2, 2), features=x)
    terms = loss.terms(outputs, torch.tensor([0, 0]))
    assert terms["centre"].item() == 2.5  # (9 - 4) / 2
    assert torch.autograd.grad(terms["centre"], x)[0].tolist() == [[0, 0], [3, 0]]
    assert loss.centres.tolist() == [[0.75, 0], [0, 0]]  # half of (3, 0) / (1 + 1)


@pytest.mark.parametrize(
    ("centres", "pairs"),
    [
        (torch.ones(7, 8), 84),  # 42 ordered pairs, each with a cosine of 1
        (torch.eye(7), 42),
        (torch.tensor([[1.0, 0], [-3, 0]]), 0),
        (torch.tensor([[2.0, 1], [2, 1]]), 4),
        (torch.tensor([[0.0, 0], [2, 1]]), 2),  # what has no direction is as good as orthogonal
    ],
)
def test_pairs_of_centres_cost_what_their_cosines_say(centres: Tensor, pairs: float) -> None:
    loss = create_loss("island:weight=1,spread=1").eval()
    classes, width = centres.shape
    loss.load_state_dict({"centres": centres, "seen": torch.ones(classes, dtype=torch.bool)})
    outputs = Answer(logits=torch.zeros(1, classes), features=torch.zeros(1, width))
    assert float(loss.terms(outputs, torch.tensor([0]))["island"]) == pytest.approx(pairs, abs=1e-5)


def test_a_step_sets_near_centres_apart() -> None:
    loss = create_loss("island:spread=1")
    state = {"centres": torch.tensor([[4.0, 0, 0], [4, 1, 0], [4, 0, 1]]), "seen": torch.ones(3, dtype=torch.bool)}
    loss.load_state_dict(state)
    costs = []
    for _ in range(20):  # features lie on their centres, so that nothing pulls
        outputs = Answer(logits=torch.zeros(3, 3), features=loss.centres)
        costs.append(float(loss.terms(outputs, torch.tensor([0, 1, 2]))["island"]))
    assert all(after < before for before, after in pairwise(costs))


def test_a_centre_without_a_direction_is_not_turned() -> None:
    loss = create_loss("island")
    loss.load_state_dict({"centres": torch.tensor([[0.0, 0], [2, 1]]), "seen": torch.ones(2, dtype=torch.bool)})
    x = torch.zeros(2, 2).requires_grad_()
    loss(Answer(logits=torch.zeros(2, 2), features=x), torch.tensor([0, 0])).backward()
    torch.testing.assert_close(loss.centres, torch.tensor([[0.0, 0], [2, 1]]))
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("percentile", [0, 25, 50, 100])
def test_the_radius_is_a_running_percentile_of_squared_distances(percentile: int) -> None:
    loss = create_loss(f"improved-island:tau=p{percentile}")
    centres, seen, radius = np.zeros((CLASSES, WIDTH)), [], None
    for b in BATCHES:
        x, labels = b.outputs.features.numpy(), b.labels.numpy()
        centres, seen = slow_beginnings(x, labels, centres, seen)
        squares = ((x - centres[labels]) ** 2).sum(1)
        now = np.percentile(squares, percentile)
        radius = now if radius is None else radius + 0.1 * (now - radius)
        found = loss.terms(b.outputs, b.labels)
        assert float(loss.radius) == pytest.approx(radius, rel=1e-6)
        expected = 0.01 * slow_distance(x, labels, centres, radius) / ROWS
        assert float(found["centre"]) == pytest.approx(expected, rel=1e-6, abs=1e-12)
        centres = slow_centres(x, labels, centres, seen, radius, spread=10, rate=0.5)


def test_features_that_overflow_spoil_the_step_and_not_the_centres() -> None:
    loss = create_loss("improved-island")
    b = BATCHES[2]
    b.cost(loss)
    kept = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    ruined = b.outputs.features.clone()
    ruined[:, 0] = torch.inf
    assert not loss(Answer(logits=b.outputs.logits, features=ruined), b.labels).isfinite()
    nobody = np.zeros((0, WIDTH)), np.zeros(0, int)
    apart = slow_centres(*nobody, kept["centres"].numpy(), [0, 1, 2, 3], tau=0, spread=10, rate=0.5)
    np.testing.assert_allclose(loss.centres, apart, rtol=1e-9)
    assert all(tensor.isfinite().all() for tensor in loss.state_dict().values())
    torch.testing.assert_close(loss.radius, kept["radius"].to(loss.radius))


@pytest.mark.parametrize("name", CENTRED)
def test_centres_stand_still_in_evaluation(name: str) -> None:
    loss = create_loss(name)
    for b in BATCHES:
        b.cost(loss)
    kept = {key: tensor.clone() for key, tensor in loss.state_dict().items()}
    loss.eval()
    assert {"classes", "centre"} <= set(loss.terms(BATCHES[0].outputs, BATCHES[0].labels))
    assert list(loss.terms(BATCHES[0].outputs.logits, BATCHES[0].labels)) == ["classes"]
    for key, tensor in loss.state_dict().items():
        assert torch.equal(tensor, kept[key])


@pytest.mark.parametrize("name", CENTRED)
def test_a_training_that_is_continued_goes_on_to_the_bit(name: str, tmp_path: Path) -> None:
    outputs = [Answer(b.outputs.logits.float(), b.outputs.features.float()) for b in BATCHES]
    loss, other = create_loss(name), create_loss(name)
    for given, b in zip(outputs[:2], BATCHES, strict=False):
        loss(given, b.labels)
    torch.save(loss.state_dict(), tmp_path / "loss.pt")
    other.load_state_dict(torch.load(tmp_path / "loss.pt", weights_only=True))
    for at in (2, 0):
        assert torch.equal(loss(outputs[at], BATCHES[at].labels), other(outputs[at], BATCHES[at].labels))
    for key, tensor in loss.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key])


def test_centres_of_another_network_are_refused() -> None:
    loss = create_loss("island")
    BATCHES[0].cost(loss)
    outputs = Answer(logits=torch.zeros(2, CLASSES), features=torch.zeros(2, 8))
    with pytest.raises(
        TrainingError, match=r"centres of the shape \(4, 5\), classes by features, and this .* \(4, 8\)"
    ):
        loss(outputs, torch.tensor([0, 1]))
    with pytest.raises(RuntimeError, match="Missing key"):
        create_loss("island").load_state_dict({"centres": torch.zeros(2, 2)})


def test_island_parts_classes_that_the_centre_loss_leaves_side_by_side() -> None:
    """Features that may go anywhere, of four classes that begin almost in one direction."""
    cosines = {}
    for name in ("centre", "island", "improved-island"):
        dice = torch.Generator().manual_seed(4)
        labels = torch.arange(4).repeat(12)
        start = torch.tensor([5.0, 0, 0, 0, 0, 0]) + torch.eye(4, 6)[labels]
        x = (start + torch.randn(48, 6, generator=dice) / 4).requires_grad_()
        loss = create_loss(f"{name}:weight=1,reduction=sum")
        for _ in range(40):
            (slope,) = torch.autograd.grad(loss.terms(Answer(logits=x[:, :4], features=x), labels)["centre"], x)
            x = (x - 0.1 * slope).detach().requires_grad_()
        means = F.normalize(torch.stack([x[labels == k].mean(0) for k in range(4)]), dim=1)
        cosines[name] = (means @ means.T).fill_diagonal_(0).sum().item() / 12
    assert cosines["centre"] > 0.9
    assert cosines["island"] < 0.3 and cosines["improved-island"] < 0.3


# Masking -----------------------------------------------------------------------------------------------------------


def test_the_masking_network_s_loss_is_the_sum_of_its_parts() -> None:
    b = batch(5)
    shares = one_hot(b.labels)
    margin = 0.0
    for head in b.outputs.margins:
        for i in range(ROWS):
            for j in range(CLASSES):
                e = 1 / (1 + math.exp(-float(head[i, j])))
                margin -= shares[i, j] * math.log(e) + (1 - shares[i, j]) * math.log(1 - e)
    margin /= 2 * ROWS * CLASSES
    rebuilt, pictures = b.outputs.reconstruction.numpy(), b.pictures.numpy()
    rec = sum(abs(rebuilt[place] - pictures[place]) for place in np.ndindex(pictures.shape)) / pictures.size
    entropy = slow_classified("cross-entropy", b.outputs.logits.numpy(), shares)
    assert float(margin_loss(b.outputs.margins, torch.from_numpy(shares))) == pytest.approx(margin)
    assert float(reconstruction_loss(b.outputs.reconstruction, b.pictures)) == pytest.approx(rec)
    assert float(b.cost(create_loss("rmrn"))) == pytest.approx(entropy + margin + 0.1 * rec)
    assert float(b.cost(create_loss("rmrn:margin=0.5,rec=2"))) == pytest.approx(entropy + 0.5 * margin + 2 * rec)
    assert float(b.cost(create_loss("rmrn:margin=0,rec=0"))) == pytest.approx(entropy)


def test_the_margin_may_be_that_of_the_answer_itself() -> None:
    b = batch(6)
    terms = create_loss("rmrn:margin_from=logits,rec=0").terms(b.outputs.logits, b.labels)
    expected = F.binary_cross_entropy(b.outputs.logits.sigmoid(), torch.from_numpy(one_hot(b.labels)))
    torch.testing.assert_close(terms["margin"], expected)


def test_a_sure_margin_is_finite() -> None:
    heads = [torch.tensor([[1e30, -1e30]]).requires_grad_()]
    value = margin_loss(heads, torch.tensor([[0.0, 1]]))
    assert value.isfinite() and torch.autograd.grad(value, heads[0])[0].isfinite().all()


@pytest.mark.parametrize(
    ("pictures", "found"),
    [
        (None, "none"),
        (torch.zeros(ROWS, 3, 3, 3), r"torch.float32 of shape \(9, 3, 3, 3\)"),
        (torch.zeros(ROWS, 1, 3, 3, dtype=torch.uint8), "torch.uint8"),
    ],
)
def test_what_was_rebuilt_is_compared_with_nothing_else(pictures: Tensor | None, found: str) -> None:
    b = batch()
    with pytest.raises(
        TrainingError, match=rf"shape \(9, 1, 3, 3\), and those to compare are {found}.*floats from 0 to 1"
    ):
        create_loss("rmrn")(b.outputs, b.labels, pictures)


# All of them -------------------------------------------------------------------------------------------------------


def trained(name: str, weights: tuple[float, ...] | None = None) -> Loss:
    """A loss that has seen batches, held still."""
    loss = create_loss(name, weights)
    for b in BATCHES:
        b.cost(loss)
    return loss.eval()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", [*LOSSES.names(), "focal:gamma=0.5,alpha=1/2/3/4", "improved-island:tau=30"])
def test_slopes_are_those_of_finite_differences(name: str, soft: bool) -> None:
    b, loss = batch(7), trained(name, WEIGHTS)
    o = b.outputs
    parts = [part.requires_grad_() for part in (o.logits, o.features, *o.margins, o.reconstruction)]

    def cost(logits: Tensor, features: Tensor, first: Tensor, second: Tensor, rebuilt: Tensor) -> Tensor:
        return loss(Answer(logits, features, (first, second), rebuilt), b.shares if soft else b.labels, b.pictures)

    slopes = torch.autograd.grad(cost(*parts), parts, allow_unused=True, materialize_grads=True)
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for at, slope in enumerate(slopes):
            for _ in range(3):
                step = torch.randn(slope.shape, generator=dice, dtype=torch.float64) * 1e-6
                ahead, behind = ([p + sign * step if k == at else p for k, p in enumerate(parts)] for sign in (1, -1))
                found = (cost(*ahead) - cost(*behind)) / 2
                assert float(found) == pytest.approx(float((slope * step).sum()), rel=1e-5, abs=1e-13)


@pytest.mark.parametrize("name", [name for name in LOSSES.names() if name != "kl"])
def test_a_mixed_picture_costs_what_its_classes_cost_by_their_shares(name: str) -> None:
    b, loss = batch(8), trained(name)
    one, other = (
        torch.eye(CLASSES, dtype=torch.float64)[b.labels],
        torch.eye(CLASSES, dtype=torch.float64)[(b.labels + 1) % 4],
    )
    mixed = b.cost(loss, 0.75 * one + 0.25 * other)
    torch.testing.assert_close(mixed, 0.75 * b.cost(loss, one) + 0.25 * b.cost(loss, other))


@pytest.mark.parametrize("name", LOSSES.names())
def test_a_class_and_its_whole_share_are_the_same_target(name: str) -> None:
    b = batch(9)
    first, second = create_loss(name, WEIGHTS), create_loss(name, WEIGHTS)
    shares = torch.eye(CLASSES, dtype=torch.float64)[b.labels]
    for _ in range(2):
        torch.testing.assert_close(b.cost(first), b.cost(second, shares))


@pytest.mark.parametrize("name", LOSSES.names())
def test_its_terms_add_to_the_loss(name: str) -> None:
    b, loss = batch(9), trained(name)
    terms = loss.terms(b.outputs, b.labels, b.pictures)
    assert float(b.cost(loss)) == pytest.approx(sum(map(float, terms.values())))


@pytest.mark.parametrize("name", LOSSES.names())
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.full((ROWS, CLASSES), torch.nan), "9 of 9 targets cannot be learnt"),
        (torch.full((ROWS,), torch.nan), r"Targets are float32 of shape \(9,\)"),
        (torch.full((ROWS,), CLASSES), "expected a class from 0 to 3"),
        (torch.zeros(ROWS - 1, dtype=torch.int64), "There are 8 targets for 9 pictures"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused_before_anything_moves(
    name: str, targets: Tensor, message: str
) -> None:
    loss = create_loss(name)
    with pytest.raises(TrainingError, match=message):
        batch().cost(loss, targets)
    assert not any(len(tensor) for tensor in loss.state_dict().values() if tensor.ndim)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES.names())
def test_half_precision_is_counted_in_single(name: str, dtype: torch.dtype) -> None:
    b = batch(9)
    low = Answer(
        (b.outputs.logits * 1000).to(dtype),
        b.outputs.features.to(dtype) * 100,  # squares of these overflow float16
        tuple(head.to(dtype) for head in b.outputs.margins),
        b.outputs.reconstruction.to(dtype),
    )
    high = Answer(
        low.logits.float(), low.features.float(), tuple(m.float() for m in low.margins), low.reconstruction.float()
    )
    first, second = create_loss(name), create_loss(name)
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = first(low, b.labels, b.pictures.float())
        assert value.dtype == torch.float32 and value.isfinite()
        torch.testing.assert_close(value, second(high, b.labels, b.pictures.float()), rtol=1e-6, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a CUDA GPU")
@pytest.mark.parametrize("name", LOSSES.names())
def test_a_gpu_counts_as_the_processor_does(name: str) -> None:
    here, there = create_loss(name, WEIGHTS), create_loss(name, WEIGHTS).cuda()
    for b in BATCHES:
        o = b.outputs
        moved = Answer(o.logits.cuda(), o.features.cuda(), tuple(m.cuda() for m in o.margins), o.reconstruction.cuda())
        torch.testing.assert_close(there(moved, b.labels.cuda(), b.pictures.cuda()).cpu(), b.cost(here))


@pytest.mark.parametrize("name", [*CENTRED, "rmrn", "rmrn:margin=0"])
def test_a_network_that_gives_too_little_is_told_so_in_training_only(name: str) -> None:
    b, loss = batch(), create_loss(name)
    wanted = {"rmrn": "margins", "rmrn:margin=0": "reconstruction"}.get(name, "features")
    with pytest.raises(TrainingError, match=f"feeds on a network's {wanted}, and this one gives none .* cross-entropy"):
        loss(b.outputs.logits, b.labels)
    with pytest.raises(TrainingError, match=f"feeds on a network's {wanted}"):
        loss(Answer(b.outputs.logits), b.labels)
    expected = F.cross_entropy(b.outputs.logits, b.labels)
    torch.testing.assert_close(loss.eval()(b.outputs.logits, b.labels), expected)


@pytest.mark.parametrize("name", ["cross-entropy", "focal:alpha=1/2/3"])
def test_a_number_for_each_class_is_one_for_each(name: str) -> None:
    weights = None if "alpha" in name else (1, 2, 3)
    with pytest.raises(TrainingError, match=r"3 (class weights|alphas) for 4 classes; expected"):
        create_loss(name, weights)(torch.zeros(1, 4), torch.tensor([0]))


# Specs -------------------------------------------------------------------------------------------------------------

OTHER_VALUES = {
    "smoothing": "0.3",
    "gamma": "1",
    "alpha": "0.5/1/1/2",
    "weight": "0.5",
    "rate": "0.1",
    "reduction": "sum",
    "spread": "2",
    "tau": "p10",
    "margin": "0.3",
    "rec": "0.3",
    "margin_from": "logits",
}


def options(name: str) -> list[str]:
    return [f.name for f in fields(create_loss(name)) if f.init and f.name != "class_weights"]


@pytest.mark.parametrize(("name", "option"), [(name, option) for name in LOSSES.names() for option in options(name)])
def test_every_option_changes_the_cost(name: str, option: str) -> None:
    def costs(spec: str) -> list[float]:
        loss = create_loss(spec)
        return [float(b.cost(loss)) for b in BATCHES]

    assert costs(f"{name}:{option}={OTHER_VALUES[option]}") != pytest.approx(costs(name), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES.names())
def test_the_spec_spells_everything_out_and_reads_back(name: str) -> None:
    for text in (name, f"{name}:" + ",".join(f"{option}={OTHER_VALUES[option]}" for option in options(name))):
        loss = create_loss(text)
        assert create_loss(loss.spec).spec == loss.spec
        assert isinstance(loss, nn.Module) and loss.name == name
    assert loss.spec == f"{name}:" + ",".join(f"{option}={OTHER_VALUES[option]}" for option in sorted(options(name)))


def test_the_canonical_text_of_a_loss() -> None:
    assert create_loss("focal:gamma=2,alpha=.25").spec == "focal:alpha=0.25,gamma=2,smoothing=0"
    assert create_loss("focal:alpha=1/.5/2").spec == "focal:alpha=1/0.5/2,gamma=2,smoothing=0"
    assert PerClass("1/.5") == PerClass([1, 0.5]) == (1, 0.5) and PerClass(2) == PerClass(PerClass(2)) == (2,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("focl", "No loss named 'focl'. Did you mean 'focal'. Known: centre, cross-entropy, focal, improved-island, "),
        ("focal@layer3", "is no loss; expected a name with its options, such as focal:gamma=2"),
        ("windows(focal)", "is no loss"),
        ("focal:gama=2", "focal has no parameter 'gama'. Did you mean 'gamma'"),
        ("focal:class_weights=2", "focal has no parameter 'class_weights'"),
        ("focal:gamma=x", "focal:gamma='x' is not a number"),
        ("focal:alpha=1//2", "focal:alpha='1//2' is not a number"),
        ("focal:gamma=-1", "focal:gamma=-1 is out of range; expected 0 or more"),
        ("focal:gamma=nan", "focal:gamma=nan is out of range"),
        ("focal:alpha=-1", "focal:alpha=-1 is out of range; expected numbers of 0 or more, not all 0"),
        ("focal:alpha=0/0", "focal:alpha=0/0 is out of range"),
        ("focal:alpha=inf", "focal:alpha=inf is out of range"),
        ("cross-entropy:smoothing=1", "cross-entropy:smoothing=1 is out of range; expected 0 to less than 1"),
        ("centre:weight=-1", "centre:weight=-1 is out of range"),
        ("centre:rate=0", "centre:rate=0 is out of range; expected more than 0 and at most 1"),
        ("centre:reduction=none", "centre:reduction=none is out of range; expected mean or sum"),
        ("island:spread=inf", "island:spread=inf is out of range"),
        (
            "improved-island:tau=-1",
            "improved-island:tau=-1 is out of range; expected a squared radius of 0 or more, such",
        ),
        ("improved-island:tau=p101", "improved-island:tau=p101 is out of range"),
        ("improved-island:tau=half", "improved-island:tau=half is out of range"),
        ("rmrn:rec=-1", "rmrn:rec=-1 is out of range"),
        ("rmrn:margin_from=mask", "rmrn:margin_from=mask is out of range; expected heads or logits"),
    ],
)
def test_what_is_no_loss_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("(", r"\(")):
        create_loss(text)


def test_class_weights_that_are_none_are_refused() -> None:
    for weights in ((1, -1), (0, 0), (math.nan, 1), ()):
        with pytest.raises(
            SpecError, match=r"class_weights=.* is out of range; expected numbers of 0 or more, not all 0"
        ):
            create_loss("cross-entropy", weights)
