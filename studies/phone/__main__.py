"""Do the apps' modules answer as `freezenet predict` does: `python -m studies.phone MODEL IMAGE...`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from studies.command import StudyCommand, hand_over, images_argument, model_argument, result_options


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--engine", "engines", default="all", show_default=True, metavar="LIST", help="Which engines to ask.")
@result_options
def main(model: Path, images: tuple[Path, ...], engines: str, as_json: bool, out: Path | None) -> None:
    """Print how many answers of each engine are those of `freezenet predict`, and how many pixels and scores are equal.

    Of each four images one is taken as it is; the others become a PNG, a JPEG on its side with EXIF, and a JPEG in colour.
    """
    from studies.phone.matrix import known_engines, measure
    from studies.phone.pictures import varied
    from studies.tables.phone_table import phone_table
    from studies.tools import default_tools_folder

    with TemporaryDirectory(prefix="freezenet-phone-") as folder:
        result = measure(model, varied(images, Path(folder)), known_engines(engines), default_tools_folder())
    hand_over(result, f"phone-{result['variant']}", phone_table(result), as_json, out)


if __name__ == "__main__":
    main()
