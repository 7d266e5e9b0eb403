"""Files of any maker side by side, through the command."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

LABELS = "Clear,Diffuse,Focal,Reticular"
SPEC = "mean=127.5,std=127.5,resize=bilinear"


@pytest.fixture(scope="module")
def of_keras(foreign, phantoms):
    """File name -> class that Keras answers, of every image, as TensorFlow decodes and resizes it."""
    import keras
    import tensorflow as tf

    with phantoms.open(newline="") as file:
        rows = list(csv.DictReader(file))
    images = [
        tf.image.resize(tf.io.decode_png((phantoms.parent / row["file"]).read_bytes(), channels=3), (48, 48))
        for row in rows
    ]
    scores = keras.saving.load_model(foreign / "model.keras").predict((np.array(images) - 127.5) / 127.5, verbose=0)
    return {
        row["file"]: (row["class"], LABELS.split(",")[one.argmax()], one) for row, one in zip(rows, scores, strict=True)
    }


def test_a_foreign_file_has_the_accuracy_that_keras_has(command, foreign, phantoms, of_keras):
    code, out, err = command(
        "evaluate", foreign / "float32.tflite", phantoms, "--preprocess", SPEC, "--labels", LABELS, "--json"
    )
    assert code == 0, err
    figures = json.loads(out)
    right = np.mean([truth == answer for truth, answer, _ in of_keras.values()])
    # Half a gray level may move an answer that hangs in the balance.
    unsure = np.mean([np.sort(one)[-1] - np.sort(one)[-2] < 0.04 for _, _, one in of_keras.values()])
    assert figures["accuracy"]["value"] == pytest.approx(right, abs=unsure + 1e-6)
    assert figures["images"] == len(of_keras) and figures["took_part"] is None
    assert "float32.tflite has no card; it is read so: 48 x 48 rgb" in err
    assert "is not known: freezenet did not train it" in err and "All " in err


def test_two_foreign_files_of_one_network(command, foreign, phantoms):
    arguments = ("--data", phantoms, "--preprocess", SPEC, "--labels", LABELS, "--json")
    code, out, err = command(
        "compare", foreign / "int8.tflite", foreign / "uint8.tflite", foreign / "float32.tflite", *arguments
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["reference"] == "int8.tflite" and list(result["variants"]) == [
        "int8.tflite",
        "uint8.tflite",
        "float32.tflite",
    ]
    same = result["variants"]["uint8.tflite"]
    assert same["against_reference"]["macro_f1"] == same["verdict"]["endpoints"][0]["difference"]
    assert same["flipped"] == [] and same["against_reference"]["accuracy"]["value"] == 0
    assert "uint8.tflite is not worse" in same["verdict"]["sentence"] or "cannot tell" in same["verdict"]["verdict"]
    assert same["probabilities"]["auroc"] == result["variants"]["int8.tflite"]["probabilities"]["auroc"]
    assert same["flips"]["value"] == 0 and {one["column"] for one in same["slices"]["slices"]} >= {"class"}
    other = result["variants"]["float32.tflite"]
    assert other["against_reference"]["flipped"] == len(other["flipped"])


def test_ours_and_a_foreign_file_are_judged_on_our_test_images(command, foreign, models, run, phantoms):
    arguments = ("--data", phantoms, "--run", run.folder, "--preprocess", SPEC, "--labels", LABELS)
    code, out, err = command("compare", models / "int8.tflite", foreign / "float32.tflite", *arguments, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["side"] == "test" and result["images"] == len(run.paths("test"))
    assert result["took_part"]["int8.tflite"]["train"] == 0 and result["took_part"]["float32.tflite"] is None
    # Ours has the figures that it has alone.
    code, alone, _ = command("evaluate", models / "int8.tflite", phantoms, "--run", run.folder, "--json")
    assert json.loads(alone)["macro_f1"] == result["variants"]["int8.tflite"]["macro_f1"]
    assert "None of the" in err and "did not train it" in err
    code, out, _ = command("compare", models / "int8.tflite", foreign / "float32.tflite", *arguments)
    assert code == 0 and "macro-F1 against int8.tflite" in out


def test_scores_that_nobody_stored_are_not_recomputed(command, foreign, phantoms):
    files = (foreign / "int8.tflite", foreign / "float32.tflite")
    code, _, err = command("compare", *files, "--data", phantoms, "--recompute")
    assert code == 1 and "required by --recompute" in err


def test_classes_that_one_side_lacks_are_said(command, foreign, phantoms):
    arguments = ("--preprocess", SPEC, "--labels", "clear,DIFFUSE,Focal,Tumour")
    code, out, err = command("evaluate", foreign / "float32.tflite", phantoms, *arguments)
    assert code == 0, err
    assert "clear is Clear, DIFFUSE is Diffuse" in err
    assert "DATA has no image of Tumour" in err and "has no class Reticular, of which DATA has images" in err
    assert "Reticular: a class that the model does not have" in out
    code, out, err = command(
        "compare", foreign / "float32.tflite", foreign / "int8.tflite", "--data", phantoms, *arguments, "--json"
    )
    result = json.loads(out)
    assert result["labels"] == ["Clear", "Diffuse", "Focal"] and result["left_out"].keys() == {"Reticular"}
    # A class without an image has no area under a curve; a probability that a model gives to it counts in the Brier score.
    for one in result["variants"].values():
        assert one["probabilities"]["auroc"]["per_class"].keys() <= {"Clear", "Diffuse", "Focal"}
        assert one["slices"]["slices"] and one["probabilities"]["brier"]["value"] > 0
    assert "of Reticular left out: float32.tflite, int8.tflite cannot name it" in err


def test_each_foreign_file_may_have_a_spec_of_its_own(command, foreign, phantoms):
    specs = ("--preprocess", SPEC, "--preprocess", f"{SPEC},size=48", "--labels", LABELS)
    code, out, err = command(
        "compare", foreign / "open-batch.tflite", foreign / "open-size.tflite", "--data", phantoms, *specs, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["variants"]["open-size.tflite"]["flipped"] == []


def test_the_test_split_that_data_name_is_taken(command, foreign, phantoms, tmp_path, with_changed_rows):
    table = with_changed_rows(
        phantoms,
        tmp_path / "copy",
        lambda number, row: {**row, "split": "test" if int(row["patient_id"][-1]) % 3 == 0 else "train"},
    )
    with table.open(newline="") as file:
        expected = sum(row["split"] == "test" for row in csv.DictReader(file))
    code, out, err = command(
        "evaluate", foreign / "float32.tflite", table, "--preprocess", SPEC, "--labels", LABELS, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["images"] == expected and f"The {expected} test images of DATA are judged" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "F/float32.tflite", "DATA"), "pass --preprocess"),
        (("evaluate", "F/float32.tflite", "DATA", "--preprocess", SPEC), f"--labels {LABELS}"),
        (("evaluate", "M/int8.tflite", "DATA", "--preprocess", SPEC), "leave it out"),
        (("evaluate", "F/float32.tflite", "DATA", "--preprocess", SPEC, "--labels", "a,b,c,d"), "share is required"),
        (("compare", "F/float32.tflite", "--data", "DATA", "--preprocess", SPEC), "Two model files"),
        (("compare", "F/float32.tflite", "F/int8.tflite"), "pass --data DATA"),
        (("compare", "F/int8.tflite", "F/int8.tflite", "--data", "DATA", "--preprocess", SPEC), "one of them twice"),
        (("compare", "F/int8.tflite", "F/uint8.tflite", "--data", "DATA", *("--preprocess", SPEC) * 3), "3 for 2"),
        (("compare", "M", "--all"), "name two files in it"),
        (("compare", "M", "DATA", "--data", "DATA"), "One MODELS folder and one DATA"),
        (("evaluate", "F/model.keras", "DATA"), "freezenet convert MODEL.keras"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_a_sentence(command, foreign, models, phantoms, arguments, said):
    places = {"DATA": str(phantoms), "M": str(models)}
    filled = [places.get(one, one.replace("F/", f"{foreign}/").replace("M/", f"{models}/")) for one in arguments]
    code, _, err = command(*filled)
    assert code == 1 and said in err and "Traceback" not in err


def test_a_file_of_ours_without_its_card_is_another_makers(command, models, phantoms, tmp_path):
    """Its metadata say all that is needed but how it resizes."""
    from freezenet.convert.package.metadata import with_files
    from freezenet.edge_runtime.card import ModelCard
    from freezenet.edge_runtime.integrity.model_file import ModelFile

    file = ModelFile.read(models / "float32-app.tflite")
    card = ModelCard.read(file)
    bare = file.content[: card.content["network"]["bytes"]]
    (tmp_path / "bare.tflite").write_bytes(with_files(bare, {"labels.txt": "\n".join(card.labels).encode()}))
    shutil.copyfile(models / "float32-app.tflite", tmp_path / "ours.tflite")
    code, out, err = command(
        "compare", tmp_path / "ours.tflite", tmp_path / "bare.tflite", "--data", phantoms, "--all", "--preprocess",
        "resize=area,color=gray", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["variants"]["bare.tflite"]["flipped"] == []
