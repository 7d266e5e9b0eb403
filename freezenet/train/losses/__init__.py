"""Losses, one per file, in keras.ops only, so that every backend of Keras computes the same."""

from train.losses.attention import AttentionWeightedCrossentropy
from train.losses.binary_focal import BinaryFocalCrossentropy
from train.losses.bwcce import BWCCE
from train.losses.class_balanced import ClassBalancedCrossentropy
from train.losses.focal import FocalCrossentropy
from train.losses.inverse_frequency import InverseFrequencyCrossentropy
from train.losses.weighted import WeightedCrossentropy

__all__ = [
    "BWCCE",
    "AttentionWeightedCrossentropy",
    "BinaryFocalCrossentropy",
    "ClassBalancedCrossentropy",
    "FocalCrossentropy",
    "InverseFrequencyCrossentropy",
    "WeightedCrossentropy",
]
