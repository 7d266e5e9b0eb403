from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from freezenet.convert.qat.compression import codebook, nearest_table, scales_of, smallest_mask


def test_one_step_for_each_output_channel():
    kernel = np.array([[[[1.27, 0.5]], [[-0.3, -2.54]]]])  # (1, 2, 1, 2)
    np.testing.assert_allclose(scales_of(kernel, 1), [[[[0.01, 0.02]]]])
    assert scales_of(kernel, 2).shape == (1, 1, 1, 2)
    depthwise = np.arange(1.0, 9.0).reshape(2, 2, 2, 1)  # the channels are the last axis but one
    np.testing.assert_allclose(scales_of(depthwise, 2), np.array([7.0, 8.0]).reshape(1, 1, 2, 1) / 127)


def test_a_dead_channel_has_a_step():
    assert (scales_of(np.zeros((1, 1, 3, 2)), 1) > 0).all()


def test_the_smallest_weights_go():
    kernel = np.array([[0.1, -9.0], [-3.0, 0.2], [0.5, 4.0], [2.0, -0.3]])
    assert smallest_mask(kernel, 0.5).tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert smallest_mask(kernel, 0.0).all()
    assert smallest_mask(kernel, 0.25).sum() == 6


def test_the_largest_weight_of_a_channel_stays():
    """The second channel is smaller than all else, but its step comes from its largest weight."""
    kernel = np.array([[9.0, 0.01], [8.0, -0.02], [7.0, 0.0]])
    mask = smallest_mask(kernel, 0.5)
    assert mask.tolist() == [[1, 0], [1, 1], [0, 0]]
    # No more can go than all but one of each channel.
    assert smallest_mask(kernel, 0.95).tolist() == [[1, 0], [0, 1], [0, 0]]


def test_what_is_dropped_stays_dropped_when_the_share_grows():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)
    before = np.ones_like(kernel)
    for share in (0.1, 0.3, 0.5, 0.9):
        mask = smallest_mask(kernel * before, share)
        assert np.mean(mask == 0) == pytest.approx(share, abs=0.5 / kernel.size + 1e-9)
        assert not (mask > before).any()
        before = mask


def test_codes_of_clear_groups():
    integers = np.array([-127, 127, 0, 0, 0, *[39, 40, 41] * 5, *[-71, -70, -69] * 7])
    assert codebook(integers, 5).tolist() == [-127, -70, 0, 40, 127]
    # More codes than there are groups do no harm.
    assert len(codebook(np.array([-127, 0, 127]), 16)) <= 16


@pytest.mark.parametrize("clusters", [8, 16, 32])
def test_codes_are_about_as_good_as_free_ones(clusters):
    """Against scikit-learn's k-means with the same number, none of which it has to spend on -127, 0 and 127."""
    rng = np.random.default_rng(clusters)
    integers = np.clip(np.rint(rng.normal(0, 40, 5000)), -127, 127).astype(int)
    codes = codebook(integers, clusters)
    assert len(codes) <= clusters and {-127, 0, 127} <= set(codes.tolist())
    error = ((nearest_table(codes)[integers + 127] - integers) ** 2).sum()
    values = integers.reshape(-1, 1).astype(float)
    fewer = KMeans(clusters - 3, n_init=3, random_state=0).fit(values).inertia_
    free = KMeans(clusters, n_init=3, random_state=0).fit(values).inertia_
    assert free * 0.9 <= error <= fewer * 1.1


def test_zeros_of_a_pruned_kernel_do_not_use_up_the_codes():
    integers = np.concatenate([np.zeros(9000, int), np.arange(-127, 128)])
    codes = codebook(integers, 16)
    assert len(codes) == 16
    assert np.abs(nearest_table(codes)[np.arange(255)] - np.arange(-127, 128)).max() <= 20


def test_each_integer_becomes_the_nearest_code():
    table = nearest_table(np.array([-127, -10, 0, 100, 127]))
    assert table.shape == (255,) and table.dtype == np.float32
    assert [table[integer + 127] for integer in (-127, -69, -68, -4, 4, 51, 113, 114, 127)] == [
        -127, -127, -10, 0, 0, 100, 100, 127, 127,
    ]  # fmt: skip
