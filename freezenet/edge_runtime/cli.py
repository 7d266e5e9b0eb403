"""The verbs of the device: predict, inspect, verify, doctor."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from freezenet.edge_runtime.options import (
    Loader,
    classifier_options,
    json_option,
    public_key_option,
    runtime_option,
    threads_option,
)


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
    from freezenet.edge_runtime.integrity.inspection import about, tensors_of
    from freezenet.edge_runtime.integrity.model_file import ModelFile

    file = ModelFile.read(model)
    # What is to be looked at may have been changed.
    classifier = Classifier(file, accept_changed=True)
    described = tensors_of(classifier)
    if as_json:
        content = classifier.card.content
        click.echo(json.dumps({"file": str(model), "bytes": len(file.content), **described, "card": content}))
        return
    try:
        lines = about(classifier, described)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"A card with the figures that `freezenet convert` writes is required. Got: {model.name} without, or with others: "
            f"{type(error).__name__}: {one_line(error, 100)}; --json shows what is there."
        ) from None
    click.echo("\n".join(lines))


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
