"""Refit the last layer of a model file to another place: what it gives there, how many labels it takes, and what it costs at home.

    python -m studies.refit MODEL OTHER --home RUN [--data DATA] [--target risk=0.02] [--sizes 10,20,40,75] [--draws 5] [--json] [--out results]

OTHER are labelled X-rays that took no part in the training, as for `freezenet localize`; RUN, in which MODEL was trained, knows the test images of
its own place. The figures of OTHER are nested; the learning curve is judged on patients that no fit has seen. Nothing is trained but last layers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.errors import SettingError
from studies.command import StudyCommand, hand_over, model_argument, numbers, result_options
from studies.refit.curve import learning_curve
from studies.refit.home import at_home
from studies.refit.ways import nested, ways_of

logger = logging.getLogger(__name__)


def study(
    model: Path, other: Path, home: Path, *, data: Path | None, target: str, sizes: Sequence[int], draws: int
) -> dict[str, Any]:
    """Return what the command writes (JSON types); no file, patient or source is named.

    Args:
        model: a .tflite with a card.
        other: DATA of another place.
        home: the RUN folder of the model.
        data: where the images of RUN lie now; None where RUN names them rightly.
        target: as `freezenet.benchmarks.localize.targets.Targets.parse` takes it.
        sizes: patients of each class in the learning curve, in rising order.
        draws: of the learning curve; 0 for none.
    """
    import numpy as np

    from freezenet.benchmarks.localize.head.local_head import LocalHead
    from freezenet.benchmarks.localize.images import LocalImages
    from freezenet.benchmarks.localize.targets import Targets
    from freezenet.benchmarks.origin import find_run
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.system.environment import environment

    classifier = Classifier(model)
    run = find_run(model.parent, classifier.card, home)
    assert run is not None  # `home` was given
    targets = Targets.parse((target,), classifier.card.labels)
    logger.info(f"reading {other.name} with {model.name}")
    images = LocalImages.read(classifier, other, run)
    # First, because it knows whether the sizes can be had.
    curve = learning_curve(classifier, images, targets, sizes=sizes, draws=draws) if draws else []
    head = LocalHead(classifier, images)
    ways = ways_of(classifier, images, head, targets)
    acceptance, facts = head.judged(ways["refit"].rule), head.facts()
    logger.info(f"judging {len(images.truth)} images, each by what other patients chose")
    names = np.asarray(images.patients)
    result: dict[str, Any] = {
        "model": model.name,
        "model_sha256": classifier.file.sha256,
        "variant": classifier.card.variant,
        "float_operators": len(classifier.card.content.get("made", {}).get("float_operators", ())),
        "runtime": classifier.runtime,
        "other": other.name,
        "targets": targets.texts(),
        "images": len(images.truth),
        "refused": int(images.refused.sum()),
        "classes": dict(sorted(Counter(images.labels[number] for number in images.truth).items())),
        "patients": {
            images.labels[number]: len(set(names[images.truth == number])) for number in np.unique(images.truth)
        },
        "head": {key: facts[key] for key in ("features", "factor", "spread", "losses", "kept", "source_tells")},
        "acceptance": {
            key: acceptance[key] for key in ("images", "agreement", "changed", "largest_difference", "decisions")
        },
        **nested(classifier, images, head, targets),
    }
    logger.info(f"judging the test images of {run.folder.name}")
    result["home"] = at_home(classifier, run, data or Path(run.read_manifest()["data"]), ways)
    return {**result, "curve": curve, "environment": environment()}


@click.command(cls=StudyCommand)
@model_argument
@click.argument("other", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--home", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="RUN",
    help="The RUN folder of MODEL, whose test images are those of its own place.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="Where the images of RUN lie, if they moved."
)
@click.option("--target", default="risk=0.02", show_default=True, help="As for freezenet localize.")
@click.option(
    "--sizes", default="10,20,40,75", show_default=True, metavar="LIST", help="Patients of each class that fit."
)
@click.option("--draws", type=click.IntRange(0), default=5, show_default=True, help="Of each size; 0 leaves sizes out.")
@result_options
def main(model, other, home, data, target, sizes, draws, as_json, out) -> None:
    """Refit the last layer of MODEL to OTHER, and judge it there and at home."""
    found = numbers(sizes)
    if found != sorted(set(found)) or found[0] < 1:
        raise SettingError(f"Sizes of 1 or more in rising order are required. Got: {sizes}.")
    result = study(model, other, home, data=data, target=target, sizes=found, draws=draws)
    hand_over(result, f"refit-{model.stem}", text(result), as_json, out)


def text(result: dict[str, Any]) -> str:
    """Return the result for a person."""
    from studies.tables.localize_page import sections

    return sections([result])


if __name__ == "__main__":
    main()
