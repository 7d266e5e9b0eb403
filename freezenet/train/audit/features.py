"""What a network that never saw an X-ray sees in an image: the frozen features of MobileNetV2, for the probe."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.audit.options import AuditOptions
from freezenet.train.frozen.backbone import FrozenBackbone, choose_engine
from freezenet.train.network.host_settings import own_settings
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import load_recipe

logger = logging.getLogger(__name__)

#: Widths that are tried for a file of weights, the fastest first.
_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)

#: Side of the images whose number decides whether a conversion pays for itself; smaller ones are computed sooner without.
_FULL_SIDE = 224

#: From pixels (n, h, w) uint8 to features (n, d) float32.
Extract = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def extractor(options: AuditOptions, images: int) -> Extract:
    """Return the function that computes features, which are the means of the channels of the last feature map.

    Args:
        options: which weights, of what width, for images of which size.
        images: about how many it will be given, all views together: many are worth a conversion.
    """
    size = options.image_size
    network = _network(options)
    frozen = keras.Model(network.input, network.get_layer("pool").output)
    spec = PreprocessSpec((size, size))
    worth = round(images * (size / _FULL_SIDE) ** 2)
    return FrozenBackbone(frozen, spec, engine=choose_engine(worth, False), threads=os.cpu_count() or 1)


@own_settings()
def _network(options: AuditOptions) -> keras.Model:
    widths = (options.alpha,) if options.alpha is not None else _WIDTHS
    if not Path(options.weights).is_file():
        widths = widths[:1]
    for number, width in enumerate(widths, 1):
        settings = (f"alpha={width}", f"image_size={options.image_size}", f"seed={options.seed}")
        keras.utils.set_random_seed(options.seed)  # of weights that no file gives
        try:
            return build_model(load_recipe("mobile-freezenet", settings), ("a", "b"), options.weights)
        except ModelError:
            if number == len(widths):
                raise
    raise AssertionError
