"""`int8-qat` and `mixed` of a whole run, from the command to the files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from sklearn.metrics import accuracy_score, f1_score

from freezenet.convert.ptq.ranges import least_error_ranges
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.integrity.verify import verify


@pytest.fixture(scope="module")
def folder(quantized):
    """MODELS with int8, int8-qat and mixed, by the functions behind the command."""
    return quantized


def filters(model) -> dict[str, np.ndarray]:
    """Keras layer -> integers of its convolution's kernel, from the flatbuffer."""
    tree = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0)
    (graph,) = tree.subgraphs
    found = {}
    for operator in graph.operators:
        code = tree.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D):
            tensor = graph.tensors[operator.inputs[1]]
            name = graph.tensors[operator.outputs[0]].name.decode()
            found[name] = np.asarray(tree.buffers[tensor.buffer].data).view(np.int8)
    return found


def test_the_frozen_half_keeps_every_bit_and_the_rest_was_trained(folder, run):
    before, after = filters(folder / "int8.tflite"), filters(folder / "int8-qat.tflite")
    assert before.keys() == after.keys()
    frozen = {layer.name for layer in run.model().layers if layer.weights and not layer.trainable}
    assert "expanded_conv_project" in frozen and "Conv_1" not in frozen
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    for name in before:
        if any(f"/{layer}_1/" in name for layer in frozen if "_BN" not in layer and "bn_" not in layer):
            assert name not in moved
    assert len(moved) > 20
    (last,) = (name for name in before if "/Conv_1_1/" in name)
    assert np.mean(before[last] == 0) < 0.2 <= np.mean(after[last] == 0)


def test_files_pass_verification_in_both_profiles(folder):
    files = sorted(folder.glob("*.tflite"))
    assert len(files) == 6
    for file in files:
        assert verify(Classifier(file)).passed
        assert Classifier(file).interpreter.inputs[0]["dtype"] == np.uint8


def test_the_manifest_tells_float_fake_quantized_and_file_apart(folder, run):
    card = ModelCard.read(folder / "int8-qat.tflite").content
    made, verdict = card["made"]["quantized_training"], card["against_keras"]
    validation = run.paths("validation")
    truth = [run.labels.index(row["class"]) for _, row in validation]
    pixels = np.stack([run.recipe.preprocess.pixels(path) for path, _ in validation])
    keras = run.model().predict(run.recipe.preprocess.normalized(pixels), verbose=0).argmax(1)
    file = Classifier(folder / "int8-qat.tflite").scores(pixels).argmax(1)
    assert made["accuracy"]["keras"]["value"] == pytest.approx(accuracy_score(truth, keras), abs=1e-6)
    assert made["macro_f1"]["keras"]["value"] == pytest.approx(f1_score(truth, keras, average="macro"), abs=1e-6)
    assert verdict["macro_f1"]["this"]["value"] == pytest.approx(f1_score(truth, file, average="macro"), abs=1e-6)
    # Rounding inside Keras and in the file differ in ties, which grow with depth; most images keep their class all the same.
    assert abs(made["accuracy"]["fake_quantized"]["value"] - accuracy_score(truth, file)) <= 0.1
    assert made["settings"]["epochs"] == 2 and len(made["history"]) == 3
    assert made["best_epoch"] in (1, 2)


def test_mixed_is_int8_where_that_passes(folder):
    assert ModelCard.read(folder / "mixed.tflite").content["made"] == {"float_operators": []}
    int8, mixed = filters(folder / "int8.tflite"), filters(folder / "mixed.tflite")
    assert all(np.array_equal(int8[name], mixed[name]) for name in int8)


def test_mixed_keeps_the_harmful_operator_in_float_where_int8_is_refused(run, command, monkeypatch, tmp_path):
    def spoiled(model, images):
        ranges = least_error_ranges(model, images)
        for name in ranges:
            if "/out_relu_1/" in name:
                ranges[name] = tuple(1000 * end for end in ranges[name])
        return ranges

    monkeypatch.setattr("freezenet.convert.converter.least_error_ranges", spoiled)
    out = tmp_path / "models"
    code, stdout, err = command("convert", run.folder, "--out", out, "--variants", "int8,mixed", "--json")
    assert code == 3 and "int8" in err
    conversion = json.loads(stdout.splitlines()[-1])
    assert list(conversion["refused"]) == ["int8"] and list(conversion["variants"]) == ["mixed"]
    floats = conversion["variants"]["mixed"]["made"]["float_operators"]
    # The spoiled operator and the one that reads it; not the whole network.
    assert any("/out_relu_1/" in name for name in floats) and len(floats) < 20
    tree = schema.ModelT.InitFromPackedBuf((out / "mixed.tflite").read_bytes(), 0)
    types = {one.name.decode(): one.type for one in tree.subgraphs[0].tensors}
    assert {types[name] for name in floats} == {schema.TensorType.FLOAT32}
    assert verify(Classifier(out / "mixed.tflite")).passed


def test_the_noise_of_every_operator_is_written(folder):
    lines = (folder / "layers.csv").read_text().splitlines()
    assert lines[0].startswith("number,kind,tensor,layer,") and len(lines) > 60
    assert (folder / "layers.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_settings_are_named(run, command, tmp_path):
    for setting, said in (
        ("rate=1", "A setting of epochs, learning_rate,"),
        ("clusters=2", "clusters must be 0 or at least 4"),
        ("epochs=0", "Setting epochs must be a whole number from 1 to 1000. Got: 0."),
    ):
        code, _, err = command("convert", run.folder, "--out", tmp_path / "models", "--qat", setting)
        assert code == 1 and said in err and "Traceback" not in err
    assert not (tmp_path / "models").exists()
