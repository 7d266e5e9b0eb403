from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from freezenet.benchmarks.evaluate import evaluate_model, judged_images, model_scores
from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError


@pytest.fixture(scope="module")
def classifier(models):
    return Classifier(models / "int8.tflite")


@pytest.fixture(scope="module")
def judged(models, phantoms):
    return judged_images(phantoms, models / "splits.csv")


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_only_the_test_split_counts(judged, models):
    test = {row["file"]: row for row in table(models / "splits.csv") if row["split"] == "test"}
    assert judged.split == "test"
    assert {sample.file for sample in judged.dataset.samples} == set(test)
    for sample, truth, patient in zip(judged.dataset.samples, judged.truth, judged.patients, strict=True):
        assert (truth, patient) == (test[sample.file]["class"], test[sample.file]["patient_id"])


def test_all_of_the_data_without_splits(phantoms):
    found = judged_images(phantoms, None)
    assert found.split == "all"
    assert len(found.truth) == len(table(phantoms))


def test_figures_are_those_of_scikit_learn(classifier, judged):
    answers = [classifier.predict(path).label for path in judged.dataset.paths]
    labels = list(classifier.card.labels)
    figures = evaluate_model(classifier, judged)
    assert figures["model"] == "int8.tflite"
    assert figures["side"] == "test"
    assert figures["labels"] == labels
    assert figures["accuracy"]["value"] == pytest.approx(accuracy_score(judged.truth, answers), abs=1e-6)
    assert figures["confusion_matrix"] == confusion_matrix(judged.truth, answers, labels=labels).tolist()
    parts = precision_recall_fscore_support(judged.truth, answers, labels=labels, zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        for label, value in zip(labels, values, strict=True):
            found = figures["per_class"][label][name]
            assert (found if name == "support" else found["value"]) == pytest.approx(value, abs=1e-6)
    assert figures["macro_f1"]["value"] == pytest.approx(np.mean(parts[2]), abs=1e-6)


def test_scores_are_those_of_single_predictions(classifier, judged):
    few = replace(judged, dataset=judged.dataset.only(range(5)))
    singles = [list(classifier.predict(path).probabilities.values()) for path in few.dataset.paths]
    scores = model_scores(classifier, few.pixels(classifier.card.preprocess))
    np.testing.assert_allclose(scores, singles, atol=1e-6)


def test_other_classes_are_refused(classifier, phantoms, tmp_path):
    shutil.copytree(phantoms.parent, tmp_path / "data")
    rows = [{**row, "class": "Tuberculosis" if row["class"] == "Focal" else row["class"]} for row in table(phantoms)]
    found = judged_images(write_table(tmp_path / "data" / "other.csv", rows), None)
    with pytest.raises(
        FreezenetError, match=r"classes Clear, Diffuse, Focal, Reticular is required\. Got: Tuberculosis; "
    ):
        evaluate_model(classifier, found)


def test_missing_test_images_are_counted_in_the_refusal(models, phantoms, tmp_path):
    shutil.copytree(phantoms.parent, tmp_path / "data")
    test = [row["file"] for row in table(models / "splits.csv") if row["split"] == "test"]
    rows = [row for row in table(phantoms) if row["file"] not in test[:3]]
    with pytest.raises(FreezenetError, match=rf"with {len(test) - 3} of the {len(test)} test images"):
        judged_images(write_table(tmp_path / "data" / "fewer.csv", rows), models / "splits.csv")


def test_the_verb_finds_the_splits_beside_the_model(models, phantoms, judged):
    runner = CliRunner()
    done = runner.invoke(cli, ["evaluate", str(models / "int8.tflite"), str(phantoms), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["images"] == len(judged.truth)
    done = runner.invoke(cli, ["evaluate", str(models / "int8.tflite"), str(phantoms), "--json", "--all"])
    assert json.loads(done.stdout)["images"] == len(table(phantoms))
    assert json.loads(done.stdout)["side"] == "all"


def test_the_verb_prints_every_class(models, phantoms):
    done = CliRunner().invoke(cli, ["evaluate", str(models / "float32.tflite"), str(phantoms)])
    assert done.exit_code == 0, done.output
    for label in ("Clear", "Diffuse", "Focal", "Reticular"):
        assert f"recall {label}\t" in done.stdout


def test_data_of_another_hospital_may_lack_classes(models, phantoms, tmp_path):
    """Two of four classes, then one; what is not there is neither found nor missed."""
    shutil.copytree(phantoms.parent, tmp_path / "data")
    some = [row for row in table(phantoms) if row["class"] in ("Clear", "Focal")]
    two = write_table(tmp_path / "data" / "two.csv", some)
    model = str(models / "int8.tflite")
    done = CliRunner().invoke(cli, ["evaluate", model, str(two), "--all", "--json"])
    found = json.loads(done.stdout)
    recalls = {label: one["recall"]["value"] for label, one in found["per_class"].items() if one["support"]}
    assert recalls.keys() == {"Clear", "Focal"}
    matrix = np.array(found["confusion_matrix"])
    truth, answer = np.repeat(np.indices(matrix.shape).reshape(2, -1), matrix.ravel(), axis=1)
    assert found["macro_f1"]["value"] == pytest.approx(
        f1_score(truth, answer, labels=sorted(set(truth)), average="macro"), abs=1e-6
    )
    done = CliRunner().invoke(cli, ["evaluate", model, str(two), "--all"])
    assert "recall Diffuse\t-\tof 0" in done.stdout.splitlines()
    one = write_table(tmp_path / "data" / "one.csv", [row for row in some if row["class"] == "Focal"])
    done = CliRunner().invoke(cli, ["evaluate", model, str(one), "--all", "--json"])
    assert json.loads(done.stdout)["accuracy"]["value"] == pytest.approx(recalls["Focal"])
    done = CliRunner().invoke(cli, ["evaluate", model, str(one)])
    assert done.exit_code == 1
    assert "freezenet evaluate --all takes all images of other data" in str(done.exception or done.stderr)
