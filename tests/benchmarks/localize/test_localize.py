"""A file for one clinic: the same network, another card, and figures counted once more from single predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.benchmarks.localize.page import write_page
from freezenet.cli import cli
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.integrity.hashes import sha256_file
from tests.csv_rows import read_rows, write_rows

SEXES = ("F", "M", "")


@pytest.fixture(scope="module")
def clinic(plain_phantoms, with_changed_rows, tmp_path_factory):
    """Phantoms without the stripes that the model has learned: of other images, and of patients with a sex."""

    def of_the_clinic(number, row):
        return row | {"Patient Sex": SEXES[number % 3], "patient_id": f"clinic-{row['patient_id']}", "source": ""}

    return with_changed_rows(plain_phantoms, tmp_path_factory.mktemp("clinic") / "data", of_the_clinic)


@pytest.fixture(scope="module")
def made(models, clinic, tmp_path_factory):
    folder = tmp_path_factory.mktemp("localized")
    new, page = folder / "new.tflite", folder / "page.html"
    arguments = [
        "localize", models / "int8.tflite", clinic, "--target", "sensitivity=0.8:Focal", "--target", "prevalence=Focal:0.05",
        "--cost", "missed:100,alarm:10,person:1", "--out", new, "--page", page, "--json",
    ]  # fmt: skip
    found = CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)
    assert found.exit_code == 0
    return new, page, json.loads(found.stdout)


def test_the_network_and_its_scores_are_the_same_to_the_bit(made, models, clinic):
    old, new = Classifier(models / "int8.tflite"), Classifier(made[0])
    size = old.card.content["network"]["bytes"]
    assert new.file.content[:size] == old.file.content[:size]
    assert new.card.content["network"] == old.card.content["network"]
    pixels = np.random.default_rng(0).integers(0, 256, (5, *old.card.preprocess.size), np.uint8)
    assert (old.scores(pixels) == new.scores(pixels)).all()
    recorded = [[one["scores"] for one in card.golden] for card in (old.card, new.card)]
    assert recorded[0] == recorded[1]
    assert old.file.associated("labels.txt") == new.file.associated("labels.txt")


def test_the_card_names_its_origin_and_nobody(made, models, clinic):
    new, _, result = made
    content = ModelCard.read(new).content
    localized = content["localized"]
    assert localized["from_sha256"] == sha256_file(models / "int8.tflite") == result["model_sha256"]
    assert localized["targets"] == ["sensitivity=0.8:Focal", "prevalence=Focal:0.05"]
    assert localized["images"] == sum(localized["classes"].values()) == result["images"]
    assert content["confidence"]["answer_from"].keys() == {"Focal"}
    names = {row[key] for row in read_rows(clinic) for key in ("file", "patient_id")}
    assert not [name for name in names if name in json.dumps(content)]
    checked = CliRunner().invoke(cli, ["verify", str(new)])
    assert checked.exit_code == 0 and "answers equal" in checked.stdout
    shown = CliRunner().invoke(cli, ["inspect", str(new)]).stdout
    least = content["confidence"]["answer_from"]["Focal"]
    assert f"            Focal: answered from a probability of {least:.4f} on" in shown and "; bias " in shown
    origin = localized["from_sha256"][:12]
    assert (
        "localized for sensitivity=0.8:Focal, prevalence=Focal:0.05 on" in shown and f"from the file {origin}" in shown
    )


def test_the_rule_finds_what_was_asked_for(made, clinic):
    """On the images that it was chosen on, counted from single predictions: at least the rank of the promise."""
    new, _, result = made
    classifier, promise = Classifier(new), result["promise"]
    focal = [row for row in read_rows(clinic) if row["class"] == "Focal"]
    missed = {row["patient_id"] for row in focal if classifier.predict(clinic.parent / row["file"]).label != "Focal"}
    patients = {row["patient_id"] for row in focal}
    assert promise["patients"] == len(patients)
    assert len(patients - missed) >= promise["found"] >= 0.8 * len(patients)


def test_the_figures_add_up(made):
    _, _, result = made
    for side in ("before", "after"):
        one = result[side]
        kinds = [one[name]["value"] for name in ("right", "wrong", "uncertain", "refused")]
        assert sum(kinds) == pytest.approx(1000, abs=0.01)
        assert sum(found["yield"]["value"] for found in one["classes"].values()) == pytest.approx(
            one["right"]["value"], abs=0.01
        )
        assert sum(found["alarms"]["value"] for found in one["classes"].values()) == pytest.approx(
            one["wrong"]["value"], abs=0.01
        )
        assert sum(one["costs"][name] for name in ("missed", "alarm", "person")) == pytest.approx(
            one["costs"]["total"], abs=0.02
        )
        focal = one["classes"]["Focal"]
        assert focal["yield"]["value"] + focal["missed"]["value"] <= 50.01
        assert all(
            found[key]["low"] <= found[key]["value"] <= found[key]["high"]
            for found in one["classes"].values()
            for key in ("yield", "alarms")
        )
    assert {*result["subgroups"]["sex"]} == {"female", "male", "not said"}
    assert sum(one["images"] for one in result["subgroups"]["sex"].values()) == result["images"]


def test_the_page_is_whole_and_offline(made):
    page = made[1].read_text(encoding="utf-8")
    assert "http" not in page and "<script" not in page and "nan" not in page.lower().replace("finance", "")
    for text in (
        "By sex",
        "What it costs",
        "Before and after",
        "false alarms for Focal",
        "could not be checked",
        made[2]["elsewhere"],
    ):
        assert text in page
    assert all((one["file"] in page) for one in made[2]["missed"])
    assert made[2]["elsewhere"].startswith("All classes were learned from one source alone")


def test_localized_twice_says_it_once(made, clinic, tmp_path, caplog):
    again, page = tmp_path / "again.tflite", tmp_path / "again.html"
    arguments = ("localize", made[0], clinic, "--target", "prevalence=Focal:0.05", "--out", again, "--page", page)
    with caplog.at_level("INFO", "freezenet"):
        found = CliRunner().invoke(cli, list(map(str, arguments)))
    assert found.exit_code == 0
    # The page has a table by sex.
    assert [one for one in caplog.messages if "Patient Sex" in one] == [
        f"Columns of {clinic.name} that are used: Patient Sex."
    ]
    content = ModelCard.read(again).content
    assert content["notice"].count("Thresholds were chosen") == 1
    assert content["localized"]["from_sha256"] == sha256_file(made[0])
    assert not {"answer_from", "abstain_below_class"} & {*content["confidence"]}
    given_up = "The file was localized for sensitivity=0.8:Focal before, which is given up"
    assert all(
        given_up in said for said in (caplog.text, page.read_text(encoding="utf-8"), *content["localized"]["notes"])
    )


def test_the_page_names_each_class_that_abstains_otherwise(made, tmp_path):
    confidence = {"temperature": 1, "abstain_below": 0.9, "bias": {"Clear": 0}, "answer_from": {"Focal": 0.0123}}
    by_class = {"Focal": 0.0, "Clear": 0.456, "Diffuse": 0.9}
    write_page(tmp_path / "page.html", made[2] | {"confidence": {**confidence, "abstain_below_class": by_class}})
    page = " ".join((tmp_path / "page.html").read_text(encoding="utf-8").split())
    rule = page[page.index("Focal is answered from") : page.index("Expected calibration error")]
    assert rule == (
        "Focal is answered from a probability of 0.0123 on; Clear is &ldquo;uncertain&rdquo; below 0.456; "
        "&ldquo;uncertain&rdquo; below 0.900 for the other classes. "
    )


def test_refusals_in_one_sentence(made, models, clinic, phantoms, run, tmp_path):
    model = models / "int8.tflite"

    def said(*arguments) -> str:
        found = CliRunner().invoke(cli, ["localize", *map(str, arguments)])
        assert found.exit_code != 0
        return str(found.exception)

    risk = ("--target", "risk=0.1")
    assert "took no part in the training" in said(model, phantoms, *risk, "--run", run.folder)
    assert "pass --overwrite" in said(model, clinic, *risk, "--out", made[0])
    both = ("--cost", "missed:10,alarm:10,person:0")
    assert "both all wrong answers" in said(model, clinic, *risk, *both)
    twice = CliRunner().invoke(cli, ["localize", str(model), str(clinic), *risk, "--cost", "missed:1,missed :2"])
    assert twice.exit_code == 2 and "Got: missed twice" in twice.stderr
    rows = read_rows(clinic)
    unlabelled, other, known = (clinic.parent / name for name in ("unlabelled.csv", "other.csv", "known.csv"))
    write_rows(unlabelled, [{"file": row["file"]} for row in rows])
    assert "columns file,class" in said(model, unlabelled, *risk)
    write_rows(other, [{**row, "class": "Tuberculosis"} for row in rows[:9]])
    assert "Got: Tuberculosis" in said(model, other, *risk)
    taught = next(row["patient_id"] for row in run.splits if row["split"] == "train")
    # Clear phantoms have no stripes, so those of the clinic are those of the training.
    others = [row for row in rows if row["class"] != "Clear"]
    for spelled in (taught, f" {taught.upper()} "):
        write_rows(
            known,
            [{**row, "patient_id": spelled if number == 3 else row["patient_id"]} for number, row in enumerate(others)],
        )
        assert f"Got: 1 patient of it, the first {spelled.strip()}" in said(model, known, *risk, "--run", run.folder)
