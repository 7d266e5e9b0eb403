"""How surely the audit finds a planted letter, and how rarely it finds one where there is none.

    python -m studies.audit [--sets 20] [--json] [--out results]

Draws data sets of phantoms, half of them with a small bright letter in a corner of most images of one class, and runs the test of marks on each. The other
parts of the audit take no part in it: no network is run.
"""

from __future__ import annotations

import logging
from typing import Any

import click

from studies.command import StudyCommand, hand_over, result_options

logger = logging.getLogger(__name__)

#: Share of the images of the marked class that bear the letter, and side of a phantom in pixels.
SHARE, SIDE = 0.8, 160
#: Patients of each class: those of the default phantoms, times this.
SCALE = 0.4


def measure(sets: int) -> dict[str, Any]:
    """Return in how many of `sets` data sets with a letter, and of as many without, marks are said to go with the class."""
    from freezenet.edge_runtime.system.environment import environment

    rows = []
    for seed in range(sets):
        for planted in (True, False):
            found = _tested(seed, planted)
            rows.append(
                {"seed": seed, "planted": planted, "found": found.found, "p": found.p, "cramers_v": found.cramers_v}
            )
        logger.info(f"data set {seed + 1} of {sets}")
    return {
        "sets": sets,
        "planted_found": sum(row["found"] for row in rows if row["planted"]),
        "clean_flagged": sum(row["found"] for row in rows if not row["planted"]),
        "rows": rows,
        "environment": environment(),
    }


def _tested(seed: int, planted: bool) -> Any:
    import cv2
    import numpy as np

    from freezenet.train.audit.markers import SIDE as SOUGHT
    from freezenet.train.audit.markers import mark_cells, mark_places, test_by_class
    from freezenet.train.data.phantoms import PATIENTS, draw_phantom

    rng = np.random.default_rng(2 * seed + planted)
    marked = sorted(PATIENTS)[seed % len(PATIENTS)]
    corner = [(4, 16), (SIDE - 16, 16), (4, SIDE - 5), (SIDE - 16, SIDE - 5)][seed // len(PATIENTS) % 4]
    places, classes = [], []
    for label, count in PATIENTS.items():
        for _ in range(round(SCALE * count)):
            image = draw_phantom(label, SIDE, rng)
            if planted and label == marked and rng.random() < SHARE:
                cv2.putText(image, "LR"[seed % 2], corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
            places.append(
                mark_places(np.asarray(cv2.resize(image, (SOUGHT, SOUGHT), interpolation=cv2.INTER_AREA), np.uint8))
            )
            classes.append(label)
    patients = np.array([str(number) for number in range(len(classes))])
    return test_by_class(mark_cells(np.stack(places)), np.array(classes), patients, seed)


@click.command(cls=StudyCommand)
@click.option("--sets", default=20, show_default=True, type=click.IntRange(1), help="Data sets of each kind.")
@result_options
def main(sets, as_json, out) -> None:
    """Count in how many data sets of phantoms a planted letter is found, and in how many clean ones one is."""
    result = measure(sets)
    text = f"planted letter found in\t{result['planted_found']} of {sets}\nclean data sets flagged\t{result['clean_flagged']} of {sets}"
    hand_over(result, "audit-phantoms", text, as_json, out)


if __name__ == "__main__":
    main()
