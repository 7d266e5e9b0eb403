"""The study of refitted layers, on phantoms whose classes have other names: against the commands, and against single predictions."""

from __future__ import annotations

import json
from collections import defaultdict

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.benchmarks.localize.images import LocalImages
from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier
from freezenet.train.metrics.figure import Figure
from studies.refit.__main__ import main
from studies.refit.curve import _patients_in_order
from studies.tables.localize_page import sections
from tests.csv_rows import read_rows, write_rows

#: What the model calls a class -> what this place calls it.
NAMES = {"Clear": "Focal", "Focal": "Diffuse", "Diffuse": "Reticular", "Reticular": "Clear"}
TARGET = "risk=0.3"
SIZES = (10, 12)


@pytest.fixture(scope="module")
def clinic(phantoms, tmp_path_factory):
    """16 patients of each class with up to two images, of which a pixel was changed, so that none is of the training."""
    folder = tmp_path_factory.mktemp("clinic")
    seen, kept = defaultdict(list), []
    for row in read_rows(phantoms):
        patients = seen[row["class"]]
        if patients.count(row["patient_id"]) < 2 and len({*patients, row["patient_id"]}) <= 16:
            patients.append(row["patient_id"])
            image = cv2.imread(str(phantoms.parent / row["file"]), cv2.IMREAD_GRAYSCALE)
            image[0, 0] ^= 1
            file = f"{len(kept)}.png"
            cv2.imwrite(str(folder / file), image)
            kept.append({"file": file, "class": NAMES[row["class"]], "patient_id": f"clinic-{row['patient_id']}"})
    return write_rows(folder / "clinic.csv", kept)


def studied(models, clinic, run, *more):
    arguments = [models / "int8.tflite", clinic, "--home", run.folder, "--target", TARGET, *more]
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def found(models, clinic, run, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    done = studied(models, clinic, run, "--sizes", ",".join(map(str, SIZES)), "--draws", 1, "--json", "--out", out)
    assert done.exit_code == 0, done.output
    (path,) = out.iterdir()
    assert path.name.startswith("refit-int8-")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def localized(models, clinic, run, tmp_path_factory):
    """The file that the command writes, and what it says."""
    out = tmp_path_factory.mktemp("localized") / "refit.tflite"
    more = ("--target", TARGET, "--refit-head", "--out", out, "--run", run.folder)
    return out, command("localize", models / "int8.tflite", clinic, *more)


def command(*arguments):
    done = CliRunner().invoke(cli, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_figures_are_those_of_the_command(found, localized):
    refit = localized[1]
    sides = {"before": refit["before"], "thresholds": refit["old_head"], "refit": refit["after"]}
    for way, side in sides.items():
        for end, value in found["ways"][way]["answered"].items():
            assert 1000 * value == pytest.approx(side["answered"][end], abs=1e-2)
        assert found["ways"][way]["wrong"] == pytest.approx(side["risk"], abs=1e-6)
    right = refit["head"]["right"]
    assert found["ways"]["thresholds"]["right"] == pytest.approx(right["old"])
    assert found["ways"]["refit"]["right"] == pytest.approx(right["new"])
    assert found["differences"]["refit against thresholds"]["right"] == pytest.approx(right["difference"])
    assert found["acceptance"]["decisions"] == refit["head"]["acceptance"]["decisions"]
    for pair, shares in found["differences"].items():
        after, before = (found["ways"][way] for way in pair.split(" against "))
        for name, figure in shares.items():
            assert figure["value"] == pytest.approx(after[name]["value"] - before[name]["value"], abs=2e-6)
            assert figure["low"] <= figure["value"] <= figure["high"]


def test_at_home_it_is_what_evaluate_says_of_the_written_files(found, localized, models, phantoms, run):
    for way, path in {"before": models / "int8.tflite", "refit": localized[0]}.items():
        said = command("evaluate", path, phantoms, "--run", run.folder)
        home = found["home"]["ways"][way]
        assert home["recall"] == {label: one["recall"] for label, one in said["per_class"].items()}
        assert found["home"]["images"] == said["images"]
        # A file that never abstains has no such share: it answers all.
        sure = said["probabilities"]["coverage"] or {"value": 1.0}
        assert home["answered"]["value"] == pytest.approx(sure["value"], abs=1e-6)
    recalls = [
        np.mean([one["value"] for one in found["home"]["ways"][way]["recall"].values()]) for way in ("before", "refit")
    ]
    assert recalls[1] < recalls[0] - 0.3  # every name means another class there


def test_a_draw_is_what_the_command_makes_of_the_same_patients(found, models, clinic, run, tmp_path):
    """A file by the command from the patients of the first draw, and the others predicted one by one."""
    images = LocalImages.read(Classifier(models / "int8.tflite"), clinic, None)
    order = _patients_in_order(images, max(SIZES), np.random.default_rng([0, 0]))
    names = np.unique(images.patients)
    fitting, rest = (
        {names[number] for one in order for number in one[part]} for part in (slice(0, 10), slice(max(SIZES), None))
    )
    assert len(fitting) == 40 and not fitting & rest
    rows = [{**row, "file": str(clinic.parent / row["file"])} for row in read_rows(clinic)]
    data = write_rows(tmp_path / "few.csv", [row for row in rows if row["patient_id"] in fitting])
    out = tmp_path / "few.tflite"
    command("localize", models / "int8.tflite", data, "--target", TARGET, "--refit-head", "--out", out)
    classifier = Classifier(out)
    judged = [row for row in rows if row["patient_id"] in rest]
    said = [classifier.predict(row["file"]) for row in judged]
    right = [
        max(one.probabilities, key=one.probabilities.get) == row["class"] for one, row in zip(said, judged, strict=True)
    ]
    size = found["curve"][0]
    assert size["patients"] == 10 and size["rest"] == [len(judged)] and found["curve"][1]["rest"] == [len(judged)]
    assert size["images"] == [len(read_rows(data))]
    assert size["right"][0]["refit"] == pytest.approx(np.mean(right), abs=1e-6)
    assert size["answered"][0]["refit"] == pytest.approx(np.mean([one.label is not None for one in said]), abs=1e-6)
    assert size["right"][0]["refit"] > size["right"][0]["before"] + 0.2


def test_too_few_patients_for_a_target_leave_the_class_that_is_named(models, clinic, run):
    """A sensitivity of .92 takes 12 patients with the finding, since 11 / 12 is less."""
    more = ("--target", "sensitivity=0.92:Focal", "--sizes", "10,12", "--draws", 1)
    done = studied(models, clinic, run, *more, "--json")
    assert done.exit_code == 0, done.output
    few, enough = json.loads(done.stdout)["curve"]
    for key in ("answered", "wrong"):
        assert few[key][0]["thresholds"] is None and few[key][0]["refit"] is None and few[key][0]["before"] is not None
        assert None not in enough[key][0].values()
    assert few["right"][0]["refit"] > few["right"][0]["before"] + 0.2


def test_the_tables_hold_the_figures(found):
    other = {**found, "model": "mixed.tflite", "float_operators": 2, "curve": []}
    few = {**found["curve"][0], "answered": [{**found["curve"][0]["answered"][0], "refit": None}]}
    shown = sections([other, {**found, "curve": [few, *found["curve"][1:]]}])
    for way, name in (("before", "as it came"), ("refit", "new layer, new thresholds")):
        figures = " | ".join(str(Figure(**found["ways"][way][key])) for key in ("answered", "wrong", "right"))
        assert f"| `int8.tflite` | {name} | {figures} |" in shown
        assert f"| `mixed.tflite`, 2 operators in float | {name} | {figures} |" in shown
    right = found["curve"][0]["right"][0]["refit"]
    assert f"{right:.3f} ({right:.3f} to {right:.3f}) |" in shown and "refused in 1 of 1" in shown
    clear = found["home"]["ways"]["refit"]["recall"]["Clear"]
    (row,) = (line for line in shown.splitlines() if line.startswith("| Clear "))
    assert row.endswith(f" {Figure(**clear)} |")
    assert sections([]) == ""


def test_what_cannot_be_asked_for_gives_a_sentence(models, clinic, run):
    for sizes, said in (
        ("12,10", "Sizes of 1 or more in rising order"),
        ("10,40", "More patients of each class than the largest size, 40,"),
    ):
        done = studied(models, clinic, run, "--sizes", sizes, "--draws", 1)
        assert done.exit_code == 1 and said in done.output and "Traceback" not in done.output


def test_nothing_that_leaves_names_an_image(found, clinic):
    text = json.dumps(found)
    for row in read_rows(clinic):
        assert f'"{row["file"]}"' not in text and row["patient_id"] not in text
    assert str(clinic.parent) not in text
