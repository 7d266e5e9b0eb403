"""The Keras pipeline: data, splits, statistics, losses, model, cached fit, metrics."""

import os

# Read by TensorFlow's C++ when it is first imported: errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
