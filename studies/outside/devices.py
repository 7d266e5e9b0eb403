"""What a model file answers about images of sources that it was not trained on, and of a class that it does not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freezenet.edge_runtime.decision import DecisionRule
from studies.outside.folds import answered_and_wrong

if TYPE_CHECKING:
    from freezenet.benchmarks.outside import Answers
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.run import Run

#: The change of `studies.ood_altered` by which images of a missing class are saved like others.
SAVED = "224 pixels, JPEG, quality 75"


def outside_figures(model: Path, data: Path) -> dict[str, Any]:
    """Return what the file answers about DATA, and what it would answer with thresholds chosen on more images (JSON types).

    "everywhere" and "by_source" are as of `freezenet evaluate MODEL DATA --all`; "recall" of each class that DATA has; "held_out" see `held_out_rules`.
    """
    from freezenet.benchmarks.evaluate import elsewhere_sentence, judged_images
    from freezenet.benchmarks.origin import find_run
    from freezenet.benchmarks.outside import Answers, by_source, everywhere
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.errors import DataError
    from freezenet.train.run import Run
    from freezenet.train.task import task_of

    classifier = Classifier(model)
    card = classifier.card
    run = find_run(model.parent, card, None)
    judged = judged_images(data, run, task=task_of(card.content).name, everything=True)
    found = Answers.of(classifier, judged)
    if not found.known.all():
        raise DataError(f"Images of the classes of {model.name} are required. Got: others in {data.name}.")
    evaluated = judged.dataset.task.evaluate(
        found.truth, classifier.rule.answers(found.scores), card.labels, judged.patients, judged.draws
    )
    return {
        "took_part": judged.took_part,
        "elsewhere": elsewhere_sentence(card),
        "everywhere": everywhere(found, judged),
        "by_source": by_source(found, judged),
        "recall": {label: one["recall"] for label, one in evaluated["per_class"].items() if one["support"]},
        "held_out": held_out_rules(classifier, Run.open(run.folder), found, judged.patients) if run is not None else {},
    }


def held_out_rules(
    classifier: Classifier, run: Run, found: Answers, patients: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return what rules do that are chosen on all images that were kept from the training, in its validation and its test split.

    Of a final training that is the rule of its card, chosen on out-of-fold answers.

    Args:
        classifier: the file.
        run: its training. Its validation images chose the epoch, so that the figures inside are slightly too good.
        found: what the integer file answers about other sources.
        patients: of these images.

    Returns:
        For one threshold and for one per class: the images they were chosen on, and "inside" and "outside" what is answered and wrong of that;
        inside each image by a rule that other patients chose.
    """
    import numpy as np

    from freezenet.edge_runtime.errors import DataError
    from freezenet.train.answers.calibration import Decided
    from freezenet.train.answers.rule import ChosenRule
    from freezenet.train.metrics.figure import Figure
    from freezenet.train.ood.gates import patient_folds
    from freezenet.train.run_folder import RunFolder

    def outside(content: dict[str, Any]) -> dict[str, Any]:
        device = DecisionRule.from_dict({**content, "arithmetic": "integer"}, run.labels)
        away = Decided.by(device, found.scores, found.truth)
        return answered_and_wrong(replace(away, answered=away.answered & ~found.refused), patients)

    if run.final:
        if DecisionRule.from_dict(run.decision, run.labels).abstain_below != classifier.rule.abstain_below:
            raise DataError(
                f"The RUN of {classifier.path.name} is required beside it. Got: {run.folder.name}, whose rule is another."
            )
        told = RunFolder(run.folder).read_metrics()["confidence"]
        return {
            f"as in its card, {'by class' if told.get('abstain_below_class') else 'one threshold'}": {
                "chosen_on": told["images"],
                "risk_bound": told["risk_bound"],
                "sureness": told.get("risk_sureness"),
                "inside": {
                    "answered": told["test"]["coverage"],
                    "wrong": Figure(**told["test"]["accuracy_answered"]).rest().to_dict(),
                },
                "outside": outside(run.decision),
            }
        }
    patient_of = {row["file"]: row["patient_id"] for row in run.splits}
    rows = [row for split in ("validation", "test") for row in run.read_predictions(split)]
    scores = np.array([[float(row[label]) for label in run.labels] for row in rows])
    truth = run.task.truth([row["class"] for row in rows], run.labels)
    owners = [patient_of[row["file"]] for row in rows]
    folds = patient_folds(owners)
    result = {}
    for name, by in (("one threshold", "all"), ("a threshold per class", "class")):
        recipe = run.recipe.with_settings({"abstain_by": by})
        parts, order = [], []
        for fold in np.unique(folds):
            rule = ChosenRule.fit(recipe, run.labels, scores[folds != fold], truth[folds != fold]).rule
            parts.append(Decided.by(rule, scores[folds == fold], truth[folds == fold]))
            order += np.flatnonzero(folds == fold).tolist()
        chosen = ChosenRule.fit(recipe, run.labels, scores, truth)
        result[name] = {
            "chosen_on": len(rows),
            "risk_bound": chosen.confidence.risk_bound,
            "sureness": chosen.confidence.risk_sureness,
            "inside": answered_and_wrong(Decided.pooled(parts), [owners[row] for row in order]),
            "outside": outside(chosen.to_dict()),
        }
    return result


def unknown_class(model: Path, data: Path) -> dict[str, Any]:
    """Return how often images of classes that the model does not have are answered, as they are and saved like others (JSON types)."""
    import numpy as np

    from freezenet.benchmarks.evaluate import judged_images
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.train.metrics.figure import share
    from freezenet.train.task import task_of
    from studies.ood_altered import CHANGES

    classifier = Classifier(model)
    judged = judged_images(data, None, task=task_of(classifier.card.content).name, everything=True)
    rows = [row for row, text in enumerate(judged.truth) if text not in classifier.card.labels]
    paths = [judged.dataset.paths[row] for row in rows]
    patients = [judged.patients[row] for row in rows]
    result: dict[str, Any] = {"classes": sorted({judged.truth[row] for row in rows}), "images": len(rows)}
    for name in ("as it is", SAVED):
        said = []
        for path in paths:
            gray = classifier.card.preprocess.decode(path)
            said.append(classifier.predict(CHANGES[name](gray, np.random.default_rng(0))).label)
        answered = np.array([one is not None for one in said])
        result[name] = {
            "answered": share(answered, np.ones(len(rows), bool), patients).to_dict(),
            "as": {label: said.count(label) for label in classifier.card.labels if label in said},
        }
    return result
