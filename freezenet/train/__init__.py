"""The Keras pipeline: data, splits, statistics, losses, model, cached fit, metrics."""

import logging
import os

# Read by TensorFlow's C++ when it is first imported: errors only. The Python side warns of retracing for each new batch
# size, which is how prediction ends here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
