"""The attention loss: class weights that follow how hard a class is."""

from __future__ import annotations

import keras

from freezenet.train.losses.weighted import WeightedCrossentropy


@keras.saving.register_keras_serializable(package="freezenet")
class AttentionWeightedCrossentropy(WeightedCrossentropy):
    """Cross-entropy with the weights of Roy & Khurana, Mobile Freeze-Net (ACM SAC 2023).

    The weights come from `freezenet.train.losses.attention` (statistics of the training images, or the recall of a first run), or are given
    as numbers.
    """
