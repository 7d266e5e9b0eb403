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
    "--all", "everything", is_flag=True, help="Use all images of DATA and not only the test side of splits.csv."
)
@threads_option
@json_option
def evaluate(model, data, everything, threads, as_json) -> None:
    """Measure the accuracy of one .tflite file on DATA through the edge runtime.

    With a splits.csv beside the model, only its test images count: the others took part in the training. --all measures
    it on other data, such as those of another hospital, which may lack some of the model's classes.
    """
    from freezenet.benchmarks.evaluate import evaluate_model, judged_images
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.task import task_of

    classifier = Classifier(model, threads)
    splits = model.parent / "splits.csv"
    beside = splits if splits.is_file() and not everything else None
    figures = evaluate_model(classifier, judged_images(data, beside, task_of(classifier.card.content).name))
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(f"{figures['model']} on {figures['images']} images ({figures['side']}), {figures['runtime']}")
    for name in ("accuracy", "macro_f1", "hamming_loss"):
        if name in figures:
            click.echo(f"{name}\t{_shown(figures[name])}")
    for label, one in figures["per_class"].items():
        # Of no image there is no recall.
        click.echo(f"recall {label}\t{_shown(one['recall']) if one['support'] else '-'}\tof {one['support']}")


@click.command()
@click.argument("models", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path), required=False)
@threads_option
@json_option
def compare(models, data, threads, as_json) -> None:
    """Compare the variants in MODELS on the test side of DATA: int8 against float, image by image."""
    from freezenet.benchmarks.compare import compare as run

    result = run(models, data, threads)
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{result['images']} test images; differences to float32 are paired, [ ] is the 95 % interval")
    for name, one in result["variants"].items():
        click.echo(
            f"{name}\t{one['bytes'] / 1e6:.2f} MB\taccuracy {_shown(one['accuracy'])}\tmacro-F1 {_shown(one['macro_f1'])}"
        )
        if "against_float32" in one:
            against = one["against_float32"]
            click.echo(
                f"\tmacro-F1 {against['macro_f1']['value']:+.4f} [{against['macro_f1']['low']:+.4f}, "
                f"{against['macro_f1']['high']:+.4f}], {against['flipped']} flipped, McNemar p {against['mcnemar_p']:.3f}"
            )


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL...")
@click.option("--runs", type=click.IntRange(20), default=200, show_default=True, help="Timed inferences.")
@threads_option
@runtime_option
@json_option
def benchmark(models, runs, threads, runtime, as_json) -> None:
    """Measure load, first and steady latency and peak memory of model files, each in a fresh process."""
    from freezenet.benchmarks.latency import benchmark as run

    results = [run(model, runs, threads, runtime) for model in models]
    if as_json:
        click.echo(json.dumps(results))
        return
    machine = results[0]["environment"]
    click.echo(
        f"{machine['cpu']}, {machine['cores']} cores, {results[0]['runtime']}, {threads} thread(s), {results[0]['runs']} runs"
    )
    click.echo("model\tload\tfirst\tp50\tp95\tp99\tmin ms\tpeak MB")
    for one in results:
        figures = [one[key] for key in ("init_ms", "warmup_first_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms")]
        shown = "\t".join(f"{figure:.2f}" for figure in figures)
        click.echo(f"{one['model']}\t{shown}\t{one['peak_memory_bytes'] / 1e6:.0f}")


def _shown(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"
