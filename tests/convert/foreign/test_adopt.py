"""A Keras model of another maker through the command: RUN, variants, card, acceptance, and every verb behind them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.train.run import Run

ARGUMENTS = ("--preprocess", "mean=127.5,std=127.5,scores=probabilities", "--labels", "clear,Diffuse,focal,Reticular")


@pytest.fixture(scope="module")
def converted(made_once, foreign, phantoms):
    """The folder with models and models-run."""
    from freezenet.convert.foreign.adopt import adopt
    from freezenet.convert.foreign.asked import Asked
    from freezenet.convert.models import convert
    from freezenet.convert.options import ConvertOptions

    def make(folder):
        run = adopt(foreign / "model.keras", phantoms, folder / "models-run", Asked.read(ARGUMENTS[1], ARGUMENTS[3]))
        options = ConvertOptions(variants=("float32", "int8"), calibration_images=12, acceptance=False)
        convert(run.folder, folder / "models", options=options)

    return made_once("adopted", make)


def test_the_variants_answer_as_the_original(converted, foreign):
    import keras

    run = Run.open(converted / "models-run")
    spec = run.recipe.preprocess
    pixels = np.array([spec.pixels(path) for path, _ in run.paths("test")])
    values = (np.repeat(pixels[..., None].astype(np.float64), 3, -1) - 127.5) / 127.5
    expected = keras.saving.load_model(foreign / "model.keras").predict(values, verbose=0)
    single = Classifier(converted / "models" / "float32.tflite")
    np.testing.assert_allclose(single.scores(pixels), expected, atol=1e-4)
    integer = Classifier(converted / "models" / "int8.tflite")
    assert np.abs(integer.scores(pixels) - expected).mean() < 0.05
    assert integer.card.content["input"]["dtype"] == "uint8" and "converter" not in integer.card.content["made"]


def test_the_card_says_what_is_not_known(converted, command):
    card = Classifier(converted / "models" / "int8.tflite").card
    assert card.labels == ("Clear", "Diffuse", "Focal", "Reticular")
    assert card.content["confidence"]["temperature"] > 0 and card.content["gate"]
    code, out, _ = command("inspect", converted / "models" / "int8.tflite")
    assert code == 0 and "not trained by freezenet" in out and "another maker trained it" in out
    assert "recipe adopted" not in out and "learned from one source" not in out and "Which sources" in out


def test_the_page_for_the_hub_claims_no_training_of_ours(converted, foreign, tmp_path):
    from freezenet.convert.package.hub import export_hub

    export_hub(converted / "models", tmp_path / "hub")
    page = (tmp_path / "hub" / "README.md").read_text()
    assert "a network of another maker, written by" in page and "trained by another maker" in page
    assert hashlib.sha256((foreign / "model.keras").read_bytes()).hexdigest() in page
    for claim in ("training images", "Training data", "recipe, seed", "obile", "same collection as"):
        assert claim not in page.replace("MobileNetV2,", ""), claim


@pytest.mark.parametrize(("standard", "open_items"), [
    ("claim-2024", ("22", "24", "25", "26", "32", "42")), ("tripod-ai", ("12c", "13")), ("model-card", ("1b",)), ("pccp", ("2c",)),
])  # fmt: skip
def test_a_checklist_leaves_open_what_only_the_maker_knows(converted, command, standard, open_items):
    code, out, err = command("checklist", converted / "models-run", "--standard", standard, "--json")
    assert code == 0, err
    items = {one["number"]: one for one in json.loads(out)["items"]}
    for number in open_items:
        assert not items[number]["facts"] and not items[number]["filled"], number
        assert items[number]["question"].startswith("freezenet did not train this network")
    # Nothing that stands in the recipe and was no setting of the run is told anywhere.
    told = {fact["where"] for one in items.values() for fact in one["facts"] if fact["file"] == "recipe.toml"}
    assert told <= {"image_size", "mean", "std", "task", "validation_share", "test_share", "seed"}
    assert "learned from one source" not in out


def test_the_verbs_behind_take_it(converted, command, phantoms):
    assert command("verify", converted / "models")[0] == 0
    code, out, err = command("evaluate", converted / "models" / "int8.tflite", phantoms, "--json")
    assert code == 0, err
    assert json.loads(out)["took_part"] is None
    assert "is not known: freezenet did not train it" in err and "--run" not in err
    code, out, err = command("compare", converted / "models")
    assert code == 0 and "int8" in out
    assert "is not known: freezenet did not train them" in err and "--run" not in err
    files = [converted / "models" / name for name in ("float32.tflite", "int8.tflite")]
    code, out, err = command("compare", *files, "--data", phantoms, "--run", converted / "models-run")
    assert code == 0 and "freezenet did not train them" in err and "no RUN folder" not in err


def test_a_second_conversion_takes_the_run_that_is_there(converted, command, foreign, phantoms):
    again = ("convert", foreign / "model.keras", "--out", converted / "models", "--data", phantoms)
    code, _, err = command(*again, *ARGUMENTS)
    assert code == 1 and "--overwrite" in err
    code, _, err = command(
        *again[:3], converted / "models", "--data", phantoms, "--preprocess", "mean=0,std=255", *ARGUMENTS[2:]
    )
    assert code == 1 and "--overwrite" in err


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", "{}", "models-run, a RUN that freezenet trained"),
        ("conversion.json", "{}", "models-run, which holds others"),
    ],
)
def test_a_training_that_has_the_name_is_not_touched(
    command, foreign, phantoms, tmp_path, overwrite, file, content, said
):
    run = tmp_path / "models-run"
    run.mkdir()
    for name, text in ((".freezenet", ""), (file, content), ("model.keras", "weeks of work")):
        (run / name).write_text(text)
    code, _, err = command(
        "convert", foreign / "model.keras", "--out", tmp_path / "models", "--data", phantoms, *ARGUMENTS, *overwrite
    )
    assert code == 1 and said in err and "choose another --out" in err
    assert {path.name: path.read_text() for path in run.iterdir()} == {
        ".freezenet": "", file: content, "model.keras": "weeks of work",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("model.keras",), "pass --data DATA"),
        (("model.keras", "--data", "DATA"), "pass --preprocess mean=127.5"),
        (("model.keras", "--data", "DATA", *ARGUMENTS[:2]), "--labels Clear,Diffuse,Focal,Reticular"),
        (("model.keras", "--data", "DATA", *ARGUMENTS[:2], "--labels", "a,b,c,d"), "those of DATA"),
        (("float32.tflite", "--data", "DATA", *ARGUMENTS), "Keras model"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(command, foreign, phantoms, tmp_path, arguments, said):
    filled = [foreign / arguments[0], *(phantoms if one == "DATA" else one for one in arguments[1:])]
    code, _, err = command("convert", *filled, "--out", tmp_path / "models")
    assert code == 1 and said in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_run_says_it_itself(command, run, tmp_path):
    code, _, err = command("convert", run.folder, "--out", tmp_path / "models", *ARGUMENTS)
    assert code == 1 and "which says it itself" in err
