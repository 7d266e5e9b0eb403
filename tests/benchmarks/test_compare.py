from __future__ import annotations

import csv
import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import binomtest

from freezenet.benchmarks.compare import compare
from freezenet.edge_runtime.errors import DataError, FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from tests.csv_rows import read_rows, write_rows


@pytest.fixture(scope="module")
def result(models, run):
    return compare(models, run=run.folder)


def test_intervals_hold_the_value(result):
    figures = []
    for one in result["variants"].values():
        figures += [one["accuracy"], one["macro_f1"]]
        if "against_float32" in one:
            figures += [one["against_float32"]["accuracy"], one["against_float32"]["macro_f1"]]
    for figure in figures:
        assert figure["low"] <= figure["value"] <= figure["high"]


def answers_of_tensorflow(model, run):
    """Class names by TensorFlow's interpreter and PNG decoder."""
    interpreter = tf.lite.Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    one, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = {}
    for path, row in run.paths("test"):
        tensor = np.repeat(tf.io.decode_png(path.read_bytes(), channels=1).numpy(), 3, -1)[None]
        if one["dtype"] != np.uint8:
            tensor = ((tensor.astype(np.float64) - 128) / 127.5).astype(np.float32)
        interpreter.set_tensor(one["index"], tensor)
        interpreter.invoke()
        found[row["file"]] = run.labels[int(interpreter.get_tensor(out["index"])[0].argmax())]
    return found


@pytest.mark.parametrize("name", ["float16", "int8"])
def test_flipped_images_are_those_that_tensorflow_flips(result, models, run, name):
    before, after = (
        answers_of_tensorflow(models / "float32.tflite", run),
        answers_of_tensorflow(models / f"{name}.tflite", run),
    )
    truth = {row["file"]: row["class"] for _, row in run.paths("test")}
    expected = [
        {"file": file, "class": truth[file], "float32": before[file], "this": after[file]}
        for file in truth
        if before[file] != after[file]
    ]
    one = result["variants"][name]
    shown = [{key: flip[key] for key in ("file", "class", "float32", "this")} for flip in one["flipped"]]
    assert sorted(shown, key=str) == sorted(expected, key=str)
    against = one["against_float32"]
    assert against["flipped"] == len(expected)
    lost = sum(before[file] == truth[file] != after[file] for file in truth)
    won = sum(after[file] == truth[file] != before[file] for file in truth)
    assert (against["only_reference_right"], against["only_this_right"]) == (lost, won)
    assert against["mcnemar_p"] == pytest.approx(binomtest(lost, lost + won).pvalue if lost + won else 1)
    assert against["accuracy"]["value"] == pytest.approx((won - lost) / len(truth), abs=1e-6)


def test_every_variant_on_the_test_side(result, models, run):
    assert list(result["variants"]) == ["float32", "float16", "dynamic", "int8", "int16x8"]
    assert (result["reference"], result["side"]) == ("float32", "test")
    assert result["images"] == sum(row["split"] == "test" for row in run.splits)
    assert "against_float32" not in result["variants"]["float32"]
    for name, one in result["variants"].items():
        assert one["bytes"] == (models / f"{name}.tflite").stat().st_size
    json.dumps(result, allow_nan=False)


def test_a_folder_without_float32_is_refused(models, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    conversion = json.loads((folder / "conversion.json").read_text())
    del conversion["variants"]["float32"]
    (folder / "conversion.json").write_text(json.dumps(conversion))
    with pytest.raises(FreezenetError, match=r"float32\.tflite is required, .* Got: float16, dynamic, int8, int16x8\."):
        compare(folder)


def test_a_folder_that_freezenet_did_not_write_is_refused(tmp_path):
    with pytest.raises(FreezenetError, match=r"conversion\.json inside is required"):
        compare(tmp_path)


def test_moved_data_gives_the_same_result(result, models, run, phantoms, tmp_path):
    shutil.copytree(phantoms.parent, tmp_path / "moved")
    found = compare(models, run=run.folder, data=tmp_path / "moved" / phantoms.name)
    assert found["variants"] == result["variants"]
    assert found["data_root"] == str(tmp_path / "moved")


def test_other_data_is_refused(models, run, phantoms, tmp_path):
    shutil.copytree(phantoms.parent, tmp_path / "moved")
    with phantoms.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "moved" / "some.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows[: len(rows) // 2] + rows[-8:])
    with pytest.raises(FreezenetError, match="The data that the model was trained on is required"):
        compare(models, run=run.folder, data=tmp_path / "moved" / "some.csv")


@pytest.fixture
def scoring(monkeypatch):
    """The names of the files that are made to score images."""
    module = sys.modules["freezenet.benchmarks.evaluate"]
    real, names = module.model_scores, []

    def model_scores(classifier, pixels):
        names.append(classifier.path.name)
        return real(classifier, pixels)

    monkeypatch.setattr(module, "model_scores", model_scores)
    return names


def test_the_scores_of_the_conversion_give_the_same_figures_as_computing_them(models, run, scoring, caplog):
    caplog.set_level("INFO", "freezenet")
    stored = compare(models, run=run.folder)
    assert (
        scoring == []
        and "using the scores stored at conversion (--recompute scores again): float32, float16, dynamic, int8, int16x8"
        in caplog.messages
    )
    computed = compare(models, run=run.folder, recompute=True)
    assert scoring == [f"{name}.tflite" for name in stored["variants"]]
    assert "scores computed now: float32, float16, dynamic, int8, int16x8" in caplog.messages
    assert {**stored, "environment": {}} == {**computed, "environment": {}}


def test_each_image_is_decoded_once_for_all_variants(models, run, monkeypatch):
    decoded = []
    real = PreprocessSpec.decode
    monkeypatch.setattr(PreprocessSpec, "decode", lambda self, *rest: decoded.append(1) or real(self, *rest))
    result = compare(models, run=run.folder, recompute=True)
    assert len(decoded) == result["images"]


def test_the_scores_of_another_file_do_not_count(own_models, run, scoring):
    shutil.copyfile(own_models / "float16.tflite", own_models / "dynamic.tflite")
    (own_models / "scores" / "int8.npz").unlink()
    (own_models / "scores" / "int16x8.npz").write_bytes(b"damaged")
    result = compare(own_models, run=run.folder)
    assert scoring == ["dynamic.tflite", "int8.tflite", "int16x8.tflite"]
    figures = result["variants"]
    assert figures["dynamic"]["macro_f1"] == figures["float16"]["macro_f1"]


def test_other_pictures_under_the_names_of_test_images_are_not_compared(models, run, phantoms, tmp_path):
    """One of them is enough, whatever its file is called."""
    shutil.copytree(phantoms.parent, tmp_path / "moved")
    changed = next(row["file"] for row in run.splits if row["split"] == "test")
    path = tmp_path / "moved" / changed
    cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    count = sum(row["split"] == "test" for row in run.splits)
    with pytest.raises(DataError, match=rf"with {count - 1} of the {count} test images of .*, compared by content"):
        compare(models, run=run.folder, data=tmp_path / "moved" / phantoms.name)


def test_the_scores_of_the_conversion_hold_for_images_of_other_names(models, run, phantoms, scoring, result, tmp_path):
    """The same contents under the names of others: compared by content, and nothing is computed again."""
    rows = read_rows(phantoms)
    (tmp_path / "moved").mkdir()
    for number, row in enumerate(reversed(rows)):
        shutil.copyfile(phantoms.parent / row["file"], tmp_path / "moved" / f"{number}.png")
        row["file"] = f"{number}.png"
    write_rows(tmp_path / "moved" / "all.csv", rows)
    found = compare(models, run=run.folder, data=tmp_path / "moved" / "all.csv")
    assert scoring == []
    for name, one in found["variants"].items():
        assert one["confusion_matrix"] == result["variants"][name]["confusion_matrix"]


def test_without_a_run_it_says_so(models, command):
    """The fixture's RUN does not lie beside its models."""
    code, _, err = command("compare", models)
    assert code == 1
    assert (
        "The RUN folder, which knows the test images, is required. Got: none beside the models; pass --run RUN" in err
    )


def test_the_run_beside_the_models_is_found(models, run, command, tmp_path):
    shutil.copytree(models, tmp_path / "models")
    shutil.copytree(run.folder, tmp_path / "whatever its name")
    code, out, err = command("compare", tmp_path / "models", "--json")
    assert code == 0
    assert json.loads(out)["took_part"]["train"] == 0
    assert "files judged took part in the training (compared by content)" in err


def test_stored_scores_name_no_image(models, run):
    """They may leave the house with the models: numbers, and digests of files and tables."""
    content = b"".join(path.read_bytes() for path in (models / "scores").iterdir())
    for row in run.splits:
        assert row["file"].encode() not in content and row["sha256"].encode() not in content


def test_every_variant_has_a_verdict_on_its_own_answers(result):
    """A handful of test images never shows that two files are alike, not even where no answer changed."""
    for name, one in result["variants"].items():
        assert ("verdict" in one) == (name != "float32")
        if name == "float32":
            continue
        found = one["verdict"]
        assert found["verdict"] in ("worse", "cannot tell") and name in found["sentence"]
        assert found["images"] == result["images"] and found["margins"] == {"macro_f1": 0.01, "recall": 0.02}
        differences = {end["name"]: end["difference"] for end in found["endpoints"]}
        against = one["against_float32"]
        # One figure, with one interval, wherever it stands.
        assert differences.pop("macro-F1") == against["macro_f1"]
        assert differences == {f"recall of {label}": figure for label, figure in against["recall"].items()}


def test_an_interval_is_no_point_where_no_answer_changed(result):
    """Of so few images nobody knows that none ever changes: rule of three, Hanley and Lippman-Hand, JAMA 249, 1983."""
    same = [one["against_float32"] for one in result["variants"].values() if one.get("flipped") == []]
    assert same
    for one in same:
        assert one["macro_f1"]["value"] == 0 and one["macro_f1"]["low"] < 0 < one["macro_f1"]["high"]


def test_the_margins_are_declared_on_the_command_line(models, run, command):
    code, out, _ = command("compare", models, "--run", run.folder, "--margin", "90", "--recall-margin", "95")
    assert code == 0
    assert "int8 is not worse than float32 by 90 points of macro-F1 or 95 points of recall of any class" in out
    code, _, err = command("compare", models, "--run", run.folder, "--margin", "0")
    assert code == 1 and "A margin of macro_f1 between 0 and 1 is required. Got: 0." in err
