"""Changed copies: a function of image, recipe and number alone, cached each by itself, drawn in training only."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from freezenet.train.data.images import Images
from freezenet.train.fitting.batches import Batches
from freezenet.train.frozen.backbone import FrozenBackbone
from freezenet.train.frozen.versions import StackedRows, augmented_version, cached_versions
from freezenet.train.recipes.recipe import Recipe

RECIPE = Recipe(
    image_size=32, cache="float32", augment_rotation=20, augment_shift=0.2, augment_brightness=0.1, augment_copies=2
)


def images(count: int = 12) -> Images:
    pixels = np.random.default_rng(1).integers(0, 256, (count, 32, 32), np.uint8)
    return Images(pixels, tuple(f"{n:064x}" for n in range(count)))


@pytest.fixture(scope="module")
def prefix() -> keras.Model:
    first = keras.Input((32, 32, 3))
    keras.utils.set_random_seed(0)
    model = keras.Model(first, layers.Conv2D(4, 3, strides=4)(first))
    model.trainable = False
    return model


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """The sizes of the chunks that are computed."""
    sizes: list[int] = []
    original = FrozenBackbone.__call__

    def call(self, pixels):
        sizes.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(FrozenBackbone, "__call__", call)
    return sizes


def test_a_copy_depends_on_nothing_but_its_image_recipe_and_number():
    some = images()
    first = augmented_version(some, RECIPE, 1).pixels[0:12]
    np.testing.assert_array_equal(first, augmented_version(some, RECIPE, 1).pixels[0:12])
    # In another order, in other company, in other parts: what a fold of cross-validation would do.
    turned = Images(some.pixels[::-1], some.hashes[::-1])
    np.testing.assert_array_equal(first[::-1], augmented_version(turned, RECIPE, 1).pixels[0:12])
    part = Images(some.pixels[4:7], some.hashes[4:7])
    np.testing.assert_array_equal(first[4:7], augmented_version(part, RECIPE, 1).pixels[0:3])
    np.testing.assert_array_equal(first[3:9], augmented_version(some, RECIPE, 1).pixels[3:9])
    others = [
        augmented_version(some, RECIPE, 2),
        augmented_version(some, replace(RECIPE, seed=1), 1),
        augmented_version(some, replace(RECIPE, augment_rotation=21.0), 1),
        augmented_version(some, replace(RECIPE, augment_rotation_probability=0.5), 1),
        some,
    ]
    for other in others:
        assert (first != other.pixels[0:12]).any()
        assert not set(augmented_version(some, RECIPE, 1).hashes) & set(other.hashes)
    # What does not change how a copy looks does not make another one.
    same = replace(RECIPE, augment_copies=5, learning_rate=1.0, test_share=0.3)
    assert augmented_version(some, same, 1).hashes == augmented_version(some, RECIPE, 1).hashes


def test_the_cache_holds_the_prefix_of_each_version(prefix, tmp_path, computed):
    some = images()
    found = cached_versions(prefix, some, recipe=RECIPE, folder=tmp_path)
    assert computed == [12, 12, 12]
    for number, version in enumerate(found):
        pixels = augmented_version(some, RECIPE, number).pixels[0:12] if number else some.pixels
        expected = np.asarray(prefix(RECIPE.preprocess.normalized(pixels)))
        np.testing.assert_allclose(version.values, expected, atol=1e-5)


def test_more_copies_cost_only_the_new_ones_and_none_serve_a_plain_run(prefix, tmp_path, computed):
    cached_versions(prefix, images(), recipe=RECIPE, folder=tmp_path)
    computed.clear()
    assert len(cached_versions(prefix, images(), recipe=replace(RECIPE, augment_copies=3), folder=tmp_path)) == 4
    assert computed == [12]
    plain = replace(RECIPE, augment_rotation=0.0, augment_shift=0.0, augment_brightness=0.0)
    (only,) = cached_versions(prefix, images(), recipe=plain, folder=tmp_path)
    assert only.engine == "disk"
    assert computed == [12]


def test_stacked_rows_are_the_concatenation():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(7, 2, 3)).astype(np.float16) for _ in range(3)]
    stacked, whole = StackedRows(arrays), np.concatenate(arrays)
    assert len(stacked) == 21
    for rows in (np.array([20, 0, 7, 6, 7]), slice(5, 16), slice(0, 7), slice(18, 30)):
        found = stacked[rows]
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, whole[rows])
    assert StackedRows(arrays[:1])[2:4].base is not None  # one array is read where it lies


def test_training_draws_versions_and_validation_takes_images_as_they_are():
    """The value of a row is 100 x its version + its number."""
    arrays = [np.arange(20)[:, None] + 100 * version for version in range(4)]
    targets = np.eye(20, dtype=np.float32)
    rows = np.arange(5, 17)

    def drawn(epoch: int, seed: int | None = 3) -> list[int]:
        batches = Batches(StackedRows(arrays), targets, rows=rows, batch_size=4, shuffle_seed=seed)
        batches.start_epoch(epoch)
        found = [batches[number] for number in range(len(batches))]
        values = np.concatenate([inputs[:, 0] for inputs, _ in found]).astype(int)
        np.testing.assert_array_equal(values % 100, np.concatenate([truth for _, truth in found]).argmax(1))
        return values.tolist()

    assert drawn(0, None) == drawn(9, None) == rows.tolist()
    assert drawn(4) == drawn(4)  # as a resumed run draws it
    epochs = np.array([sorted(drawn(epoch), key=lambda value: value % 100) for epoch in range(400)])
    assert (epochs % 100 == rows).all()
    shares = np.stack([(epochs // 100 == version).mean(0) for version in range(4)])
    # 400 draws with probability 1/4: five standard deviations.
    assert np.abs(shares - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 400)
    without = Batches(arrays[0], targets, rows=rows, batch_size=4, shuffle_seed=3)
    without.start_epoch(4)
    plain = [int(value) for number in range(len(without)) for value in without[number][0][:, 0]]
    assert plain == [value % 100 for value in drawn(4)]  # the same images in the same order


def test_some_images_are_served_by_the_cache_of_all(prefix, computed, tmp_path):
    everything = cached_versions(prefix, images(), recipe=RECIPE, folder=tmp_path)
    computed.clear()
    rows = np.array([7, 2, 9])
    found = cached_versions(prefix, images().some(rows), recipe=RECIPE, folder=tmp_path)
    assert computed == []
    assert len(found) == 3
    for one, whole in zip(found, everything, strict=True):
        assert (len(one.values), one.values.shape, one.values.ndim) == (3, (3, *whole.values.shape[1:]), 4)
        np.testing.assert_array_equal(one.values[:], whole.values[rows])
        np.testing.assert_array_equal(one.values[np.array([2, 0])], whole.values[[9, 7]])
    stacked = StackedRows([one.values for one in found])
    np.testing.assert_array_equal(stacked[np.array([1, 3])], [everything[0].values[2], everything[1].values[7]])
