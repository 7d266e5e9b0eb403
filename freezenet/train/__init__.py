"""The Keras pipeline: data, splits, losses, network, cached fit, answers, metrics; `freezenet.train(...)` runs all of it."""

import logging
import os
import sys
from types import ModuleType
from typing import Any

# Read by TensorFlow's C++ when it is first imported: errors only. The Python side warns of retracing for each new batch
# size, which is how prediction ends here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
logging.getLogger("tensorflow").setLevel(logging.ERROR)


class _CallableFloor(ModuleType):
    """This package, which is called as `freezenet.train(...)`: a package cannot share its name with a function."""

    def __call__(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Train a recipe on DATA, see `freezenet.train.training.train`."""
        from freezenet.train.training import train

        return train(*arguments, **named)


sys.modules[__name__].__class__ = _CallableFloor
