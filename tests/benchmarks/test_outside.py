"""Per source and in all: what a device answers elsewhere, counted by hand from single predictions."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.benchmarks.evaluate import judged_images
from freezenet.benchmarks.outside import HEADINGS, evaluate_everywhere, source_rows
from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier


@pytest.fixture(scope="module")
def classifier(phone_model):
    return Classifier(phone_model)


@pytest.fixture(scope="module")
def elsewhere(phantoms, with_changed_rows, tmp_path_factory):
    """The phantoms of two clinics, one of whose classes the model does not have, and noise among them."""

    def of_two_clinics(number, row):
        label = "Tuberculosis" if row["class"] == "Focal" else row["class"]
        return row | {"source": "far" if number % 3 else "near", "class": label}

    return with_changed_rows(phantoms, tmp_path_factory.mktemp("elsewhere") / "data", of_two_clinics)


@pytest.fixture(scope="module")
def figures(classifier, elsewhere):
    return evaluate_everywhere(classifier, judged_images(elsewhere, None, everything=True))


def test_what_is_not_shown_elsewhere_stands_beside_the_figures(classifier, figures):
    assert figures["elsewhere"] == classifier.card.content["sources"]["elsewhere"]
    assert figures["elsewhere"].startswith("All classes were learned from one source alone")


def test_each_source_is_counted(classifier, elsewhere, figures):
    with elsewhere.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    answers = [classifier.predict(elsewhere.parent / row["file"]) for row in rows]
    assert list(figures["by_source"]) == ["far", "near"]
    for name, found in (*figures["by_source"].items(), (None, figures["everywhere"])):
        here = [(row, one) for row, one in zip(rows, answers, strict=True) if name in (None, row["source"])]
        known = [(row["class"], one) for row, one in here if row["class"] != "Tuberculosis"]
        said = [(label, one.label) for label, one in known if one.label is not None]
        most = [
            max(one.probabilities, key=lambda key, one=one: one.probabilities[key]) == label for label, one in known
        ]
        unknown = [one.label is not None for row, one in here if row["class"] == "Tuberculosis"]
        assert (found["images"], found["known"], found["unknown"]) == (len(here), len(known), len(unknown))
        expected = {
            "accuracy": np.mean(most),
            "coverage": len(said) / len(known),
            "accuracy_answered": np.mean([label == answer for label, answer in said]),
            "refused": np.mean([one.chest_xray is False for _, one in here]),
            "answered_wrong": np.mean(unknown),
        }
        for key, value in expected.items():
            assert found[key]["value"] == pytest.approx(value, abs=1e-6), (name, key)
            assert found[key]["low"] <= found[key]["value"] <= found[key]["high"]
    assert figures["unknown_classes"]["Tuberculosis"]["answered_wrong"] == figures["everywhere"]["answered_wrong"]
    assert figures["images"] == sum(row["class"] != "Tuberculosis" for row in rows)


def test_a_perfectly_calibrated_half_is_far_from_sure_ones(classifier, elsewhere, figures):
    """Guo et al., equation 3, once more by hand over the images whose class is known."""
    with elsewhere.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] != "Tuberculosis"]
    sure, right = [], []
    for row in rows:
        probabilities = classifier.predict(elsewhere.parent / row["file"]).probabilities
        best = max(probabilities, key=lambda key: probabilities[key])
        sure.append(probabilities[best])
        right.append(best == row["class"])
    bins = np.ceil(np.array(sure) * 15)
    expected = sum(abs(np.mean(np.array(sure)[bins == one]) - np.mean(np.array(right)[bins == one])) * np.mean(bins == one)
                   for one in np.unique(bins))  # fmt: skip
    assert figures["everywhere"]["calibration_error"]["value"] == pytest.approx(expected, abs=1e-5)


def test_the_command_shows_sources_and_unknown_classes(models, run, elsewhere, tmp_path):
    done = CliRunner().invoke(cli, ["evaluate", str(models / "int8.tflite"), str(elsewhere), "--all"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[1].startswith("source\timages\tmost probable class right")
    assert [line.split("\t")[0] for line in lines[2:5]] == ["far", "near", "(all)"]
    assert "Tuberculosis: a class that the model does not have" in done.stdout
    only = tmp_path / "only.csv"
    with elsewhere.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "Tuberculosis"]
    with only.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("file", "class"))
        writer.writeheader()
        writer.writerows({"file": str(elsewhere.parent / row["file"]), "class": row["class"]} for row in rows)
    found = json.loads(
        CliRunner().invoke(cli, ["evaluate", str(models / "int8.tflite"), str(only), "--all", "--json"]).stdout
    )
    assert (found["images"], "accuracy" in found) == (0, False)
    assert (found["by_source"], found["everywhere"]["images"]) == ({}, len(rows))
    done = CliRunner().invoke(
        cli, ["evaluate", str(models / "int8.tflite"), str(only), "--all", "--run", str(run.folder)]
    )
    assert done.exit_code == 0 and f"on {len(rows)} images (all)" in done.stdout
    assert f"Of the {len(rows)} files judged, " in done.stderr


def test_what_a_model_without_gate_and_threshold_cannot_do_has_no_figure(models, elsewhere):
    """A measured 0 or 1 with an interval would be about a decision that it never takes."""
    figures = evaluate_everywhere(Classifier(models / "int8.tflite"), judged_images(elsewhere, None, everything=True))
    whole = figures["everywhere"]
    assert [whole[key] for key in ("refused", "answered", "coverage", "accuracy_answered")] == [None] * 4
    assert figures["unknown_classes"]["Tuberculosis"]["refused"] is None
    assert (figures["probabilities"]["coverage"], figures["probabilities"]["accuracy_answered"]) == (None, None)
    assert whole["answered_wrong"]["value"] == 1 and whole["accuracy"]["value"] == figures["accuracy"]["value"]
    for row in source_rows(figures):
        shown = dict(zip(HEADINGS.values(), row[2:], strict=True))
        assert (shown["answered"], shown["right of answered"], shown["refused by the OOD gate"]) == ("-", "-", "-")


def test_sources_of_any_name_keep_their_own_row(classifier, phantoms, with_changed_rows, tmp_path):
    names = ("all", "(none)", "(all)", "")
    counts = dict.fromkeys(names, 0)

    def named(number, row):
        counts[names[number % 4]] += 1
        return row | {"source": names[number % 4]}

    table = with_changed_rows(phantoms, tmp_path / "data", named)
    figures = evaluate_everywhere(classifier, judged_images(table, None, everything=True))
    assert {name: one["images"] for name, one in figures["by_source"].items()} == counts
    assert figures["everywhere"]["images"] == sum(counts.values())
    assert [int(row[1]) for row in source_rows(figures)] == [
        *(counts[name] for name in sorted(names)),
        sum(counts.values()),
    ]
