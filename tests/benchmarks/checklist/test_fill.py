"""Checklists of a made-up pipeline's folder: what is filled stands in a file, what is not known is a question."""

from __future__ import annotations

import csv
import hashlib
import json

import cv2
import numpy as np
import pytest

from freezenet.benchmarks.checklist import STANDARDS
from freezenet.benchmarks.checklist.cli import checklist
from freezenet.benchmarks.checklist.fill import SUBJECTS, filled_checklist
from freezenet.edge_runtime.errors import DataError

FIGURE = {"value": 0.75, "low": 0.5, "high": 1.0}
COLUMNS = {
    "splits.csv": ("file", "class", "patient_id", "source", "split", "sha256"),
    "predictions.csv": ("file", "split", "class", "answer"),
}


def write_table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS[path.name], *rows])


@pytest.fixture
def pipeline(tmp_path):
    """Six images of two sources; patient p2 lies in two splits, one image has no patient."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"data": "data.csv", "images": 7, "weights": "none", "seed": 0}))
    metrics = {"images": 3, "patients": 2, "labels": ["A", "B"], "accuracy": FIGURE, "macro_f1": FIGURE, "confusion_matrix": [[1, 1], [0, 1]],
               "images_by_class_and_source": {"A": {"x": 3, "y": 0}, "B": {"x": 1, "y": 2}}}  # fmt: skip
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "recipe.toml").write_text('backbone = "mobilenetv2"\nimage_size = 64\ntest_share = 0.5\nloss = "focal"\n')
    write_table(run / "splits.csv", [
        ("1", "A", "p1", "x", "train", "a"), ("2", "A", "p2", "x", "train", "b"), ("3", "B", "", "y", "train", "c"),
        ("4", "A", "p2", "x", "test", "d"), ("5", "A", "p4", "x", "test", "e"), ("6", "B", "p5", "y", "test", "a"),
    ])  # fmt: skip
    write_table(run / "predictions.csv", [
        ("1", "train", "A", "B"), ("4", "test", "A", "A"), ("5", "test", "A", "B"), ("6", "test", "B", "B"),
    ])  # fmt: skip
    return tmp_path


def change_metrics(pipeline, **changes):
    path = pipeline / "run" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def facts_of(made, number):
    item = next(one for one in made["items"] if one["number"] == number)
    return {fact["what"]: fact["value"] for fact in item["facts"]}


def test_the_facts_are_those_of_the_files(pipeline):
    made = filled_checklist(pipeline, "claim-2024")
    assert facts_of(made, "20") == {
        "patients in more than one split": "1 of 4",
        "equal files in more than one split": "1 of 5",
    }
    assert facts_of(made, "12")["rows without patient_id"] == "1 of 6"
    assert facts_of(made, "10") == {"images found": "7", "images used": "6"}
    assert facts_of(made, "39")["wrong test images"] == "1: A called B 1"
    assert facts_of(made, "37")["right of test images, source x"] == "1 of 2"
    assert facts_of(made, "40")["classes from one source only"] == "A"
    assert facts_of(made, "38")["accuracy"] == "0.7500 [0.5000, 1.0000]"


def test_sources_without_a_name_are_not_one_source(pipeline):
    """Nobody knows whether images without a source come from one place or from many."""
    sentence = "The data names no sources: that answers hold elsewhere is not shown."
    change_metrics(pipeline, images_by_class_and_source={"A": {"": 3}, "B": {"": 3}}, elsewhere=sentence)
    facts = facts_of(filled_checklist(pipeline, "claim-2024"), "40")
    assert "classes from one source only" not in facts
    assert facts["answers elsewhere"] == sentence
    change_metrics(pipeline, images_by_class_and_source={"A": {"": 2, "x": 1}, "B": {"": 0, "x": 3}}, elsewhere="")
    facts = facts_of(filled_checklist(pipeline, "claim-2024"), "40")
    assert facts["classes from one source only"] == "B"
    assert "answers elsewhere" not in facts


@pytest.mark.parametrize("standard", STANDARDS)
def test_every_fact_can_be_found_again(pipeline, standard):
    for item in filled_checklist(pipeline, standard)["items"]:
        assert item["facts"] or not item["filled"]
        assert item["filled"] or item["question"].endswith("?")
        for fact in item["facts"]:
            assert (pipeline / fact["file"]).exists(), fact
            if fact["file"].endswith(".json"):
                found = json.loads((pipeline / fact["file"]).read_text())
                for key in fact["where"].split("."):
                    assert key in found or fact["where"] == "keys", fact
                    found = found.get(key, {})


@pytest.mark.parametrize(
    ("standard", "count"), [("claim-2024", 44), ("tripod-ai", 52), ("model-card", 16), ("pccp", 15)]
)
def test_the_items_of_each_standard(pipeline, standard, count):
    made = filled_checklist(pipeline, standard)
    numbers = [one["number"] for one in made["items"]]
    assert made["of"] == count == len(set(numbers))
    if standard == "claim-2024":
        assert numbers == [str(number) for number in range(1, 45)]
    if standard == "tripod-ai":
        assert {number.rstrip("abcdefg") for number in numbers} == {str(number) for number in range(1, 28)}


def test_the_rule_is_told_whole(pipeline):
    decision = {
        "task": "multi-class",
        "confidence": {"temperature": 1.5, "abstain_below": 0.75, "abstain_below_class": {"A": 0.5, "B": 0.875}},
        "gate": {"kind": "both", "gates": [{"kind": "one-class", "threshold": 9.5}, {"kind": "logistic", "threshold": 0.25}]},
    }  # fmt: skip
    (pipeline / "run" / "decision.json").write_text(json.dumps(decision))
    facts = facts_of(filled_checklist(pipeline, "model-card"), "4b")
    assert facts["uncertain below by class"] == "A 0.5, B 0.875"
    assert (facts["threshold of the OOD gate, one-class"], facts["threshold of the OOD gate, logistic"]) == (
        "9.5",
        "0.25",
    )


def test_every_subject_is_asked_about_and_offered(pipeline):
    offered = next(one.type.choices for one in checklist.params if one.name == "standard")
    assert tuple(offered) == STANDARDS
    assert all(callable(one) for one in SUBJECTS.values())


def test_what_is_not_there_is_a_question(pipeline):
    """Without a file its items are open, and no more is said than before."""
    before = filled_checklist(pipeline, "claim-2024")
    (pipeline / "run" / "recipe.toml").unlink()
    (pipeline / "run" / "predictions.csv").unlink()
    after = filled_checklist(pipeline, "claim-2024")
    assert after["filled"] < before["filled"]
    nine = next(one for one in after["items"] if one["number"] == "9")
    assert (nine["facts"], nine["filled"]) == ([], False) and nine["question"]


NETWORK = b"the trained network"
TRAINED_ON = {
    "recipe": "r",
    "seed": 0,
    "images": 3,
    "data_sha256": "d",
    "splits_sha256": "s",
    "model_sha256": hashlib.sha256(NETWORK).hexdigest(),
}
EXTERNAL = {
    "model": "int8.tflite", "side": "all", "images": 9, "accuracy": FIGURE, "macro_f1": FIGURE, "trained_on": TRAINED_ON,
    "took_part": {"train": 0, "validation": 0, "test": 0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (EXTERNAL, ""),
        ({**EXTERNAL, "took_part": {"train": 2, "validation": 1, "test": 0}}, "3 of its images took part"),
        ({**EXTERNAL, "took_part": None}, "whether its images took part in the training is not known"),
        ({**EXTERNAL, "side": "test"}, "pass --all"),
        ({**EXTERNAL, "refitted": "The last layer was refitted on 9 images."}, "The last layer was refitted on 9 images."),
        ({**EXTERNAL, "trained_on": {**TRAINED_ON, "model_sha256": "0" * 64}}, "about another network than that of this folder: int8.tflite"),
        ({**EXTERNAL, "accuracy": 0.9}, "accuracy of the type float"),
        ({key: value for key, value in EXTERNAL.items() if key != "trained_on"}, "without trained_on"),
        ({"took_part": 5, "side": "all"}, "freezenet evaluate --all --json without accuracy"),
        ({**EXTERNAL, "took_part": 5}, "took_part of the type int"),
        ([1], "of the type list"),
    ],
)  # fmt: skip
def test_a_test_elsewhere_counts_where_it_is_one_of_this_network(pipeline, command, content, said):
    (pipeline / "run" / "model.keras").write_bytes(NETWORK)
    (pipeline / "external-hospital.json").write_text(json.dumps(content))
    code, out, err = command("checklist", pipeline, "--json")
    (item,) = [one for one in json.loads(out)["items"] if one["number"] == "33"]
    assert code == 0 and item["filled"] == (not said)
    assert ("external-hospital.json is not counted" in err) == bool(said) and said in err


def test_the_verb(pipeline, command, tmp_path):
    code, out, err = command("checklist", pipeline, "--standard", "pccp")
    assert (code, err) == (0, "") and out.startswith("# Predetermined change control plan") and "- [ ] " in out
    code, out, _ = command("checklist", pipeline / "run", "--json")
    assert code == 0 and json.loads(out)["of"] == 44
    page = tmp_path / "page.md"
    assert command("checklist", pipeline, "--out", page)[0] == 0
    assert "](run/metrics.json)" in page.read_text()
    assert command("checklist", pipeline, "--out", page)[0] == 1  # it is there
    code, _, err = command("checklist", tmp_path / "run" / "nothing")
    assert code == 1 and "metrics.json" in err
    (pipeline / "run" / "recipe.toml").write_text("damaged")
    assert "TOML" in command("checklist", pipeline)[2]


def test_no_finished_run(tmp_path):
    with pytest.raises(DataError, match="RUN folder"):
        filled_checklist(tmp_path, "claim-2024")


def test_at_least_26_items_of_claim_from_a_pipeline(run, models, tmp_path):
    """From a real training and conversion; results.json is the comparison's."""
    import shutil

    from freezenet.benchmarks.any_model.evaluate import evaluate_file
    from freezenet.benchmarks.compare import compare
    from freezenet.edge_runtime.classifier import Classifier

    shutil.copytree(run.folder, tmp_path / "run")
    shutil.copytree(models, tmp_path / "models")
    comparison = compare(tmp_path / "models")
    pixels = np.random.default_rng(4).integers(0, 256, (4, 80, 80), np.uint8)
    for number, image in enumerate(pixels):
        (tmp_path / "data" / ("Clear", "Focal")[number % 2]).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "data" / ("Clear", "Focal")[number % 2] / f"{number}.png"), image)
    evaluated = evaluate_file(Classifier(tmp_path / "models" / "int8.tflite"), tmp_path / "data", everything=True)
    content = {"comparison": comparison, "notice": "Research use only.", "command": "freezenet pipeline"}
    (tmp_path / "results.json").write_text(json.dumps(content))
    (tmp_path / "external-phantoms.json").write_text(json.dumps(evaluated))
    made = filled_checklist(tmp_path, "claim-2024")
    assert facts_of(made, "33")["images"] == str(evaluated["images"])
    differences = {
        f"macro-F1 against float32: {name}": one["verdict"]["endpoints"][0]["difference"]
        for name, one in comparison["variants"].items()
        if name != "float32"
    }
    told = {name: value for name, value in facts_of(made, "30").items() if name in differences}
    # The interval of the report, which is the verdict's.
    assert told == {name: "{value:.4f} [{low:.4f}, {high:.4f}]".format(**one) for name, one in differences.items()}
    assert made["filled"] >= 26, [one["number"] for one in made["items"] if not one["filled"]]
