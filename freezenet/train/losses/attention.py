"""Class weights of the attention loss, from Monte Carlo statistics of the training images.

A reconstruction. Roy & Khurana (Mobile Freeze-Net, ACM SAC 2023) publish the structure as a diagram,

    w_c = g( InterClassSimilarity_c - beta * ClassImbalanceFactor_c - gamma * IntraClassVariance_c ),

and four resulting numbers, but neither beta, gamma and g nor the definitions of the three statistics. The
definitions here are ours; the class imbalance factor follows the same author's BWCCE loss (Comput. Biol. Med. 2022),
which uses the share N_c / N.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassStatistics:
    """One number per class, in class order.

    Args:
        share: N_c / N.
        variance: mean squared gray-level difference (pixels in 0..1) of random pairs inside the class.
        similarity: mean Pearson correlation of random pairs of one image of the class and one of another.
    """

    share: NDArray[np.float64]
    variance: NDArray[np.float64]
    similarity: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return {name: np.round(values, 6).tolist() for name, values in asdict(self).items()}


def class_statistics(pixels: NDArray[np.uint8], classes: NDArray[np.integer], pairs: int, seed: int) -> ClassStatistics:
    """Estimate the statistics of each class from random pairs of images.

    Args:
        pixels: (n, h, w) uint8 of training images only.
        classes: (n,) numbers 0..C-1, each present.
        pairs: how many pairs are drawn for each class and statistic.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    flat = pixels.reshape(len(pixels), -1)
    share, variance, similarity = [], [], []
    for one in range(int(classes.max()) + 1):
        inside, outside = np.flatnonzero(classes == one), np.flatnonzero(classes != one)
        first = rng.choice(inside, pairs)
        # A pair is two different images where the class has two.
        second = rng.choice(inside, pairs)
        while len(inside) > 1 and (same := first == second).any():
            second[same] = rng.choice(inside, int(same.sum()))
        other = rng.choice(outside, pairs)
        share.append(len(inside) / len(classes))
        variance.append(np.mean([_squared_difference(flat[a], flat[b]) for a, b in zip(first, second, strict=True)]))
        similarity.append(np.mean([_correlation(flat[a], flat[b]) for a, b in zip(first, other, strict=True)]))
    return ClassStatistics(np.array(share), np.array(variance), np.array(similarity))


def attention_weights(
    statistics: ClassStatistics, beta: float, gamma: float, temperature: float
) -> NDArray[np.float64]:
    """Return one weight per class with mean 1 (C,) float64.

    z_c = zscore(S)_c - beta p_c - gamma zscore(V)_c ;  w_c = exp(z_c / T) / mean_k exp(z_k / T)

    with similarity S, share p and variance V.

    Args:
        statistics: of the training images.
        beta, gamma: any finite number.
        temperature: T > 0; the larger, the more equal the weights.
    """
    return _raised(
        _zscore(statistics.similarity) - beta * statistics.share - gamma * _zscore(statistics.variance), temperature
    )


def difficulty_weights(recall: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return one weight per class with mean 1 (C,) that grows with what a first run missed of the class.

    z_c = zscore(1 - recall)_c ;  w_c = exp(z_c / T) / mean_k exp(z_k / T)

    The published weights follow difficulty more than rarity: relative to their mean they correlate with 1 - F1 of their
    classes. That a first run may say directly what is difficult is this project's idea.

    Args:
        recall: (C,), 0..1, of validation images.
        temperature: T > 0; the larger, the more equal the weights.
    """
    return _raised(_zscore(1 - recall), temperature)


def _raised(z: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    raised = np.exp((z - z.max()) / temperature)
    return raised / raised.mean()


def _zscore(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _squared_difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.mean((a.astype(np.float32) - b) ** 2)) / 255.0**2


def _correlation(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    x, y = a.astype(np.float32), b.astype(np.float32)
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norm if norm > 0 else 0.0  # a constant image correlates with nothing
