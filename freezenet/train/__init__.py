"""The Keras pipeline: data, splits, losses, network, cached fit, answers, metrics; `freezenet.train(...)` runs all of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import Recipe
    from freezenet.train.run_folder import Metrics


class _CallableFloor(ModuleType):
    """This package, which is called as `freezenet.train(...)`: a package cannot share its name with a function."""

    def __call__(
        self,
        data: str | Path,
        out: str | Path,
        *,
        recipe: Recipe | str = "mobile-freezenet",
        options: TrainingOptions | None = None,
    ) -> Metrics:
        """Train a recipe on DATA, see `freezenet.train.training.train`."""
        from freezenet.train.options import TrainingOptions
        from freezenet.train.training import train

        return train(data, out, recipe=recipe, options=options or TrainingOptions())


sys.modules[__name__].__class__ = _CallableFloor
