"""Targets are checked before they are learnt from; classes are weighed, drawn and voted for as the papers say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hybridfer.datasets.fer2013 import RULES, VOTES
from hybridfer.deep.targets import VOTE_RULES, balanced_weights, class_shares, resampled_rows, vote_targets
from hybridfer.errors import TrainingError
from hybridfer.labels import EXPRESSIONS, LABEL_SETS

FERPLUS = LABEL_SETS["ferplus"]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_a_class_is_a_share_of_1_and_shares_stay_as_they_are(dtype: torch.dtype) -> None:
    assert class_shares(torch.tensor([2, 0], dtype=dtype), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    shares = torch.tensor([[0.25, 0.75], [1, 0]])
    assert class_shares(shares, 2) is shares
    assert class_shares(shares.half(), 2).dtype == torch.float16


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            torch.tensor([0, 3, 7]),
            r"1 of 3 targets cannot be learnt, the first of them row 2, 7; expected a class from 0 to",
        ),
        (torch.tensor([-1, 3, -1]), r"2 of 3 .* row 0, -1; expected a class from 0 to 6. Correct the labels, or leave"),
        (
            torch.tensor([0.0, 1.0]),
            r"Targets are float32 of shape \(2,\); expected whole numbers \(n,\), or each class's",
        ),
        (torch.zeros(2, 7, dtype=torch.int64), r"int64 of shape \(2, 7\)"),
        (torch.zeros(2, dtype=torch.bool), r"bool of shape \(2,\)"),
        (torch.full((2, 8), 1 / 8), r"float32 of shape \(2, 8\); expected .* floats \(n, 7\)"),
        (
            torch.full((2, 7), torch.nan),
            r"2 of 2 targets .* row 0, \[nan, .*expected shares of 0 or more that add to 1",
        ),
        (torch.eye(7) * 2, r"7 of 7 targets"),
        (torch.eye(7)[:3] + torch.tensor([0.5, -0.5, 0, 0, 0, 0, 0]), r"2 of 3 targets cannot be learnt, .* row 0"),
        (torch.zeros(1, 7), r"1 of 1 targets"),
        (torch.full((1, 7), torch.inf), r"1 of 1 targets"),
    ],
)
def test_what_cannot_be_learnt_is_named(targets: torch.Tensor, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        class_shares(targets, 7)


def test_balanced_weights_of_fer2013_are_the_published_ones() -> None:
    # Training pictures of a class, and the weights of the residual masking network's own training.
    counts = [3995, 436, 4097, 7215, 4830, 3171, 4965]
    published = [1.0266, 9.4066, 1.0010, 0.5684, 0.8491, 1.2934, 0.8260]
    weights = balanced_weights(counts)
    np.testing.assert_allclose(weights, published, atol=5e-5)
    assert weights @ counts == pytest.approx(28_709)


def test_a_class_without_pictures_weighs_nothing() -> None:
    np.testing.assert_array_equal(balanced_weights([2, 0, 6]), [2, 0, 4 / 6])
    for counts in ([0, 0], [], [1, -1], [1, np.nan], [1, np.inf]):
        with pytest.raises(TrainingError, match="expected numbers of 0 or more, not all 0"):
            balanced_weights(counts)


def test_an_epoch_has_as_many_rows_of_every_class_as_the_rarest_has() -> None:
    labels = np.repeat([0, 2, 5], [20, 4, 9])[np.random.default_rng(0).permutation(33)]
    random = np.random.default_rng(1)
    epochs = [resampled_rows(labels, random) for _ in range(60)]
    for rows in epochs:
        assert len(set(rows.tolist())) == 12
        assert np.bincount(labels[rows]).tolist() == [4, 0, 4, 0, 0, 4]
    assert set(np.concatenate(epochs).tolist()) == set(range(33)), "in time every row has its turn"
    assert not np.array_equal(epochs[0], epochs[1])
    assert any((np.diff(labels[rows]) < 0).any() for rows in epochs), "classes are mixed"
    np.testing.assert_array_equal(resampled_rows(labels, np.random.default_rng(1)), epochs[0])


def test_no_labels_are_no_epoch() -> None:
    with pytest.raises(TrainingError, match="no labels"):
        resampled_rows(np.array([], np.int64), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("votes", "shares"),
    # Neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, no face: by hand, by the rule.
    [
        ([5, 0, 0, 3, 1, 0, 0, 0, 1, 0], [5 / 8, 0, 0, 3 / 8, 0, 0, 0, 0]),  # single votes are struck out
        ([6, 0, 0, 2, 1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0, 0]),  # 6 of 8 are three quarters already
        ([4, 3, 2, 0, 0, 0, 0, 0, 0, 0], [4 / 7, 3 / 7, 0, 0, 0, 0, 0, 0]),  # 7 of 9 are more
        ([3, 3, 2, 2, 0, 0, 0, 0, 0, 0], None),  # the third step brings two at once: four answers are too many
        ([2, 2, 2, 2, 2, 0, 0, 0, 0, 0], None),
        ([3, 3, 3, 0, 0, 0, 0, 0, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0, 0]),
        ([0, 5, 0, 0, 0, 0, 0, 0, 3, 2], None),  # 5 of 10 are not more than half
        ([0, 5, 0, 0, 0, 0, 2, 0, 3, 0], None),  # unknown comes second and ends the counting at 5 of 10
        ([0, 6, 0, 0, 0, 0, 0, 0, 3, 0], [0, 1, 0, 0, 0, 0, 0, 0]),  # 6 of 9
        ([3, 3, 0, 0, 0, 0, 0, 0, 3, 0], [1 / 2, 1 / 2, 0, 0, 0, 0, 0, 0]),  # beside equals unknown only ends it
        ([0, 2, 0, 0, 0, 0, 0, 0, 8, 0], None),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], None),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None),
        ([0] * 10, None),
    ],
)
def test_soft_votes_are_the_authors(votes: list[int], shares: list[float] | None) -> None:
    found, kept = vote_targets(np.array([votes]), "soft", FERPLUS)
    assert kept.tolist() == [shares is not None]
    np.testing.assert_allclose(found, [shares or [0] * 8], rtol=1e-6)


@pytest.mark.parametrize("rule", ["majority", "argmax"])
def test_one_vote_is_the_label_that_the_data_set_gives(rule: str) -> None:
    votes = np.random.default_rng(2).multinomial(10, [0.3, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.15, 0.05], 200)
    shares, kept = vote_targets(votes, rule, FERPLUS)
    labels = [RULES[f"ferplus-{rule}"](row) for row in votes]
    assert 20 < kept.sum() < 200
    assert [FERPLUS[row.argmax()] if has else None for row, has in zip(shares, kept, strict=True)] == labels
    np.testing.assert_array_equal(shares.sum(1), kept)


def test_a_network_s_classes_have_their_own_order_and_may_lack_one() -> None:
    contempt = VOTES.index("contempt")
    votes = np.zeros((3, 10), np.int64)
    votes[0, [VOTES.index("anger"), contempt]] = 6, 4
    votes[1, [VOTES.index("anger"), VOTES.index("sadness")]] = 6, 4
    votes[2, contempt] = 10
    shares, kept = vote_targets(votes, "soft", EXPRESSIONS)
    assert EXPRESSIONS[0] == "anger" and EXPRESSIONS[4] == "sadness"
    np.testing.assert_allclose(shares, [[1, 0, 0, 0, 0, 0, 0], [0.6, 0, 0, 0, 0.4, 0, 0], [0] * 7], rtol=1e-6)
    assert kept.tolist() == [True, True, False]


def test_votes_that_are_none_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"No rule of votes named 'sofd'. Did you mean 'soft'"):
        vote_targets(np.zeros((1, 10), int), "sofd", FERPLUS)
    with pytest.raises(TrainingError, match=r"shape \(1, 8\); expected \(n, 10\): neutral, happiness"):
        vote_targets(np.zeros((1, 8), int), "soft", FERPLUS)
    with pytest.raises(TrainingError, match=r"Row 1 of the votes has -1; expected 0 or more"):
        vote_targets(np.repeat([[0], [-1]], 10, 1), "argmax", FERPLUS)
    shares, kept = vote_targets(np.zeros((0, 10), int), "soft", FERPLUS)
    assert shares.shape == (0, 8) and kept.shape == (0,)


@pytest.mark.parametrize("rule", VOTE_RULES)
def test_nobody_s_vote_is_no_target(rule: str) -> None:
    shares, kept = vote_targets(np.zeros((2, 10), int), rule, FERPLUS)
    assert not shares.any() and not kept.any()


def test_fer2013_s_own_votes_keep_the_published_number_of_rows(data_folder: Path) -> None:
    with np.load(data_folder / "fer2013" / "fer2013_dev.npz", allow_pickle=False) as stored:
        votes = stored["ferplus_votes"][stored["usage"] == 1].clip(0)  # -1 is no votes
    for rule, published in {"majority": 3199, "argmax": 3553}.items():
        assert vote_targets(votes, rule, FERPLUS)[1].sum() == published
