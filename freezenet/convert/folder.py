"""A MODELS folder: the names of its files, and what stands in its conversion.json.

<variant>.tflite            profile edge, with metadata, labels, card and golden vectors inside
<variant>-app.tflite        profile app (`freezenet.convert.float.outputs`)
<variant>.tflite.refused    what was refused, for study
layers.csv, layers.png      with --debug-layers: what the integers of each operator do
scores/<variant>.npz        what each variant scores on the test images, so that comparisons need not compute it again
conversion.json             figures, hashes, refusals; written last, so its presence means that the conversion is finished

The folder is made to be handed on: it holds counts and digests of the data, but no path, and no name or hash of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from freezenet.edge_runtime.files import remove_partial
from freezenet.edge_runtime.integrity.hashes import CONVERSION_FILE
from freezenet.train.files import read_json, write_json


class ModelFile(TypedDict):
    """One file. bytes: its size. sha256: in hexadecimal."""

    file: str
    bytes: int
    sha256: str


class ConvertedVariant(TypedDict):
    """What conversion.json says of a variant.

    Args:
        file: name of the file that stands for the variant: of the first profile.
        bytes: its size.
        profiles: the file of each profile.
        against_keras: the verdict, see `freezenet.convert.acceptance.Verdict`.
        accuracy: on the test images, with its interval.
        macro_f1: the same.
        made: how it was made, where there is more to say than the variant's name.
        seconds: what it took.
    """

    file: str
    bytes: int
    profiles: dict[str, ModelFile]
    against_keras: dict[str, Any]
    accuracy: dict[str, float]
    macro_f1: dict[str, float]
    made: dict[str, Any]
    seconds: float


class Conversion(TypedDict):
    """What stands in conversion.json.

    Args:
        recipe: name of the run's recipe.
        data_sha256: digest of DATA.
        calibration_images: number of them.
        variants: by name, in the order in which they were asked for.
        refused: variant -> why it was kept back.
        undecided: variant -> the loss that was measured, on too few images to tell it from chance.
        environment: machine and versions.
    """

    recipe: str
    data_sha256: str
    calibration_images: int
    variants: dict[str, ConvertedVariant]
    refused: dict[str, str]
    undecided: dict[str, str]
    environment: dict[str, Any]


@dataclass(frozen=True)
class ModelsFolder:
    """The folder at `path`, which need not exist yet."""

    path: Path

    #: Name of the file that is written last.
    FINISHED = CONVERSION_FILE

    @property
    def finished(self) -> bool:
        """Whether a conversion into this folder came to its end."""
        return (self.path / self.FINISHED).is_file()

    @property
    def layers_table(self) -> Path:
        """The noise of each operator as a table."""
        return self.path / "layers.csv"

    @property
    def layers_picture(self) -> Path:
        """The same as a picture."""
        return self.path / "layers.png"

    def model(self, variant: str, profile: str = "edge") -> Path:
        """Return the file of a variant in a profile."""
        return self.path / f"{variant}{'' if profile == 'edge' else f'-{profile}'}.tflite"

    def refused(self, variant: str) -> Path:
        """Return the file of a variant that was refused."""
        return self.path / f"{variant}.tflite.refused"

    def scores(self, variant: str) -> Path:
        """Return the file of a variant's scores for the test images, see `freezenet.convert.scores.StoredScores`."""
        return self.path / "scores" / f"{variant}.npz"

    def conversion(self) -> Conversion:
        """Read conversion.json; ModelError where the folder has none or a damaged one."""
        return read_json(self.path / self.FINISHED)

    def finish(self, conversion: Conversion) -> None:
        """Write conversion.json, and clear away what a killed conversion had half written."""
        for folder in (self.path, self.path / "scores"):
            remove_partial(folder)
        write_json(self.path / self.FINISHED, conversion)
