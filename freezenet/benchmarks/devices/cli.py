"""The verbs benchmark and bundle."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from freezenet.benchmarks.cli import run_option
from freezenet.benchmarks.devices import PLATFORMS, PYTHONS
from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.options import json_option, runtime_option, threads_option

logger = logging.getLogger(__name__)


#: Options of a measurement on this machine, beside --picture and --json, which every way has.
_HERE = frozenset({"runs", "threads", "runtime", "input_size", "strict", "profile"})
#: Option that says where figures come from instead -> the options that hold there.
_WAYS = {
    "merge": frozenset[str](),
    "binary": frozenset({"runs", "threads"}),
    "host": _HERE - {"profile"} | {"ssh_config", "bundle", "device_python", "run", "everything"},
}
_SAID = {
    "merge": "measures nothing",
    "binary": "runs a program that does not know it",
    "host": "measures on another machine",
}


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
@click.option(
    "--ssh",
    "host",
    metavar="USER@HOST",
    help="Measure on this device; the last argument may be DATA, which is judged there.",
)
@click.option(
    "--ssh-config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration for ssh in place of the user's own.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --ssh: install this bundle there first; default: what an earlier call installed, or a bundle made for the device.",
)
@click.option("--device-python", default="python3", show_default=True, help="With --ssh: the device's Python.")
@click.option(
    "--adb",
    "binary",
    type=click.Path(path_type=Path),
    metavar="BINARY",
    help="Measure on the Android device that adb reaches, with BINARY, Google's benchmark_model for its processor.",
)
@run_option
@click.option("--all", "everything", is_flag=True, help="With DATA: judge all its images, not only the test images.")
@click.option(
    "--merge", is_flag=True, help="The arguments are files that --json was written to: show them as one table."
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the rows into this file (.png, .svg, .pdf).",
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also measure what each operator of one model costs, and draw it into this file (.png, .svg, .pdf).",
)
@click.option("--strict", is_flag=True, help="Refuse to measure while other work needs the cores.")
@json_option
def benchmark(
    models, host, ssh_config, bundle, device_python, binary, run, everything, merge, picture, profile, as_json, **timing
) -> None:
    """Measure how long model files take to load and to run, and their peak memory, each file in a fresh process.

    Figures have three significant digits. Whatever makes them mean less is said: more threads than cores, a busy machine,
    a processor that saves power or is too hot. With --ssh the files are copied to a device, verified and measured there, and
    the answers on DATA judged; nothing of them stays there.
    """
    from freezenet.benchmarks.conditions import conditions_line
    from freezenet.benchmarks.devices.adb import measure_by_adb
    from freezenet.benchmarks.devices.merge import HEADINGS, draw, read_rows, table
    from freezenet.benchmarks.devices.profile import CutNetwork, draw_profile, operator_profile
    from freezenet.benchmarks.figures import three_digits
    from freezenet.benchmarks.latency import benchmark as measure
    from freezenet.train.files import require_picture
    from freezenet.train.tables import print_table

    _refuse_options_of_other_ways()
    if profile is not None and len(models) != 1:
        raise SettingError(f"One model is required by --profile. Got: {len(models)}; measure it alone.")
    for file in filter(None, (picture, profile)):
        require_picture(file)
    network = None if profile is None else CutNetwork.read(models[0], timing["input_size"])
    if merge:
        results = read_rows(models)
    elif binary is not None:
        results = measure_by_adb(binary, models, runs=timing["runs"], threads=timing["threads"])
    elif host is not None:
        results = _on_device(host, list(models), ssh_config, bundle, device_python, run, everything, timing)
    else:
        results = [measure(model, **timing) for model in models]
    for note in dict.fromkeys(f"{one['model']}: {note}" for one in results for note in one.get("notes") or []):
        logger.warning(note)
    if picture is not None:
        draw(results, picture)
    if profile is not None and network is not None:
        results[0]["profile"] = operator_profile(network, threads=timing["threads"], runtime=timing["runtime"])
        draw_profile(results[0]["profile"], models[0].name, profile)
    if as_json:
        click.echo(json.dumps(results))
    elif merge or host is not None or binary is not None:
        print_table(HEADINGS, table(results))
    else:
        machine = results[0]["environment"]
        click.echo(
            f"{machine['cpu']}, {machine['cores']} cores, {results[0]['runtime']}, {timing['threads']} thread(s), "
            f"{results[0]['runs']} runs; milliseconds; {conditions_line(results[0]['conditions'])}"
        )
        _print_times(results)
    if profile is not None and not as_json:
        kinds = results[0]["profile"]["by_operator"]
        rows = [
            [kind, str(one["count"]), three_digits(one["ms"]), f"{one['share']:.1%}"] for kind, one in kinds.items()
        ]
        print_table(("operator", "count", "ms", "share"), rows)


def _refuse_options_of_other_ways() -> None:
    """Refuse an option that the way of measuring does not know, rather than leave it out in silence."""
    context = click.get_current_context()
    given = {
        option.name: option.opts[0]
        for option in context.command.params
        if isinstance(option, click.Option)
        and context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
    }
    way = next((name for name in _WAYS if name in given), None)
    known = _WAYS[way] if way else _HERE
    foreign = [option for name, option in given.items() if name not in {way, "picture", "as_json", *known}]
    if foreign:
        measured = f"beside {given[way]}, which {_SAID[way]}" if way else "without --ssh"
        raise SettingError(
            f"Options that hold for what is done are required. Got: {', '.join(foreign)} {measured}; leave out one."
        )


def _print_times(results: list[dict[str, Any]]) -> None:
    from freezenet.benchmarks.figures import three_digits
    from freezenet.train.tables import print_table

    timed = ("init_ms", "warmup_first_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms")
    rows = [
        [
            one["model"],
            "x".join(map(str, one["input_shape"])),
            *(three_digits(one[key]) for key in timed),
            three_digits(one["peak_memory_bytes"] / 1e6),
        ]
        for one in results
    ]
    print_table(("model", "input", "load", "first", "p50", "p95", "p99", "min", "peak MB"), rows)


def _on_device(
    host: str,
    models: list[Path],
    config: Path | None,
    bundle: Path | None,
    python: str,
    run: Path | None,
    everything: bool,
    timing: dict[str, Any],
) -> list[dict[str, Any]]:
    from freezenet.benchmarks.devices.remote import equip, measure_on
    from freezenet.benchmarks.devices.ssh import Ssh

    data = models.pop() if len(models) > 1 and models[-1].suffix != ".tflite" else None
    missing = [path for path in (*models, *([data] if data else [])) if not path.exists()]
    if missing:
        raise SettingError(f"Files that exist are required. Got: {missing[0]}, which does not exist.")
    device = Ssh(host, config=config, python=python)
    equip(device, bundle)
    options = ["--runs", str(timing["runs"]), "--threads", str(timing["threads"])]
    options += ["--runtime", timing["runtime"]] if timing["runtime"] else []
    options += ["--input-size", "x".join(map(str, timing["input_size"]))] if timing["input_size"] else []
    options += ["--strict"] if timing["strict"] else []
    return measure_on(device, models, options, data=data, run=run, everything=everything)


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
