"""Augmentation: off is nothing, each change is what its key says, randomness comes from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.train.fitting.augment import augmenter
from freezenet.train.recipes.recipe import Recipe


def recipe(**keys) -> Recipe:
    """Return a recipe whose network input is the gray value."""
    return Recipe(image_size=48, mean=0.0, std=1.0, **keys)


def changed(pixels: np.ndarray, seed: int = 0, **keys) -> np.ndarray:
    out = augmenter(recipe(**keys))(pixels, np.random.default_rng(seed))
    assert out.shape == (*pixels.shape, 3)
    assert out.dtype == np.float32
    assert (out[..., 0] == out[..., 1]).all()
    assert (out[..., 0] == out[..., 2]).all()
    return out[..., 0]


@pytest.fixture
def pixels():
    y, x = np.mgrid[0:48, 0:48]
    return np.stack([(100 + 2 * x + y).astype(np.uint8), (60 + x + 2 * y).astype(np.uint8)])


def test_without_augmentation_it_only_normalizes(pixels):
    out = augmenter(Recipe(image_size=48, mean=128.0, std=127.5))(pixels, np.random.default_rng(0))
    np.testing.assert_allclose(out[..., 1], (pixels - 128.0) / 127.5, atol=1e-6)


def test_flip(pixels):
    many = np.repeat(pixels[:1], 200, 0)
    out = changed(many, augment_horizontal_flip=True)
    flipped = (out == pixels[0][:, ::-1]).all((1, 2))
    kept = (out == pixels[0]).all((1, 2))
    assert (flipped ^ kept).all()
    assert 70 <= flipped.sum() <= 130  # four standard deviations around 100


def test_vertical_flip(pixels):
    out = changed(np.repeat(pixels[:1], 200, 0), augment_vertical_flip=True)
    flipped = (out == pixels[0][::-1]).all((1, 2))
    assert (flipped ^ (out == pixels[0]).all((1, 2))).all()
    assert 70 <= flipped.sum() <= 130


def test_both_flips_are_independent(pixels):
    out = changed(np.repeat(pixels[:1], 400, 0), augment_horizontal_flip=True, augment_vertical_flip=True)
    for expected in (pixels[0], pixels[0][:, ::-1], pixels[0][::-1], pixels[0][::-1, ::-1]):
        assert 60 <= (out == expected).all((1, 2)).sum() <= 140


def test_shear_moves_each_row_aside_by_its_height():
    """A vertical line through the middle becomes one of slope s: x = 23.5 + s (y - 23.5), with |s| up to the key."""
    line = np.zeros((80, 48, 48), np.uint8)
    line[:, :, 23:25] = 200
    out = changed(line, augment_shear=0.3)
    y = np.arange(48) - 23.5
    centers = (out * np.arange(48)).sum(2) / out.sum(2) - 23.5
    slopes = (centers * y).sum(1) / (y**2).sum()
    assert np.abs(centers - slopes[:, None] * y).max() < 0.15
    assert np.abs(slopes).max() <= 0.305
    assert slopes.min() < -0.2
    assert slopes.max() > 0.2


def test_only_the_share_that_the_recipe_says_is_rotated(pixels):
    many = np.repeat(pixels[:1], 300, 0)
    rotated = (changed(many, augment_rotation=20, augment_rotation_probability=0.3) != pixels[0]).any((1, 2))
    assert 50 <= rotated.sum() <= 130  # 90, five standard deviations
    assert not (changed(many, augment_rotation=20, augment_rotation_probability=0) != pixels[0]).any()


def test_one_key_leaves_the_chances_of_the_others_alone(pixels):
    """A flip comes to the same images whether or not they are brightened too."""
    many = np.repeat(pixels[:1], 50, 0)
    only = changed(many, augment_horizontal_flip=True)
    both = changed(many, augment_horizontal_flip=True, augment_brightness=1e-9)
    np.testing.assert_array_equal(only, both)


def test_brightness_adds_one_number_within_its_range(pixels):
    shifts = changed(np.repeat(pixels[1:], 100, 0), augment_brightness=0.1) - pixels[1]
    np.testing.assert_array_equal(shifts.min((1, 2)), shifts.max((1, 2)))
    assert np.abs(shifts).max() <= 26
    assert shifts.min() < -15
    assert shifts.max() > 15


def test_contrast_scales_around_the_middle(pixels):
    out = changed(np.repeat(pixels[1:], 50, 0), augment_contrast=0.2) - 127.5
    before = pixels[1] - 127.5
    scales = (out * before).sum((1, 2)) / (before**2).sum()
    assert 0.8 <= scales.min() < 0.9
    assert 1.1 < scales.max() <= 1.2
    assert np.abs(out - scales[:, None, None] * before).max() < 0.8  # rounding, of the estimated scale too


def test_shift_moves_by_up_to_its_share():
    dot = np.zeros((100, 48, 48), np.uint8)
    dot[:, 22:26, 22:26] = 200
    out = changed(dot, augment_shift=0.25)
    y, x = np.mgrid[0:48, 0:48]
    centers = np.array([[(image * y).sum(), (image * x).sum()] for image in out]) / out.sum((1, 2))[:, None] - 23.5
    assert np.abs(centers).max() <= 12.1
    assert (np.abs(centers).max(0) > 9).all()
    assert (centers.min(0) < -9).all()


def test_rotation_keeps_the_center_and_turns():
    bar = np.zeros((60, 48, 48), np.uint8)
    bar[:, 23:25, 8:40] = 200
    out = changed(bar, augment_rotation=30)
    y, x = np.mgrid[0:48, 0:48] - 23.5
    mass = out.sum((1, 2))
    assert np.abs((out * x).sum((1, 2)) / mass).max() < 0.2
    assert np.abs((out * y).sum((1, 2)) / mass).max() < 0.2
    # direction of the long axis, by second moments
    angles = np.degrees(0.5 * np.arctan2(2 * (out * x * y).sum((1, 2)), (out * (x**2 - y**2)).sum((1, 2))))
    assert np.abs(angles).max() <= 30.5
    assert angles.min() < -20
    assert angles.max() > 20


def test_zoom_scales_the_area():
    square = np.zeros((60, 48, 48), np.uint8)
    square[:, 16:32, 16:32] = 200
    scale = np.sqrt(changed(square, augment_zoom=0.3).sum((1, 2)) / (200 * 256))
    assert 0.69 <= scale.min() < 0.8
    assert 1.2 < scale.max() <= 1.31


def test_the_generator_decides(pixels):
    keys = {
        "augment_rotation": 10.0,
        "augment_zoom": 0.1,
        "augment_horizontal_flip": True,
        "augment_contrast": 0.1,
    }
    np.testing.assert_array_equal(changed(pixels, 5, **keys), changed(pixels, 5, **keys))
    assert (changed(pixels, 5, **keys) != changed(pixels, 6, **keys)).any()
    before = pixels.copy()
    changed(pixels, 5, **keys)
    np.testing.assert_array_equal(pixels, before)


def test_a_border_is_black_up_to_its_share_and_all_else_stays():
    white = np.full((200, 48, 48), 200, np.uint8)
    out = changed(white, augment_border=0.25)
    rows, columns = (out > 0).any(2), (out > 0).any(1)
    np.testing.assert_array_equal(
        out, 200.0 * (rows[:, :, None] & columns[:, None, :])
    )  # a rectangle of what was there
    for edge in (rows.argmax(1), rows[:, ::-1].argmax(1), columns.argmax(1), columns[:, ::-1].argmax(1)):
        assert edge.max() <= 12  # a quarter of 48
        assert edge.max() >= 9 and edge.min() <= 2


def test_markers_in_corners_are_covered_and_the_middle_is_not():
    """Corners of a fine pattern, which a covered rectangle loses: only the mean is left of it."""
    pattern = np.broadcast_to(100 + 50 * (np.indices((48, 48)).sum(0) % 2), (400, 48, 48)).astype(np.uint8)
    out = changed(pattern, augment_markers=0.5)
    touched = out != pattern
    assert not touched[:, 11:37].any() and not touched[:, :, 11:37].any()
    for corner in (touched[:, :3, :3], touched[:, :3, -3:], touched[:, -3:, :3], touched[:, -3:, -3:]):
        assert 150 <= corner.all((1, 2)).sum() <= 250  # 200, five standard deviations
    assert set(np.unique(out)) <= {100, 150, *range(120, 131)}
    assert (changed(pattern, augment_markers=1) != pattern)[:, 1, 1].all()


def test_the_share_that_is_asked_for_is_saved_as_elsewhere(pixels):
    many = np.repeat(pixels[:1], 300, 0)
    assert 50 <= (changed(many, augment_storage=0.3) != pixels[0]).any((1, 2)).sum() <= 130
    assert len({one.tobytes() for one in changed(many[:20], augment_storage=1)}) == 20


def test_one_key_does_not_change_what_another_one_does(pixels):
    """Images that storage leaves alone are those of a recipe without it, borders and order in the batch included."""
    many = np.repeat(pixels, 100, 0)
    for others in ({"augment_shift": 0.1, "augment_brightness": 0.1}, {"augment_shift": 0.1, "augment_border": 0.2}):
        alone, both = changed(many, **others), changed(many, augment_storage=0.3, **others)
        assert 110 <= (alone == both).all((1, 2)).sum() <= 170  # 140, five standard deviations


@pytest.mark.parametrize("key", ["augment_storage", "augment_border", "augment_markers"])
def test_a_newer_key_that_is_off_leaves_names_of_versions_alone(key):
    """What was cached before it existed stays of use."""
    assert key not in recipe(augment_zoom=0.1).augmentation
    assert recipe(**{key: 0.2}).augmentation[key] == 0.2
    assert recipe(**{key: 0.2}).augments
