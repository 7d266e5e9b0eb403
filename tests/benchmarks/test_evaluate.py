from __future__ import annotations

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from freezenet.benchmarks import evaluate as module
from freezenet.benchmarks.evaluate import evaluate_model, judged_images, model_scores
from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from tests.csv_rows import read_rows, write_rows


@pytest.fixture(scope="module")
def classifier(models):
    return Classifier(models / "int8.tflite")


@pytest.fixture(scope="module")
def judged(run, phantoms):
    return judged_images(phantoms, run)


def test_only_the_test_split_counts(judged, run):
    test = {row["file"]: row for row in run.splits if row["split"] == "test"}
    assert judged.split == "test"
    assert {sample.file for sample in judged.dataset.samples} == set(test)
    for sample, truth, patient in zip(judged.dataset.samples, judged.truth, judged.patients, strict=True):
        assert (truth, patient) == (test[sample.file]["class"], test[sample.file]["patient_id"])


def test_all_of_the_data_without_a_run(phantoms):
    found = judged_images(phantoms, None, everything=True)
    assert (found.split, found.took_part) == ("all", None)
    assert len(found.truth) == len(read_rows(phantoms))


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
    rows = [
        {**row, "class": "Tuberculosis" if row["class"] == "Focal" else row["class"]} for row in read_rows(phantoms)
    ]
    found = judged_images(write_rows(tmp_path / "data" / "other.csv", rows), None, everything=True)
    with pytest.raises(
        FreezenetError, match=r"classes Clear, Diffuse, Focal, Reticular is required\. Got: Tuberculosis; "
    ):
        evaluate_model(classifier, found)


def test_missing_test_images_are_counted_in_the_refusal(run, phantoms, tmp_path):
    shutil.copytree(phantoms.parent, tmp_path / "data")
    test = [row["file"] for row in run.splits if row["split"] == "test"]
    rows = [row for row in read_rows(phantoms) if row["file"] not in test[:3]]
    with pytest.raises(FreezenetError, match=rf"with {len(test) - 3} of the {len(test)} test images"):
        judged_images(write_rows(tmp_path / "data" / "fewer.csv", rows), run)


@pytest.fixture(scope="module")
def beside(models, run, tmp_path_factory):
    """A MODELS folder with the RUN folder beside it, as the pipeline leaves them."""
    home = tmp_path_factory.mktemp("beside")
    shutil.copytree(run.folder, home / "run")
    return shutil.copytree(models, home / "models")


def invoke(*arguments):
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def test_the_verb_finds_the_run_beside_the_models(beside, phantoms, judged, run):
    done = invoke(beside / "int8.tflite", phantoms, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["images"], found["side"]) == (len(judged.truth), "test")
    assert found["took_part"] == {"train": 0, "validation": 0, "test": len(judged.truth)}
    found = json.loads(invoke(beside / "int8.tflite", phantoms, "--json", "--all").stdout)
    assert (found["images"], found["side"]) == (len(read_rows(phantoms)), "all")
    splits = [row["split"] for row in run.splits]
    assert found["took_part"] == {name: splits.count(name) for name in ("train", "validation", "test")}


def test_where_no_run_is_known_all_must_be_asked_for(models, phantoms, run, caplog):
    caplog.set_level("INFO", "freezenet")
    done = invoke(models / "int8.tflite", phantoms)
    assert done.exit_code == 1
    assert "Got: none beside the models; pass --run RUN, or --all" in str(done.exception)
    assert invoke(models / "int8.tflite", phantoms, "--all").exit_code == 0
    assert any("took part in the training is not known" in one for one in caplog.messages)
    assert invoke(models / "int8.tflite", phantoms, "--run", run.folder).exit_code == 0
    assert any("None of the " in one for one in caplog.messages)


def test_another_run_is_refused(models, phantoms, run, tmp_path):
    other = shutil.copytree(run.folder, tmp_path / "other")
    write_rows(other / "splits.csv", run.splits[1:])
    done = invoke(models / "int8.tflite", phantoms, "--run", other)
    assert done.exit_code == 1
    assert "The RUN folder that int8.tflite was converted from is required" in str(done.exception)


def test_other_pictures_under_the_names_of_the_test_split_are_not_the_test_split(beside, phantoms, tmp_path, caplog):
    """All of them: a name tells nothing. With --all they are judged, and it is said that none took part."""
    caplog.set_level("INFO", "freezenet")
    shutil.copytree(phantoms.parent, tmp_path / "data")
    for path in (tmp_path / "data").rglob("*.png"):
        cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    data = tmp_path / "data" / phantoms.name
    done = invoke(beside / "int8.tflite", data)
    assert done.exit_code == 1
    assert " with 0 of the " in str(done.exception)
    found = json.loads(invoke(beside / "int8.tflite", data, "--all", "--json").stdout)
    assert found["side"] == "all" and set(found["took_part"].values()) == {0}
    assert f"None of the {found['images']} files judged took part" in caplog.text


def test_training_images_among_all_are_counted(beside, phantoms, run, tmp_path, caplog):
    """Under any name, and once more where one is there twice."""
    caplog.set_level("INFO", "freezenet")
    trained = [row for row in run.splits if row["split"] == "train"][:3]
    (tmp_path / "clinic").mkdir()
    rows = []
    for number, row in enumerate([*trained, trained[0]]):
        shutil.copyfile(phantoms.parent / row["file"], tmp_path / "clinic" / f"new-{number}.png")
        rows.append({"file": f"new-{number}.png", "class": row["class"]})
    data = write_rows(tmp_path / "clinic" / "clinic.csv", rows)
    found = json.loads(invoke(beside / "int8.tflite", data, "--all", "--json").stdout)
    assert found["took_part"] == {"train": 4, "validation": 0, "test": 0}
    assert "Of the 4 files judged, 4 took part in the training (4 in the train split)" in caplog.text


def test_of_equal_files_each_stands_for_one_row(run, phantoms):
    """Equal contents in two splits: the test row gets the file of its own name, and no file counts twice."""
    dataset = judged_images(phantoms, None, everything=True).dataset.only(range(3))
    rows = [{"file": dataset.samples[number].file, "sha256": "same"} for number in (2, 0)]
    assert module._matched(rows, dataset, ["same", "other", "same"]) == [2, 0]
    assert module._matched([*rows, *rows], dataset, ["same", "other", "same"]) == [2, 0]


def test_the_verb_prints_every_class(beside, phantoms):
    done = invoke(beside / "float32.tflite", phantoms)
    assert done.exit_code == 0, done.output
    for label in ("Clear", "Diffuse", "Focal", "Reticular"):
        assert f"recall {label}\t" in done.stdout


def test_data_of_another_hospital_may_lack_classes(beside, phantoms, tmp_path):
    """Two of four classes, then one; what is not there is neither found nor missed."""
    shutil.copytree(phantoms.parent, tmp_path / "data")
    some = [row for row in read_rows(phantoms) if row["class"] in ("Clear", "Focal")]
    two = write_rows(tmp_path / "data" / "two.csv", some)
    model = str(beside / "int8.tflite")
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
    one = write_rows(tmp_path / "data" / "one.csv", [row for row in some if row["class"] == "Focal"])
    done = CliRunner().invoke(cli, ["evaluate", model, str(one), "--all", "--json"])
    assert json.loads(done.stdout)["accuracy"]["value"] == pytest.approx(recalls["Focal"])
    done = CliRunner().invoke(cli, ["evaluate", model, str(one)])
    assert done.exit_code == 1
    assert "freezenet evaluate --all takes all images of other data" in str(done.exception or done.stderr)
