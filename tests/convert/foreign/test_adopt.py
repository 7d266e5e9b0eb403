"""A Keras model of another maker through the command: RUN, variants, card, acceptance, and every verb behind them."""

from __future__ import annotations

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
    assert code == 0 and "not trained by freezenet" in out and "recipe adopted" in out


def test_the_verbs_behind_take_it(converted, command, phantoms):
    assert command("verify", converted / "models")[0] == 0
    code, out, err = command("evaluate", converted / "models" / "int8.tflite", phantoms, "--json")
    assert code == 0, err
    assert json.loads(out)["took_part"] is None and "is not known" in err
    code, out, err = command("compare", converted / "models")
    assert code == 0 and "int8" in out and "is not known" in err


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
