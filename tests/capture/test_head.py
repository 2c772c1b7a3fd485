"""The drawn head: linear, symmetric, whole under every face, and its points where people put them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from hybridfer.capture.head import MUSCLES, PARTS, POINTS68, SHAPES, Head, Identity, action_units, head
from hybridfer.errors import DatasetError, OutputError

PROTOTYPES = {
    "happiness": (6, 12, 25),
    "sadness": (1, 4, 15, 17),
    "surprise": (1, 2, 5, 25, 26),
    "fear": (1, 2, 4, 5, 7, 20, 25, 26),
    "anger": (4, 5, 7, 17, 23),
    "disgust": (9, 10, 4, 15, 17),
}
"""SPEC 8.4, with the units that the head has."""

FLIP = {i: 32 - i for i in range(33)}
for a, b in (
    *((33, 46), (34, 45), (35, 44), (36, 43), (37, 42), (38, 50), (39, 49), (40, 48), (41, 47)),
    *((51, 51), (52, 52), (53, 53), (54, 54), (55, 59), (56, 58), (57, 57)),
    *((60, 72), (61, 71), (62, 70), (63, 69), (64, 68), (65, 75), (66, 74), (67, 73)),
    *((76, 82), (77, 81), (78, 80), (79, 79), (87, 83), (86, 84), (85, 85)),
    *((88, 92), (89, 91), (90, 90), (95, 93), (94, 94), (96, 97)),
):
    FLIP[a], FLIP[b] = b, a
"""SPEC 2.6, typed again."""

BROWS, EYES, MOUTH, CONTOUR = range(33, 51), range(60, 76), range(76, 96), range(33)


def make_face(*units: int, strength: float = 5.0) -> np.ndarray:
    """Intensities of 18 muscles with `units` at one strength."""
    return np.array([strength if unit in units else 0.0 for unit in MUSCLES])


def points(*units: int, strength: float = 5.0, identity: Identity | None = None) -> np.ndarray:
    """The 98 points of a face, x and y."""
    return head().deform(identity, make_face(*units, strength=strength))[head().points98, :2]


def test_the_arrays_fit_together() -> None:
    model = head()
    n = len(model.vertices)
    assert model.shapes.shape == (len(SHAPES), n, 3)
    assert model.muscles.shape == (18, 2, n, 3)
    assert model.triangles.min() == 0 and model.triangles.max() == n - 1
    assert set(model.parts.tolist()) == set(range(len(PARTS)))
    assert len(set(model.points98.tolist())) == 98
    for field in fields(Head):
        assert np.isfinite(np.asarray(getattr(model, field.name), float)).all(), field.name
    for first, last in model.eyes:  # an eyeball is a sphere about the place behind its pupil
        centre = model.vertices[first] - (0, 0, model.eye_radius)
        np.testing.assert_allclose(
            np.linalg.norm(model.vertices[first:last] - centre, axis=1), model.eye_radius, atol=1e-5
        )
    with pytest.raises(ValueError):
        model.vertices[0] = 0


def test_building_it_again_gives_the_same_head() -> None:
    again = head.__wrapped__()
    for field in fields(Head):
        np.testing.assert_array_equal(getattr(head(), field.name), getattr(again, field.name))


def test_sixty_eight_points_by_the_published_map() -> None:
    assert len(POINTS68) == 68
    groups = [range(0, 33, 2), range(33, 38), range(42, 47), range(51, 55), range(55, 60)]
    expected = [i for group in groups for i in group] + [60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75]
    assert list(POINTS68) == expected + list(range(76, 96))
    np.testing.assert_array_equal(head().points68, head().points98[list(POINTS68)])


def test_points_lie_in_their_order() -> None:
    at = points()
    assert (np.diff(at[:33, 0]) > 0).all() and at[:, 1].max() == at[16, 1]
    assert (np.diff(at[33:38, 0]) > 0).all() and (np.diff(at[38:42, 0]) < 0).all()
    assert (at[[38, 39, 40, 41], 1] > at[[37, 36, 35, 34], 1]).all()
    assert (np.diff(at[51:55, 1]) > 0).all() and (np.diff(at[55:60, 0]) > 0).all()
    assert (np.diff(at[60:65, 0]) > 0).all() and (at[[67, 66, 65], 1] > at[[61, 62, 63], 1]).all()
    assert (np.diff(at[76:83, 0]) > 0).all() and (np.diff(at[82:88, 0]) < 0).all()
    assert at[79, 1] < at[90, 1] and at[94, 1] < at[85, 1]
    np.testing.assert_allclose(at[96:98], [(-0.5, 0), (0.5, 0)], atol=1e-6)


def test_the_contour_is_the_silhouette() -> None:
    """No vertex of the face's skin lies outside the polygon of points 0 to 32 by more than a quarter of a pixel."""
    import cv2

    model = head()
    outline = model.vertices[model.points98[:33], :2]
    grid = model.vertices[: model.eyes[0, 0]]  # the skin comes first
    below = grid[(grid[:, 1] > 0.1) & (grid[:, 1] < 3)]
    beyond = [cv2.pointPolygonTest(outline.reshape(-1, 1, 2), (float(x), float(y)), True) for x, y, _ in below]
    assert min(beyond) > -0.25 / 34.56  # a picture of 128 pixels has 34.56 between the pupils


@pytest.mark.parametrize(
    ("first", "last", "low", "high"),
    [
        (64, 68, 27.2, 38.7),  # between the inner corners, en-en
        (60, 72, 83.0, 97.2),  # between the outer corners, ex-ex
        (76, 82, 43.2, 60.5),  # mouth, ch-ch
        (51, 16, 101.8, 136.9),  # nose's root to chin, n-gn
        (0, 32, 118.4, 145.7),  # cheekbones, zy-zy
    ],
)
def test_mean_head_has_human_proportions(first: int, last: int, low: float, high: float) -> None:
    """Within two deviations of Farkas' North American women's and men's means, at 63 mm between the pupils."""
    at = points()
    assert low < 63 * np.linalg.norm(at[first] - at[last]) < high


def test_muscles_add_up() -> None:
    model, some = head(), Identity.draw(3)
    rest = model.deform(some)
    smile, frown = model.deform(some, make_face(12, 25, strength=3)), model.deform(some, make_face(4, strength=2))
    both = model.deform(some, make_face(12, 25, strength=3) + make_face(4, strength=2))
    np.testing.assert_allclose(both - rest, (smile - rest) + (frown - rest), atol=2e-6)
    half = model.deform(None, make_face(26, strength=2.5)) - model.vertices
    np.testing.assert_allclose(2 * half, model.deform(None, make_face(26)) - model.vertices, atol=2e-6)


def test_left_and_right_are_the_whole_and_each_keeps_to_its_side() -> None:
    model = head()
    for row in range(18):
        units = np.zeros((18, 2))
        units[row, 0] = 5
        left = model.deform(None, units) - model.vertices
        right = model.deform(None, units[:, ::-1]) - model.vertices
        whole = model.deform(None, units.max(axis=1)) - model.vertices
        np.testing.assert_allclose(left + right, whole, atol=2e-6)
        skin = np.arange(len(left)) < model.eyes[0, 0]
        assert np.abs(left[skin & (model.vertices[:, 0] > 0.2)]).max() == 0
        assert np.abs(right[skin & (model.vertices[:, 0] < -0.2)]).max() == 0


def test_mirrored_muscles_make_the_mirrored_face() -> None:
    random = np.random.default_rng(0)
    units = random.uniform(0, 5, (18, 2))
    order = [FLIP[i] for i in range(98)]
    one = head().deform(None, units)[head().points98]
    other = head().deform(None, units[:, ::-1])[head().points98][order] * (-1, 1, 1)
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("unit", "still"),
    [
        *((unit, (*BROWS, *EYES)) for unit in (10, 12, 14, 15, 17, 20, 23, 25, 26, 28)),
        *((unit, (*MOUTH, *CONTOUR[3:30])) for unit in (1, 2, 4, 5, 6, 7, 45)),
        (9, (*EYES, *CONTOUR)),
    ],
)
def test_a_muscle_moves_its_own_region_only(unit: int, still: tuple[int, ...]) -> None:
    moved = np.abs(points(unit) - points()).max(axis=1)
    assert moved[list(still)].max() < 0.004  # an eighth of a pixel at 128
    assert moved.max() > 0.03


@pytest.mark.parametrize(
    ("unit", "point", "way"),
    [
        (1, 37, (0, -1)), (2, 34, (0, -1)), (4, 36, (0, 1)), (4, 37, (1, 1)), (5, 62, (0, -1)), (6, 66, (0, -1)),
        (7, 66, (0, -1)), (9, 55, (0, -1)), (10, 78, (0, -1)), (12, 76, (-1, -1)), (14, 76, (-1, 0)),
        (15, 76, (0, 1)), (17, 85, (0, -1)), (20, 76, (-1, 0)), (23, 85, (0, -1)), (25, 94, (0, 1)), (26, 16, (0, 1)),
        (28, 85, (0, -1)), (45, 62, (0, 1)),
    ],
)  # fmt: skip
def test_a_muscle_pulls_where_the_manual_says(unit: int, point: int, way: tuple[int, int]) -> None:
    moved = (points(unit) - points())[point]
    for got, wanted in zip(moved, way, strict=True):
        assert got * wanted > 0.02 if wanted else abs(got) < 0.06


@pytest.mark.parametrize("units", [*((unit,) for unit in MUSCLES), *PROTOTYPES.values()], ids=str)
def test_no_part_of_the_face_folds_over(units: tuple[int, ...]) -> None:
    """Seen from the front, what faced the camera at rest still does."""
    model = head()

    def area(vertices: np.ndarray) -> np.ndarray:
        a, b, c = (vertices[model.triangles[:, k], :2].astype(float) for k in range(3))
        return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]

    a, b, c = (model.vertices[model.triangles[:, k]].astype(float) for k in range(3))
    normal = np.cross(b - a, c - a)
    facing = -normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
    middle = (a + b + c) / 3
    seen = (model.parts == 0) & (facing > 0.35) & (np.abs(middle[:, 0]) < 0.9) & (np.abs(middle[:, 1] - 0.4) < 1.2)
    assert seen.sum() > 5000
    for identity in (None, Identity.draw(1), Identity.draw(2)):
        turned = area(model.deform(identity, make_face(*units)))[seen] >= 0
        assert not turned.any(), middle[seen][turned][:5]


def test_the_lids_meet_and_cover_the_ball() -> None:
    shut = head().deform(None, make_face(45))
    upper, lower = head().points98[[61, 62, 63, 69, 70, 71]], head().points98[[67, 66, 65, 75, 74, 73]]
    np.testing.assert_allclose(shut[upper, :2], shut[lower, :2], atol=0.012)
    for strength in (0, 1, 2, 3, 4, 5):  # on the way down too, no lid dips into the ball
        lids = head().deform(None, make_face(45, strength=strength))[[*upper, *lower]]
        for lid in lids:
            centre = np.array([np.sign(lid[0]) * 0.5, 0, -head().eye_radius])
            assert np.linalg.norm(lid - centre) > head().eye_radius


@pytest.mark.parametrize("name", ["neutral", *PROTOTYPES])
def test_no_eyeball_shows_through_the_skin(name: str) -> None:
    """Whoever it is and whatever they do, the skin about an eye lies outside its ball."""
    model = head()
    skin = np.arange(len(model.vertices)) < model.points98[60:76].max() + 1  # the sheet, not the rims turned inwards
    for person in (Identity.draw(seed) for seed in range(24)):
        made = model.deform(person, make_face(*PROTOTYPES.get(name, ()), strength=4))
        for pupil in model.eye_centres:
            near = skin & (np.linalg.norm(model.vertices - model.vertices[pupil], axis=1) < 0.35)
            centre = made[pupil] - (0, 0, model.eye_radius)
            assert np.linalg.norm(made[near] - centre, axis=1).min() > model.eye_radius


def test_the_jaw_opens_the_mouth_and_shows_no_gap_at_rest() -> None:
    rest, wide = points(), points(26)
    np.testing.assert_allclose(rest[[89, 90, 91]], rest[[95, 94, 93]], atol=1e-6)
    assert wide[94, 1] - wide[90, 1] > 0.2
    assert wide[16, 1] - rest[16, 1] > 0.2


def test_one_person_one_seed() -> None:
    assert Identity.draw(7) == Identity.draw(7)
    people = [Identity.draw(seed) for seed in range(30)]
    assert len(set(people)) == 30
    assert {person.hair_style for person in people} == {"short", "long", "fringe", "bald"}
    assert min(person.skin for person in people) < 0.2 and max(person.skin for person in people) > 0.8
    apart = [np.abs(points(identity=person) - points(identity=people[0])).max() for person in people[1:]]
    assert min(apart) > 0.03  # a pixel at 128


def test_people_keep_human_proportions() -> None:
    """Eyes apart, mouth below nose below eyes, and no wider than high."""
    for seed in range(60):
        at = points(identity=Identity.draw(seed))
        assert 0.35 < at[68, 0] - at[64, 0] < 0.75
        assert 0.02 < (at[66] - at[62])[1] < 0.3
        assert at[85, 1] > at[79, 1] > at[57, 1] > at[54, 1] > at[96, 1]
        assert at[16, 1] - at[85, 1] > 0.15
        assert at[76, 0] > at[0, 0] + 0.3


def test_every_direction_changes_the_head() -> None:
    moved = np.abs(head().shapes).reshape(len(SHAPES), -1).max(axis=1)
    assert (moved > 0.02).all(), dict(zip(SHAPES, moved, strict=True))


@pytest.mark.parametrize("name", ["neck_width", "ears", "hair_volume", "hair_long", "hair_fringe", "hair_gone"])
def test_what_is_beside_the_face_moves_no_point_of_it(name: str) -> None:
    model = head()
    moved = model.shapes[SHAPES.index(name)]
    assert np.abs(moved).max() > 0.01 and np.abs(moved[model.points98[33:]]).max() == 0


def test_saved_and_loaded(tmp_path: Path) -> None:
    head().save(tmp_path / "head.npz")
    again = Head.load(tmp_path / "head.npz")
    for field in fields(Head):
        np.testing.assert_array_equal(getattr(head(), field.name), getattr(again, field.name))
    with pytest.raises(OutputError, match=r"head\.npz"):
        head().save(tmp_path / "head.npz")


def test_damaged_files_say_so(tmp_path: Path) -> None:
    head().save(tmp_path / "head.npz")
    whole = (tmp_path / "head.npz").read_bytes()
    for name, content in (("cut", whole[:1000]), ("empty", b""), ("text", b"not a head")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=name):
            Head.load(tmp_path / name)
    np.savez(tmp_path / "newer.npz", format=np.int32(2))
    with pytest.raises(DatasetError, match="head format 2; this hybridfer reads up to 1"):
        Head.load(tmp_path / "newer.npz")
    np.savez(tmp_path / "other.npz", format=np.int32(1), vertices=np.zeros((3, 3)))
    with pytest.raises(DatasetError, match="not a head file"):
        Head.load(tmp_path / "other.npz")
    with pytest.raises(DatasetError, match="missing"):
        Head.load(tmp_path / "missing")


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (np.zeros(17), r"shape \(17,\) are not \(18,\) or \(18, 2\)"),
        (make_face(12, strength=5.5), r"AU12 is 5.5; intensities run from 0 to 5"),
        (make_face(4, strength=-1), r"AU4 is -1.0"),
        (make_face(45, strength=np.nan), r"AU45 is nan"),
    ],
)
def test_wrong_action_units_are_named(units: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        head().deform(None, units)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(DatasetError, match=f"not {len(SHAPES)} finite numbers"):
        head().deform(np.zeros(3))
    with pytest.raises(DatasetError, match="finite"):
        head().deform(np.full(len(SHAPES), np.nan))


def test_named_action_units() -> None:
    units = action_units(AU6=3, AU12=(5, 1))
    np.testing.assert_array_equal(units[[MUSCLES.index(6), MUSCLES.index(12)]], [(3, 3), (5, 1)])
    assert units.sum() == 12
    with pytest.raises(DatasetError, match="No muscle named 'AU11'"):
        action_units(AU11=1)
