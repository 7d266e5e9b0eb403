"""Compare the ways from a file to an answer: `python -m studies.peers MODEL`."""

from __future__ import annotations

from pathlib import Path

import click

from studies.command import StudyCommand, hand_over, result_options


@click.command(cls=StudyCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="What MODEL was converted from: for accuracy, other makers' int8 and Keras.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Where the run's DATA lies now, if it was moved.")
@click.option("--image", type=click.Path(path_type=Path), help="X-ray to make the files from; default: a phantom.")
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(2), help="Turns of each way.")
@click.option(
    "--times", default=5, show_default=True, type=click.IntRange(1), help="Timed answers to a file in a turn."
)
@click.option("--starts", default=7, show_default=True, type=click.IntRange(1), help="Fresh processes of each way.")
@click.option(
    "--folder-images", default=200, show_default=True, type=click.IntRange(5), help="Files made of each JPEG."
)
@result_options
def main(model, run_folder, data, image, rounds, times, starts, folder_images, as_json, out) -> None:
    """Measure this runtime, Pillow + numpy + Interpreter, MediaPipe Tasks, Keras, ONNX Runtime and OpenVINO on the same files.

    MODEL lies in the folder that `freezenet convert --profile edge,app` wrote, with float32 among its variants. MediaPipe is
    installed into the cache folder once; the others with: pip install '.[peers]' in a clone. What is missing is left out and
    the reason given.
    """
    from freezenet.train.run import Run
    from studies.peers.measure import measure
    from studies.tables.peers_table import peers_table
    from studies.tools import default_tools_folder

    run = None if run_folder is None else Run.open(run_folder)
    result = measure(
        model, default_tools_folder(), run=run, data=data, image=image, rounds=rounds, times=times, starts=starts,
        folder_images=folder_images,
    )  # fmt: skip
    hand_over(result, f"peers-{model.stem}", peers_table(result), as_json, out)


if __name__ == "__main__":
    main()
