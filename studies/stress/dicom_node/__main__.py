"""Many senders, few UIDs, archives of every temper and SIGKILLs: what becomes of each image that `freezenet dicom-node` acknowledged.

    python -m studies.stress.dicom_node MODEL IMAGE... [--stores 200] [--uids 20] [--senders 8] [--kills 10] [--json]

The images become CR objects of a few UIDs, each with pixels of its own. Senders (DCMTK's storescu) send them at once, and again until they
are told "success", while the node is killed and started again. It sends its results to three archives: ALL (DCMTK's storescp), which is away
until half of the images are acknowledged, CAPTURES, which accepts Secondary Capture only, and PICKY, which refuses one patient. At the end each
acknowledged image must be kept bit for bit, answered once, and delivered wherever it can be; what cannot must be named with the reason.

Then a siege: 1,250 idle sockets, 30 silent associations and PDUs that declare 3 GB, while DCMTK sends ten more images.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from studies.command import StudyCommand, hand_over, images_argument, model_argument, result_options


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--stores", default=200, show_default=True, type=click.IntRange(1), help="C-STOREs.")
@click.option(
    "--uids", default=20, show_default=True, type=click.IntRange(1), help="SOP Instance UIDs that they share."
)
@click.option("--senders", default=8, show_default=True, type=click.IntRange(1), help="Senders at once.")
@click.option("--kills", default=10, show_default=True, type=click.IntRange(0), help="SIGKILLs meanwhile.")
@click.option("--seed", default=0, show_default=True, help="Seed of the order and of the moments of the kills.")
@result_options
def main(
    model: Path,
    images: tuple[Path, ...],
    stores: int,
    uids: int,
    senders: int,
    kills: int,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Send to the node from all sides and kill it; exit code 1 if it lost, mixed or forgot anything."""
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.system.environment import environment
    from studies.stress.dicom_node.peers import silence
    from studies.stress.dicom_node.siege import besiege
    from studies.stress.dicom_node.stress import Stress, make_images

    Classifier(model)  # or the node would refuse it once for every kill
    silence()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = make_images(list(images), folder / "images", stores=stores, uids=uids)
        tally = Stress(model, folder, made, senders=senders, kills=kills, seed=seed).run()
        siege = besiege(model, folder, made[:11])
    passed = tally.passed and siege.passed
    result = {"model": model.name, **asdict(tally), "siege": asdict(siege), "passed": passed}
    rows = {**asdict(tally), **{f"siege: {key}": value for key, value in asdict(siege).items()}, "passed": passed}
    text = "\n".join(f"{key:<28}{value}" for key, value in rows.items())
    hand_over({**result, "environment": environment()}, f"dicom-node-{model.stem}", text, as_json, out)
    if not passed:
        sys.exit(1)


if __name__ == "__main__":
    main()
