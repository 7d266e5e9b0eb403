"""Verify, time and judge model files on a device that ssh reaches, and bring the rows back."""

from __future__ import annotations

import json
import logging
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.benchmarks.devices.bundle import make_bundle, read_bundle
from freezenet.benchmarks.devices.ssh import Ssh
from freezenet.benchmarks.devices.wheels import Target
from freezenet.benchmarks.evaluate import JudgedImages, judged_images
from freezenet.benchmarks.origin import find_run
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DeviceError
from freezenet.edge_runtime.names import counted
from freezenet.train.task import task_of

logger = logging.getLogger(__name__)

_RESULT_SCORES = "freezenet.benchmarks.devices.scores"


def equip(device: Ssh, bundle: Path | None = None) -> str:
    """Make sure that the device has this version's base install, from a bundle where it has not; return the version.

    Args:
        device: the device.
        bundle: a folder of `freezenet bundle`; None makes one for the device where it is needed.
    """
    ours, there = version("freezenet"), device.installed()
    if there is not None and bundle is None:
        if there != ours:
            raise DeviceError(
                f"freezenet {ours} is required on {device.host}. Got: {there}; pass --bundle with a bundle of this version."
            )
        return there
    with tempfile.TemporaryDirectory(prefix="freezenet-bundle-") as name:
        if bundle is None:
            logger.info(f"collecting wheels for {device.about['platform']}, Python {device.about['python']}")
            about = device.about
            bundle = Path(name) / "bundle"
            make_bundle(bundle, Target(about["platform"], about["python"], about["glibc"] or Target.glibc))
        manifest = read_bundle(bundle)
        logger.info(f"installing freezenet {manifest['freezenet']} on {device.host}")
        device.install(bundle, manifest)
    return str(manifest["freezenet"])


def measure_on(
    device: Ssh,
    models: list[Path],
    options: list[str],
    *,
    data: Path | None = None,
    run: Path | None = None,
    everything: bool = False,
) -> list[dict[str, Any]]:
    """Return a row for each model, as `freezenet.benchmarks.latency.benchmark` gives, measured on the device.

    Args:
        device: equipped, see `equip`.
        models: `.tflite` files.
        options: of `freezenet benchmark`, passed on.
        data: images whose answers are asked for there; what they are worth is computed here. Their names stay here.
        run: the RUN folder that knows the test images; None looks beside the models.
        everything: all images of `data`, not only the test images.

    Returns:
        Beside the timing, "verify" with what the golden vectors gave, "accuracy" with the figures of the answers, and "reached_by".
    """
    judged = [None if data is None else _judged(Classifier(model), data, run, everything) for model in models]
    folder = device.new_folder()
    try:
        return [
            _row(device, f"{folder}/{number}", model, options, one)
            for number, (model, one) in enumerate(zip(models, judged, strict=True))
        ]
    finally:
        device.remove(folder)  # the images may be of patients


def _judged(classifier: Classifier, data: Path, run: Path | None, everything: bool) -> tuple[Classifier, JudgedImages]:
    card = classifier.card
    origin = find_run(classifier.path.parent, card, run)
    return classifier, judged_images(data, origin, task=task_of(card.content).name, everything=everything)


def _row(
    device: Ssh, folder: str, model: Path, options: list[str], asked: tuple[Classifier, JudgedImages] | None
) -> dict[str, Any]:
    name = f"{folder}/{model.name}"
    freezenet = [device.python, "-m", "freezenet"]
    device.run(["mkdir", "-p", f"{folder}/images"])
    device.send([(model, model.name)], folder)
    verified = json.loads(device.run([*freezenet, "verify", name, "--json"]))
    (row,) = json.loads(device.run([*freezenet, "benchmark", name, *options, "--json"]))
    row = {**row, "reached_by": f"ssh {device.host}", "verify": verified}
    if asked is None:
        return row
    classifier, judged = asked
    # No file name, which may be a patient's, goes there; its suffix tells DICOM files without a preamble.
    paths = judged.dataset.paths
    names = [f"{number:06d}{path.suffix}" for number, path in enumerate(paths)]
    logger.info(f"judging {counted(len(paths), 'image')} on {device.host}")
    device.send(zip(paths, names, strict=True), f"{folder}/images")
    said = json.loads(device.run([device.python, "-m", _RESULT_SCORES, name, f"{folder}/images"]))
    labels, task = classifier.card.labels, judged.dataset.task
    answers = classifier.rule.answers(np.array([said["scores"][one] for one in names], np.float32))
    figures = task.evaluate(task.truth(judged.truth, labels), answers, labels, judged.patients)
    return {
        **row,
        "accuracy": {"side": judged.split, "took_part": judged.took_part, "runtime": said["runtime"], **figures},
    }
