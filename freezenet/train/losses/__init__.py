"""Losses, one per file, in keras.ops only, so that every backend of Keras computes the same."""

from freezenet.train.losses.attention_loss import AttentionWeightedCrossentropy
from freezenet.train.losses.binary_focal import BinaryFocalCrossentropy
from freezenet.train.losses.bwcce import BWCCE
from freezenet.train.losses.class_balanced import ClassBalancedCrossentropy
from freezenet.train.losses.focal import FocalCrossentropy
from freezenet.train.losses.inverse_frequency import InverseFrequencyCrossentropy
from freezenet.train.losses.weighted import WeightedCrossentropy

__all__ = [
    "BWCCE",
    "AttentionWeightedCrossentropy",
    "BinaryFocalCrossentropy",
    "ClassBalancedCrossentropy",
    "FocalCrossentropy",
    "InverseFrequencyCrossentropy",
    "WeightedCrossentropy",
]
