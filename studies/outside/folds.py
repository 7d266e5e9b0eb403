"""What the folds of a finished cross-validation say: accuracy, recipes against each other, abstention, variants, sources left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from freezenet.edge_runtime.decision import DecisionRule
    from freezenet.train.answers.calibration import Decided
    from freezenet.train.crossval.plan import CrossValidation
    from freezenet.train.recipes.recipe import Recipe


@dataclass(frozen=True)
class Tested:
    """All tested images of one recipe, seed by seed.

    Args:
        labels: in score order.
        names: (n,) seed and file of each image.
        patients: (n,) of each.
        scores: (n, labels), each by a network that had not seen the image.
        truth: (n, labels) bool.
        seeds, folds: (n,) numbers of the training.
        rules: (seed, fold) -> what that training chose on its own validation images.
        recipe: of all of them.
    """

    labels: tuple[str, ...]
    names: list[tuple[int, str]]
    patients: list[str]
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    seeds: NDArray[np.integer]
    folds: NDArray[np.integer]
    rules: dict[tuple[int, int], DecisionRule]
    recipe: Recipe


def read_tested(folder: Path, arm: str) -> Tested:
    """Read the answers of the finished folds of a recipe."""
    import numpy as np

    from freezenet.edge_runtime.decision import DecisionRule
    from freezenet.train.final.out_of_fold import finished_crossval
    from freezenet.train.run import Run

    asked = finished_crossval(folder)
    names, patients, scores, classes, seeds, folds, rules = [], [], [], [], [], [], {}
    for fold in asked.folds_of(arm):
        run = Run.open(fold.run(folder).folder)
        rules[fold.seed, fold.number] = DecisionRule.from_dict(run.decision, run.labels)
        patient_of = {row["file"]: row["patient_id"] for row in run.splits}
        for row in run.read_predictions("test"):
            names.append((fold.seed, row["file"]))
            patients.append(patient_of[row["file"]])
            scores.append([float(row[label]) for label in run.labels])
            classes.append(row["class"])
            seeds.append(fold.seed)
            folds.append(fold.number)
    truth = run.task.truth(classes, run.labels)
    return Tested(
        run.labels,
        names,
        patients,
        np.array(scores),
        truth,
        np.array(seeds),
        np.array(folds),
        rules,
        asked.recipes[arm],
    )


def crossval_figures(folder: Path) -> dict[str, Any]:
    """Return all figures of a finished cross-validation (JSON types).

    "recipes": for each arm accuracy and macro-F1 out of fold, with what it changes to the first arm, and "abstention"; "variants" and "transfer" as
    `freezenet crossval` says them.
    """
    from freezenet.train.crossval.table import SUMMARY
    from freezenet.train.files import read_json
    from freezenet.train.final.out_of_fold import finished_crossval
    from freezenet.train.metrics.paired import PairedAnswers
    from freezenet.train.task import TASKS

    asked, summary = finished_crossval(folder), read_json(folder / SUMMARY)
    found: dict[str, Any] = {}
    first: tuple[Tested, NDArray[np.bool_]] | None = None
    for arm in asked.recipes:
        tested = read_tested(folder, arm)
        answers = _plain(tested).answers(tested.scores)
        evaluated = TASKS[tested.recipe.task].evaluate(tested.truth, answers, tested.labels, tested.patients)
        found[arm] = {
            "images": len(set(tested.names)) // len(asked.seeds),
            "accuracy": evaluated["accuracy"],
            "macro_f1": evaluated["macro_f1"],
            "abstention": abstention(tested),
        }
        if first is None:
            first = tested, answers
        else:
            place = {name: row for row, name in enumerate(tested.names)}
            rows = [place[name] for name in first[0].names]
            paired = PairedAnswers(first[0].truth, first[1], answers[rows], first[0].patients)
            found[arm]["against_first"] = {
                "accuracy": paired.accuracy().to_dict(), "macro_f1": paired.macro_f1().to_dict(),
            }  # fmt: skip
    return {
        "data": summary["data"],
        "folds": asked.folds,
        "seeds": list(asked.seeds),
        "recipes": found,
        "variants": summary.get("variants", {}),
        "transfer": _transfer(asked, folder),
    }


def _transfer(asked: CrossValidation, folder: Path) -> dict[str, Any] | None:
    """Return what leaving out costs, of the recipes whose trainings without a value are finished; None where none is."""
    from freezenet.train.crossval.left_out import left_out_folds, with_groups
    from freezenet.train.crossval.transfer import transfer_of_arm
    from freezenet.train.training import load_classes

    if not asked.leave_out:
        return None
    found = {}
    for arm, recipe in asked.recipes.items():
        dataset = with_groups(load_classes(asked.data, recipe), asked.leave_out)
        if all(fold.run(folder).finished for fold in left_out_folds(asked, arm, dataset)):
            found[arm] = transfer_of_arm(asked, arm, dataset, folder)
    return {"column": asked.leave_out, "recipes": found} if found else None


def abstention(tested: Tested) -> dict[str, dict[str, Any]]:
    """Return what is answered, and wrong of it, out of fold, by each way to choose the threshold for 2 % (JSON types).

    "own" is by the rule of each training, chosen on its validation images; the others are chosen on the tested images of the other folds, by a bound
    that holds with the probability that they name.
    """
    return {
        "own": _judged(tested, None),
        **{
            f"out-of-fold{', by class' if by == 'class' else ''}, {sureness}": _judged(
                tested, {"abstain_by": by, "abstain_sureness": sureness}
            )
            for by in ("all", "class")
            for sureness in (0.95, 0.8)
        },
    }


def _judged(tested: Tested, settings: dict[str, Any] | None) -> dict[str, Any]:
    import numpy as np

    from freezenet.train.answers.calibration import Decided
    from freezenet.train.answers.rule import ChosenRule

    parts, rows = [], []
    for (seed, fold), own in tested.rules.items():
        held = (tested.seeds == seed) & (tested.folds == fold)
        rule = own
        if settings is not None:
            others = (tested.seeds == seed) & (tested.folds != fold)
            recipe = tested.recipe.with_settings(settings)
            rule = ChosenRule.fit(recipe, tested.labels, tested.scores[others], tested.truth[others]).rule
        parts.append(Decided.by(rule, tested.scores[held], tested.truth[held]))
        rows += np.flatnonzero(held).tolist()
    return answered_and_wrong(Decided.pooled(parts), [tested.patients[row] for row in rows])


def answered_and_wrong(decided: Decided, patients: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the share of n images that is answered, and what of it is wrong (JSON types). patients: (n,) names."""
    from freezenet.train.metrics.draws import patient_draws
    from freezenet.train.metrics.figure import share

    everything, draws = decided.answered | True, patient_draws(patients)
    return {
        "answered": share(decided.answered, everything, patients, draws).to_dict(),
        "wrong": share(~decided.correct, decided.answered, patients, draws).to_dict(),
    }


def _plain(tested: Tested) -> DecisionRule:
    """Return the rule of the first training without abstention."""
    return replace(next(iter(tested.rules.values())), abstain_below=0.0, class_abstain_below=None)
