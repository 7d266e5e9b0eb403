"""Write the variants of a run into a MODELS folder, each checked before it gets its name."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.convert.acceptance import ValidationScores, Verdict, judge
from freezenet.convert.converter import Converter
from freezenet.convert.float.outputs import keep_outputs, outputs_of, with_outputs
from freezenet.convert.folder import Conversion, ConvertedVariant, ModelsFolder
from freezenet.convert.ood import FileGates
from freezenet.convert.options import ConvertOptions
from freezenet.convert.package.card import audited, calibrated_on, card_with_outputs, make_card, packed, trained_on
from freezenet.convert.ptq.calibration import Calibration, choose_calibration, read_checked
from freezenet.convert.ptq.ends import with_ends
from freezenet.convert.qat.variant import QuantizedTraining
from freezenet.convert.scores import StoredScores, score_images
from freezenet.convert.variants import VARIANTS, UnsupportedError, Variant, types_in, types_of
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError, RefusedError, require_type
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.integrity.verify import verify
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.files import check_output, prepare_output, require_drawing, sha256_file, write_atomically
from freezenet.train.network.host_settings import own_settings
from freezenet.train.network.predict import predict
from freezenet.train.run import Run

logger = logging.getLogger(__name__)


@own_settings()
def convert(run: Run | str | Path, out: str | Path, *, options: ConvertOptions = ConvertOptions()) -> Conversion:
    """Write the variants of a run into a folder and return what stands in its conversion.json.

    A refused variant is kept under the name `<variant>.tflite.refused`; its reason stands under "refused". A killed
    conversion goes on with the variants that are missing.

    Args:
        run: a finished RUN folder, or its path.
        out: the MODELS folder to write, see `freezenet.convert.folder`.
        options: what to write and how.

    Raises:
        RefusedError: the trained model gives NaN or infinity.
        ModelError: the folder holds files of another run or of other options.
        DataError: an image of the run is missing or was changed.
    """
    require_type("options", options, ConvertOptions)
    run = run if isinstance(run, Run) else Run.open(Path(run))
    check_output(Path(out), ModelsFolder.FINISHED, options.overwrite)
    if options.data is not None and not run.knows_below(options.data):
        logger.warning(f"{options.data} is not looked into: the run names its images by absolute paths.")
    folder, spec = ModelsFolder(Path(out)), run.recipe.preprocess
    model = run.model()
    calibration = choose_calibration(run, options.calibration_images, options.data)
    validation = _validation(run, model, options.data)
    test = run.paths("test", options.data)
    # A final run has none: its figures are those of its cross-validation.
    test_pixels = read_checked(test, spec) if test else np.zeros((0, *spec.size), np.uint8)
    converter = Converter(with_outputs(model), calibration.representative(spec))
    if options.debug_layers:
        converter.require_known("--debug-layers")
        require_drawing()
    # Only now, so that what is refused costs no earlier results.
    prepare_output(folder.path, folder.FINISHED, options.overwrite)
    if options.debug_layers:
        converter.sensitivity.write_csv(folder.layers_table)
        converter.sensitivity.plot(folder.layers_picture)
    training = QuantizedTraining(run, model, validation, options.qat, options.data)
    gates = FileGates(run, options.data)
    writer = _Writer(run, folder, options, converter, training, calibration, validation, test, test_pixels, gates)
    written: dict[str, ConvertedVariant] = {}
    refused: dict[str, str] = {}
    for name in options.variants:
        targets = {profile: folder.model(name, profile) for profile in options.profiles}
        started = time.perf_counter()
        # Else finished before the process was killed: files get their names last.
        if not all(target.is_file() for target in targets.values()):
            logger.info(f"converting {name}")
            if (reason := writer.write(VARIANTS[name], targets)) is not None:
                refused[name] = reason
                continue
        content = writer.checked_card(VARIANTS[name], next(iter(targets.values())))
        written[name] = _entry(content, targets, time.perf_counter() - started)
    calibration.write(run.calibration_file(calibration.sha256))
    conversion: Conversion = {
        "recipe": run.recipe.name,
        "data_sha256": run.manifest["data_sha256"],
        "calibration_images": len(calibration.images),
        "variants": written,
        "refused": refused,
        "undecided": {
            name: one["against_keras"]["undecided"]
            for name, one in written.items()
            if one["against_keras"].get("undecided")
        },
        "environment": environment(),
    }
    folder.finish(conversion)
    return conversion


@dataclass(frozen=True)
class _Writer:
    """What it takes to write one variant after the other."""

    run: Run
    folder: ModelsFolder
    options: ConvertOptions
    converter: Converter
    training: QuantizedTraining
    calibration: Calibration
    validation: ValidationScores
    test: list[tuple[Path, dict[str, str]]]
    test_pixels: NDArray[np.uint8]
    gates: FileGates

    def write(self, variant: Variant, targets: dict[str, Path]) -> str | None:
        """Write a variant's file of each profile; where it is refused, keep it for study and return the reason.

        Also where the network cannot be written in this variant: then there is nothing to keep.
        """
        judged = partial(
            judge,
            variant,
            spec=self.run.recipe.preprocess,
            validation=self.validation,
            limits=self.options.limits,
        )
        try:
            content, made = self._content(variant, judged)
        except UnsupportedError as error:
            logger.info(f"{variant.name}: {error}")
            return str(error).rstrip(".")
        verdict = judged(content)
        keep_back = bool(verdict.refused) and (self.options.acceptance or not verdict.images)
        _tell(variant, verdict, keep_back)
        # What cannot be run has no card: there is nothing to say about it.
        files, scores = {"": content}, None
        if verdict.images:
            interpreter = Interpreter(content)
            scores = np.zeros((0, len(self.run.labels)), np.float32)
            if len(self.test_pixels):
                scores = score_images(interpreter, self.run.recipe.preprocess, self.test_pixels)
            files = self._packed(variant, content, interpreter, made, verdict, scores, targets)
        if keep_back:
            write_bytes(self.folder.refused(variant.name), next(iter(files.values())))
            return verdict.refused
        assert scores is not None  # what has none is kept back
        # The first last, since it stands for the variant.
        for profile in reversed(files):
            write_atomically(targets[profile], partial(_write_verified, content=files[profile]))
        # After the files: without them scores are of no use, and without scores a comparison computes them.
        digests = tuple(hashlib.sha256(one).hexdigest() for one in files.values())
        splits = sha256_file(self.run.splits_file)
        StoredScores(scores, digests, splits, interpreter.name).write(self.folder.scores(variant.name))
        return None

    def checked_card(self, variant: Variant, model: Path) -> dict[str, Any]:
        """Return the card of a finished file; ModelError where a killed conversion of other arguments wrote it."""
        content = Classifier(model).card.content
        verdict, quantized = content["against_keras"], content["made"].get("quantized_training")
        same = {
            "run": content["trained_on"] == trained_on(self.run),
            "calibration images": content["calibration"] == calibrated_on(variant, self.calibration),
            "audit": content.get("audit") == audited(self.run),
            "limits of acceptance": verdict.get("limits") == asdict(self.options.limits)
            and not (self.options.acceptance and verdict["refused"]),
            "ends": not variant.takes_pixels or types_in(content) == types_of(self.options.io),
            "settings of int8-qat": quantized is None or quantized["settings"] == asdict(self.training.settings),
        }
        if not all(same.values()):
            raise ModelError(
                f"The same run and settings are required to go on with a conversion. Got: {model.parent}, begun with other "
                f"{', other '.join(what for what in same if not same[what])}; pass --overwrite or choose another name."
            )
        return dict(content)

    def _content(self, variant: Variant, judged: Callable[[bytes], Verdict]) -> tuple[bytes, dict[str, Any]]:
        """Return a variant's bytes with all outputs, and what its card says about how it was made."""
        if variant.name == "int8-qat":
            if self.run.adopted:
                raise UnsupportedError(
                    f"A network that freezenet trained is required by {variant.name}. Got: another maker's."
                )
            content, manifest = self.training.to_tflite(self.converter)
            return with_ends(content, self.options.io), {"quantized_training": manifest}
        if variant.name == "mixed":
            content, floats = self.converter.to_mixed(lambda one: not judged(one).refused)
            logger.info(f"mixed: {len(floats)} operators in float{'' if floats else ', so it is int8'}")
            return with_ends(content, self.options.io), {"float_operators": list(floats)}
        content = self.converter.to_tflite(variant)
        made = {} if self.converter.quantizes else {"converter": "TensorFlow"}
        return (with_ends(content, self.options.io) if variant.takes_pixels else content), made

    def _packed(
        self,
        variant: Variant,
        content: bytes,
        interpreter: Interpreter,
        made: dict[str, Any],
        verdict: Verdict,
        scores: NDArray[np.float32],
        profiles: Iterable[str],
    ) -> dict[str, bytes]:
        """Return profile -> finished file."""
        card = make_card(self.run, variant, self.calibration, interpreter, verdict.to_dict(), self.test, scores)
        card["made"] = made
        names = outputs_of("edge", self.converter.model)
        # A model that gives NaN is refused; there is nothing to fit.
        if variant.arithmetic == "integer" and "features" in names and "edge" in profiles and np.isfinite(scores).all():
            gate = self.gates.gate(interpreter, names.index("features"))
            if gate is not None:
                card["gate"] = gate
        return {
            profile: packed(
                keep_outputs(content, outputs), card_with_outputs(card, outputs), self.run, self.validation.pixels
            )
            for profile in profiles
            for outputs in [outputs_of(profile, self.converter.model)]
        }


def _tell(variant: Variant, verdict: Verdict, keep_back: bool) -> None:
    if verdict.refused:
        logger.info(f"{variant.name}: {'refused' if keep_back else 'written although refused'}: {verdict.refused}")
        return
    keras_f1, this_f1 = (verdict.macro_f1[one]["value"] for one in ("keras", "this"))
    logger.info(f"{variant.name}: macro-F1 {this_f1:.3f} on {verdict.images} validation images, Keras {keras_f1:.3f}")
    if verdict.undecided:
        logger.warning(f"{variant.name}: undecided: {verdict.undecided}")


def refuse(result: Conversion) -> None:
    """Raise RefusedError where a conversion refused a variant."""
    if result["refused"]:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in result["refused"].items())
        raise RefusedError(f"Models that answer like the trained one are required. Got: {reasons}.")


def _validation(run: Run, model: keras.Model, data: Path | None) -> ValidationScores:
    rows = run.paths(run.judged_split, data)
    pixels = read_checked(rows, run.recipe.preprocess)
    expected = predict(model, pixels, run.recipe.preprocess)
    broken = int((~np.isfinite(expected)).any(1).sum())
    if broken:
        raise RefusedError(
            f"A trained model that gives numbers is required. Got: NaN or infinity for {broken} of {len(pixels)} validation "
            "images; train again with a lower learning rate."
        )
    return ValidationScores(
        pixels,
        expected,
        run.truth(rows),
        run.labels,
        tuple(row["patient_id"] for _, row in rows),
        run.decision,
    )


def _entry(card: dict[str, Any], targets: dict[str, Path], seconds: float) -> ConvertedVariant:
    """Return what conversion.json says about the files of one variant."""
    main = next(iter(targets.values()))
    return {
        "file": main.name,
        "bytes": main.stat().st_size,
        "profiles": {
            profile: {"file": target.name, "bytes": target.stat().st_size, "sha256": sha256_file(target)}
            for profile, target in targets.items()
        },
        "against_keras": card["against_keras"],
        "accuracy": card["accuracy"]["accuracy"],
        "macro_f1": card["accuracy"]["macro_f1"],
        "made": card["made"],
        "seconds": round(seconds, 2),
    }


def _write_verified(path: Path, content: bytes) -> None:
    """Write the file and open it as a device would; what fails here never gets its name."""
    path.write_bytes(content)
    result = verify(Classifier(path))
    if not result.passed:
        raise RefusedError(
            f"A file that gives its golden vectors is required. Got: {result.labels_equal} of {result.vectors} labels equal, "
            f"largest difference {result.largest_difference:.4f}; the metadata damaged the model."
        )
