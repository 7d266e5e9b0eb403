"""One run from images to figures: the folder agrees with itself, with the model in it and with scikit-learn."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import FreezenetError, SettingError
from freezenet.edge_runtime.ood import ood_from_dict
from freezenet.train import training as module
from freezenet.train.answers.confidence import Confidence, best_temperature
from freezenet.train.answers.risk import Risk
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.data.phantoms import write_phantoms
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.network import devices
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_recipe
from freezenet.train.run import Run
from freezenet.train.training import load_classes, read_data, train
from tests.csv_rows import read_rows, write_rows

SETTINGS = (
    "image_size=64",
    "freeze_fraction=.9",
    "epochs=2",
    "batch_size=16",
    "attention_pairs=50",
    "cache=float32",
)


def small(*settings: str):
    return load_recipe("phantoms", SETTINGS + settings)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("data"), scale=0.12, size=64)


@pytest.fixture(scope="module")
def done(data, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(data, folder, recipe=small(), options=TrainingOptions("none"))
    return Run.open(folder)


@pytest.fixture(autouse=True)
def float32_policy():
    yield
    keras.config.set_dtype_policy("float32")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_what_is_promised(done):
    assert {path.name for path in done.folder.iterdir()} >= {
        "recipe.toml", "run.json", "model.keras", "splits.csv",
        "history.csv", "metrics.json", "predictions.csv", "decision.json", "events",
    }  # fmt: skip
    assert not list(done.folder.glob("*partial*"))
    assert list((done.folder / "events").rglob("events.out.tfevents*"))
    assert done.recipe == small("name=phantoms")
    assert [row["epoch"] for row in rows(done.folder / "history.csv")] == ["0", "1"]
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} <= set(rows(done.folder / "history.csv")[0])


def test_metrics_keep_the_contract(done):
    found = json.loads((done.folder / "metrics.json").read_text())
    assert {"accuracy", "macro_f1", "per_class", "confusion_matrix", "labels"} <= set(found)
    assert found["labels"] == ["Clear", "Diffuse", "Focal", "Reticular"]
    for figure in (found["accuracy"], found["macro_f1"], found["per_class"]["Focal"]["recall"]):
        assert set(figure) == {"value", "low", "high"}
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert set(found["per_class"]["Clear"]) >= {"precision", "recall", "f1", "support"}


def test_predictions_agree_with_the_metrics(done):
    found = json.loads((done.folder / "metrics.json").read_text())
    table = [row for row in rows(done.folder / "predictions.csv") if row["split"] == "test"]
    truth, answer = [row["class"] for row in table], [row["answer"] for row in table]
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(truth, answer), abs=1e-6)
    macro = f1_score(truth, answer, average="macro", labels=done.labels, zero_division=0)
    assert found["macro_f1"]["value"] == pytest.approx(macro, abs=1e-6)
    np.testing.assert_array_equal(found["confusion_matrix"], confusion_matrix(truth, answer, labels=done.labels))
    for row in table:
        scores = [float(row[label]) for label in done.labels]
        assert sum(scores) == pytest.approx(1, abs=1e-5)
        assert row["answer"] == done.labels[int(np.argmax(scores))]


def test_the_decision_follows_from_predictions_and_images(done, data):
    """Confidence again from predictions.csv; the gate's verdicts again from the saved model."""
    table = rows(done.folder / "predictions.csv")
    side = np.array([row["split"] for row in table])
    scores = np.array([[float(row[label]) for label in done.labels] for row in table])
    truth = np.array([[row["class"] == label for label in done.labels] for row in table])
    valid, test = side == "validation", side == "test"
    confidence = done.decision["confidence"]
    rule = DecisionRule(done.labels)
    rule = replace(rule, temperature=round(best_temperature(rule, scores[valid], truth[valid]), 4))
    risk = Risk(done.recipe.abstain_risk, done.recipe.abstain_sureness)
    fitted = asdict(Confidence.fit(rule, scores[valid], truth[valid], risk))
    # A threshold for each class is chosen, and kept, only where `abstain_by` asks for it.
    assert fitted.pop("abstain_below_class") is None
    assert confidence == fitted
    assert done.decision["task"] == "multi-class" and "thresholds" not in done.decision

    found = json.loads((done.folder / "metrics.json").read_text())
    sure = (scores ** (1 / confidence["temperature"])).max(1) / (scores ** (1 / confidence["temperature"])).sum(1)
    coverage = (sure[test] >= confidence["abstain_below"]).mean()
    assert found["confidence"]["test"]["coverage"]["value"] == pytest.approx(coverage, abs=1e-6)
    gate = ood_from_dict(done.decision["gate"])
    features = backbone_features(
        done.model(), read_images(load(data), done.recipe.preprocess).pixels, done.recipe.preprocess
    )
    passed = np.mean([gate.passes(one) for one in features[test]])
    assert found["gate"]["chest_passed"]["value"] == pytest.approx(passed, abs=1e-6)
    assert np.mean([gate.passes(one) for one in features[valid]]) > 0.9


def test_tables_agree_with_the_data(done, data):
    dataset = load(data)
    splits, predictions = rows(done.folder / "splits.csv"), rows(done.folder / "predictions.csv")
    assert [row["file"] for row in splits] == [row["file"] for row in predictions]
    assert [row["file"] for row in splits] == [sample.file for sample in dataset.samples]
    assert [row["split"] for row in splits] == [row["split"] for row in predictions]
    assert [path.is_file() for path, _ in done.paths("test")] == [True] * sum(r["split"] == "test" for r in splits)


def test_the_saved_model_gives_the_predictions(done, data):
    pixels = read_images(load(data), done.recipe.preprocess).pixels
    scores = np.asarray(done.model()(done.recipe.preprocess.normalized(pixels), training=False))
    written = [[float(row[label]) for label in done.labels] for row in rows(done.folder / "predictions.csv")]
    np.testing.assert_allclose(scores, written, atol=2e-5)


def test_same_seed_same_figures(done, data, tmp_path):
    again = train(data, tmp_path / "again", recipe=small(), options=TrainingOptions("none"))
    before = json.loads((done.folder / "metrics.json").read_text())
    assert {key: again[key] for key in ("accuracy", "macro_f1", "per_class", "confusion_matrix")} == {
        key: before[key] for key in ("accuracy", "macro_f1", "per_class", "confusion_matrix")
    }
    with pytest.raises(FreezenetError, match="--overwrite"):
        train(data, tmp_path / "again", recipe=small(), options=TrainingOptions("none"))


def begun(out: Path, done: Run) -> Path:
    """Return a folder like that of `done`, killed before the end."""
    out.mkdir()
    for name in (".freezenet", "run.json", "recipe.toml", "splits.csv"):
        (out / name).write_bytes((done.folder / name).read_bytes())
    return out


@pytest.mark.parametrize("setting", ["seed=1", "learning_rate=.1", "epochs=3"])
def test_going_on_with_other_settings_is_refused(done, data, tmp_path, setting):
    out = begun(tmp_path / "out", done)
    key = setting.partition("=")[0]
    with pytest.raises(
        FreezenetError, match=rf"same data, weights and recipe.*other recipe settings \({key}\); pass --ov"
    ):
        train(data, out, recipe=small(setting), options=TrainingOptions("none"))
    assert not (out / "model.keras").exists()


def test_a_key_that_is_younger_than_the_folder_is_no_other_setting(done, data, tmp_path):
    out = begun(tmp_path / "out", done)
    lines = (out / "recipe.toml").read_text().splitlines(True)
    (out / "recipe.toml").write_text("".join(line for line in lines if not line.startswith("group_tilt")))
    with pytest.raises(FreezenetError, match=r"other recipe settings \(learning_rate\); pass --ov"):
        train(data, out, recipe=small("learning_rate=.1"), options=TrainingOptions("none"))


def test_going_on_with_other_images_is_refused(done, tmp_path):
    other = write_phantoms(tmp_path / "data", scale=0.12, size=64, seed=1)
    with pytest.raises(FreezenetError, match="same data"):
        train(other, begun(tmp_path / "out", done), recipe=small(), options=TrainingOptions("none"))


@pytest.mark.parametrize("column", ["class", "patient_id"])
def test_going_on_with_other_cells_of_the_same_images_is_refused(done, data, tmp_path, column):
    split_of = {row["file"]: row["split"] for row in done.splits}
    table_rows = [{**row, "split": split_of[row["file"]]} for row in read_rows(data)]
    first, *others = table_rows
    first[column] = next(
        row[column] for row in others if row[column] != first[column] and row["split"] == first["split"]
    )
    table = write_rows(data.with_name("corrected.csv"), table_rows)
    try:
        with pytest.raises(FreezenetError, match="same data"):
            train(table, begun(tmp_path / "out", done), recipe=small(), options=TrainingOptions("none"))
    finally:
        table.unlink()


def test_foreign_folder_is_refused(data, tmp_path):
    (tmp_path / "thesis.doc").write_text("x")
    with pytest.raises(FreezenetError, match="other files"):
        train(data, tmp_path, recipe=small(), options=TrainingOptions("none", overwrite=True))
    assert os.listdir(tmp_path) == ["thesis.doc"]


def test_faults_that_the_reading_shows_are_said(data, tmp_path, capsys):
    folder = Path(shutil.copytree(data.parent, tmp_path / "data"))
    table = folder / data.name
    lines = table.read_text().splitlines()
    file = lines[1].split(",")[0]
    (folder / "copy.png").write_bytes((folder / file).read_bytes())
    lines.append(lines[1].replace(file, "copy.png"))
    lines[2] = lines[2].replace(",Clear,", ",clear,")
    table.write_text("\n".join(lines) + "\n")
    recipe = small()
    read_data(load_classes(table, recipe), recipe)
    said = capsys.readouterr().err.splitlines()
    assert "Classes that differ only in how they are written: Clear, clear; rename them to make them one." in said
    assert any(line.startswith("Files that equal another: 1. freezenet data names them") for line in said)


def test_the_recipes_classes_are_asked_of_the_data(data, tmp_path):
    with pytest.raises(FreezenetError, match=r"of Clear, Diffuse, Focal, Reticular are required\. Got: Absent\."):
        train(data, tmp_path / "run", recipe=small('classes=["Clear", "Absent"]'), options=TrainingOptions("none"))
    assert not (tmp_path / "run").exists()


def test_wrong_number_of_loss_weights(data, tmp_path):
    with pytest.raises(FreezenetError, match=r"attention_weights with a number for each of Clear.*Got: 2"):
        train(data, tmp_path / "out", recipe=small("attention_weights=[1, 2]"), options=TrainingOptions("none"))


def test_a_huge_learning_rate_ends_in_figures_or_one_sentence(data, tmp_path):
    try:
        found = train(
            data,
            tmp_path / "out",
            recipe=small("learning_rate=10", "epochs=1", "loss=cross-entropy"),
            options=TrainingOptions("none"),
        )
    except FreezenetError as error:
        assert "learning_rate" in str(error)
        assert "\n" not in str(error)
    else:
        assert 0 <= found["accuracy"]["value"] <= 1


@pytest.mark.parametrize("precision", ["mixed_bfloat16"], indirect=True)
def test_mixed_precision(precision, data, tmp_path):
    recipe = small(f"precision={precision}", "epochs=1")
    found = train(data, tmp_path / "out", recipe=recipe, options=TrainingOptions("none"))
    assert 0 <= found["accuracy"]["value"] <= 1
    model = Run.open(tmp_path / "out").model()
    assert model.get_layer("Conv1").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


def test_a_precision_that_the_device_lacks_is_refused(data, tmp_path, monkeypatch):
    lack = NotImplementedError("no such kernel")
    monkeypatch.setattr(devices, "convolution_error", lambda precision: None if precision == "float32" else lack)
    recipe = small("precision=mixed_bfloat16")
    with pytest.raises(
        SettingError, match=r"convolves in bfloat16 is required by precision=mixed_bfloat16\. Got: "
    ) as told:
        train(data, tmp_path / "out", recipe=recipe, options=TrainingOptions("none"))
    assert told.value.__cause__ is lack
    assert not (tmp_path / "out").exists()


def test_what_a_device_lacks_is_returned_and_not_printed(monkeypatch, capfd):
    """float32 is not tried at all, so that no device is started for it."""

    def refuse(*_):
        os.write(2, b"kernel not found")
        raise NotImplementedError("no such kernel")

    monkeypatch.setattr(devices.keras.ops, "conv", refuse)
    assert devices.convolution_error("float32") is None
    assert isinstance(devices.convolution_error("mixed_bfloat16"), NotImplementedError)
    assert capfd.readouterr() == ("", "")


def test_augmentation_bypasses_the_cache(data, tmp_path):
    keys = ("augment_horizontal_flip=true", "augment_rotation=5", "augment_zoom=.1", "augment_shift=.05",
            "augment_brightness=.1", "augment_contrast=.1", "epochs=1")  # fmt: skip
    found = train(data, tmp_path / "out", recipe=small(*keys), options=TrainingOptions("none", tmp_path / "cache"))
    assert 0 <= found["accuracy"]["value"] <= 1
    assert not (tmp_path / "cache").exists()


TWO = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
tf.distribute.MirroredStrategy = lambda: two
sys.path.insert(0, {tests!r})
import test_training as this
found = this.train({data!r}, Path({out!r}), recipe=this.small("devices=all", "epochs=1"), options=this.TrainingOptions("none"))
print(two.num_replicas_in_sync, found["accuracy"]["value"])
"""


def test_all_devices(data, tmp_path):
    """Two logical CPUs stand for two GPUs."""
    lines = data.read_text().splitlines()
    table, seen = [lines[0] + ",split"], dict.fromkeys(("Clear", "Focal", "Diffuse", "Reticular"), 0)
    for line in lines[1:]:
        label = line.split(",")[1]
        if line.split(",")[0].endswith("-0.png"):  # one image of each patient
            table.append(f"{line},{['validation', 'test'][seen[label]] if seen[label] < 2 else 'train'}")
            seen[label] += 1
    # Five images of validation: an odd number, which two devices cannot share evenly.
    table[-1] = table[-1].removesuffix("train") + "validation"
    (data.parent / "sides.csv").write_text("\n".join(table) + "\n")
    out = tmp_path / "out"
    code = TWO.format(tests=str(Path(__file__).parent), data=str(data.parent / "sides.csv"), out=str(out))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    replicas, accuracy = done.stdout.split()[-2:]
    assert replicas == "2"
    assert json.loads((out / "metrics.json").read_text())["accuracy"]["value"] == float(accuracy)


def test_open_refuses_what_is_no_run(tmp_path):
    with pytest.raises(FreezenetError, match=r"metrics\.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize("setting", ["epochs=1", "attention_weights=[1, 2]"])
def test_kerass_settings_are_given_back(data, tmp_path, setting):
    """After a training, and after one that is refused when they have been changed."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    refused = pytest.raises(FreezenetError, match="attention_weights") if "weights" in setting else nullcontext()
    with refused:
        train(data, tmp_path / "out", recipe=small(setting, "precision=float32"), options=TrainingOptions("none"))
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.distribution.distribution() is None


def test_a_recipe_has_a_name_and_folders_are_texts(data, tmp_path, monkeypatch):
    import freezenet

    asked = {}
    monkeypatch.setattr(module, "train_on", lambda data, out, **named: asked.update(named, data=data, out=out) or {})
    freezenet.train(str(data), str(tmp_path / "out"), recipe="phantoms")
    assert asked["recipe"] == load_recipe("phantoms")
    assert asked["out"] == tmp_path / "out"
    assert asked["options"] == freezenet.TrainingOptions()
    assert asked["data"].dataset.data == data
    assert set(asked["data"].splits) == {"train", "validation", "test"}


def test_the_split_is_drawn_once_and_anew_only_without_what_was_skipped(data, tmp_path, monkeypatch):
    """Then it is the one of the data without the files that cannot be read, as if they had never been there."""
    drawn = []
    original = module.split
    monkeypatch.setattr(module, "split", lambda *a: drawn.append(a) or original(*a))
    monkeypatch.setattr(module, "train_on", lambda data, out, **_: data)
    folder = Path(shutil.copytree(data.parent, tmp_path / "data"))
    lines = (folder / data.name).read_text().splitlines()
    bad = lines[1:20:6]
    for line in bad:
        (folder / line.split(",")[0]).write_bytes(b"no image")
    fewer = folder / "fewer.csv"
    fewer.write_text("\n".join(line for line in lines if line not in bad) + "\n")
    without = train(fewer, tmp_path / "out", recipe=small())
    assert len(drawn) == 1
    skipped = train(folder / data.name, tmp_path / "out", recipe=small(), options=TrainingOptions(skip_unreadable=True))
    assert len(drawn) == 3
    assert skipped.dataset.samples == without.dataset.samples
    assert skipped.images.hashes == without.images.hashes
