"""The verbs `convert`, `sign`, `export-app` and `export-hub`."""

from __future__ import annotations

import json
import logging
from dataclasses import fields, replace
from pathlib import Path

import click

from freezenet.convert.foreign.options import foreign_options
from freezenet.convert.options import AcceptanceLimits, ConvertOptions, QatSettings, changed
from freezenet.convert.variants import DEFAULT_VARIANTS, ENDS, VARIANTS, known_profiles, known_variants
from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.settings import Settings
from freezenet.train.options import overwrite_option

logger = logging.getLogger(__name__)

variants_option = click.option(
    "--variants",
    default=",".join(DEFAULT_VARIANTS),
    show_default=True,
    metavar="LIST",
    help=f"Comma-separated list of {', '.join(VARIANTS)}; or all.",
)

calibration_option = click.option(
    "--calibration-images",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Training images to measure ranges on.",
)


def _names(settings: type[Settings]) -> str:
    return ", ".join(one.name for one in fields(settings))


limits_option = click.option(
    "--acceptance",
    "limits",
    multiple=True,
    metavar="KEY=VALUE",
    help=f"Change what a file must keep to be accepted: {_names(AcceptanceLimits)}. strict=true refuses also where the "
    "images are too few to tell a loss from chance.",
)
no_acceptance_option = click.option(
    "--no-acceptance",
    "acceptance",
    flag_value=False,
    default=True,
    help="Write refused variants too, with the verdict in their card.",
)


@click.command(epilog="\b\n" + "\n".join(f"{one.name + ':':<10}{one.summary}" for one in VARIANTS.values()))
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN|MODEL.keras")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="MODELS", help="Folder for the models.")
@variants_option
@click.option(
    "--profile",
    default="edge",
    show_default=True,
    metavar="LIST",
    help="edge: scores, class activation map, and the features that the OOD gate reads; for phones, too. app: scores "
    "only, for clients such as MediaPipe that can take one output only: no OOD gate in this file. Or edge,app.",
)
@click.option(
    "--io",
    type=click.Choice(ENDS),
    default=ENDS[0],
    show_default=True,
    help="What int8, int8-qat and mixed take and give. pixels: uint8 in, float32 out. uint8, int8: the same integers in and out, "
    "for accelerators and microcontrollers. float32: for clients made for float files. The other variants have float32.",
)
@calibration_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Where DATA lies now, if it was moved after the training; for MODEL.keras the DATA to convert and judge it with.",
)
@foreign_options(several=False)
@limits_option
@no_acceptance_option
@click.option(
    "--qat",
    "training",
    multiple=True,
    metavar="KEY=VALUE",
    help=f"Change a setting of int8-qat: {_names(QatSettings)}.",
)
@click.option(
    "--debug-layers", is_flag=True, help="Write how much noise each operator's integers add: layers.csv, layers.png."
)
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="Write conversion.json to stdout.")
def convert(run, out, preprocess, labels, variants, profile, limits, training, as_json, **others) -> None:
    """Convert a trained RUN to .tflite files, each compared with the Keras model before it gets its name.

    Or a Keras classifier of another maker, MODEL.keras, with --data, --preprocess and --labels: its split, temperature, abstention and OOD
    gate are made of DATA and kept in the folder OUT-run, a RUN like any other.

    Exit code 3: a variant was shown to lose more than is allowed and was kept back as <variant>.tflite.refused; the others
    are written. If there are too few validation images to tell, the file is written and the verdict says so.
    """
    from freezenet.train.quiet import quiet

    with quiet():
        from freezenet.convert.folder import ModelsFolder
        from freezenet.convert.models import convert as write
        from freezenet.convert.models import refuse
        from freezenet.convert.phone import for_phone

    options = ConvertOptions(
        variants=known_variants(variants),
        profiles=known_profiles(profile),
        limits=changed(AcceptanceLimits(), limits),
        qat=changed(QatSettings(), training),
        **others,
    )
    if run.is_file():
        run, options = _adopted(run, out, preprocess, labels, options)
    elif preprocess or labels:
        raise SettingError(
            f"A Keras model is required by --preprocess and --labels. Got: {run}, a RUN folder, which says it itself; leave them out."
        )
    result = write(run, out, options=options)
    if as_json:
        click.echo(json.dumps(result))
    else:
        for one in result["variants"].values():
            verdict = one["against_keras"]
            same = f"{verdict['agreement']:.1%} of {verdict['images']} validation images answered as by Keras"
            for file in one["profiles"].values():
                click.echo(f"{out / file['file']}\t{file['bytes'] / 1e6:.2f} MB\t{same}")
    if sentence := for_phone(ModelsFolder(out), result):
        logger.info(sentence)
    refuse(result)


def _adopted(
    model: Path, out: Path, preprocess: str | None, labels: str | None, options: ConvertOptions
) -> tuple[Path, ConvertOptions]:
    """Make a RUN folder beside OUT of a Keras model; return it, and the options for it."""
    from freezenet.convert.folder import ModelsFolder
    from freezenet.convert.foreign.adopt import adopt
    from freezenet.convert.foreign.asked import Asked
    from freezenet.train.files import check_output

    if options.data is None:
        raise SettingError(
            f"DATA is required, to calibrate and judge a model of another maker. Got: {model.name} alone; pass --data DATA."
        )
    check_output(out, ModelsFolder.FINISHED, options.overwrite)
    run = out.absolute().with_name(f"{out.absolute().name}-run")
    adopt(model, options.data, run, Asked.read(preprocess, labels), overwrite=options.overwrite)
    return run, replace(options, data=None)


@click.command()
@click.argument("models", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), metavar="PRIVATE.pem", help="The private key.")
@click.option("--overwrite", is_flag=True, help="Replace the folder's signature.")
def sign(models: Path, key: Path, overwrite: bool) -> None:
    """Sign all files of a MODELS folder, for `freezenet verify --public-key`; also one of `export-hub`.

    The key is one of an elliptic curve: openssl ecparam -name prime256v1 -genkey -noout -out PRIVATE.pem; its public
    half: openssl ec -in PRIVATE.pem -pubout -out KEY.pub. You are asked for the key's passphrase if it has one.
    """
    from freezenet.convert.package.signing import PassphraseRequired, sign_folder
    from freezenet.edge_runtime.integrity.signature import SIGNATURE_FILE

    try:
        files = sign_folder(models, key, overwrite=overwrite)
    except PassphraseRequired:
        passphrase = click.prompt(f"Passphrase of {key}", hide_input=True, err=True)
        files = sign_folder(models, key, passphrase, overwrite)
    click.echo(f"{models / SIGNATURE_FILE}\t{counted(len(files), 'file')}")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--web", is_flag=True, help="Write the web app; so it is where neither is asked for.")
@click.option("--android", is_flag=True, help="Write the Android app.")
@click.option(
    "--without-ood-gate", is_flag=True, help="Also take a file without OOD gate, which names a class for any picture."
)
@overwrite_option
def export_app(model: Path, out: Path, web: bool, android: bool, without_ood_gate: bool, overwrite: bool) -> None:
    """Write a phone app DIR with a MODEL file: it answers offline, and its rules are for an app of your own, too.

    DIR/README.md tells the five steps from there to a phone.
    """
    from freezenet.convert.app.export import export_app as write

    options = {"without_ood_gate": without_ood_gate, "overwrite": overwrite}
    for name in write(model, out, web=web or not android, android=android, **options):
        click.echo(out / name)


@click.command()
@click.argument("models", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--license",
    default="other",
    show_default=True,
    metavar="ID",
    help="The hub's identifier of the weights' licence; other: that of the training images.",
)
@click.option("--dataset", metavar="NAME", help="Name of the data set in the card; default: unnamed.")
@overwrite_option
def export_hub(models: Path, out: Path, license: str, dataset: str | None, overwrite: bool) -> None:
    """Write a Hugging Face model folder DIR from a MODELS folder; nothing is uploaded.

    README.md is the model card, with the measured figures in its front matter and intervals in its text.
    """
    from freezenet.convert.package.hub import export_hub as write

    for name in write(models, out, license, dataset, overwrite):
        click.echo(out / name)
