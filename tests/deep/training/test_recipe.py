"""A recipe says what it leaves to the network, follows its schedule, and refuses what cannot be."""

from __future__ import annotations

import math

import pytest

from hybridfer.deep.training.recipe import Recipe
from hybridfer.errors import TrainingError


def settled(**options: object) -> Recipe:
    return Recipe(**options).settled("cross-entropy", normalised=True, precision="float32")  # type: ignore[arg-type]


def test_what_is_not_said_hangs_on_the_network() -> None:
    with_norm = Recipe(epochs=50).settled("rmrn", normalised=True, precision="bfloat16")
    assert (with_norm.optimiser, with_norm.lr, with_norm.weight_decay) == ("sgd", 0.1, 5e-4)
    assert (with_norm.loss, with_norm.warmup, with_norm.precision) == ("rmrn", 2, "bfloat16")
    without = Recipe(epochs=10).settled("cross-entropy", normalised=False, precision="float32")
    assert (without.optimiser, without.lr, without.weight_decay, without.warmup) == ("adamw", 1e-3, 0.05, 1)
    said = Recipe(optimiser="sgd", lr=0.3, weight_decay=0, loss="focal", warmup=0, precision="float32")
    assert said.settled("rmrn", normalised=False, precision="float32") == said


def test_the_rate_rises_and_sinks_as_each_schedule_says() -> None:
    """Half a cosine: after a third of the way cos(60°) leaves three quarters, half-way a half."""
    cosine = settled(epochs=14, warmup=2, lr=0.8)
    np_rates = [cosine.rate(done) for done in (0, 0.5, 2, 6, 8, 14)]
    assert np_rates == pytest.approx([0, 0.2, 0.8, 0.6, 0.4, 0])
    step = settled(epochs=8, warmup=0, lr=1, schedule="step")
    assert [step.rate(done) for done in (0, 3.9, 4, 5.9, 6, 7.9)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    constant = settled(epochs=8, warmup=4, lr=1, schedule="constant")
    assert [constant.rate(done) for done in (1, 4, 7.9)] == [0.25, 1, 1]
    cycle = settled(epochs=10, lr=1, schedule="one-cycle")
    assert cycle.warmup == 3 and cycle.rate(1.5) == 0.5 and cycle.rate(3) == 1 and cycle.rate(6.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 0}, "epochs is 0; expected 1 or more"),
        ({"batch": 1}, "batch is 1; expected 2 or more"),
        ({"lr": 0}, "The learning rate is 0; expected more than 0"),
        ({"lr": math.nan}, "The learning rate is nan"),
        ({"mixup": -1}, "mixup is -1; expected 0 or more"),
        ({"scale": math.inf}, "scale is inf"),
        ({"cutout": 1.5}, "cutout is 1.5; expected a share from 0 to 1"),
        ({"rotate": 181}, "rotate is 181; expected 0 to 180 degrees"),
        ({"ema": 1}, "ema is 1; expected 0 to less than 1"),
        ({"warmup": 5, "epochs": 5}, "warmup is 5; expected 0 or more epochs, and less than all 5"),
        ({"patience": -1}, "patience is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"optimiser": "adam"}, "optimiser is 'adam'. Did you mean 'radam'?"),
        ({"schedule": "cosin"}, "schedule is 'cosin'. Did you mean 'cosine'?"),
        ({"class_weights": "yes"}, "class weights is 'yes'. Known: none, balanced"),
        ({"precision": "float64"}, "precision is 'float64'"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(TrainingError) as error:
        Recipe(**wrong)  # type: ignore[arg-type]
    assert said in str(error.value)
