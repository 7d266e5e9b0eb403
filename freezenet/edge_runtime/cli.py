"""The verbs of the device: predict, inspect, verify, doctor."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.options import (
    Loader,
    classifier_options,
    json_option,
    public_key_option,
    runtime_option,
    threads_option,
)

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier


@click.command()
@click.argument("model", type=click.Path())
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--cam",
    "cam_folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write each image with its class activation map laid over it to DIR/<image>.cam.png, replacing an older one; none for "
    "an image that is not a chest X-ray.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Images answered at a time; default: one for each core (for each --threads of them), 1 for a single image.",
)
@click.option(
    "--photo",
    is_flag=True,
    help="The images are photographs of films: find the film, straighten it, and say so; without a film, read all of it.",
)
@json_option
@classifier_options
def predict(
    model: str,
    images: tuple[str, ...],
    cam_folder: Path | None,
    workers: int | None,
    photo: bool,
    as_json: bool,
    load: Loader,
) -> None:
    """Classify images: files, folders, or - for one image on standard input.

    In a folder, it takes files with an image's suffix and images of any name. Hidden folders and those that systems leave behind
    (trash, @eaDir, __MACOSX) are passed over, and their files are counted on stderr.

    A bad file among good ones is reported and does not stop the rest; the exit code is then 1. Where the model abstains,
    the reason is printed instead of the label.
    """
    from freezenet.edge_runtime.batch import available_cores, predict_all
    from freezenet.edge_runtime.classifier import Prediction, answer_line
    from freezenet.edge_runtime.errors import DataError, FreezenetError
    from freezenet.edge_runtime.files import OF_ONE_NAME, write_bytes
    from freezenet.edge_runtime.images.inputs import named_images, overlay_names
    from freezenet.edge_runtime.integrity.trace import Tracer
    from freezenet.edge_runtime.system.talk import printable

    classifier = load(model)
    if cam_folder is not None:
        classifier.require_cam()
    if workers is None:
        single = len(images) == 1 and not Path(images[0]).is_dir()
        workers = 1 if single else max(1, available_cores() // classifier.interpreter.threads)
    overlay_name, trace = overlay_names(), Tracer(classifier, "predict")
    failures = 0
    # Closed at once where this ends early, so that no worker goes on.
    with closing(
        predict_all(classifier, named_images(images), workers=workers, overlay=cam_folder is not None, photo=photo)
    ) as answers:
        for name, prediction in answers:
            path = None
            if cam_folder is not None and isinstance(prediction, Prediction) and prediction.overlay is not None:
                path = cam_folder / overlay_name(name)
                try:
                    write_bytes(path, prediction.overlay)
                except OSError as error:
                    if error.errno not in OF_ONE_NAME:
                        raise
                    prediction = DataError(
                        f"A name that the file system can hold with .cam.png behind it is required. Got: {error.strerror}."
                    )
            if isinstance(prediction, FreezenetError):
                failures += 1
                click.echo(printable(f"{name}: {prediction}"), err=True)
                if as_json:
                    click.echo(json.dumps({"file": name, "error": str(prediction)}))
                continue
            if as_json:
                click.echo(json.dumps(answer_line(name, prediction, classifier, path, trace=trace())))
            else:
                # Of what is no chest X-ray the probabilities mean nothing.
                meant = {} if prediction.chest_xray is False else prediction.probabilities
                scores = "  ".join(f"{label} {score:.3f}" for label, score in meant.items())
                # A multi-label answer without a label is an answer, too.
                answer = f"abstained: {prediction.reason}" if prediction.abstained else prediction.label or "none"
                # A file name need not be text; the reader of stdout must get text, and one line.
                seen = "" if prediction.photo is None else f"\t{prediction.photo.said}"
                click.echo(f"{printable(name)}\t{answer}\t{scores}{seen}")
    if failures:
        sys.exit(1)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@json_option
def inspect(model: Path, as_json: bool) -> None:
    """Print what a model file says about itself."""
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.errors import ModelError, one_line
    from freezenet.edge_runtime.integrity.model_file import ModelFile

    file = ModelFile.read(model)
    # What is to be looked at may have been changed.
    classifier = Classifier(file, accept_changed=True)
    described = _described(classifier)
    if as_json:
        content = classifier.card.content
        click.echo(json.dumps({"file": str(model), "bytes": len(file.content), **described, "card": content}))
        return
    try:
        lines = _about(classifier, described)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"A card with the figures that `freezenet convert` writes is required. Got: {model.name} without, or with others: "
            f"{type(error).__name__}: {one_line(error, 100)}; --json shows what is there."
        ) from None
    click.echo("\n".join(lines))


def _described(classifier: Classifier) -> dict[str, list[dict[str, Any]]]:
    """Return the tensors of a model (JSON types)."""
    tensors = classifier.interpreter
    sides = {"inputs": tensors.inputs, "outputs": tensors.outputs}
    names = {"inputs": ["image"], "outputs": classifier.card.outputs}
    return {
        side: [
            {
                "name": name,
                "shape": one["shape"].tolist(),
                "dtype": one["dtype"].__name__,
                "quantization": [float(one["quantization"][0]), int(one["quantization"][1])],
            }
            for name, one in zip(names[side], found, strict=True)
        ]
        for side, found in sides.items()
    }


def _about(classifier: Classifier, described: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return what a model file says about itself, as lines for people."""
    card, rule, model = classifier.card, classifier.rule, classifier.path
    lines: list[str] = []
    say = lines.append
    content = card.content
    say(
        f"{model.name}: variant {card.variant}, {len(classifier.file.content) / 1e6:.2f} MB, {content['arithmetic']} arithmetic"
    )
    say(f"labels      {', '.join(card.labels)}")
    for side, found in described.items():
        for one in found:
            scale, zero = one["quantization"]
            grid = f", value = {scale:.6g} * (integer - {zero})" if scale else ""
            say(f"{side[:-1]:<11} {one['name']}: {one['dtype']} {one['shape']}{grid}")
    if rule.thresholds is not None:
        thresholds = ", ".join(f"{one} {value:.4g}" for one, value in zip(rule.labels, rule.thresholds, strict=True))
        say(f"task        multi-label, any number of labels is true; thresholds {thresholds}")
    spec = card.preprocess
    say(
        f"preprocess  {spec.color}, {spec.resize} resize to {spec.size[0]}x{spec.size[1]}, (x - {spec.mean:g}) / {spec.std:g}"
    )
    trained = content["trained_on"]
    say(
        f"trained on  {counted(trained['images'], 'image')}, recipe {trained['recipe']}, data {trained['data_sha256'][:12]}"
    )
    images = content["calibration"]["images"]
    say(f"calibration {counted(images if isinstance(images, int) else len(images), 'image')}")
    accuracy = content["accuracy"]
    # A final model was trained on all images; others, each on a part, were tested on the rest.
    final = accuracy.get("side") == "out-of-fold"
    judged, tested = ("training", "out-of-fold images") if final else ("validation", "test images")
    for name in ("accuracy", "macro_f1"):
        figure = accuracy[name]
        say(
            f"{name:<11} {figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}] on {accuracy['images']} "
            f"{tested}, {accuracy['runtime']}"
        )
    sources = content.get("sources")
    if sources and sources["elsewhere"]:
        say(f"elsewhere   {sources['elsewhere']}")
    verdict = content["against_keras"]
    passed = (
        f"passed: {verdict['agreement']:.1%} of {verdict['images']} {judged} images keep the trained network's class"
    )
    # A card of an earlier version knows two outcomes.
    question = {name: verdict[name] for name in ("refused", "undecided") if verdict.get(name)}
    say(f"acceptance  {'; '.join(f'{name}: {reason}' for name, reason in question.items()) or passed}")
    confidence, ood, localized = content.get("confidence"), content.get("gate"), content.get("localized")
    if confidence:
        where = f" of {counted(len(sources['validation']), 'source')}; not shown for others" if sources else ""
        chosen = f"chosen for {confidence.get('risk', 0):.0%} wrong answers on {confidence['images']} {'out-of-fold' if final else 'validation'} images{where}"
        if localized:
            chosen = f"localized for {', '.join(localized['targets'])} on {localized['images']} images, from the file {localized['from_sha256'][:12]}"
        told = f"temperature {confidence['temperature']:g}; says uncertain below {confidence['abstain_below']:.3f}"
        say(f"confidence  {told}, {chosen}")
    for label, least in (confidence or {}).get("abstain_below_class", {}).items():
        say(f"            {label}: uncertain below {least:.3f}")
    for gate in (ood.get("gates") or [ood]) if ood else []:
        say(f"OOD gate    {gate['kind']}, threshold {gate['threshold']:g}")
    if not ood:
        say("OOD gate    no OOD gate in this file")
    say(f"golden      {counted(len(card.golden), 'vector')}; check them with `freezenet verify {model}`")
    say(content["notice"])
    return lines


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL|FOLDER")
@public_key_option
@json_option
@threads_option
@runtime_option
def verify(model: Path, public_key: Path | None, as_json: bool, threads: int, runtime: str | None) -> None:
    """Prove on this device that a model, or each in a folder, is the one that was shipped and gives its numbers.

    The file is compared with its hash in conversion.json, where one lies beside it, then the golden vectors are run: scores,
    and the whole answers. Exit code 3 if the file differs or gives others.
    """
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.errors import RefusedError
    from freezenet.edge_runtime.images.inputs import named_models
    from freezenet.edge_runtime.integrity.hashes import CONVERSION_FILE, check_listed
    from freezenet.edge_runtime.integrity.model_file import ModelFile
    from freezenet.edge_runtime.integrity.signature import check_models, signed_folder
    from freezenet.edge_runtime.integrity.verify import shown
    from freezenet.edge_runtime.integrity.verify import verify as run_vectors

    models = named_models(model)
    signed = signed_folder(model)
    if public_key is not None:
        check_models(models, signed, public_key)
    elif signed:
        click.echo(f"The signature of {signed} was not checked; pass --public-key KEY.pub.", err=True)
    signature = "valid" if public_key else "not checked" if signed else None
    for path in models:
        name = path.relative_to(model).as_posix() if path != model else path.name
        file = ModelFile.read(path)
        listed = check_listed(path, file.sha256)
        file = replace(file, proven=listed)
        result = run_vectors(Classifier(file, threads=threads, runtime=runtime))
        allowed = "labels only" if result.tolerance is None else f"at most {result.tolerance:.4f}"
        figures = (
            f"{result.inputs_equal} of {result.vectors} inputs and {result.labels_equal} labels equal, "
            f"largest score difference {shown(result.largest_difference)} ({allowed}; recorded with {result.recorded_with:.80}); {result.answers_said}"
        )
        if as_json:
            click.echo(json.dumps({**result.to_dict(), "model": name, "sha256_listed": listed, "signature": signature}))
        elif result.passed:
            where = "does not list it" if (path.parent / CONVERSION_FILE).is_file() else "does not lie beside it"
            hashed = f"SHA-256 {f'as in {CONVERSION_FILE}' if listed else f'not compared: {CONVERSION_FILE} {where}'}"
            proofs = [hashed] + ["signature valid"] * (signature == "valid")
            click.echo("; ".join([f"{name} on {result.runtime}: {figures}", *proofs]))
        if not result.passed:
            raise RefusedError(f"The promised numbers are required. Got: {name} on {result.runtime}: {figures}.")


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Print the environment, for a bug report."""
    from freezenet.edge_runtime.errors import FreezenetError
    from freezenet.edge_runtime.interpreter import installed_runtime
    from freezenet.edge_runtime.system.environment import environment

    found = environment()
    try:
        found["interpreter"] = installed_runtime()
    except FreezenetError as error:
        found["interpreter"] = None
        click.echo(f"Error: {error}", err=True)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for key, value in found.items():
            shown = ", ".join(f"{name} {one}" for name, one in value.items()) if isinstance(value, dict) else value
            click.echo(f"{key:<12} {shown}")
    if found["interpreter"] is None:
        sys.exit(1)
