"""Files with other ends compute the same: by hand with the interpreter alone, and through every door of the project."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from freezenet.convert.converter import Converter
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.folder import ModelsFolder
from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.convert.phone import for_phone
from freezenet.convert.ptq.ends import with_ends
from freezenet.convert.variants import ENDS, UnsupportedError, types_of
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError, ModelError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.integrity.verify import verify


@pytest.fixture(scope="module")
def bare(models) -> bytes:
    """The network of int8.tflite, with all outputs, without card."""
    classifier = Classifier(models / "int8.tflite")
    return classifier.file.content[: classifier.card.content["network"]["bytes"]]


@pytest.fixture(scope="module")
def pictures(run):
    spec = run.recipe.preprocess
    return np.array([spec.pixels(path) for path, _ in run.paths("test")[:12]])


def by_hand(model: bytes, values: np.ndarray) -> tuple[dict, list[np.ndarray]]:
    """What goes in, and the float32 that each output stands for, of values (1, h, w, 3) as the network means them."""
    engine = Interpreter(model_content=model, num_threads=1)
    engine.allocate_tensors()
    (into,) = engine.get_input_details()
    if into["dtype"] != np.float32:
        scale, zero = into["quantization"]
        limits = np.iinfo(into["dtype"])
        values = np.clip(np.rint(values.astype(np.float64) / scale + zero), limits.min, limits.max).astype(
            into["dtype"]
        )
    engine.set_tensor(into["index"], values)
    engine.invoke()
    found = []
    for one in engine.get_output_details():
        tensor = engine.get_tensor(one["index"])
        if one["dtype"] != np.float32:
            scale, zero = one["quantization"]
            tensor = np.float32(scale) * (tensor.astype(np.float32) - np.float32(zero))
        found.append(tensor)
    return into, found


@pytest.mark.parametrize("ends", ENDS)
def test_all_ends_give_the_same_to_the_last_bit(bare, pictures, run, ends):
    model = with_ends(bare, ends)
    for pixels in pictures:
        values = run.recipe.preprocess.normalized(pixels)[None]
        into, found = by_hand(model, values)
        _, expected = by_hand(bare, values)
        assert np.dtype(into["dtype"]).name == ("uint8" if ends == "pixels" else ends)
        assert len(found) == len(expected) == 3
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ends", ["uint8", "int8"])
def test_no_float_is_left(bare, ends):
    graph = read_tree(with_ends(bare, ends)).subgraphs[0]
    used = {int(index) for operator in graph.operators for index in (*operator.inputs, *operator.outputs)}
    kinds = {graph.tensors[index].type for index in used | {*graph.inputs, *graph.outputs}}
    assert 0 not in kinds  # FLOAT32


def test_int8_needs_no_operator_at_its_ends(bare):
    with_pixels, without = (len(read_tree(with_ends(bare, ends)).subgraphs[0].operators) for ends in ("pixels", "int8"))
    assert without == with_pixels - 4  # one for the pixels, one for each output


def test_a_float_file_has_no_integer_ends(models, bare):
    with pytest.raises(UnsupportedError, match="takes uint8 pixels"):
        with_ends(Classifier(models / "dynamic.tflite").file.content, "int8")
    tree = read_tree(bare)
    graph = tree.subgraphs[0]
    graph.operators = [one for one in graph.operators if one.outputs[0] != graph.outputs[0]]
    with pytest.raises(UnsupportedError, match="computed in integers"):
        with_ends(write_tree(tree), "int8")


@pytest.fixture(scope="module")
def converted(run, bare, models, made_once):
    """A MODELS folder of --io int8; its network is that of `models`, because only the ends differ."""

    def make(folder):
        patch = pytest.MonkeyPatch()
        patch.setattr(Converter, "to_tflite", lambda self, variant: bare)
        options = ConvertOptions(variants=("int8",), profiles=("edge", "app"), io="int8", acceptance=False)
        convert(run, folder / "models", options=options)
        patch.undo()

    return made_once("integer-ends", make) / "models"


@pytest.mark.parametrize("name", ["int8.tflite", "int8-app.tflite"])
def test_a_file_with_integer_ends_answers_as_the_one_with_pixels(converted, models, run, pictures, name):
    own, other = Classifier(converted / name), Classifier(models / name)
    assert own.card.content["input"]["dtype"] == own.card.content["output"]["dtype"] == "int8"
    assert own.card.rule_sha256 == other.card.rule_sha256
    np.testing.assert_array_equal(own.scores(pictures), other.scores(pictures))
    path = run.paths("test")[0][0]
    assert own.predict(path).probabilities == other.predict(path).probabilities
    if own.has_cam:
        assert own.predict(path, overlay=True).overlay == other.predict(path, overlay=True).overlay
    found = verify(own)
    assert found.passed and found.largest_difference == 0 and found.answers_equal == found.vectors


def test_the_command_says_it_and_the_apps_refuse_it(converted, models, command, tmp_path, run, phantoms):
    code, out, _ = command("inspect", converted / "int8.tflite")
    assert code == 0 and "image: int8" in out and "scores: int8" in out
    assert command("verify", converted)[0] == 0
    code, _, err = command("export-app", converted / "int8.tflite", tmp_path / "app", "--without-ood-gate")
    assert code == 1 and "convert it with --io pixels" in err
    figures = [
        json.loads(command("evaluate", folder / "int8.tflite", phantoms, "--run", run.folder, "--json")[1])
        for folder in (converted, models)
    ]
    assert figures[0]["macro_f1"] == figures[1]["macro_f1"]
    folder = ModelsFolder(converted)
    assert for_phone(folder, folder.conversion()) is None


@pytest.mark.parametrize("ends", [("int8", "pixels"), ("int8", "uint8"), ("pixels", "uint8"), ("pixels", "float32")])
def test_a_conversion_goes_on_with_the_same_ends_alone(converted, models, run, tmp_path, ends):
    before, now = ends
    shutil.copytree(converted if before == "int8" else models, tmp_path / "models")
    (tmp_path / "models" / "conversion.json").unlink()
    with pytest.raises(ModelError, match="other ends"):
        convert(run, tmp_path / "models", options=ConvertOptions(variants=("int8",), acceptance=False, io=now))


@pytest.mark.parametrize("ends", ENDS)
def test_types_in_a_card_are_those_of_the_ends(bare, ends):
    interpreter = Interpreter(model_content=with_ends(bare, ends))
    kinds = [np.dtype(one["dtype"]).name for one in interpreter.get_input_details() + interpreter.get_output_details()]
    assert types_of(ends) == (kinds[0], kinds[1])


def test_a_card_that_says_other_outputs_is_refused(converted, models):
    from freezenet.convert.package.metadata import with_files
    from freezenet.edge_runtime.card import CARD_FILE

    file = ModelFile.read(converted / "int8.tflite")
    content = json.loads(file.associated(CARD_FILE))
    del content["output"]
    network = file.content[: content["network"]["bytes"]]
    changed = ModelFile(file.path, with_files(network, {CARD_FILE: json.dumps(content).encode()}))
    with pytest.raises(FreezenetError, match="outputs scores, cam, features of its card"):
        Classifier(changed)
