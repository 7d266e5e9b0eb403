"""Files of other makers that answer with any number of labels, through the command."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, hamming_loss

LABELS = ["Clear", "Diffuse", "Focal", "Reticular"]
SPEC = "mean=127.5,std=127.5,resize=bilinear"
THRESHOLDS = np.array([0.4, 0.5, 0.6, 0.3])
SEVERAL = f"{SPEC},task=multi-label,thresholds=0.4/0.5/0.6/0.3"
#: Of a class of the phantoms the label set that its images are given here.
SETS = {"Clear": "none", "Diffuse": "Diffuse;Focal", "Focal": "Focal", "Reticular": "Reticular;Clear"}


@pytest.fixture(scope="module")
def table(phantoms, tmp_path_factory, with_changed_rows):
    def change(number, row):
        return {**row, "class": SETS[row["class"]]}

    return with_changed_rows(phantoms, tmp_path_factory.mktemp("several") / "copy", change)


def test_figures_are_those_of_scikit_learn(command, foreign, table):
    import keras
    import tensorflow as tf

    arguments = ("--preprocess", SEVERAL, "--labels", ",".join(LABELS), "--json")
    code, out, err = command("evaluate", foreign / "sigmoids.tflite", table, *arguments)
    assert code == 0, err
    figures = json.loads(out)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    model = keras.saving.load_model(foreign / "model.keras")
    logits = keras.Model(model.input, model.get_layer("logits").output)
    images = [
        tf.image.resize(tf.io.decode_png((table.parent / row["file"]).read_bytes(), channels=3), (48, 48))
        for row in rows
    ]
    scores = 1 / (1 + np.exp(-logits.predict((np.array(images) - 127.5) / 127.5, verbose=0).astype(np.float64)))
    truth = np.array([[label in row["class"].split(";") for label in LABELS] for row in rows])
    answers = scores >= THRESHOLDS
    # Half a gray level may move a label that hangs in the balance.
    unsure = float(np.mean(np.abs(scores - THRESHOLDS) < 0.02))
    assert figures["images"] == len(rows) and unsure < 0.1
    assert figures["hamming_loss"]["value"] == pytest.approx(hamming_loss(truth, answers), abs=unsure + 1e-6)
    expected = f1_score(truth, answers, average="macro", zero_division=0)
    assert figures["macro_f1"]["value"] == pytest.approx(expected, abs=4 * unsure + 1e-6)
    assert "sigmoid output, multi-label" in err


def test_two_files_are_compared_label_by_label(command, foreign, table):
    arguments = ("--data", table, "--preprocess", SEVERAL, "--labels", ",".join(LABELS))
    files = (foreign / "sigmoids.tflite", foreign / "sigmoids-int8.tflite")
    code, out, err = command("compare", *files, *arguments, "--json")
    assert code == 0, err
    other = json.loads(out)["variants"]["sigmoids-int8.tflite"]
    assert "sigmoids-int8.tflite" in other["verdict"]["sentence"] and "hamming_loss" in other
    assert other["against_reference"]["flipped"] == len(other["flipped"])
    code, out, err = command("compare", *files, *arguments)
    assert code == 0 and "macro-F1 against sigmoids.tflite" in out, err


@pytest.mark.parametrize(
    ("name", "spec", "said"),
    [
        ("sigmoids", SPEC, "Whether an image may have several of the labels is required"),
        ("float32", SPEC, "DATA with one class for each image is required by float32.tflite"),
        ("float32", SEVERAL, "share 1 among the classes"),
        ("logits", SPEC, "pass --preprocess task=multi-label"),
    ],
)
def test_what_does_not_fit_the_data_is_a_sentence(command, foreign, table, name, spec, said):
    code, _, err = command(
        "evaluate", foreign / f"{name}.tflite", table, "--preprocess", spec, "--labels", ",".join(LABELS)
    )
    assert code == 1 and said in err and "Traceback" not in err


def test_models_that_answer_different_questions_are_not_compared(command, foreign, phantoms):
    specs = ("--preprocess", SEVERAL, "--preprocess", SPEC, "--labels", ",".join(LABELS))
    code, _, err = command(
        "compare", foreign / "sigmoids.tflite", foreign / "float32.tflite", "--data", phantoms, *specs
    )
    assert code == 1 and "Models of one task are required" in err
