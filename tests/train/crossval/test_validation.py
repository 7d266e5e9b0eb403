"""Cross-validation on drawn phantoms: folds as promised, nothing done twice, a killed call goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.crossval import validation as module
from freezenet.train.crossval.plan import CrossValidation, Fold
from freezenet.train.crossval.ray_cluster import on_ray
from freezenet.train.crossval.validation import count_folds, cross_validate, in_this_process, read_data_by_arm
from freezenet.train.data.images import Images
from freezenet.train.data.training_data import TrainingData
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_arms
from tests.csv_rows import write_rows

SMALL = ("image_size=64", "alpha=.35", "epochs=1", "batch_size=32")


def asked(data: Path, cache: Path, recipes: str = "mobile-freezenet", **keys) -> CrossValidation:
    options = TrainingOptions(
        **{"weights": "none", "cache": cache, **{k: keys.pop(k) for k in ["weights"] if k in keys}}
    )
    return CrossValidation(data, load_arms(recipes, SMALL), **{"folds": 2, "options": options, **keys})


def compare(asked: CrossValidation, out: Path) -> dict:
    data = read_data_by_arm(asked.data, asked.recipes)
    return cross_validate(asked, out, data=data, engine=in_this_process)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "folds.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(phantoms, tmp_path_factory) -> Path:
    """A finished cross-validation of two folds."""
    home = tmp_path_factory.mktemp("crossval")
    compare(asked(phantoms, home / "cache"), home / "out")
    return home


def test_every_image_is_tested_once(done):
    tested = []
    for number in (1, 2):
        folder = Fold("mobile-freezenet", 0, number).run(done / "out").folder
        tested += [row["file"] for row in predictions(folder) if row["split"] == "test"]
        assert not (folder / "model.keras").exists()
        assert not (folder / "checkpoint.npz").exists()
    everything = [row["file"] for row in predictions(folder)]
    assert sorted(tested) == sorted(everything)


def test_table_holds_the_figures_of_the_predictions(done):
    rows = table(done / "out")
    assert [(row["recipe"], row["seed"], row["fold"]) for row in rows] == [
        ("mobile-freezenet", "0", "1"),
        ("mobile-freezenet", "0", "2"),
    ]
    for row in rows:
        found = predictions(Fold("mobile-freezenet", 0, int(row["fold"])).run(done / "out").folder)
        truth, answer = zip(*((one["class"], one["answer"]) for one in found if one["split"] == "test"), strict=True)
        assert float(row["accuracy"]) == pytest.approx(accuracy_score(truth, answer), abs=1e-6)
        assert float(row["macro_f1"]) == pytest.approx(f1_score(truth, answer, average="macro"), abs=1e-6)
    summary = json.loads((done / "out" / "crossval.json").read_text())
    mean = np.mean([float(row["accuracy"]) for row in rows])
    assert summary["recipes"]["mobile-freezenet"]["accuracy"]["mean"] == pytest.approx(mean, abs=1e-6)
    assert (done / "out" / "crossval.png").stat().st_size > 1000


def test_one_cache_serves_all_folds(done):
    kept = list((done / "cache").iterdir())
    assert sorted(path.name == "ood-versions" for path in kept) == [False, True]
    assert len(list((done / "cache" / "ood-versions").iterdir())) == 3  # one of each version for the OOD gate


def test_what_is_finished_is_not_done_again(phantoms, done, monkeypatch, capsys):
    trained = []
    original = module.train_on
    monkeypatch.setattr(module, "train_on", lambda *a, **k: trained.append(a) or original(*a, **k))
    before = table(done / "out")
    again = Fold("mobile-freezenet", 0, 2).run(done / "out")
    again.metrics_file.unlink()  # as where the process was killed before it was written
    compare(asked(phantoms, done / "cache"), done / "out")
    assert len(trained) == 1
    assert "1 of 2 folds are finished already" in capsys.readouterr().err
    for old, new in zip(before, table(done / "out"), strict=True):
        assert {**old, "fit_seconds": ""} == {**new, "fit_seconds": ""}


def test_a_recipe_can_be_added(phantoms, done, monkeypatch, capsys):
    monkeypatch.setattr(module, "train_on", _pretend(module.train_on, done))
    both = asked(phantoms, done / "cache", "mobile-freezenet,mobile-freezenet+loss=focal")
    summary = compare(both, done / "out")
    assert list(summary["recipes"]) == ["mobile-freezenet", "mobile-freezenet+loss=focal"]
    assert summary["comparisons"]["accuracy"][0]["folds"] == 2
    capsys.readouterr()
    summary = compare(asked(phantoms, done / "cache"), done / "out")
    assert list(summary["recipes"]) == ["mobile-freezenet"]
    assert "also holds mobile-freezenet+loss=focal: add them to --recipes" in capsys.readouterr().err


def _pretend(original, done):
    """Train nothing: the new recipe's folds get the files of the old one's."""
    import shutil

    def train_on(data, out, **_):
        shutil.copytree(done / "out" / "mobile-freezenet" / "seed-0" / out.name, out)
        (out / "model.keras").touch()

    return train_on


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"folds": 3}, "The same number of folds is required"),
        ({"weights": "imagenet"}, "The same weights are required"),
    ],
)
def test_other_arguments_are_refused(phantoms, done, changes, sentence):
    with pytest.raises(FreezenetError, match=sentence):
        compare(asked(phantoms, done / "cache", **changes), done / "out")


def test_another_recipe_under_the_same_name_is_refused(phantoms, done, tmp_path):
    changed = CrossValidation(
        phantoms, load_arms("mobile-freezenet", (*SMALL, "learning_rate=1")), 2, (0,), TrainingOptions("none")
    )
    with pytest.raises(
        FreezenetError, match=r"same recipe settings .*others for mobile-freezenet than .* \(learning_rate\); pass"
    ):
        compare(changed, done / "out")


def test_command(phantoms, done, command):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    code, out, _ = command(
        "crossval",
        phantoms,
        "--out",
        done / "out",
        "--folds",
        2,
        "--weights",
        "none",
        "--cache",
        done / "cache",
        *settings,
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "mean ± standard deviation over the trainings: 2 folds, 1 seed"
    assert [word.strip() for word in lines[1].split("\t")][:4] == ["recipe", "trainings", "accuracy", "macro_f1"]
    assert [word.strip() for word in lines[2].split("\t")][:2] == ["mobile-freezenet", "2"]
    code, out, _ = command(
        "crossval", phantoms, "--out", done / "out", "--folds", 2, "--weights", "none", "--cache", done / "cache", *settings,
        "--json",
    )  # fmt: skip
    assert json.loads(out)["folds"] == 2


def test_a_recipe_without_the_smallest_class_has_no_recall_of_it(phantoms, tmp_path, command, monkeypatch):
    from freezenet.train.crossval.table import summarize, write_picture

    def row(arm: str, fold: int, **recalls: float) -> dict:
        return {
            "recipe": arm, "seed": 0, "fold": fold, "train_images": 80, "test_images": 20, "accuracy": 0.75, "macro_f1": 0.5,
            **recalls, "smallest_class": "Focal", "epochs": 1,
        }  # fmt: skip

    rows = [row("all", fold, **{"recall Focal": 0.25}) for fold in (1, 2)] + [row("two", fold) for fold in (1, 2)]
    figure = {"value": 0.5, "low": 0.25, "high": 0.75}
    sure = {"ece_before": figure, "ece_after": figure, "ece_if_calibrated": 0.5, "accuracy_at_90_coverage": figure}
    summary = {**summarize(rows), "elsewhere": {}, "rows": rows, "folds": 2, "seeds": [0]}
    for found in summary["recipes"].values():
        found["confidence"] = sure
    monkeypatch.setattr(module, "cross_validate", lambda *_, **__: summary)
    code, out, _ = command("crossval", phantoms, "--out", tmp_path / "out", "--set", "image_size=64")
    cells = {line.split("\t")[0].strip(): [cell.strip() for cell in line.split("\t")] for line in out.splitlines()}
    assert code == 0
    assert cells["recipe"][-1] == "recall Focal"
    assert cells["all"][-2:] == ["0.5000 ± 0.0000", "0.2500 ± 0.0000"]
    assert cells["two"][-2:] == ["0.5000 ± 0.0000", "-"]
    write_picture(summary, tmp_path / "crossval.png")


def test_lists_of_recipes():
    arms = load_arms("mobile-freezenet, mobile-freezenet+loss=focal+focal_gamma=1", ("epochs=2",))
    assert list(arms) == ["mobile-freezenet", "mobile-freezenet+loss=focal+focal_gamma=1"]
    assert arms["mobile-freezenet+loss=focal+focal_gamma=1"].focal_gamma == 1
    assert {recipe.epochs for recipe in arms.values()} == {2}
    for text in ("", "mobile-freezenet,mobile-freezenet"):
        with pytest.raises(FreezenetError, match="list of different recipes"):
            load_arms(text)


def test_the_datas_own_folds(tmp_path, capsys):
    import cv2

    lines = ["file,class,fold"]
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((32, 32), number, np.uint8))
        lines.append(f"{number}.png,{'AB'[number % 2]},Fold{number % 3 + 9}")
    data = tmp_path / "data.csv"
    data.write_text("\n".join(lines) + "\n")
    plan = CrossValidation(data, load_arms("mobile-freezenet", SMALL), 3)
    by_arm = read_data_by_arm(data, plan.recipes)
    dataset = by_arm["mobile-freezenet"].dataset
    assert count_folds(by_arm, None, tmp_path / "cv") == 3
    for number, rows in ((1, [0, 3, 6, 9]), (2, [1, 4, 7, 10]), (3, [2, 5, 8, 11])):  # Fold9, Fold10, Fold11
        assert np.flatnonzero(module.tested_images(plan, dataset, Fold("", 0, number))).tolist() == rows
    assert count_folds(by_arm, 2, tmp_path / "cv") == 2
    assert "own 3 folds are set aside for 2" in capsys.readouterr().err


def test_one_fold_is_none_and_images_of_none_are_said(tmp_path, monkeypatch, caplog, touch):
    touch(*(f"{number}.png" for number in range(12)))
    monkeypatch.setattr(module, "write_table", lambda *_: {})  # nothing is trained
    monkeypatch.setattr(module, "read_data", lambda dataset, *_, **__: TrainingData(dataset, Images(None, ("",) * 12)))

    def begin(column: str, values: list[str], folds: int | None) -> int:
        rows = [f"{number}.png,{'AB'[number % 2]},{value}" for number, value in enumerate(values)]
        path = tmp_path / "data.csv"
        path.write_text("\n".join([f"file,class,{column}", *rows, ""]))
        plan = asked(path, tmp_path)
        by_arm = read_data_by_arm(path, plan.recipes)
        found = count_folds(by_arm, folds, tmp_path / column)
        cross_validate(plan, tmp_path / column, data=by_arm, engine=lambda *_: iter(()))
        return found

    assert begin("fold", ["1", "1.0"] * 4 + ["2"] * 2 + ["nan"] * 2, None) == 2
    assert "2 images of 12 in no fold: every fold trains on them and none tests them." in caplog.text
    caplog.clear()
    begin("split", ["train"] * 8 + ["val"] * 2 + ["test"] * 2, 2)
    assert "The data's own split (train 8, validation 2, test 2 images) is set aside" in caplog.text
    assert "no fold" not in caplog.text
    monkeypatch.setattr(module, "_FOLDS", 2)
    assert begin("Fold", ["1"] * 12, None) == 2
    assert "names one fold only" in caplog.text


@pytest.mark.parametrize("arm", ["mobile-freezenet", "mobile-freezenet+epochs=2"])
@pytest.mark.parametrize("changed", ["class", "patient_id"])
def test_corrected_data_are_other_data(tmp_path, changed, arm, monkeypatch):
    """The same images with another class, or another patient, may not be mixed with what was trained before; not by a recipe that is
    added either."""
    import cv2

    rows = [{"file": f"{n}.png", "class": "AB"[n % 2], "patient_id": f"p{n}"} for n in range(12)]
    for row in rows:
        cv2.imwrite(str(tmp_path / row["file"]), np.full((32, 32), int(row["patient_id"][1:]), np.uint8))

    def data(name: str) -> Path:
        return write_rows(tmp_path / name, rows)

    def begin(path: Path, arm: str = "mobile-freezenet") -> None:
        plan = asked(path, tmp_path, arm)
        data = read_data_by_arm(path, plan.recipes)
        cross_validate(plan, tmp_path / "out", data=data, engine=lambda *_: iter(()))

    monkeypatch.setattr(module, "write_table", lambda *_: {})  # nothing is trained
    begin(data("before.csv"))
    begin(data("same.csv"))
    rows[3][changed], rows[4][changed] = rows[4][changed], rows[3][changed]
    with pytest.raises(FreezenetError, match=r"The same data \(images, classes, patients and folds\) are required"):
        begin(data("corrected.csv"), arm)


def test_a_folder_of_another_verb_is_refused_and_left_alone(phantoms, tmp_path, command):
    out = tmp_path / "run"
    out.mkdir()
    for name in (".freezenet", "metrics.json"):
        (out / name).write_text("{}")
    for more in ((), ("--overwrite",)):
        code, _, err = command("crossval", phantoms, "--out", out, "--folds", 2, "--weights", "none", *more)
        assert code == 1
        assert "another verb wrote" in err
    assert sorted(path.name for path in out.iterdir()) == [".freezenet", "metrics.json"]


def test_a_refusal_leaves_nothing(phantoms, tmp_path):
    with pytest.raises(FreezenetError, match="At least 500 patients"):
        compare(asked(phantoms, tmp_path / "cache", folds=500), tmp_path / "out")
    with pytest.raises(FreezenetError, match="Ray cluster"):
        on_ray("127.0.0.1:1", 1)
    assert not (tmp_path / "out").exists()


def test_the_number_of_folds_is_that_of_the_folder(done):
    assert count_folds({}, None, done / "out") == 2


def test_kerass_settings_survive_a_fold(phantoms, done, monkeypatch, tmp_path):
    """A fold begins with a new session, which forgets them, and may fail."""
    import keras

    def refuse(*_, **__):
        keras.config.set_dtype_policy("mixed_float16")
        raise FreezenetError("A fold is required. Got: none.")

    monkeypatch.setattr(module, "train_on", refuse)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        plan = asked(phantoms, done / "cache")
        data = read_data_by_arm(phantoms, plan.recipes)
        with pytest.raises(FreezenetError, match="A fold is required"):
            list(in_this_process(plan, data, [Fold("mobile-freezenet", 0, 1)], tmp_path))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
