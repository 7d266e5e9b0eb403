"""A multi-label model from the CSV to the device: what is chosen on the validation side is what is answered."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import accuracy_score, f1_score, hamming_loss, recall_score

from freezenet.benchmarks.compare import compare
from freezenet.benchmarks.evaluate import evaluate_model, judged_images
from freezenet.benchmarks.report import write_report
from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.convert.package.hub import export_hub
from freezenet.convert.ptq.calibration import choose_calibration
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.integrity.verify import verify
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.data.phantoms import LABEL_SET_PATIENTS, write_phantoms
from freezenet.train.files import write_json
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_recipe
from freezenet.train.run import Run
from freezenet.train.training import train

LABELS = ("Diffuse", "Focal", "Reticular")
SETTINGS = ("task=multi-label", "loss=binary-cross-entropy", "image_size=64", "epochs=6", "batch_size=16",
            "batchnorm_momentum=.6", "validation_share=.2", "test_share=.25", "threshold_metric=matthews",
            "abstain_risk=.3", "label_smoothing=.2")  # fmt: skip
FILES = ("float32.tflite", "float32-app.tflite", "int8.tflite", "int8-app.tflite")


@dataclass(frozen=True)
class Done:
    """A small run, its models, and the data."""

    data: Path
    run: Run
    models: Path

    def json(self, name: str) -> dict:
        return json.loads((self.run.folder / name).read_text())

    def predictions(self, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return truth, answers and scores of a side from predictions.csv."""
        with (self.run.folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == side]
        truth, answers = (np.array([[label in row[key].split(";") for label in LABELS] for row in rows])
                          for key in ("class", "answer"))  # fmt: skip
        return truth, answers, np.array([[float(row[label]) for label in LABELS] for row in rows])


@pytest.fixture(scope="module")
def done(tmp_path_factory, seeded, striped) -> Done:
    home = tmp_path_factory.mktemp("labels")
    data = striped(write_phantoms(home / "data", scale=0.25, size=64, patients=LABEL_SET_PATIENTS))
    recipe = load_recipe("phantoms", (*SETTINGS, f"seed={seeded(0)}"))
    train(data, home / "run", recipe=recipe, options=TrainingOptions("none"))
    run = Run.open(home / "run")
    # A net this small loses more than is allowed; what acceptance says is in its own tests.
    options = ConvertOptions(
        variants=("float32", "int8"), profiles=("edge", "app"), calibration_images=30, acceptance=False
    )
    convert(run, home / "models", options=options)
    return Done(data, run, home / "models")


@pytest.fixture(scope="module")
def comparison(done):
    return compare(done.models)


def by_hand(scores: np.ndarray, decision: dict, smallest: float) -> np.ndarray:
    """Which labels are answered: sigmoid(logit / T) from the threshold on."""
    temperature = decision["confidence"]["temperature"]
    scaled = expit(logit(np.clip(np.float64(scores), smallest, 1 - smallest)) / temperature)
    return scaled >= [decision["thresholds"][label] for label in LABELS]


def test_metrics_keep_the_contract_and_agree_with_scikit_learn(done):
    found = done.json("metrics.json")
    assert found["labels"] == list(LABELS)
    assert {"subset_accuracy", "per_class", "confusion_matrices", "confidence", "gate"} <= set(found)
    truth, answers, scores = done.predictions("test")
    for figures, said in ((found, answers), (found["at_half"], scores >= 0.5)):
        assert figures["accuracy"] == figures["subset_accuracy"]
        assert figures["accuracy"]["value"] == pytest.approx(accuracy_score(truth, said), abs=1e-6)
        assert figures["hamming_loss"]["value"] == pytest.approx(hamming_loss(truth, said), abs=1e-6)
        for average in ("macro", "weighted"):
            expected = f1_score(truth, said, average=average, zero_division=0)
            assert figures[f"{average}_f1"]["value"] == pytest.approx(expected, abs=1e-6)
        recall = recall_score(truth, said, average=None, zero_division=0)
        shown = [figures["per_label"][label]["recall"]["value"] for label in LABELS]
        np.testing.assert_allclose(shown, recall, atol=1e-6)
    sums = {label: sum(sides.values()) for label, sides in found["images_by_class_and_side"].items()}
    sets = Counter(row["class"] for row in done.run.splits)
    assert sums == {label: sum(n for name, n in sets.items() if label in name.split(";")) for label in LABELS}
    assert {name: row["phantom"] for name, row in found["images_by_class_and_source"].items()} == sets
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} <= set(
        (done.run.folder / "history.csv").read_text().splitlines()[0].split(",")
    )


def test_the_rule_was_chosen_on_the_validation_side_and_answers_what_predictions_say(done):
    decision = done.json("decision.json")
    assert decision["task"] == "multi-label"
    assert decision["thresholds"] == done.json("metrics.json")["thresholds"]
    assert decision["confidence"]["images"] == len(done.predictions("validation")[0])
    for side in ("train", "validation", "test"):
        _, answers, scores = done.predictions(side)
        # Six digits of predictions.csv may put a score on the other side of a threshold.
        assert np.mean(by_hand(scores, decision, 1e-7) != answers) < 0.01


@pytest.mark.parametrize("name", FILES)
def test_the_card_holds_the_rule_of_decision_json_and_every_file_proves_itself(done, name):
    content, decision = ModelCard.read(done.models / name).content, done.json("decision.json")
    assert {key: content[key] for key in ("task", "thresholds", "confidence")} == {
        key: decision[key] for key in ("task", "thresholds", "confidence")
    }
    assert verify(Classifier(done.models / name)).passed


@pytest.mark.parametrize(("name", "smallest"), [("float32", 1e-7), ("int8", 1 / 512)])
def test_a_device_answers_by_the_thresholds_and_its_figures_are_those_of_the_card(done, comparison, name, smallest):
    classifier = Classifier(done.models / f"{name}.tflite")
    decision = done.json("decision.json")
    judged = judged_images(done.data, done.run, task="multi-label")
    pixels = np.stack([done.run.recipe.preprocess.pixels(path) for path in judged.dataset.paths])
    answers = by_hand(classifier.scores(pixels), decision, smallest)
    truth = np.array([[label in text.split(";") for label in LABELS] for text in judged.truth])

    figures = evaluate_model(classifier, judged)
    assert figures["macro_f1"]["value"] == pytest.approx(
        f1_score(truth, answers, average="macro", zero_division=0), abs=1e-6
    )
    assert figures["hamming_loss"]["value"] == pytest.approx(hamming_loss(truth, answers), abs=1e-6)
    for key in ("accuracy", "hamming_loss", "per_label", "confusion_matrices"):
        assert figures[key] == classifier.card.content["accuracy"][key] == comparison["variants"][name][key]

    for path, answer in list(zip(judged.dataset.paths, answers, strict=True))[:20]:
        prediction = classifier.predict(path)
        expected = ";".join(label for label, there in zip(LABELS, answer, strict=True) if there)
        assert prediction.label == expected or prediction.abstained


def test_what_changed_from_float32_is_counted_by_label_sets(done, comparison):
    one = comparison["variants"]["int8"]
    judged = judged_images(done.data, done.run, task="multi-label")
    before, after = (
        Classifier(done.models / f"{name}.tflite").rule.answers(
            np.concatenate([
                Classifier(done.models / f"{name}.tflite").scores(done.run.recipe.preprocess.pixels(path)[None])
                for path in judged.dataset.paths
            ])
        )
        for name in ("float32", "int8")
    )  # fmt: skip
    truth = np.array([[label in text.split(";") for label in LABELS] for text in judged.truth])
    assert one["against_float32"]["flipped"] == len(one["flipped"]) == (before != after).any(1).sum()
    for label, was, now in zip(
        LABELS, *(recall_score(truth, said, average=None, zero_division=0) for said in (before, after)), strict=True
    ):
        assert one["against_float32"]["recall"][label]["value"] == pytest.approx(now - was, abs=1e-6)
    for flip in one["flipped"]:
        assert {*flip["float32"].split(";"), *flip["this"].split(";")} <= {*LABELS, "none"}
        assert 0 <= flip["float32_score"] <= 1


def test_calibration_images_hold_every_label_set(done):
    class_of = {row["file"]: row["class"] for row in done.run.splits}
    found = Counter(class_of[one["file"]] for one in choose_calibration(done.run, 40).images)
    assert set(found) == set(LABEL_SET_PATIENTS)
    few = choose_calibration(done.run, 3).images
    assert {label for one in few for label in class_of[one["file"]].split(";")} >= {*LABELS, "none"}
    assert len(few) <= len(LABEL_SET_PATIENTS)


class Text(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.words: list[str] = []
        self.feed(page)

    def handle_data(self, data):
        self.words += data.split()


def test_the_report_shows_thresholds_and_both_sets_of_figures(done, comparison, tmp_path):
    (tmp_path / "run").symlink_to(done.run.folder)
    latency = [
        {"model": f"{name}.tflite", "runtime": "x", "threads": 1, "runs": 1, "peak_memory_bytes": 1, "median_ms": 1.0,
         **dict.fromkeys(("init_ms", "warmup_first_ms", "min_ms", "p50_ms", "p95_ms", "p99_ms"), 1.0)}
        for name in ("float32", "int8")
    ]  # fmt: skip
    write_json(tmp_path / "results.json", {
        "recipe": "phantoms", "data": "DATA", "command": "freezenet pipeline", "has_patients": True, "notice": "No device.",
        "comparison": comparison, "latency": latency, "refused": {}, "environment": environment(),
    })  # fmt: skip
    text = " ".join(Text(write_report(tmp_path).read_text(encoding="utf-8")).words)
    metrics = done.json("metrics.json")
    assert "The threshold of each label" in text
    for key in ("hamming_loss", "weighted_f1"):
        shown = [f"{100 * one[key]['value']:.1f} [{100 * one[key]['low']:.1f}, {100 * one[key]['high']:.1f}]"
                 for one in (metrics, metrics["at_half"])]  # fmt: skip
        assert " ".join(shown) in text
    for label, threshold in metrics["thresholds"].items():
        assert f"{label} {threshold:.3f}" in text


def test_the_command_speaks_of_labels(done, command, tmp_path):
    model = done.models / "int8.tflite"
    code, out, _ = command("inspect", model)
    assert code == 0 and "task        multi-label, any number of labels is true; thresholds Diffuse 0." in out
    code, out, _ = command("evaluate", model, done.data)
    assert code == 0 and "hamming_loss\t0." in out and "recall Focal\t" in out
    code, out, _ = command("predict", model, done.data.parent, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(lines) == len(done.run.splits)
    code, plain, _ = command("predict", model, done.data.parent)
    for line, one in zip(plain.splitlines(), lines, strict=True):
        shown = f"abstained: {one['reason']}" if one["abstained"] else one["label"] or "none"
        assert line.split("\t")[1] == shown
    assert "\tnone\t" in plain
    code, _, err = command("train", done.data, "--out", tmp_path / "out", "--recipe", "phantoms", "--weights", "none")
    assert code == 1 and "for several labels train with --set task=multi-label" in err
    assert "Traceback" not in err and not (tmp_path / "out").exists()


def test_the_hubs_card_says_what_a_threshold_is(done, tmp_path):
    pytest.importorskip("huggingface_hub", reason="the extra [hub] writes the front matter")
    export_hub(done.models, tmp_path / "hub")
    text = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "The network names any number of its labels" in " ".join(text.split())
    assert "always names one" not in text
