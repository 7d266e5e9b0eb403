"""The verbs evaluate and compare."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click

from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.options import json_option, threads_option

logger = logging.getLogger(__name__)

run_option = click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The run that the models were converted from, which knows the test images; default: the one beside the models.",
)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--all", "everything", is_flag=True, help="Use all images of DATA, not only the test images of the training."
)
@run_option
@threads_option
@json_option
def evaluate(model, data, everything, run, threads, as_json) -> None:
    """Measure the accuracy of one .tflite file on DATA through the edge runtime.

    Only the test images of the training are used, because the others took part in it. They are found in DATA by their
    content; RUN, the folder of the training, is found beside that of the models. With --all every image is used: for data
    from another hospital, say. Then what the device would answer is shown for each source; of classes that the model does not
    have, silence is the right answer.
    """
    from freezenet.benchmarks.evaluate import evaluate_model, judged_images, took_part_sentence
    from freezenet.benchmarks.origin import find_run
    from freezenet.benchmarks.outside import HEADINGS, evaluate_everywhere, source_rows
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.tables import print_table
    from freezenet.train.task import task_of

    classifier = Classifier(model, threads)
    card = classifier.card
    origin = find_run(model.parent, card, run)
    judged = judged_images(data, origin, task=task_of(card.content).name, everything=everything)
    figures = evaluate_everywhere(classifier, judged) if everything else evaluate_model(classifier, judged)
    logger.info(took_part_sentence(figures["images"], judged.took_part))
    if figures["elsewhere"]:
        logger.warning(figures["elsewhere"])
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(f"{figures['model']} on {counted(figures['images'], 'image')} ({figures['side']}), {figures['runtime']}")
    if everything:
        print_table(("source", "images", *HEADINGS.values()), source_rows(figures["by_source"]))
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
    if rows:
        print_table(("figure", "value [95 % interval]", "images"), rows)


@click.command()
@click.argument("models", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path), required=False)
@run_option
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
def compare(models, data, run, threads, recompute, margin, recall_margin, as_json) -> None:
    """Compare the variants in MODELS on the test images of DATA: int8 against float32, image by image.

    The test images are found in DATA by their content; RUN, the folder of the training, is found beside MODELS. Without
    DATA, the data of the training are read from where they were then.

    Of each variant it says whether it is not worse than float32, worse, or that this cannot be told with so few images, against
    margins that you declare.
    """
    from freezenet.benchmarks.compare import compare as compare_models
    from freezenet.benchmarks.evaluate import took_part_sentence
    from freezenet.train.metrics.verdict import Margins
    from freezenet.train.tables import print_table

    margins = Margins(macro_f1=margin / 100, recall=recall_margin / 100)
    result = compare_models(models, data=data, run=run, threads=threads, recompute=recompute, margins=margins)
    logger.info(took_part_sentence(result["images"], result["took_part"]))
    if result["elsewhere"]:
        logger.warning(result["elsewhere"])
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{result['images']} test images; differences to float32 are paired; [ ] is the 95 % interval")
    headings = ("variant", "MB", "accuracy", "macro-F1", "macro-F1 against float32", "answers changed", "verdict")
    print_table(headings, [_compared(name, one) for name, one in result["variants"].items()])
    for one in result["variants"].values():
        if "verdict" in one:
            click.echo(one["verdict"]["sentence"])


def _compared(name: str, one: dict) -> list[str]:
    row = [name, f"{one['bytes'] / 1e6:.2f}", _shown(one["accuracy"]), _shown(one["macro_f1"])]
    if "against_float32" not in one:
        return [*row, "", "", ""]
    against = one["against_float32"]
    return [*row, _shown(against["macro_f1"], "+.4f"), str(against["flipped"]), one["verdict"]["verdict"]]


def _shown(figure: dict[str, float], form: str = ".4f") -> str:
    return f"{figure['value']:{form}} [{figure['low']:{form}}, {figure['high']:{form}}]"
