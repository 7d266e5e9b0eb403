"""The stages of the pipeline, each of which leaves its result on disk and is not done twice.

run/             train: the RUN folder            results.json        compare and benchmark
run/audit.json   audit: what was found in DATA    report.html         the report
models/          convert: the MODELS folder       report-share.html   with --share: the report without names and pictures

Made to be handed on are models/ and report-share.html; all else names files, patients or paths.
"""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from freezenet.benchmarks.compare import compare
from freezenet.benchmarks.latency import benchmark
from freezenet.convert.folder import ModelsFolder
from freezenet.convert.models import convert, refuse
from freezenet.convert.options import ConvertOptions
from freezenet.convert.package.card import NOTICE
from freezenet.convert.phone import for_phone
from freezenet.convert.variants import PROFILES
from freezenet.edge_runtime.errors import FreezenetError, ModelError, SettingError
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.audit.audit import audit
from freezenet.train.audit.options import AuditOptions
from freezenet.train.audit.verdict import audit_sentence
from freezenet.train.data.loading import load
from freezenet.train.files import prepare_output, read_json, write_json
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run import Run
from freezenet.train.run_folder import RunFolder
from freezenet.train.training import train

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the pipeline is asked for; see `freezenet.train.training.train` and `freezenet.convert.models.convert`.

    Args:
        data: a folder or a CSV.
        recipe: what is trained by.
        training: how; its `overwrite` empties the folder of the whole pipeline.
        conversion: how its model is converted, but for profiles and data: all profiles are written, from `data`.
        command: what was typed, for the report.
        share: also write the report that may be handed on; of a finished pipeline, write it from the results.
        audit: ask what a network could cheat with on the data, for report and cards.
    """

    data: Path
    recipe: Recipe
    training: TrainingOptions = TrainingOptions()
    conversion: ConvertOptions = ConvertOptions()
    command: str = ""
    share: bool = False
    audit: bool = True


def run_pipeline(options: Options, out: Path) -> dict[str, Any]:
    """Run the stages that `out` does not hold yet and return what stands in results.json.

    Raises RefusedError after the report where a variant was refused, and at once where float32 was.
    """
    from freezenet.benchmarks.report import REPORT, write_report  # checks early that [report] is installed

    load(options.data, options.recipe.task)  # before earlier results are overwritten
    finished = None if options.share and not options.training.overwrite else REPORT
    prepare_output(out, finished, options.training.overwrite)
    logger.info(f"1/6 train {options.recipe.name}")
    run = _trained(options, RunFolder(out / "run"))
    models = ModelsFolder(out / "models")
    # Finished cards would not hold what is found now.
    if options.audit and not models.finished and not run.audit_file.is_file():
        logger.info("2/6 audit")
        write_json(run.audit_file, audited(options))
    logger.info("3/6 convert")
    if models.finished:
        conversion = models.conversion()
    else:
        wanted = replace(options.conversion, profiles=tuple(PROFILES), data=options.data, overwrite=False)
        conversion = convert(run, models.path, options=wanted)
    if "float32" not in conversion["variants"]:
        refuse(conversion)
        raise SettingError("The variant float32 is required, to compare with. Got: none; add it to --variants.")
    results_file = out / "results.json"
    if not results_file.is_file():
        logger.info("4/6 compare")
        comparison = compare(models.path, data=options.data, run=run.folder)
        logger.info("5/6 benchmark")
        latency = [benchmark(models.path / one["file"]) for one in conversion["variants"].values()]
        metrics = run.read_metrics()
        write_json(results_file, {
            "recipe": options.recipe.name,
            "data": str(options.data),
            "command": options.command,
            "date": date.today().isoformat(),
            "has_patients": _has_patients(run),
            "notice": NOTICE,
            "elsewhere": metrics["elsewhere"],
            "audit": audit_sentence(run.read_audit()),
            "keras": {"accuracy": metrics["accuracy"], "macro_f1": metrics["macro_f1"]},
            "comparison": comparison,
            "latency": latency,
            "refused": conversion["refused"],
            "undecided": conversion["undecided"],
            "environment": environment(),
        })  # fmt: skip
    logger.info("6/6 report")
    report = out / REPORT
    if not report.is_file():
        write_report(out)
    logger.info(f"report: {report.resolve()}")
    if options.share:
        logger.info(f"report for handing on: {write_report(out, share=True).resolve()}")
    if sentence := for_phone(models, conversion):
        logger.info(sentence)
    refuse(conversion)
    return read_json(results_file)


def _trained(options: Options, files: RunFolder) -> Run:
    training = options.training
    if not files.finished:
        # What lay there has been removed with the rest.
        train(options.data, files.folder, recipe=options.recipe, options=replace(training, overwrite=False))
    run = Run.open(files.folder)
    begun = (run.recipe, run.manifest["weights"], run.manifest["data"], run.manifest.get("not_cxr"))
    not_cxr = training.not_cxr and str(training.not_cxr.resolve())
    if begun != (options.recipe, training.weights_origin, str(options.data.resolve()), not_cxr):
        raise ModelError(
            f"The same recipe, weights and data are required to go on with a pipeline. Got: {files.folder.parent}, begun with "
            "others; pass --overwrite or choose another name."
        )
    return run


def audited(options: Options) -> dict[str, Any]:
    """Return what an audit of the data finds, or under "not_audited" why there is none: a training that went well is not lost for it."""
    weights, recipe = options.training.weights, options.recipe
    # Weights that are downloaded are those of the training; of a file the width is found out.
    alpha = recipe.alpha if weights == "imagenet" and recipe.backbone == "mobilenetv2" else None
    asked = AuditOptions(weights=weights, alpha=alpha, image_size=min(512, recipe.image_size))
    try:
        try:
            return audit(options.data, options=asked)
        except ModelError as error:
            logger.info(f"The audit looks through random weights: {error}")
            return audit(options.data, options=replace(asked, weights="none", alpha=None))
    except FreezenetError as error:
        logger.warning(f"The data cannot be audited: {error}")
        return {"not_audited": str(error)}


def _has_patients(run: Run) -> bool:
    return any(row["patient_id"] != row["file"] for row in run.splits)


def command_line(arguments: list[str]) -> str:
    """Return the command that was given, to be shown in the report."""
    return shlex.join(["freezenet", *arguments])
