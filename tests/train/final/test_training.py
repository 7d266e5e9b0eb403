"""A final model: from all images, chosen and judged on the answers of folds, end to end on drawn phantoms."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, f1_score

from freezenet.cli import cli
from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.integrity.verify import verify
from freezenet.train.answers.rule import ChosenRule
from freezenet.train.crossval.left_out import with_groups
from freezenet.train.crossval.plan import Fold
from freezenet.train.crossval.validation import read_data_by_arm
from freezenet.train.final.out_of_fold import final_recipe, read_out_of_fold
from freezenet.train.final.training import train_final
from freezenet.train.options import TrainingOptions
from freezenet.train.run import Run
from tests.csv_rows import read_rows, write_rows


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def home(left_out_crossval) -> Path:
    """A finished cross-validation of two folds and two sites left out."""
    return left_out_crossval


@pytest.fixture(scope="module")
def data(home) -> Path:
    return home / "sites.csv"


@pytest.fixture(scope="module")
def trained(data, home, tmp_path_factory):
    options, out = TrainingOptions("none", home / "cache"), tmp_path_factory.mktemp("final") / "run"
    metrics = train_final(data, out, crossval=home / "crossval", options=options)
    return metrics, Run.open(out)


def answers_of(home: Path) -> dict[str, dict[str, str]]:
    """File -> its row of predictions.csv in the fold that tested it."""
    found = {}
    for number in (1, 2):
        run = Fold("mobile-freezenet", 0, number).run(home / "crossval")
        found |= {row["file"]: row for row in run.read_predictions("test")}
    return found


def test_every_image_trains(trained, data):
    _, run = trained
    assert {row["split"] for row in run.splits} == {"train"}
    assert sorted(row["file"] for row in run.splits) == sorted(row["file"] for row in rows_of(data))
    assert run.final
    assert run.recipe.stopping == "fixed"


def test_epochs_are_the_median_of_the_folds(trained, home):
    best = []
    for number in (1, 2):
        losses = [
            float(row["val_loss"])
            for row in rows_of(Fold("mobile-freezenet", 0, number).run(home / "crossval").history_file)
        ]
        best.append(losses.index(min(losses)) + 1)
    metrics, run = trained
    assert metrics["epochs"] == run.recipe.epochs == round(np.median(best))
    assert len(rows_of(run.history_file)) == metrics["epochs"]
    assert "val_loss" not in rows_of(run.history_file)[0]


def test_the_figures_are_those_of_the_folds(trained, home):
    metrics, run = trained
    answers = answers_of(home)
    truth, said = zip(*((one["class"], one["answer"]) for one in answers.values()), strict=True)
    assert metrics["measured_on"] == "out-of-fold"
    assert metrics["images"] == len(answers)
    assert metrics["accuracy"]["value"] == pytest.approx(accuracy_score(truth, said), abs=1e-6)
    assert metrics["macro_f1"]["value"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-6)
    for row in rows_of(run.predictions_file):
        assert row["split"] == "out-of-fold"
        for label in run.labels:
            assert float(row[label]) == pytest.approx(float(answers[row["file"]][label]), abs=1e-6)


def test_the_card_says_what_the_figures_are(trained, tmp_path):
    metrics, run = trained
    result = convert(run, tmp_path / "models", options=ConvertOptions(variants=("float32", "int8"), acceptance=False))
    assert list(result["variants"]) == ["float32", "int8"]
    classifier = Classifier(tmp_path / "models" / "int8.tflite")
    content = classifier.card.content
    assert verify(classifier).passed
    assert content["accuracy"]["side"] == "out-of-fold"
    assert content["accuracy"]["accuracy"] == metrics["accuracy"]
    assert content["against_keras"]["images"] == metrics["images"]
    assert content["confidence"]["temperature"] == run.decision["confidence"]["temperature"]
    # Its OOD gate is fitted on the integer file; on most of its own images it has nothing to refuse.
    passed = [classifier.predict(path).chest_xray for path, _ in run.paths("train")[:60]]
    assert np.mean(passed) > 0.95
    shown = CliRunner().invoke(cli, ["inspect", str(tmp_path / "models" / "int8.tflite")]).stdout
    assert f"on {metrics['images']} out-of-fold images, the cross-validation's float networks" in shown
    assert "validation images" not in shown
    refused = CliRunner().invoke(
        cli, ["evaluate", str(tmp_path / "models" / "int8.tflite"), run.manifest["data"], "--run", str(run.folder)]
    )
    assert "trained on all images" in str(refused.exception)


def test_a_left_out_site_is_judged_by_a_rule_chosen_without_it(trained, home):
    """Counted from the predictions of the training without it; the two sites that could be left out are named."""
    metrics, run = trained
    found = metrics["confidence"]["left_out"]
    assert set(found) == {"north", "south"}
    tested = [
        row
        for row in rows_of(home / "crossval/mobile-freezenet/seed-0/without-2/predictions.csv")
        if row["split"] == "test"
    ]
    scores = np.array([[float(row.get(label, 0)) for label in run.labels] for row in tested])
    patients = {row["file"]: row["patient_id"] for row in rows_of(home / "sites.csv")}
    left_out = {patients[row["file"]] for row in tested}
    others = [row for file, row in answers_of(home).items() if patients[file] not in left_out]
    assert len(others) < len(patients)
    confidence = ChosenRule.fit(
        run.recipe,
        run.labels,
        np.array([[float(row[label]) for label in run.labels] for row in others]),
        np.array([[row["class"] == label for label in run.labels] for row in others]),
    ).to_dict()["confidence"]
    powers = np.maximum(scores, 1e-7) ** (1 / confidence["temperature"])
    answered = powers.max(1) / powers.sum(1) >= confidence["abstain_below"]
    right = np.array([run.labels[number] == row["class"] for number, row in zip(scores.argmax(1), tested, strict=True)])
    assert found["north"]["images"] == len(tested)
    assert found["north"]["answered"]["value"] == pytest.approx(answered.mean(), abs=1e-6)
    assert found["north"]["accuracy_answered"]["value"] == pytest.approx(
        right[answered].mean() if answered.any() else 0, abs=1e-6
    )


def test_a_distilled_one_learns_from_the_folds(home, data, monkeypatch, tmp_path):
    from freezenet.train.final import training as module

    seen = []
    original = module.fit_network
    monkeypatch.setattr(
        module, "fit_network", lambda run, data, **others: seen.append(data) or original(run, data, **others)
    )
    done = CliRunner().invoke(
        cli, ["train", str(data), "--out", str(tmp_path / "distilled"), "--final", str(home / "crossval"), "--distill", "--set",
              "abstain_by=class", "--weights", "none", "--cache", str(home / "cache"), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (taught,) = seen
    answers = answers_of(home)
    for row in (0, 7, 50):
        sample = taught.dataset.samples[row]
        expected = [0.5 * float(answers[sample.file][label]) + 0.5 * (label == sample.label) for label in taught.labels]
        assert taught.targets[row] == pytest.approx(expected, abs=1e-5)
    assert json.loads((tmp_path / "distilled" / "run.json").read_text())["final"]["distill"] is True
    decision = json.loads((tmp_path / "distilled" / "decision.json").read_text())
    assert set(decision["confidence"]["abstain_below_class"]) == set(taught.labels)


def test_what_cannot_be_used_is_one_sentence(home, data, tmp_path):
    options = TrainingOptions("none", home / "cache")
    with pytest.raises(DataError, match=r"^A folder of freezenet crossval is required by --final\. Got: "):
        train_final(data, tmp_path / "run", crossval=tmp_path, options=options)
    with pytest.raises(SettingError, match="without --not-cxr"):
        train_final(data, tmp_path / "run", crossval=home / "crossval", options=replace(options, not_cxr=tmp_path))
    arm, recipe = final_recipe(home / "crossval")
    part = read_data_by_arm(data, {arm: recipe})[arm].some(np.arange(100))
    with pytest.raises(DataError, match="The data of the cross-validation are required"):
        read_out_of_fold(home / "crossval", arm, recipe, part)
    out, final = ("--out", str(tmp_path / "x")), ("--final", str(home / "crossval"))
    assert CliRunner().invoke(cli, ["train", str(data), *out, "--distill"]).exit_code == 2
    assert CliRunner().invoke(cli, ["train", str(data), *out, *final, "--recipe", "phantoms"]).exit_code == 2
    done = CliRunner().invoke(cli, ["train", str(data), *out, *final, "--set", "epochs=4", "--set", "abstain_risk=.1"])
    assert "Settings of abstain_by, abstain_risk, abstain_sureness, threshold_metric and seed are required" in str(
        done.exception
    )
    assert str(done.exception).endswith("Got: epochs; cross-validate a recipe with them.")


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("class", r"data \(images, classes, patients and folds\)"),
        ("patient_id", r"data \(images, classes, patients and folds\)"),
        ("Site", "values in the column Site"),
    ],
)
def test_corrected_data_are_other_data(home, data, tmp_path, column, what):
    """The same files with the cells of a column exchanged, each value as often as before: the folds tested something else."""
    rows = read_rows(data)
    names = sorted({row[column] for row in rows})
    after = dict(zip(names, [*names[1:], names[0]], strict=True))
    changed = write_rows(tmp_path / "changed.csv", [{**row, column: after[row[column]]} for row in rows])
    options = TrainingOptions("none", home / "cache")
    with pytest.raises(
        SettingError, match=rf"^The same {what} are required by --final\. Got: others for mobile-freezenet"
    ):
        train_final(changed, tmp_path / "run", crossval=home / "crossval", options=options)
    assert not (tmp_path / "run").exists()


def test_a_final_model_starts_from_the_weights_of_the_folds(home, data, tmp_path, monkeypatch):
    from freezenet.train.final import training as module

    asked = []
    monkeypatch.setattr(module, "fit_network", lambda *_, options, **__: asked.append(options) or 1 / 0)
    arguments = [
        "train",
        str(data),
        "--out",
        str(tmp_path / "run"),
        "--final",
        str(home / "crossval"),
        "--cache",
        str(home / "cache"),
    ]
    CliRunner().invoke(cli, arguments)
    (taken,) = asked
    assert taken.weights == json.loads((home / "crossval" / "plan.json").read_text())["weights"] == "none"
    other = CliRunner().invoke(cli, [*arguments, "--weights", "imagenet"])
    assert str(other.exception).startswith("The same weights are required by --final. Got: imagenet for ")
    assert ", begun with none; pass " in str(other.exception)
    assert len(asked) == 1


def test_a_folder_of_an_older_version_still_gives_a_final_model(home, data, tmp_path):
    """Which kept one hash of the left-out column, of its first recipe, or none at all."""
    from freezenet.train.crossval.plan_file import refuse_another_basis
    from freezenet.train.final.out_of_fold import finished_crossval

    folder = tmp_path / "crossval"
    shutil.copytree(home / "crossval", folder)
    plan = json.loads((folder / "plan.json").read_text())
    (arm,), (digest,) = plan["recipes"], plan["groups_sha256"].values()
    asked = replace(finished_crossval(folder), options=TrainingOptions("none"))
    read = read_data_by_arm(data, asked.recipes)[arm]
    grouped = {arm: replace(read, dataset=with_groups(read.dataset, "Site"))}
    for older in (digest, None):
        plan["groups_sha256"] = older
        kept = {key: value for key, value in plan.items() if value is not None}
        (folder / "plan.json").write_text(json.dumps(kept))
        refuse_another_basis(asked, grouped, folder)
    plan["groups_sha256"] = "another"
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(SettingError, match="values in the column Site"):
        refuse_another_basis(asked, grouped, folder)
