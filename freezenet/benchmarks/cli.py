"""The verbs evaluate, compare and benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import click

from freezenet.edge_runtime.options import json_option, runtime_option, threads_option


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--all", "everything", is_flag=True, help="Use all images of DATA, not only those that splits.csv calls test."
)
@threads_option
@json_option
def evaluate(model, data, everything, threads, as_json) -> None:
    """Measure the accuracy of one .tflite file on DATA through the edge runtime.

    If a splits.csv lies beside the model, only its test images are used, because the others took part in the training. With
    --all every image is used: for data from another hospital, say, which may lack some of the model's classes.
    """
    from freezenet.benchmarks.evaluate import evaluate_model, judged_images
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.tables import print_table
    from freezenet.train.task import task_of

    classifier = Classifier(model, threads)
    splits = model.parent / "splits.csv"
    beside = splits if splits.is_file() and not everything else None
    figures = evaluate_model(classifier, judged_images(data, beside, task_of(classifier.card.content).name))
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(f"{figures['model']} on {figures['images']} images ({figures['side']}), {figures['runtime']}")
    rows = [
        [name, _shown(figures[name]), f"of {figures['images']}"]
        for name in ("accuracy", "macro_f1", "hamming_loss")
        if name in figures
    ]
    for label, one in figures["per_class"].items():
        # Without images there is no recall.
        rows.append([f"recall {label}", _shown(one["recall"]) if one["support"] else "-", f"of {one['support']}"])
    print_table(("figure", "value [95 % interval]", "images"), rows)


@click.command()
@click.argument("models", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path), required=False)
@threads_option
@click.option(
    "--recompute", is_flag=True, help="Score the images again instead of using the scores that the conversion stored."
)
@json_option
def compare(models, data, threads, recompute, as_json) -> None:
    """Compare the variants in MODELS on the test images of DATA: int8 against float32, image by image.

    Without DATA, the data of the training are read from where they were then.
    """
    from freezenet.benchmarks.compare import compare as run
    from freezenet.train.tables import print_table

    result = run(models, data=data, threads=threads, recompute=recompute)
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{result['images']} test images; differences to float32 are paired; [ ] is the 95 % interval")
    headings = ("variant", "MB", "accuracy", "macro-F1", "macro-F1 against float32", "answers changed", "McNemar p")
    print_table(headings, [_compared(name, one) for name, one in result["variants"].items()])


def _compared(name: str, one: dict) -> list[str]:
    row = [name, f"{one['bytes'] / 1e6:.2f}", _shown(one["accuracy"]), _shown(one["macro_f1"])]
    if "against_float32" not in one:
        return [*row, "", "", ""]
    against = one["against_float32"]
    return [*row, _shown(against["macro_f1"], "+.4f"), str(against["flipped"]), f"{against['mcnemar_p']:.3f}"]


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL...")
@click.option("--runs", type=click.IntRange(20), default=200, show_default=True, help="How many inferences are timed.")
@threads_option
@runtime_option
@json_option
def benchmark(models, runs, threads, runtime, as_json) -> None:
    """Measure how long model files take to load and to run, and their peak memory, each file in a fresh process."""
    from freezenet.benchmarks.latency import benchmark as run
    from freezenet.train.tables import print_table

    results = [run(model, runs=runs, threads=threads, runtime=runtime) for model in models]
    if as_json:
        click.echo(json.dumps(results))
        return
    machine = results[0]["environment"]
    click.echo(
        f"{machine['cpu']}, {machine['cores']} cores, {results[0]['runtime']}, {threads} thread(s), {results[0]['runs']} runs; "
        "milliseconds"
    )
    timed = ("init_ms", "warmup_first_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms")
    print_table(
        ("model", "load", "first", "p50", "p95", "p99", "min", "peak MB"),
        [
            [one["model"], *(f"{one[key]:.2f}" for key in timed), f"{one['peak_memory_bytes'] / 1e6:.0f}"]
            for one in results
        ],
    )


def _shown(figure: dict[str, float], form: str = ".4f") -> str:
    return f"{figure['value']:{form}} [{figure['low']:{form}}, {figure['high']:{form}}]"
