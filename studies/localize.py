"""Whether localize keeps what it says: clinics of 150 images drawn from stored scores, judged on everyone they were drawn from.

    python -m studies.localize RUN/predictions.csv [--finding CLASS] [--draws 200] [--json] [--out results]

Everyone is a smoothed bootstrap of the scores of the images that took no part in the training (of a cross-validation's predictions: of all): logarithms of scores plus
normal noise of sd .5, made shares again; for `int8` rounded to 1/256, as an integer file gives them. A clinic's images are drawn from everyone with a stated share of the finding.
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.names import counted
from studies.command import StudyCommand, hand_over, result_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.decision import DecisionRule

logger = logging.getLogger(__name__)

IMAGES, EVERYONE, NOISE = 150, 6_000, 0.5
SENSITIVITIES = (0.8, 0.9, 0.95)
#: Share of the finding in the labelled images, and where the file is used.
CHANGES = ((0.3, 0.03), (0.05, 0.5))


def read_scores(path: Path) -> tuple[tuple[str, ...], NDArray, NDArray]:
    """Return labels, scores (n, classes) and true classes (n,) of the rows of a predictions.csv that took no part in the training."""
    import numpy as np

    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("split") not in ("train", "validation")]
    labels = tuple(sorted({row["class"] for row in rows})) if rows and "class" in rows[0] else ()
    if len(labels) < 2 or not set(labels) <= set(rows[0]):
        raise DataError(f"A predictions.csv with scores of two classes or more is required. Got: {path}.")
    scores = np.array([[float(row[label]) for label in labels] for row in rows])
    return labels, scores, np.array([labels.index(row["class"]) for row in rows])


def everyone(scores: NDArray, truth: NDArray, *, integer: bool, seed: int) -> tuple[NDArray, NDArray]:
    """Return the scores (EVERYONE, classes) and classes of a smoothed bootstrap, as many of each class."""
    import numpy as np
    from scipy.special import softmax

    rng = np.random.default_rng(seed)
    numbers = np.unique(truth)
    rows = np.concatenate([rng.choice(np.flatnonzero(truth == one), EVERYONE // len(numbers)) for one in numbers])
    logs = np.log(np.maximum(scores[rows], 1e-7))
    drawn = softmax(logs + rng.normal(0, NOISE, logs.shape), axis=1)
    return (np.round(drawn * 256) / 256 if integer else drawn), truth[rows]


def study(path: Path, *, finding: str, draws: int, seed: int = 0) -> dict[str, Any]:
    """Return coverage of the sensitivity's interval and the calibration error after a change of prevalence (JSON types)."""
    from freezenet.edge_runtime.decision import DecisionRule
    from freezenet.edge_runtime.system.environment import environment

    labels, scores, truth = read_scores(path)
    if finding not in labels:
        raise DataError(f"A class of {path.name}, {', '.join(labels)}, is required as finding. Got: {finding!r:.80}.")
    result: dict[str, Any] = {
        "finding": finding,
        "scores": len(truth),
        "images": IMAGES,
        "draws": draws,
        "seed": seed,
        "kinds": {},
        "environment": environment(),
    }
    for kind in ("float32", "int8"):
        integer = kind == "int8"
        all_scores, classes = everyone(scores, truth, integer=integer, seed=seed)
        rule = DecisionRule(labels, temperature=1.0, smallest_score=1 / 512 if integer else 1e-7)
        result["kinds"][kind] = {
            "sensitivity": _sensitivities(rule, all_scores, classes, labels.index(finding), draws, seed),
            "prevalence": [
                _calibration(rule, all_scores, classes, labels.index(finding), change, draws, seed)
                for change in CHANGES
            ],
        }
        logger.info(f"{kind} is done")
    return result


def _clinic(scores: NDArray, truth: NDArray, number: int, share: float, seed: int) -> Any:
    """Return a clinic's labelled images: the finding with this share, the other classes equally frequent."""
    import numpy as np

    from freezenet.benchmarks.localize.rule import Labelled

    rng = np.random.default_rng([seed, 1])
    weights = _weights(truth, number, share)
    rows = rng.choice(len(truth), IMAGES, p=weights / weights.sum())
    shares = np.bincount(truth[rows], minlength=scores.shape[1]) / IMAGES
    return Labelled(scores[rows], truth[rows], np.arange(IMAGES), shares)


def _weights(truth: NDArray, number: int, share: float) -> NDArray:
    import numpy as np

    ill = truth == number
    return np.where(ill, share / ill.sum(), (1 - share) / (~ill).sum())


def _sensitivities(
    rule: DecisionRule, scores: NDArray, truth: NDArray, number: int, draws: int, seed: int
) -> list[dict[str, Any]]:
    import numpy as np

    from freezenet.benchmarks.localize.ranks import rank_for, sensitivity_interval
    from freezenet.benchmarks.localize.rule import localized_rule
    from freezenet.benchmarks.localize.targets import Sensitivity, Targets

    ill = scores[truth == number]
    found = []
    for wanted in SENSITIVITIES:
        rows = []
        refused = 0
        for draw in range(draws):
            clinic = _clinic(scores, truth, number, CHANGES[0][0], seed + draw)
            try:
                made = localized_rule(rule, clinic, Targets(Sensitivity(rule.labels[number], wanted)))
            except DataError:
                refused += 1
                continue
            true = float(made.chosen(made.probabilities(ill))[:, number].mean())
            patients = int((clinic.truth == number).sum())
            low, high = sensitivity_interval(rank_for(wanted, patients), patients)
            rows.append((true, low, high))
        true, low, high = np.array(rows).T
        found.append({
            "target": wanted,
            "refused": refused,
            "true_inside": round(float(((true >= low) & (true <= high)).mean()), 4),
            "target_inside": round(float(((low <= wanted) & (wanted <= high)).mean()), 4),
            "true_mean": round(float(true.mean()), 4),
            "low_mean": round(float(low.mean()), 4),
            "high_mean": round(float(high.mean()), 4),
        })  # fmt: skip
    return found


def _calibration(
    rule: DecisionRule, scores: NDArray, truth: NDArray, number: int, change: tuple[float, float], draws: int, seed: int
) -> dict[str, Any]:
    import numpy as np

    from freezenet.benchmarks.localize.rule import localized_rule
    from freezenet.benchmarks.localize.targets import Targets
    from freezenet.train.answers.calibration import Decided, calibration_error

    before, after = change
    weights = _weights(truth, number, after)[None]
    is_class = truth[:, None] == np.arange(len(rule.labels))

    def error(made: DecisionRule) -> float:
        return float(calibration_error(Decided.by(made, scores, is_class), weights)[0])

    errors, without = [], []
    for draw in range(draws):
        clinic = _clinic(scores, truth, number, before, seed + draw)
        if (clinic.truth == number).any():
            errors.append(error(localized_rule(rule, clinic, Targets(prevalence={rule.labels[number]: after}))))
            without.append(error(localized_rule(rule, clinic, Targets())))
    return {
        "before": before,
        "after": after,
        "as_it_was": round(error(rule), 4),
        "without_prevalence": round(float(np.mean(without)), 4),
        "mean": round(float(np.mean(errors)), 4),
        "at_most_03": round(float(np.mean(np.array(errors) <= 0.03)), 4),
        "p95": round(float(np.quantile(errors, 0.95)), 4),
    }


@click.command(cls=StudyCommand)
@click.argument("predictions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--finding", default="COVID", show_default=True, metavar="CLASS", help="The class whose sensitivity is asked for."
)
@click.option("--draws", type=click.IntRange(1), default=200, show_default=True, help="Clinics that are drawn.")
@result_options
def main(predictions: Path, finding: str, draws: int, as_json: bool, out: Path | None) -> None:
    """Draw clinics from stored scores, localize, and compare with everyone."""
    result = study(predictions, finding=finding, draws=draws)
    hand_over(result, "localize", text(result), as_json, out)


def text(result: dict[str, Any]) -> str:
    """Return the result as lines."""
    lines = [f"{counted(result['draws'], 'clinic')} of {result['images']} images, finding {result['finding']}"]
    for kind, one in result["kinds"].items():
        lines += [
            f"{kind}\tsensitivity {row['target']:g}: true one inside its interval in {row['true_inside']:.1%}, target in {row['target_inside']:.1%}, "
            f"mean {row['true_mean']:.3f} in {row['low_mean']:.3f} to {row['high_mean']:.3f}, {row['refused']} refused"
            for row in one["sensitivity"]
        ]
        lines += [
            f"{kind}\tprevalence {row['before']:g} to {row['after']:g}: calibration error {row['mean']:.4f} (95 % of clinics below {row['p95']:.4f}; at most .03 in "
            f"{row['at_most_03']:.1%}); without telling {row['without_prevalence']:.4f}, as it was {row['as_it_was']:.4f}"
            for row in one["prevalence"]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
