"""Folds: no subject and no picture on both sides, every row tested once, and a refusal where that cannot be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridfer.classify.splits import calibration_folds, make_folds, tie
from hybridfer.errors import TrainingError

N = 60
Y = ["a", "b", "c"] * 20
SUBJECTS = [f"s{i // 6}" for i in range(N)]
NOBODY = [None] * N
PICTURES = [str(i) for i in range(N)]


def folds(cv, y=Y, subjects=SUBJECTS, groups=NOBODY, pictures=PICTURES, **options):
    return make_folds(cv, y, subjects=subjects, groups=groups, pictures=pictures, **options)


def assert_apart(made, *columns):
    """Each row is tested once, and no value of a column stands on both sides."""
    assert sorted(np.concatenate([test for _, test in made])) == list(range(len(columns[0])))
    for train, test in made:
        assert not set(train) & set(test)
        for column in columns:
            assert not ({column[i] for i in train} & {column[i] for i in test}) - {None}


@settings(max_examples=40, deadline=None)
@given(
    people=st.lists(st.sampled_from(["s1", "s2", "s3", "s4", "s5", "s6", "s7", None]), min_size=30, max_size=60),
    copies=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=4),
    cv=st.sampled_from(["2", "3", "group", "loso"]),
)
def test_no_subject_and_no_picture_is_ever_on_both_sides(people, copies, cv):
    pictures = [str(i) for i in range(len(people))]
    for i, j in copies:
        pictures[i] = pictures[j]
    y = ["a", "b"] * (len(people) // 2) + ["a"] * (len(people) % 2)
    try:
        made = make_folds(cv, y, subjects=people, groups=[None] * len(y), pictures=pictures)
    except TrainingError:
        return
    assert_apart(made.splits, people, pictures)
    assert not made.leaky


@settings(max_examples=40, deadline=None)
@given(
    people=st.lists(st.sampled_from(["s1", "s2", "s3", "s4", "s5", "s6"]), min_size=20, max_size=40),
    seed=st.integers(0, 9),
)
def test_calibration_folds_keep_subjects_together_unless_they_say_so(people, seed):
    y = ["a", "b"] * (len(people) // 2) + ["a"] * (len(people) % 2)
    made, note = calibration_folds(y, subjects=people, pictures=[None] * len(y), seed=seed)
    assert_apart(made, *([people] if note is None else [y[:0] + [None] * len(y)]))
    assert all({y[i] for i in train} == {"a", "b"} for train, _ in made)


def test_a_number_is_so_many_folds_stratified():
    made = folds("4", subjects=NOBODY)
    assert len(made.splits) == 4
    for _, test in made.splits:
        assert Counter(Y[i] for i in test) == {"a": 5, "b": 5, "c": 5}


def test_kfold_is_five_folds():
    assert len(folds("kfold", subjects=NOBODY).splits) == 5


def test_loso_leaves_each_subject_out_once():
    made = folds("loso")
    assert [{SUBJECTS[i] for i in test} for _, test in made.splits] == [{f"s{i}"} for i in range(10)]


def test_group_keeps_the_users_groups_together():
    sessions = [f"g{i % 4}" for i in range(N)]
    made = folds("group", y=["a", "b"] * 30, subjects=NOBODY, groups=sessions)
    assert len(made.splits) == 4
    assert_apart(made.splits, sessions)


def test_group_keeps_subjects_together_too():
    sessions = [f"g{i // 12}" for i in range(N)]
    people = [f"s{(i + 6) // 12}" for i in range(30)] + [f"t{i // 6}" for i in range(30)]
    made = folds("group", subjects=people, groups=sessions)
    assert_apart(made.splits, people, sessions)


def test_group_falls_back_on_subjects():
    assert_apart(folds("group").splits, SUBJECTS)


def test_the_seed_changes_the_folds_and_nothing_else_does():
    def tests(seed):
        return [test.tolist() for _, test in folds("3", seed=seed).splits]

    assert tests(0) == tests(0) != tests(1)


def test_rows_of_one_picture_stay_in_one_fold():
    pictures = [str(i // 3) for i in range(N)]
    made = folds("5", y=["a", "b"] * 30, subjects=NOBODY, pictures=pictures)
    assert_apart(made.splits, pictures)
    assert "40 rows repeat another row's picture" in made.notes[0]


def test_rows_without_a_subject_are_subjects_of_their_own_and_that_is_said():
    made = folds("3", subjects=[None, *SUBJECTS[1:]])
    assert made.notes == ("1 of 60 rows have no subject; each counts as a subject of its own",)


def test_kfold_refuses_to_part_a_subject_and_names_it():
    with pytest.raises(TrainingError, match=r"subject 's0' into training and test.*use --cv 5, group or loso"):
        folds("kfold")


def test_a_leak_that_is_allowed_is_marked():
    made = folds("kfold", allow_leak=True)
    assert made.leaky
    assert "--allow-leak" in made.notes[-1]


def test_kfold_is_fine_where_every_subject_has_one_row():
    assert not folds("kfold", subjects=PICTURES).leaky


def test_a_class_smaller_than_the_folds_is_named_with_what_to_do():
    y = ["rare"] * 3 + ["a"] * 27 + ["b"] * 30
    with pytest.raises(
        TrainingError, match=r"Class 'rare' has 3 rows, of 3 pictures; 5 folds need 5.*--cv 3, or leave"
    ):
        folds("5", y=y, subjects=NOBODY)


def test_a_class_of_few_subjects_is_too_small_for_folds_of_subjects():
    y = ["rare"] * 12 + ["a", "b"] * 24
    with pytest.raises(TrainingError, match=r"Class 'rare' has 12 rows, of 2 subjects; 5 folds need 5.*--cv 2"):
        folds("5", y=y)


def test_a_class_of_one_subject_cannot_be_left_out():
    with pytest.raises(TrainingError, match=r"Class 'rare' \(6 rows\)"):
        folds("loso", y=["rare"] * 6 + ["a", "b"] * 27)


@pytest.mark.parametrize(
    ("cv", "options", "message"),
    [
        ("1", {}, "leaves nothing to test on"),
        ("los", {}, r"No folds named 'los'. Did you mean 'loso'\?"),
        ("loso", {"subjects": NOBODY}, "no row has a subject"),
        ("loso", {"subjects": ["one"] * N}, "there is only one"),
        ("group", {"subjects": NOBODY}, "no row has a group or a subject"),
        ("group", {"subjects": NOBODY, "groups": ["g"] * N}, "all rows are of one"),
        ("group", {"groups": [f"g{i % 2}" for i in range(N)]}, "cannot keep both"),
    ],
)
def test_what_cannot_be_done_is_refused(cv, options, message):
    with pytest.raises(TrainingError, match=message):
        folds(cv, **options)


def test_group_may_part_a_subject_of_several_groups_when_that_is_allowed():
    made = folds("group", y=["a", "b", "b", "a"] * 15, groups=[f"g{i % 2}" for i in range(N)], allow_leak=True)
    assert made.leaky and len(made.splits) == 2


def test_calibration_needs_two_rows_of_every_class():
    with pytest.raises(TrainingError, match="Class 'c' has 1 row"):
        calibration_folds(["a", "a", "b", "b", "c"], subjects=[None] * 5, pictures=[None] * 5)


def test_calibration_by_picture_where_a_class_has_one_subject_says_so():
    y = ["a", "b"] * 6 + ["c"] * 6
    made, note = calibration_folds(y, subjects=[*"112233445566", *"777777"], pictures=PICTURES[:18])
    assert "too few subjects" in note and "by picture" in note
    assert len(made) == 3


def test_ties_are_followed_through_both_columns():
    assert tie(5, ["a", "a", "b", None, None], ["x", "y", "y", "z", None]).tolist() == [0, 0, 0, 1, 2]


def test_ckplus_deals_subjects_sorted_by_name_in_steps_of_ten():
    # SPEC of CK+'s usual protocol: subjects sorted by ID, the first of each ten in the first fold, and so on.
    subjects = [f"S{i:03d}" for i in (132, 5, 10, 11, 14, 22, 26, 28, 29, 32, 34, 35, 37, 42)] * 2
    y = ["a", "b"] * 14
    made = folds("ckplus", y, subjects, [None] * 28, [str(i) for i in range(28)])
    tested = [sorted({subjects[i] for i in test}) for _, test in made.splits]
    assert tested[:4] == [["S005", "S035"], ["S010", "S037"], ["S011", "S042"], ["S014", "S132"]]
    assert tested[4] == ["S022"] and tested[9] == ["S034"] and len(tested) == 10
    assert_apart(made.splits, subjects)


def test_ckplus_keeps_subjects_that_share_a_picture_in_the_first_ones_fold():
    subjects = [f"S{i:03d}" for i in range(20)]
    pictures = [str(i) for i in range(20)]
    pictures[13] = pictures[2]
    made = folds("ckplus", ["a", "b"] * 10, subjects, [None] * 20, pictures)
    assert sorted(made.splits[2][1]) == [2, 12, 13] and sorted(made.splits[3][1]) == [3]


def test_ckplus_wants_ten_subjects_and_all_of_them_named():
    with pytest.raises(TrainingError, match="there are 3; use --cv loso"):
        folds("ckplus", Y[:6], ["a", "b", "c"] * 2, [None] * 6, PICTURES[:6])
    with pytest.raises(TrainingError, match="1 of 60 rows have none"):
        folds("ckplus", subjects=[None, *SUBJECTS[1:]])
