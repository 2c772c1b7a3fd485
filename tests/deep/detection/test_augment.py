"""A mirrored window has its box and points mirrored with it; other light stays within a picture's range."""

from __future__ import annotations

import torch

from hybridfer.deep.detection.augment import mirrored, relit


def test_box_and_points_go_where_their_pixels_go() -> None:
    """Five pixels of five values are the points; after mirroring each still lies on a pixel of its partner's value."""
    side = 10
    pixels = torch.zeros(2, 3, side, side)
    places = [(2, 3), (7, 3), (4, 5), (3, 8), (6, 8)]
    for value, (x, y) in enumerate(places, start=1):
        pixels[:, :, y, x] = value
    points = torch.tensor([[(x + 0.5) / side for x, _ in places] + [(y + 0.5) / side for _, y in places]]).repeat(2, 1)
    boxes = torch.tensor([[0.1, 0.2, 0.6, 0.9]]).repeat(2, 1)
    turned, turned_boxes, turned_points = mirrored(pixels, boxes, points, torch.tensor([False, True]))
    assert torch.equal(turned[0], pixels[0]) and torch.equal(turned_points[0], points[0])
    torch.testing.assert_close(turned_boxes[1], torch.tensor([0.4, 0.2, 0.9, 0.9]))
    xs, ys = (turned_points[1].view(2, 5) * side).floor().long()
    # The image-left eye of the mirrored face was the image-right one; so with the mouth; the nose stays the nose.
    assert turned[1, 0, ys, xs].tolist() == [2, 1, 3, 5, 4]
    again = mirrored(*mirrored(pixels, boxes, points, torch.ones(2) > 0), torch.ones(2) > 0)
    for twice, once in zip(again, (pixels, boxes, points), strict=True):
        torch.testing.assert_close(twice, once)


def test_unknown_places_stay_unknown() -> None:
    nothing = torch.full((1, 4), torch.nan), torch.full((1, 10), torch.nan)
    _, boxes, points = mirrored(torch.zeros(1, 3, 4, 4), *nothing, torch.tensor([True]))
    assert boxes.isnan().all() and points.isnan().all()


def test_light_changes_pixels_within_their_range() -> None:
    windows = torch.rand(64, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 255
    before = windows.clone()
    lit = relit(windows, torch.Generator().manual_seed(1))
    assert torch.equal(windows, before)
    assert lit.shape == windows.shape and lit.min() >= 0 and lit.max() <= 255
    assert (lit - windows).abs().flatten(1).max(1).values.min() > 1  # every one is changed
    assert torch.equal(lit, relit(windows, torch.Generator().manual_seed(1)))
    assert not torch.equal(lit, relit(windows, torch.Generator().manual_seed(2)))


def test_some_windows_lose_their_colours() -> None:
    windows = torch.rand(400, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 100 + 80
    windows = windows.expand(-1, -1, 6, 6)
    lit = relit(windows, torch.Generator().manual_seed(1))
    spread = (lit.amax((2, 3)) - lit.amin((2, 3))).amax(1)
    quiet = spread < 1e-3  # without noise, which colours a little
    grey = (lit[:, 0] - lit[:, 2]).abs().amax((1, 2)) < 1e-3
    share = grey[quiet].float().mean().item()
    assert 0.15 < share < 0.35  # a quarter are meant to
