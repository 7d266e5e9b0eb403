"""Compare the ways from a file to an answer: `python -m studies.peers MODEL`."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click

from freezenet.edge_runtime.options import json_option
from studies.command import BenchmarkCommand

logger = logging.getLogger(__name__)


@click.command(cls=BenchmarkCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(path_type=Path), help="X-ray to make the files from; default: a phantom.")
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(2), help="Turns of each way.")
@click.option(
    "--times", default=5, show_default=True, type=click.IntRange(1), help="Timed answers to a file in a turn."
)
@click.option("--starts", default=7, show_default=True, type=click.IntRange(1), help="Fresh processes of each way.")
@click.option("--folder-images", default=200, show_default=True, type=click.IntRange(5), help="Copies of each JPEG.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file.")
@json_option
def main(model, image, rounds, times, starts, folder_images, out, as_json) -> None:
    """Measure this runtime, Pillow + numpy + Interpreter, MediaPipe Tasks, ONNX Runtime and OpenVINO on the same files.

    MODEL lies in the folder that `freezenet convert --profile edge,app` wrote, with float32 among its variants. MediaPipe is
    installed into the cache folder once; the others with: pip install 'freezenet[peers]'. What is missing is left out and
    the reason given.
    """
    from studies.clients.tools import default_tools_folder
    from studies.peers.measure import measure
    from studies.peers.table import table
    from studies.results import write_result

    result = measure(
        model, default_tools_folder(), image=image, rounds=rounds, times=times, starts=starts,
        folder_images=folder_images, say=logger.info,
    )  # fmt: skip
    if out is not None:
        write_result(out, f"edge-{model.stem}", result)
    click.echo(json.dumps(result) if as_json else table(result), nl=as_json)


if __name__ == "__main__":
    main()
