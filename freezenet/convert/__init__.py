"""From a Keras model to `.tflite` files that carry their card and were compared with the original; `freezenet.convert(...)`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freezenet.convert.folder import Conversion
    from freezenet.convert.options import ConvertOptions
    from freezenet.train.run import Run


class _CallableFloor(ModuleType):
    """This package, which is called as `freezenet.convert(...)`: a package cannot share its name with a function."""

    def __call__(self, run: Run | str | Path, out: str | Path, *, options: ConvertOptions | None = None) -> Conversion:
        """Convert a trained run, see `freezenet.convert.models.convert`; options: None takes the defaults."""
        from freezenet.convert.models import convert
        from freezenet.convert.options import ConvertOptions

        return convert(run, out, options=options or ConvertOptions())


sys.modules[__name__].__class__ = _CallableFloor
