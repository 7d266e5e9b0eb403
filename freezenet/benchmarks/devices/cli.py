"""The verbs benchmark and bundle."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import click

from freezenet.edge_runtime.options import json_option, runtime_option, threads_option

logger = logging.getLogger(__name__)

#: As `freezenet.benchmarks.devices.wheels` knows them; click wants them before that is imported.
PLATFORMS = ("aarch64", "armv7l", "x86_64")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def _input_size(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text)
    if not sides:
        raise click.BadParameter(f"Height and width are required, such as 224x224. Got: {text}.")
    return int(sides[1]), int(sides[2])


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL...")
@click.option("--runs", type=click.IntRange(20), default=200, show_default=True, help="How many inferences are timed.")
@threads_option
@runtime_option
@click.option(
    "--input-size",
    callback=_input_size,
    metavar="HxW",
    help="Height and width of the image, for a file that leaves them open: 224x224, say.",
)
@json_option
def benchmark(models, runs, threads, runtime, input_size, as_json) -> None:
    """Measure how long model files take to load and to run, and their peak memory, each file in a fresh process.

    Figures have three significant digits. Whatever makes them mean less is said: more threads than cores, a busy machine,
    a processor that saves power or is too hot.
    """
    from freezenet.benchmarks.conditions import conditions_line
    from freezenet.benchmarks.figures import three_digits
    from freezenet.benchmarks.latency import benchmark as run
    from freezenet.train.tables import print_table

    results = [run(model, runs=runs, threads=threads, runtime=runtime, input_size=input_size) for model in models]
    for note in dict.fromkeys(f"{one['model']}: {note}" for one in results for note in one["notes"]):
        logger.warning(note)
    if as_json:
        click.echo(json.dumps(results))
        return
    machine = results[0]["environment"]
    click.echo(
        f"{machine['cpu']}, {machine['cores']} cores, {results[0]['runtime']}, {threads} thread(s), {results[0]['runs']} runs; "
        f"milliseconds; {conditions_line(results[0]['conditions'])}"
    )
    timed = ("init_ms", "warmup_first_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms")
    print_table(
        ("model", "input", "load", "first", "p50", "p95", "p99", "min", "peak MB"),
        [
            [
                one["model"],
                "x".join(map(str, one["input_shape"])),
                *(three_digits(one[key]) for key in timed),
                three_digits(one["peak_memory_bytes"] / 1e6),
            ]
            for one in results
        ],
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--platform", required=True, type=click.Choice(PLATFORMS), help="What `uname -m` says on the device.")
@click.option("--python", default="3.11", show_default=True, type=click.Choice(PYTHONS), help="Python of the device.")
@click.option(
    "--glibc", default="2.36", show_default=True, metavar="2.N", help="What `ldd --version` says on the device."
)
@click.option(
    "--wheel",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The wheel of freezenet; default: one made of the clone that this runs from.",
)
@click.option(
    "--find-links",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take wheels from this folder alone and ask no index.",
)
@click.option("--overwrite", is_flag=True, help="Replace the bundle in DIR.")
@json_option
def bundle(folder, platform, python, glibc, wheel, find_links, overwrite, as_json) -> None:
    """Collect in DIR what a device without internet needs to install freezenet: wheels, digests, README.md.

    Which index the wheels come from is pip's own setting. README.md has the three commands to run on the device.
    """
    from freezenet.benchmarks.devices.bundle import make_bundle
    from freezenet.benchmarks.devices.wheels import Target

    index = ("--no-index", "--find-links", str(find_links)) if find_links else ()
    made = make_bundle(folder, Target(platform, python, glibc), wheel=wheel, index=index, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(made))
        return
    wheels = [name for name in made["sha256"] if name.endswith(".whl")]
    click.echo(
        f"{folder}: {len(wheels)} wheels, {made['bytes'] / 1e6:.0f} MB; copy it to the device and follow README.md there"
    )
