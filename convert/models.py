"""A MODELS folder: the variants of one run, each checked before it gets its name.

<variant>.tflite     with metadata, labels, card and golden vectors inside
conversion.json      figures, hashes, refusals
splits.csv           that of the run, so that comparisons use the same test side
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convert.calibration import choose_calibration, read_checked
from convert.card import calibrated_on, make_card, packed, trained_on
from convert.gate import judge
from convert.tflite import VARIANTS, Converter
from edge_runtime.classifier import Classifier
from edge_runtime.environment import environment
from edge_runtime.errors import FreezenetError, RefusedError
from edge_runtime.verify import verify
from train.files import prepare_output, sha256_file, write_atomically, write_json
from train.progress import say
from train.run import Run, predict_scores

#: Written last, so its presence means that the conversion is finished.
FINISHED = "conversion.json"


def convert(
    run: Run,
    out: Path,
    variants: Sequence[str] = tuple(VARIANTS),
    calibration_images: int = 100,
    data: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the variants of a run into the folder `out` and return what stands in conversion.json.

    calibration_images: about how many images of the training side the integer ranges are measured on.
    data: where DATA lies now, if it was moved after the training.
    A refused variant is not written; its reason stands under "refused". A killed conversion goes on with the variants
    that are missing.
    """
    model, spec = run.model(), run.recipe.preprocess
    calibration = choose_calibration(run, calibration_images, data)
    pixels = read_checked(run.paths("validation", data), spec)
    test = run.paths("test", data)
    test_pixels = read_checked(test, spec)
    # Only now, so that images that cannot be read cost no earlier results.
    prepare_output(out, FINISHED, overwrite)
    expected = predict_scores(model, pixels, run.recipe)
    converter = Converter(model, calibration.representative(spec))
    written: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for name in variants:
        target = out / f"{name}.tflite"
        started = time.perf_counter()
        if not target.is_file():  # else finished before the process was killed: files get their name last
            say(f"converting {name}")
            plain = converter.to_tflite(VARIANTS[name])
            verdict = judge(VARIANTS[name], plain, spec, pixels, expected)
            if verdict.refused:
                refused[name] = verdict.refused
                say(f"refused {name}: {verdict.refused}")
                continue
            card = make_card(run, VARIANTS[name], calibration, plain, verdict.to_dict(), test, test_pixels)
            finished = packed(plain, card, run)
            write_atomically(target, partial(_write_verified, content=finished))
        content = Classifier(target).card.content
        if content["trained_on"] != trained_on(run) or content["calibration"] != calibrated_on(name, calibration):
            raise FreezenetError(
                f"The same run and calibration images are required to go on with a conversion. Got: {out}, begun with "
                "others; pass --overwrite or choose another name."
            )
        written[name] = {
            "file": target.name,
            "bytes": target.stat().st_size,
            "sha256": sha256_file(target),
            "against_keras": content["against_keras"],
            "accuracy": content["accuracy"]["accuracy"],
            "macro_f1": content["accuracy"]["macro_f1"],
            "seconds": round(time.perf_counter() - started, 2),
        }
    shutil.copyfile(run.folder / "splits.csv", out / "splits.csv")
    result = {
        "run": str(run.folder.resolve()),
        "recipe": run.recipe.name,
        "data": str((data or Path(run.account["data"])).resolve()),
        "data_sha256": run.account["data_sha256"],
        "calibration_images": len(calibration.images),
        "variants": written,
        "refused": refused,
        "environment": environment(),
    }
    write_json(out / FINISHED, result)
    return result


def refuse(result: dict[str, Any]) -> None:
    """Raise RefusedError where a conversion refused a variant."""
    if result["refused"]:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in result["refused"].items())
        raise RefusedError(f"Models that answer like the trained one are required. Got: {reasons}.")


def known_variants(text: str) -> list[str]:
    """Read a comma-separated list of variants, or "all"."""
    names = list(VARIANTS) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not names:
        raise FreezenetError(f"Variants of {', '.join(VARIANTS)} are required. Got: {', '.join(unknown) or 'none'}.")
    return names


def _write_verified(path: Path, content: bytes) -> None:
    """Write the file and open it as a device would; what fails here never gets its name."""
    path.write_bytes(content)
    result = verify(Classifier(path))
    if not result.passed:
        raise RefusedError(
            f"A file that gives its golden vectors is required. Got: {result.labels_equal} of {result.vectors} labels equal, "
            f"largest difference {result.largest_difference:.4f}; the metadata damaged the model."
        )
