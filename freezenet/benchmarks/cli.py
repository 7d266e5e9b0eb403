"""The verbs evaluate and compare."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click

from freezenet.convert.foreign.options import foreign_options
from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.options import json_option, threads_option

logger = logging.getLogger(__name__)

run_option = click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The run that the models were converted from, which knows the test images; default: the one beside the models.",
)

slices_option = click.option(
    "--slices",
    default="",
    metavar="LIST",
    help="Also show the figures of groups of images, by the values of these columns of DATA, such as sex,age; ages and other numbers in bands.",
)

everything_option = click.option(
    "--all", "everything", is_flag=True, help="Use all images of DATA, not only the test images of the training."
)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@everything_option
@foreign_options(several=True)
@run_option
@slices_option
@threads_option
@json_option
def evaluate(model, data, everything, preprocess, labels, run, slices, threads, as_json) -> None:
    """Measure the accuracy of one .tflite file on DATA through the edge runtime.

    Only the test images of the training are used, because the others took part in it. They are found in DATA by their
    content; RUN, the folder of the training, is found beside that of the models. With --all every image is used: for data
    from another hospital, say. Then what the device would answer is shown for each source; of classes that the model does not
    have, silence is the right answer.

    MODEL may also be one that freezenet did not write: what it expects is read from its standard metadata, or said with --preprocess and
    --labels. Then the images are the test images of --run, or those that DATA itself calls test, or all.
    """
    from freezenet.benchmarks.any_model.evaluate import evaluate_file
    from freezenet.benchmarks.any_model.opening import open_models
    from freezenet.benchmarks.outside import HEADINGS, source_rows
    from freezenet.benchmarks.quality.slices import worst_sentence
    from freezenet.benchmarks.quality.summary import named_figures
    from freezenet.train.tables import print_table

    (classifier,) = open_models([model], data, specs=preprocess, labels=labels, threads=threads)
    columns = _listed(slices)
    figures = evaluate_file(classifier, data, run=run, everything=everything, slices=columns)
    if figures["elsewhere"]:
        logger.warning(figures["elsewhere"])
    if as_json:
        click.echo(json.dumps(figures))
        return
    judged = figures.get("everywhere", figures)["images"]
    click.echo(f"{figures['model']} on {counted(judged, 'image')} ({figures['side']}), {figures['runtime']}")
    if "everywhere" in figures:
        print_table(("source", "images", *HEADINGS.values()), source_rows(figures))
        for label, one in figures["unknown_classes"].items():
            click.echo(
                f"{label}: a class that the model does not have; {_shown(one['answered_wrong'])} of {counted(one['images'], 'image')} "
                "answered with another, which is wrong; silence about the rest is right"
            )
        click.echo("")
    rows = [
        [name, _shown(figures[name]), f"of {figures['images']}"]
        for name in ("accuracy", "macro_f1", "hamming_loss")
        if name in figures
    ]
    for label, one in figures.get("per_class", {}).items():
        # Without images there is no recall.
        rows.append([f"recall {label}", _shown(one["recall"]) if one["support"] else "-", f"of {one['support']}"])
    if "probabilities" in figures:
        rows += [[name, _shown(one), ""] for name, one in named_figures(figures["probabilities"]).items()]
    if rows:
        print_table(("figure", "value [95 % interval]", "images"), rows)
    if "slices" in figures:
        _print_slices(figures["slices"], columns)
        click.echo(worst_sentence(figures["slices"], figures["model"]))


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODELS [DATA] | A B...")
@click.option("--data", type=click.Path(path_type=Path), help="DATA, where model files are compared.")
@everything_option
@foreign_options(several=True)
@run_option
@slices_option
@threads_option
@click.option(
    "--recompute", is_flag=True, help="Score the images again instead of using the scores that the conversion stored."
)
@click.option(
    "--margin",
    type=float,
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="The loss of macro-F1 that would matter, declared before you look: the verdict rests on it.",
)
@click.option(
    "--recall-margin",
    type=float,
    default=2.0,
    show_default=True,
    metavar="POINTS",
    help="The loss of recall of any class that would matter.",
)
@json_option
def compare(
    models, data, everything, preprocess, labels, run, slices, threads, recompute, margin, recall_margin, as_json
) -> None:
    """Compare the variants in MODELS on the test images of DATA, or model files A B of any maker: image by image.

    The test images are found in DATA by their content; RUN, the folder of the training, is found beside MODELS. Without
    DATA, the data of the training are read from where they were then.

    Of each variant it says whether it is not worse than float32, worse, or that this cannot be told with so few images, against
    margins that you declare.

    `compare A.tflite B.tflite --data DATA` says the same of B and each further file against A. Files that freezenet did not write are
    read as by `freezenet evaluate`.
    """
    from freezenet.benchmarks.any_model.compare import FilesAsked, compare_files
    from freezenet.benchmarks.any_model.opening import folder_or_files
    from freezenet.benchmarks.compare import compare as compare_models
    from freezenet.benchmarks.evaluate import took_part_sentence
    from freezenet.benchmarks.quality.slices import worst_sentence
    from freezenet.benchmarks.quality.summary import NAMES, named_figures
    from freezenet.train.metrics.verdict import Margins
    from freezenet.train.tables import print_table

    margins = Margins(macro_f1=margin / 100, recall=recall_margin / 100)
    columns = _listed(slices)
    folder, files, data = folder_or_files(models, data, only_for_files=bool(preprocess or labels or everything))
    if folder is not None:
        result = compare_models(
            folder, data=data, run=run, threads=threads, recompute=recompute, margins=margins, slices=columns
        )
        adopted = list(result["variants"]) if result["adopted"] else []
        logger.info(took_part_sentence(result["images"], result["took_part"], adopted))
    else:
        assert data is not None  # `folder_or_files` asks for it
        if recompute:
            raise SettingError(
                "A MODELS folder, whose conversion stored scores, is required by --recompute. Got: model files, whose images are scored "
                "each time; leave it out."
            )
        asked = FilesAsked(run, everything, preprocess, labels, threads, margins, columns)
        result = compare_files(files, data, asked)
    if result["elsewhere"]:
        logger.warning(result["elsewhere"])
    if as_json:
        click.echo(json.dumps(result))
        return
    reference, which = result["reference"], "test images" if result["side"] == "test" else "images"
    click.echo(f"{result['images']} {which}; differences to {reference} are paired; [ ] is the 95 % interval")
    headings = ("variant", "MB", "accuracy", "macro-F1", f"macro-F1 against {reference}", "answers changed", "verdict")
    print_table(headings, [_compared(name, one) for name, one in result["variants"].items()])
    names = [*NAMES.values(), "answers changed"]
    figures = {
        name: named_figures(one["probabilities"]) | ({"answers changed": one["flips"]} if "flips" in one else {})
        for name, one in result["variants"].items()
    }
    rows = [[name, *(_shown(one[key]) if key in one else "" for key in names)] for name, one in figures.items()]
    print_table(("variant", *names), rows)
    for name, one in result["variants"].items():
        _print_slices(one["slices"], columns, name, reference)
    for name, one in result["variants"].items():
        if "verdict" in one:
            click.echo(one["verdict"]["sentence"])
            click.echo(worst_sentence(one["slices"], name, reference))


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _print_slices(found: dict, columns: list[str], name: str = "", reference: str = "") -> None:
    """Print the slices of the columns that were asked for."""
    from freezenet.train.tables import print_table

    rows = [
        [f"{one['column']} {one['value']}", str(one["images"]), str(one["patients"]), _shown(one["accuracy"])]
        + ([_shown(one["difference"], "+.4f")] if "difference" in one else [])
        for one in found["slices"]
        if one["column"] in columns
    ]
    if rows:
        headings = ("group", "images", "patients", f"accuracy{f' of {name}' if name else ''}", f"against {reference}")
        print_table(headings[: len(rows[0])], rows)


def _compared(name: str, one: dict) -> list[str]:
    row = [name, f"{one['bytes'] / 1e6:.2f}", _shown(one["accuracy"]), _shown(one["macro_f1"])]
    against = one.get("against_float32") or one.get("against_reference")
    if against is None:
        return [*row, "", "", ""]
    return [*row, _shown(against["macro_f1"], "+.4f"), str(against["flipped"]), one["verdict"]["verdict"]]


def _shown(figure: dict[str, float] | None, form: str = ".4f") -> str:
    from freezenet.train.metrics.figure import Figure

    return format(Figure(**figure), form) if figure else "-"
