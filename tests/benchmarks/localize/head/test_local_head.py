"""A file whose last layer was refitted, through the command: a place where every class has another name than where the model learned."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.benchmarks.any_model.compare import FilesAsked, compare_files
from freezenet.benchmarks.any_model.evaluate import evaluate_file
from freezenet.benchmarks.localize.head import local_head
from freezenet.benchmarks.localize.head.local_head import LocalHead
from freezenet.benchmarks.localize.head.sentences import head_notes
from freezenet.benchmarks.localize.images import LocalImages
from freezenet.cli import cli
from freezenet.convert.head import HeadOfFile
from freezenet.convert.package.metadata import without_files
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, RefusedError
from freezenet.edge_runtime.integrity.hashes import sha256_file
from tests.csv_rows import read_rows, write_rows

#: What the model calls a class -> what this place calls it.
NAMES = {"Clear": "Focal", "Focal": "Diffuse", "Diffuse": "Reticular", "Reticular": "Clear"}
RISK = ("--target", "risk=0.3")


@pytest.fixture(scope="module")
def clinic(phantoms, tmp_path_factory):
    """14 patients of each class, one image each, with other names of the classes."""
    rows = read_rows(phantoms)
    seen = defaultdict(set)
    kept = []
    for row in rows:
        if len(seen[row["class"]]) < 14 and row["patient_id"] not in seen[row["class"]]:
            seen[row["class"]].add(row["patient_id"])
            file = str(phantoms.parent / row["file"])
            kept.append({"file": file, "class": NAMES[row["class"]], "patient_id": f"clinic-{row['patient_id']}"})
    return write_rows(tmp_path_factory.mktemp("clinic") / "clinic.csv", kept)


def localized(model, data, *more):
    return CliRunner().invoke(cli, ["localize", *map(str, (model, data, *RISK, *more))])


@pytest.fixture(scope="module")
def made(models, clinic, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refitted")
    new, page = folder / "new.tflite", folder / "page.html"
    found = localized(
        models / "int8.tflite", clinic, "--refit-head", "--out", new, "--page", page, "--json", "--threads", 1
    )
    assert found.exit_code == 0, found.output
    return new, page, json.loads(found.stdout)


def test_the_place_is_mended_out_of_fold(made):
    result = made[2]
    right = result["head"]["right"]
    assert right["new"]["value"] > 0.7
    assert right["difference"]["low"] > 0.2
    assert result["after"]["right"]["value"] > result["old_head"]["right"]["value"] + 200
    assert result["after"]["risk"]["low"] <= result["after"]["risk"]["value"] <= result["after"]["risk"]["high"]


def test_the_file_answers_with_the_new_layer(made, models, clinic):
    """Counted from single predictions; the layer has seen these images, so they tell only that it is in the file."""
    classifier = Classifier(made[0])
    rows = read_rows(clinic)
    probabilities = [classifier.predict(row["file"]).probabilities for row in rows]
    right = [max(one, key=one.get) == row["class"] for one, row in zip(probabilities, rows, strict=True)]
    assert np.mean(right) > 0.8
    network, _ = without_files(classifier.file.content)
    head = HeadOfFile(network, classifier.card.outputs, "new")
    pixels = np.stack([classifier.card.preprocess.pixels(row["file"]) for row in rows[:10]])
    expected = head.head.scores(head.read(classifier.card.preprocess, pixels))
    assert np.abs(classifier.scores(pixels) - expected).max() < 0.05


def test_verify_and_inspect(made, models):
    checked = CliRunner().invoke(cli, ["verify", str(made[0])])
    assert checked.exit_code == 0 and "answers equal" in checked.stdout
    shown = CliRunner().invoke(cli, ["inspect", str(made[0])]).stdout
    assert "last layer  refitted on 56 images\n" in shown
    assert f"localized   {made[2]['head']['sources']}" in shown
    assert "local images keep the class of the refitted last layer in float" in shown
    assert "on 56 local images, cross-fitted" in shown


def test_what_comes_from_the_layer_is_renewed_in_the_card(made, models, clinic):
    old, new = ModelCard.read(models / "int8.tflite").content, ModelCard.read(made[0]).content
    result = made[2]
    assert new["localized"]["from_sha256"] == sha256_file(models / "int8.tflite")
    assert new["localized"]["sentence"].startswith(
        "The last layer was refitted and thresholds were chosen on 56 labelled images"
    )
    assert new["localized"]["sentence"] in new["notice"]
    head = new["localized"]["head"]
    assert new["localized"]["patients_known"] and new["localized"]["notes"][-1] == head["sources"]
    assert head["from_sha256"] == result["model_sha256"] and head["earlier"] == []
    assert head == {key: value for key, value in result["head"].items() if key != "acceptance"}
    assert (
        new["against_keras"] == result["head"]["acceptance"] and new["against_keras"]["images"] == head["images"] == 56
    )
    assert new["network"]["sha256"] != old["network"]["sha256"]
    assert new["accuracy"]["side"] == "local, cross-fitted" and "reference" not in new
    assert {key: new[key] for key in ("trained_on", "calibration", "labels", "preprocess", "outputs")} == {
        key: old[key] for key in ("trained_on", "calibration", "labels", "preprocess", "outputs")
    }
    pairs = zip(old["golden"]["vectors"], new["golden"]["vectors"], strict=True)
    assert all(one["pixels_sha256"] == other["pixels_sha256"] for one, other in pairs)
    assert [one["scores"] for one in old["golden"]["vectors"]] != [one["scores"] for one in new["golden"]["vectors"]]
    # Standard metadata say what the card says.
    assert new["localized"]["sentence"].encode() in made[0].read_bytes()[: new["network"]["bytes"]]
    names = {row[key] for row in read_rows(clinic) for key in ("file", "patient_id")}
    assert not [name for name in names if name in json.dumps(new)]


def test_what_has_to_be_said_stands_on_the_page_and_in_the_output(made, models, clinic):
    page, result = made[1].read_text(encoding="utf-8"), made[2]
    assert result["head"]["few"] == dict.fromkeys(sorted(NAMES), 14) and result["head"]["kept"] == []
    assert "names no sources" in result["head"]["sources"]
    for text in (
        "The last layer",
        "old layer",
        "Few images to refit a last layer on: ",
        result["head"]["sources"],
        "56 of these images of 56 patients, near",
        "The class that is named was",
        "by a layer that its own patient fitted",
    ):
        assert text in page
    assert "No weight" not in page and "http" not in page and "nan" not in page.lower()
    shown = localized(models / "int8.tflite", clinic, "--refit-head").stdout
    assert "last layer: refitted on 56 images of 56 patients" in shown and "Few images to refit" in shown
    assert "new layer, localized" in shown and "class that is named right" in shown


def test_a_class_without_an_image_and_sources_that_tell_the_class(models, clinic, tmp_path):
    """Of an image without a patient each counts as one, which has to be said, too."""
    rows = [row for row in read_rows(clinic) if row["class"] != "Clear"]
    for row in rows:
        row["source"] = f"house of {row['class']}"
        del row["patient_id"]
    out, page = tmp_path / "new.tflite", tmp_path / "page.html"
    more = ("--refit-head", "--json", "--out", out, "--page", page)
    found = localized(models / "float32.tflite", write_rows(tmp_path / "three.csv", rows), *more)
    assert found.exit_code == 0, found.output
    result, content = json.loads(found.stdout), ModelCard.read(out).content
    head, shown = result["head"], page.read_text(encoding="utf-8")
    assert head["kept"] == ["Clear"] and head["refused"] == [] and head["places"] == 3
    assert "No image of Clear" in shown and "but for the common factor" in shown
    unknown = "DATA names no patients: each image counts as one"
    assert not head["patients_known"] and unknown in result["notes"][0] and unknown in content["localized"]["notes"][0]
    assert unknown in shown and "42 patients" not in shown and "its own patient" not in shown
    assert "of 3 sources; they hold there" in content["localized"]["sentence"]
    assert "learned the place instead" in content["localized"]["sentence"]
    assert "learned from one source alone" in head["sources"] and "learned the place instead" in head["sources"]
    assert "house" not in head["sources"]


def test_the_images_of_a_refit_are_refused_and_others_are_told(made, clinic, tmp_path, caplog):
    for more in ((), ("--refit-head",)):
        again = localized(made[0], clinic, *more)
        assert again.exit_code == 1 and "Images that the model's last layer was not refitted on" in str(again.exception)
    rows = read_rows(clinic)
    out = tmp_path / "again.tflite"
    found = localized(made[0], write_rows(tmp_path / "part.csv", rows[::2]), "--out", out)
    assert found.exit_code == 0, found.output
    assert "Whether some of these are among them is not known" in caplog.text
    content = ModelCard.read(out).content
    assert content["localized"]["head"]["images"] == 56
    assert content["notice"].count("The last layer was refitted on 56 labelled images") == 1
    assert "refitted and thresholds" not in content["notice"]


def test_no_image_of_any_earlier_refit_is_taken_again(made, clinic, tmp_path, caplog):
    """A, then B, then A; what the file says of images of which it is not known whether they are among these."""
    rows = read_rows(clinic)
    other = write_rows(tmp_path / "other.csv", rows[4:])
    out = tmp_path / "twice.tflite"
    found = localized(made[0], other, "--refit-head", "--out", out, "--json")
    assert found.exit_code == 0, found.output
    assert any("refitted on 56 local images before" in one for one in json.loads(found.stdout)["notes"])
    content = ModelCard.read(out).content["localized"]
    assert any("refitted on 56 local images before" in one for one in content["notes"])
    first = {key: made[2]["head"][key] for key in ("images", "data_sha256", "from_sha256")}
    assert content["head"]["earlier"] == [first] and content["head"]["from_sha256"] == sha256_file(made[0])
    assert content["sentence"].startswith("The last layer was refitted once more")
    for data, origin in ((clinic, first["from_sha256"]), (other, sha256_file(made[0]))):
        again = localized(out, data)
        assert again.exit_code == 1 and f"with the SHA-256 {origin[:12]}" in str(again.exception)
    said = "The last layer was refitted on 108 local images; of those among these images the figures are too good."
    assert evaluate_file(Classifier(out), clinic, everything=True)["refitted"] == said
    assert said in caplog.text
    compared = compare_files([out, made[0]], clinic, FilesAsked(everything=True))["refitted"]
    assert compared == {out.name: said, made[0].name: said.replace("108", "56")}


def test_images_that_the_gate_refuses_fit_nothing(models, clinic, tmp_path):
    """Of one class all: it has labels, which is not the same as having none. Of all: a sentence."""
    classifier = Classifier(models / "int8.tflite")
    images = LocalImages.read(classifier, clinic, None)
    clear = images.truth == images.labels.index("Clear")
    facts = LocalHead(classifier, replace(images, refused=clear)).facts()
    assert facts["kept"] == [] and facts["refused"] == ["Clear"] and facts["images"] == 42
    assert "The OOD gate refuses every image of Clear" in head_notes(facts)[1]
    for refused, count in ((np.ones(len(clear), bool), 0), (images.truth != images.truth[0], 1)):
        with pytest.raises(DataError, match=f"Images of two classes .* Got: {count}; label"):
            LocalHead(classifier, replace(images, refused=refused))


def test_too_few_give_a_sentence_and_write_nothing(models, clinic, tmp_path):
    rows = read_rows(clinic)
    focal = [row for row in rows if row["class"] == "Focal"]
    few = write_rows(tmp_path / "few.csv", [row for row in rows if row not in focal[:7]])
    out = tmp_path / "new.tflite"
    found = localized(models / "int8.tflite", few, "--refit-head", "--out", out)
    assert found.exit_code == 1 and not out.exists()
    assert "at least 10 patients of each class" in str(found.exception) and "Got: 7 of Focal" in str(found.exception)


def test_a_file_that_lost_too_much_is_refused(models, clinic, tmp_path, monkeypatch):
    """The file holds another network: the old one, whose every answer is another."""
    old, _ = without_files((models / "int8.tflite").read_bytes())
    monkeypatch.setattr(LocalHead, "network", old)
    out = tmp_path / "new.tflite"
    found = localized(models / "int8.tflite", clinic, "--refit-head", "--out", out)
    assert found.exit_code == 3 or getattr(found.exception, "exit_code", None) == 3
    assert not out.exists()
    said = str(found.exception)
    assert "answers like its refitted last layer in float" in said and "localize another variant" in said


def test_decisions_are_judged_and_a_low_threshold_is_no_fault(models, clinic):
    """Whoever asks for so much sensitivity that every image is called one thing gets it; a file that decides otherwise than its layer is refused."""
    classifier = Classifier(models / "int8.tflite")
    head = LocalHead(classifier, LocalImages.read(classifier, clinic, None))
    labels = classifier.card.labels
    everything = np.array([0.0, *[np.nan] * (len(labels) - 1)])
    verdict = head.judged(replace(classifier.rule, answer_from=everything, abstain_below=0.0))
    assert verdict["outcome"] != "refused"
    assert verdict["decisions"] == {"same": 1.0, "answered_float": 56, "answered": 56}
    cautious = head.judged(replace(classifier.rule, temperature=None, bias=None, abstain_below=0.6))
    sure = head.refitted.head.scores(head._features).max(1) >= 0.6
    assert abs(cautious["decisions"]["answered_float"] - sure.sum()) <= 1 and cautious["decisions"]["same"] >= 0.8


def test_a_file_whose_decisions_are_others_is_refused(models, clinic, monkeypatch):
    """Every class stays, and every confidence falls below the threshold."""
    classifier = Classifier(models / "int8.tflite")
    head = LocalHead(classifier, LocalImages.read(classifier, clinic, None))
    scores = head.refitted.head.scores(head._features)
    flat = (0.5 * scores + 0.5 / scores.shape[1]).astype(np.float32)
    monkeypatch.setattr(local_head, "score_images", lambda *_: flat)
    rule = replace(classifier.rule, temperature=None, bias=None, abstain_below=0.65)
    assert (scores.max(1) > 0.66).mean() > 0.25 and flat.max() < 0.65
    with pytest.raises(RefusedError, match="keep their answer by the new rule"):
        head.judged(rule)
