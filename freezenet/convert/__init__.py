"""From a Keras model to `.tflite` files that carry their card and were compared with the original; `freezenet.convert(...)`."""

import sys
from types import ModuleType
from typing import Any


class _CallableFloor(ModuleType):
    """This package, which is called as `freezenet.convert(...)`: a package cannot share its name with a function."""

    def __call__(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Convert a trained run, see `freezenet.convert.models.convert`."""
        from freezenet.convert.models import convert

        return convert(*arguments, **named)


sys.modules[__name__].__class__ = _CallableFloor
