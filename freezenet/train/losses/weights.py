"""Class weights that follow from nothing but the numbers of training images: a name in a recipe -> one weight per class.

Each of them makes a loss of its own with `freezenet.train.losses.weighted.WeightedCrossentropy`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from freezenet.train.recipes.recipe import Recipe


def inverse_frequency(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return w_c = N / (C N_c); over the images their mean is 1 (King & Zeng, Political Analysis 9, 2001, section 4.2).

    Every class has the same say, however few images it has.

    Args:
        counts: (C,) training images of each class, each at least 1.
    """
    return counts.sum() / (len(counts) * counts)


def bwcce(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return w_c = (1 - N_c / N) / (C - 1), the share of images that are of other classes; their sum is 1.

    Bias-weighted categorical cross-entropy (Roy et al., Comput. Biol. Med. 2022), the attention loss's predecessor.

    Args:
        counts: (C,) training images of each class, C > 1.
    """
    return (1 - counts / counts.sum()) / (len(counts) - 1)


def class_balanced(counts: NDArray[np.integer], beta: float) -> NDArray[np.float64]:
    """Return w_c proportional to (1 - beta) / (1 - beta^N_c), scaled to the sum C (Cui et al., CVPR 2019, equations 2 and 7).

    This is the inverse of the effective number of images.

    Args:
        counts: (C,) training images of each class, each at least 1.
        beta: in [0, 1); 0 weighs all classes alike, towards 1 it becomes the inverse frequency.
    """
    inverse = (1 - beta) / (1 - beta ** counts.astype(np.float64))
    return inverse * len(counts) / inverse.sum()


#: Recipe key `loss` -> weights (C,) for the training images of each class.
WEIGHTS_OF_COUNTS: dict[str, Callable[[NDArray[np.integer], Recipe], NDArray[np.float64]]] = {
    "inverse-frequency": lambda counts, recipe: inverse_frequency(counts),
    "bwcce": lambda counts, recipe: bwcce(counts),
    "class-balanced": lambda counts, recipe: class_balanced(counts, recipe.class_balanced_beta),
}
