"""What a cross-validation is asked for, and the trainings that this makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from freezenet.train.data.training_data import TrainingData
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run_folder import RunFolder


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation.

    Args:
        arm: name of its recipe.
        seed: of its shuffle and its training.
        number: of the fold that is tested, 1..folds; or of the value that is left out, from 1.
        left_out: that value, "" for a fold.
    """

    arm: str
    seed: int
    number: int
    left_out: str = ""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"without {self.left_out}" if self.left_out else f"fold {self.number}"

    def run(self, out: Path) -> RunFolder:
        """Return the RUN folder of this fold."""
        return RunFolder(
            out / self.arm / f"seed-{self.seed}" / f"{'without' if self.left_out else 'fold'}-{self.number}"
        )


@dataclass(frozen=True)
class CrossValidation:
    """What is asked for.

    Args:
        data: path of DATA.
        recipes: by the name of their arm.
        folds: at least 2; the data's own are taken where they are as many.
        seeds: each shuffles the folds, unless they are the data's own, and starts the training anew.
        options: of each training; weights and cache are used.
        keep_models: whether model.keras of each fold stays.
        leave_out: column of the data, each of whose values is also tested whole by a training without it; "" for none.
    """

    data: Path
    recipes: dict[str, Recipe]
    folds: int = 10
    seeds: tuple[int, ...] = (0,)
    options: TrainingOptions = TrainingOptions()
    keep_models: bool = False
    leave_out: str = ""

    def all_folds(self) -> Iterator[Fold]:
        """Yield every training, seed by seed, so that an unfinished cross-validation compares like with like."""
        for seed in self.seeds:
            for arm in self.recipes:
                for number in range(1, self.folds + 1):
                    yield Fold(arm, seed, number)

    def folds_of(self, arm: str) -> list[Fold]:
        """Return the trainings of an arm, seed by seed."""
        return [fold for fold in self.all_folds() if fold.arm == arm]

    def recipe(self, fold: Fold) -> Recipe:
        """Return the recipe of one training."""
        return self.recipes[fold.arm].with_settings({"seed": fold.seed})


#: Trains folds on the data of their arms, into folders below one, and yields each fold when it is finished:
#: `freezenet.train.crossval.validation.in_this_process` and `freezenet.train.crossval.ray_cluster.on_ray`.
Engine = Callable[[CrossValidation, dict[str, TrainingData], list[Fold], Path], Iterator[Fold]]
