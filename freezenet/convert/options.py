"""What a conversion is asked for, shared by the command line, the pipeline and Python; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from freezenet.convert.variants import DEFAULT_VARIANTS, ENDS, known_profiles, known_variants
from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.settings import Settings, setting
from freezenet.train.recipes.files import parsed_setting

_Group = TypeVar("_Group", bound=Settings)


@dataclass(frozen=True)
class AcceptanceLimits(Settings):
    """What a converted file may lose to the trained model before it is refused.

    Args:
        f1_kept: smallest share of macro-F1 to keep, 0..1.
        recall_loss: largest loss of recall in any class, 0..1.
        agreement: smallest share of images with the same answer, 0..1; below it a file counts as collapsed.
        float32_difference: largest score difference that the order of float32 operations explains, 0..1.
        strict: refuse also where the measured loss is beyond a limit but the images are too few to tell it from chance.
    """

    f1_kept: float = setting(0.99, low=0, high=1, help="Smallest share of macro-F1 to keep.")
    recall_loss: float = setting(0.02, low=0, high=1, help="Largest loss of recall in any class.")
    agreement: float = setting(0.8, low=0, high=1, help="Smallest share of images with the same answer.")
    float32_difference: float = setting(1e-3, low=0, high=1, help="Largest score difference of float32.")
    strict: bool = setting(False, help="Refuse also where the images are too few to tell a loss from chance.")


@dataclass(frozen=True)
class QatSettings(Settings):
    """How `int8-qat` is trained.

    Kernels that are to lose much need more epochs and a higher rate, such as 10 and 0.02 to 0.05.

    Args:
        epochs: passes over the training images.
        learning_rate: how far a weight moves in an update at the start, in units of its 8-bit scale; half a cosine takes
            it to 0.
        batch_size: images of one update.
        temperature: softens the answers of both networks before they are compared, so that classes of small probability
            count.
        seed: of the order of the images.
        sparsity: share of zeros in the kernels of trained convolutions that are not depthwise, reached half-way; 0 for none.
        clusters: largest number of different integers in such a kernel, at least 4; 0 for no limit.
    """

    epochs: int = setting(4, low=1, high=1000, help="Passes over the training images.")
    learning_rate: float = setting(0.005, low=1e-9, high=1, help="First change of a weight, in units of its scale.")
    batch_size: int = setting(16, low=1, high=65536, help="Images of one update.")
    temperature: float = setting(4.0, low=0.1, high=100, help="Softens the answers that are compared.")
    seed: int = setting(0, low=0, high=2**31 - 1, help="Of the order of the images.")
    sparsity: float = setting(0.0, low=0, high=0.95, help="Share of zeros in the kernels.")
    clusters: int = setting(0, low=0, high=255, help="Largest number of different integers in a kernel; 0: any.")

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        super().__post_init__()
        if 0 < self.clusters < 4:
            raise SettingError(f"Setting clusters must be 0 or at least 4. Got: {self.clusters}.")
        if self.sparsity and self.epochs < 2:
            raise SettingError(
                f"Setting epochs must be at least 2 with a sparsity, which is reached half-way. Got: {self.epochs}."
            )


@dataclass(frozen=True)
class ConvertOptions(Settings):
    """How `freezenet.convert` writes a run.

    Args:
        variants: names, see `freezenet.convert.variants`.
        profiles: "edge", "app" or both, see `freezenet.convert.variants`.
        io: what goes into int8, int8-qat and mixed and comes out, see `freezenet.convert.ptq.ends`.
        calibration_images: about how many training images the integer ranges are measured on.
        data: where DATA lies now, if it was moved after the training.
        limits: what a variant may lose.
        acceptance: keep back what is refused; else it is written like the others, with the verdict in its card.
        qat: how `int8-qat` is trained.
        debug_layers: write what the integers of each operator do as layers.csv and layers.png.
        overwrite: replace the results in the output folder.
    """

    variants: tuple[str, ...] = setting(DEFAULT_VARIANTS, convert=lambda names: known_variants(_text(names)))
    profiles: tuple[str, ...] = setting(("edge",), convert=lambda names: known_profiles(_text(names)))
    io: str = setting(ENDS[0], choices=ENDS)
    calibration_images: int = setting(100, low=1)
    data: Path | None = setting(None, convert=Path, expected="a path")
    limits: AcceptanceLimits = AcceptanceLimits()
    acceptance: bool = True
    qat: QatSettings = QatSettings()
    debug_layers: bool = False
    overwrite: bool = False


def _text(names: str | Sequence[str]) -> str:
    """Return names as the comma-separated list that a person types."""
    return names if isinstance(names, str) else ",".join(names)


def changed(group: _Group, texts: Sequence[str]) -> _Group:
    """Return a copy of a group of settings with `key=value` texts applied; SettingError where one cannot be."""
    values: dict[str, Any] = dict(parsed_setting(one) for one in texts)
    return group.with_settings(values)
