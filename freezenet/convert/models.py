"""A MODELS folder: the variants of one run, each checked before it gets its name.

<variant>.tflite            profile edge, with metadata, labels, card and golden vectors inside
<variant>-app.tflite        profile app (`freezenet.convert.float.outputs`)
<variant>.tflite.refused    what the gate refused, for study
layers.csv, layers.png      with --debug-layers: what the integers of each operator do
conversion.json             figures, hashes, refusals
splits.csv                  that of the run, so that comparisons use the same test side
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.convert.acceptance import Evidence, GateLimits, Verdict, judge
from freezenet.convert.converter import Converter
from freezenet.convert.float.outputs import keep_outputs, outputs_of, with_outputs
from freezenet.convert.package.card import calibrated_on, card_with_outputs, make_card, packed, trained_on
from freezenet.convert.ptq.calibration import Calibration, choose_calibration, read_checked
from freezenet.convert.qat.training import QatSettings
from freezenet.convert.qat.variant import QuantizedTraining
from freezenet.convert.variants import DEFAULT_VARIANTS, VARIANTS, UnsupportedError, Variant
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError, RefusedError
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.integrity.verify import verify
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.files import prepare_output, sha256_file, write_atomically, write_json
from freezenet.train.network.predict import predict
from freezenet.train.run import Run

logger = logging.getLogger(__name__)

#: Written last, so its presence means that the conversion is finished.
FINISHED = "conversion.json"


def convert(
    run: Run,
    out: Path,
    variants: Sequence[str] = DEFAULT_VARIANTS,
    profiles: Sequence[str] = ("edge",),
    calibration_images: int = 100,
    data: Path | None = None,
    limits: GateLimits = GateLimits(),
    gate: bool = True,
    qat: QatSettings = QatSettings(),
    debug_layers: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the variants of a run into the folder `out` and return what stands in conversion.json.

    profiles: see `freezenet.convert.float.outputs`. calibration_images: about how many images of the training side the integer ranges are
    measured on. data: where DATA lies now, if it was moved after the training. limits: what a variant may lose.
    gate: keep back what lost more; else it is written like the others, with the verdict in its card. qat: how `int8-qat` is
    trained. debug_layers: write what the integers of each operator do (`freezenet.convert.ptq.sensitivity`) as layers.csv and layers.png.
    A refused variant is kept under the name `<variant>.tflite.refused`; its reason stands under "refused". A killed conversion
    goes on with the variants that are missing. Raises RefusedError where the trained model gives NaN or infinity.
    """
    model, spec = run.model(), run.recipe.preprocess
    calibration = choose_calibration(run, calibration_images, data)
    evidence = _evidence(run, model, data)
    test = run.paths("test", data)
    test_pixels = read_checked(test, spec)
    # Only now, so that images that cannot be read cost no earlier results.
    prepare_output(out, FINISHED, overwrite)
    converter = Converter(with_outputs(model), calibration.representative(spec))
    if debug_layers:
        converter.sensitivity.write_csv(out / "layers.csv")
        converter.sensitivity.plot(out / "layers.png")
    training = QuantizedTraining(run, model, evidence, qat, data)
    writer = _Writer(run, out, converter, training, calibration, evidence, limits, gate, test, test_pixels)
    written: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for name in variants:
        targets = {profile: out / f"{name}{'' if profile == 'edge' else f'-{profile}'}.tflite" for profile in profiles}
        started = time.perf_counter()
        # Else finished before the process was killed: files get their names last.
        if not all(target.is_file() for target in targets.values()):
            logger.info(f"converting {name}")
            reason = writer.write(VARIANTS[name], targets)
            if reason is not None:
                refused[name] = reason
                continue
        content = writer.checked_card(VARIANTS[name], next(iter(targets.values())))
        written[name] = {**_entry(content, targets), "seconds": round(time.perf_counter() - started, 2)}
    shutil.copyfile(run.splits_file, out / run.splits_file.name)
    result = {
        "run": str(run.folder.resolve()),
        "recipe": run.recipe.name,
        "data": str((data or Path(run.manifest["data"])).resolve()),
        "data_sha256": run.manifest["data_sha256"],
        "calibration_images": len(calibration.images),
        "variants": written,
        "refused": refused,
        "environment": environment(),
    }
    write_json(out / FINISHED, result)
    return result


@dataclass(frozen=True)
class _Writer:
    """What it takes to write one variant after the other."""

    run: Run
    out: Path
    converter: Converter
    training: QuantizedTraining
    calibration: Calibration
    evidence: Evidence
    limits: GateLimits
    gate: bool
    test: list[tuple[Path, dict[str, str]]]
    test_pixels: NDArray[np.uint8]

    def write(self, variant: Variant, targets: dict[str, Path]) -> str | None:
        """Write a variant's file of each profile; where the gate refuses it, keep it for study and return the reason.

        Also where the network cannot be written in this variant: then there is nothing to keep.
        """
        judged = partial(judge, variant, spec=self.run.recipe.preprocess, evidence=self.evidence, limits=self.limits)
        try:
            content, made = self._content(variant, judged)
        except UnsupportedError as error:
            logger.info(f"{variant.name}: {error}")
            return str(error).rstrip(".")
        verdict = judged(content)
        keep_back = bool(verdict.refused) and (self.gate or not verdict.images)
        if verdict.refused:
            logger.info(f"{variant.name}: {'refused' if keep_back else 'written although refused'}: {verdict.refused}")
        else:
            keras_f1, this_f1 = (verdict.macro_f1[one]["value"] for one in ("keras", "this"))
            logger.info(
                f"{variant.name}: macro-F1 {this_f1:.3f} on {verdict.images} validation images, Keras {keras_f1:.3f}"
            )
        # What cannot be run has no card: there is nothing to say about it.
        files = self._packed(variant, content, made, verdict, targets) if verdict.images else {"": content}
        if keep_back:
            kept = self.out / f"{variant.name}.tflite.refused"
            write_bytes(kept, next(iter(files.values())))
            return verdict.refused
        # The first last, since it stands for the variant.
        for profile in reversed(files):
            write_atomically(targets[profile], partial(_write_verified, content=files[profile]))
        return None

    def checked_card(self, variant: Variant, model: Path) -> dict[str, Any]:
        """Return the card of a finished file; FreezenetError where a killed conversion of other arguments wrote it."""
        content = Classifier(model).card.content
        verdict, quantized = content["against_keras"], content["made"].get("quantized_training")
        same = {
            "run": content["trained_on"] == trained_on(self.run),
            "calibration images": content["calibration"] == calibrated_on(variant, self.calibration),
            "limits of the gate": verdict.get("limits") == asdict(self.limits)
            and not (self.gate and verdict["refused"]),
            "settings of int8-qat": quantized is None or quantized["settings"] == asdict(self.training.settings),
        }
        if not all(same.values()):
            raise FreezenetError(
                f"The same run and settings are required to go on with a conversion. Got: {model.parent}, begun with other "
                f"{', other '.join(what for what in same if not same[what])}; pass --overwrite or choose another name."
            )
        return dict(content)

    def _content(self, variant: Variant, judged: Callable[[bytes], Verdict]) -> tuple[bytes, dict[str, Any]]:
        """Return a variant's bytes with all outputs, and what its card says about how it was made."""
        if variant.name == "int8-qat":
            content, account = self.training.to_tflite(self.converter)
            return content, {"quantized_training": account}
        if variant.name == "mixed":
            content, floats = self.converter.to_mixed(lambda one: not judged(one).refused)
            logger.info(f"mixed: {len(floats)} operators in float{'' if floats else ', so it is int8'}")
            return content, {"float_operators": list(floats)}
        return self.converter.to_tflite(variant), {}

    def _packed(
        self, variant: Variant, content: bytes, made: dict[str, Any], verdict: Verdict, profiles: Iterable[str]
    ) -> dict[str, bytes]:
        """Return profile -> finished file."""
        card = make_card(self.run, variant, self.calibration, content, verdict.to_dict(), self.test, self.test_pixels)
        card["made"] = made
        return {
            profile: packed(keep_outputs(content, outputs), card_with_outputs(card, outputs), self.run)
            for profile in profiles
            for outputs in [outputs_of(profile, self.converter.model)]
        }


def refuse(result: dict[str, Any]) -> None:
    """Raise RefusedError where a conversion refused a variant."""
    if result["refused"]:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in result["refused"].items())
        raise RefusedError(f"Models that answer like the trained one are required. Got: {reasons}.")


def _evidence(run: Run, model: keras.Model, data: Path | None) -> Evidence:
    validation = run.paths("validation", data)
    pixels = read_checked(validation, run.recipe.preprocess)
    expected = predict(model, pixels, run.recipe.preprocess)
    broken = int((~np.isfinite(expected)).any(1).sum())
    if broken:
        raise RefusedError(
            f"A trained model that gives numbers is required. Got: NaN or infinity for {broken} of {len(pixels)} validation "
            "images; train again with a lower learning rate."
        )
    return Evidence(
        pixels,
        expected,
        run.truth(validation),
        run.labels,
        tuple(row["patient_id"] for _, row in validation),
        run.decision,
    )


def _entry(card: dict[str, Any], targets: dict[str, Path]) -> dict[str, Any]:
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
