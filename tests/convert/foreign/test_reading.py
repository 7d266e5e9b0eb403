"""What is read, assumed and asked for."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.foreign.asked import Asked
from freezenet.convert.foreign.network import Network
from freezenet.convert.foreign.reading import read_foreign
from freezenet.convert.package.metadata import Description, described
from freezenet.edge_runtime.errors import FreezenetError, ModelError, SettingError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.integrity.model_file import ModelFile

LABELS = ("Clear", "Diffuse", "Focal", "Reticular")
SPEC = "mean=127.5,std=127.5,resize=bilinear"


def reading(path, spec=SPEC, labels="Clear,Diffuse,Focal,Reticular", **more):
    return read_foreign(ModelFile.read(path), Asked.read(spec, labels), **more)


def test_tensors_and_ends_are_those_of_the_file(foreign):
    network = Network.read(ModelFile.read(foreign / "int8.tflite"))
    (one,), (output,) = network.inputs, network.outputs
    assert (one.shape, one.dtype, output.dtype) == ((1, 48, 48, 3), "int8", "int8")
    assert output.scales == (1 / 256,) and output.zero_points == (-128,)
    ends = {
        name: Network.read(ModelFile.read(foreign / f"{name}.tflite")).ends for name in ("uint8", "logits", "single")
    }
    assert ends == {"uint8": ("SOFTMAX",), "logits": ("FULLY_CONNECTED",), "single": ("LOGISTIC",)}
    assert Network.read(ModelFile.read(foreign / "open-batch.tflite")).inputs[0].shape[0] == -1


def test_what_the_command_says_comes_before_the_metadata_and_these_before_what_is_usual(
    foreign, tmp_path, with_metadata
):
    path = with_metadata(foreign / "float32.tflite", tmp_path / "a.tflite", "123.5/116/103", "58/57/57", *LABELS)
    own = read_foreign(ModelFile.read(path), Asked())
    assert own.labels == LABELS and own.preprocess.means == (123.5, 116, 103) and own.preprocess.stds == (58, 57, 57)
    assert own.preprocess.color == "rgb" and own.preprocess.resize == "bilinear"
    assert any("resize is not in the file" in note for note in own.said) and "metadata" in own.facts
    told = read_foreign(ModelFile.read(path), Asked.read("color=bgr,resize=area,mean=0,std=255", "D,C,B,A"))
    assert told.labels == tuple("DCBA") and told.preprocess.means == (0,) and told.preprocess.color == "bgr"
    assert not told.said


def test_labels_that_stand_twice_are_told_apart_by_their_scores(foreign, tmp_path, with_metadata):
    """As in ImageNet's own list, where two classes are called crane."""
    names = ("crane", "Diffuse", "crane", "Reticular")
    path = with_metadata(foreign / "float32.tflite", tmp_path / "a.tflite", "127.5", "127.5", *names)
    found = read_foreign(ModelFile.read(path), Asked())
    assert found.labels == ("crane (0)", "Diffuse", "crane (2)", "Reticular")
    assert any("names crane more than once" in note and "as crane (0)" in note for note in found.said)


def test_metadata_of_an_integer_file_are_followed(foreign, tmp_path, with_metadata):
    path = with_metadata(foreign / "uint8.tflite", tmp_path / "a.tflite", "127.5", "127.5", *LABELS)
    assert read_foreign(ModelFile.read(path), Asked()).preprocess.means == (127.5,)


def test_metadata_that_make_other_integers_than_the_raw_pixels_are_said(foreign, tmp_path):
    plain = foreign / "uint8.tflite"
    (one,) = Network.read(ModelFile.read(plain)).inputs

    def notes(mean: float, std: float, spec: str | None = None) -> list[str]:
        path = tmp_path / "a.tflite"
        text = Description("small", "of phantoms", "1", "")
        path.write_bytes(described(plain.read_bytes(), text, PreprocessSpec((48, 48), mean, std)))
        return [
            note for note in read_foreign(ModelFile.read(path), Asked.read(spec, "A,B,C,D")).said if "MediaPipe" in note
        ]

    zero_point, std = one.zero_points[0], 1 / one.scales[0]
    assert notes(zero_point, std) == []
    # Less contrast around the zero point.
    low, high = (round(zero_point + (pixel - zero_point) / 1.7) for pixel in (0, 255))
    (note,) = notes(zero_point, 1.7 * std)
    assert f"make {low} to {high} of" in note
    # What it names is what it says.
    named = note.partition("--preprocess ")[2].partition(" ")[0]
    assert notes(zero_point, 1.7 * std, named) == []
    found = read_foreign(ModelFile.read(plain), Asked.read(named, "A,B,C,D")).preprocess
    integers = np.rint(found.exact(np.arange(256, dtype=np.uint8)[None]) / one.scales[0]) + zero_point
    np.testing.assert_array_equal(integers[0, :, 0], np.arange(256))


def test_our_own_metadata_are_read_by_their_own_reader(models):
    """They are standard metadata, so a file of ours without its card is another maker's."""
    network = Network.read(ModelFile.read(models / "int8-app.tflite"))
    assert network.metadata is not None
    (image,), (scores,) = network.metadata.inputs, network.metadata.outputs
    assert (image.mean, image.std, image.color) == ((128.0,), (127.5,), "rgb")
    assert scores.label_files == ("labels.txt",) and scores.name == "scores"


def test_a_uint8_input_without_a_word_is_the_raw_pixel(foreign):
    found = reading(foreign / "uint8.tflite", "resize=area")
    one, (mean,), (std,) = found.input, found.preprocess.means, found.preprocess.stds
    pixels = np.arange(256)
    np.testing.assert_array_equal(np.rint((pixels - mean) / std / one.scales[0]) + one.zero_points[0], pixels)
    assert any("raw pixels" in note for note in found.said)


@pytest.mark.parametrize(
    ("name", "spec", "labels", "said"),
    [
        ("float32", "resize=area", "A,B,C,D", "mean=127.5,std=127.5 for values from -1 to 1"),
        ("int8", "resize=area", "A,B,C,D", "int8 input"),
        ("float32", "mean=1", "A,B,C,D", "Mean and std together"),
        ("float32", SPEC, None, "pass --labels A,B"),
        ("float32", SPEC, "A,B,C", "4 labels are required"),
        ("single", SPEC, "A,B,C", "2 labels are required.*second of two classes"),
        ("open-size", SPEC, "A,B,C,D", "size=224x224"),
        ("float32", f"{SPEC},size=64", "A,B,C,D", "leave it out"),
        ("float32", f"{SPEC},layout=NCHW", "A,B,C,D", "pass the other layout"),
        ("float32", f"{SPEC},output=3", "A,B,C,D", "number from 0 to 0"),
        ("float32", f"{SPEC},scores=logits", "A,B,C,D", "ends in a softmax"),
        ("uint8", "mean=0,std=1", "A,B,C,D", "fits the input's quantization"),
        ("int8", "mean=0,std=1", "A,B,C,D", "fits the input's quantization"),
        ("int8", "mean=0,std=0", "A,B,C,D", "std above 0"),
    ],
)  # fmt: skip
def test_what_is_missing_or_contradicts_is_asked_for(foreign, name, spec, labels, said):
    with pytest.raises(FreezenetError, match=said):
        reading(foreign / f"{name}.tflite", spec, labels)


def test_the_classes_of_the_data_are_suggested_and_not_assumed(foreign):
    with pytest.raises(SettingError, match="--labels Clear,Diffuse,Focal,Reticular"):
        reading(foreign / "float32.tflite", SPEC, None, known_labels=LABELS)


def test_logits_are_said(foreign):
    found = reading(foreign / "logits.tflite")
    assert found.meaning.end == "logits" and any("FULLY_CONNECTED" in note for note in found.said)
    assert reading(foreign / "float32.tflite").meaning.end == "softmax"
    assert not reading(foreign / "logits.tflite", f"{SPEC},scores=logits").said


def test_a_few_values_beyond_an_integer_input_are_said(foreign):
    assert not any("lie beyond" in note for note in reading(foreign / "int8.tflite").said)
    found = reading(foreign / "int8.tflite", "mean=127.5,std=110")
    assert any("of the gray values lie beyond its int8 input" in note for note in found.said)


def test_a_softmax_of_one_score_is_refused(foreign, tmp_path):
    def one_score(tree, graph):
        graph.tensors[graph.outputs[0]].shape = graph.tensors[graph.outputs[0]].shapeSignature = [1, 1]

    with pytest.raises(ModelError, match="always 1"):
        reading(changed(foreign / "float32.tflite", tmp_path / "one.tflite", one_score), labels="no,yes")


def changed(source, target, change):
    """Write a file whose tables a function has changed."""
    tree = read_tree(source.read_bytes())
    change(tree, tree.subgraphs[0])
    target.write_bytes(write_tree(tree))
    return target


def _two_inputs(tree, graph):
    graph.inputs = [*graph.inputs, *graph.inputs]


def _two_outputs(tree, graph):
    graph.outputs = [*graph.outputs, graph.operators[0].outputs[0]]


def _a_map(tree, graph):
    graph.outputs = [graph.operators[0].outputs[0]]


def _sequence(tree, graph):
    graph.tensors[graph.inputs[0]].shape = [1, 48, 9]


def _four_images(tree, graph):
    graph.tensors[graph.inputs[0]].shape = [4, 48, 48, 3]


def _four_channels(tree, graph):
    graph.tensors[graph.inputs[0]].shape = [1, 48, 48, 4]


def _either_layout(tree, graph):
    graph.tensors[graph.inputs[0]].shape = [1, 3, 48, 3]


def _int64(tree, graph):
    graph.tensors[graph.inputs[0]].type = 4


def _channels_quantized(tree, graph):
    one = graph.tensors[graph.inputs[0]].quantization
    one.scale, one.zeroPoint = [0.1, 0.2, 0.3], [0, 0, 0]


def _no_scale(tree, graph):
    graph.tensors[graph.outputs[0]].quantization.scale = [0.0]


def _uint16_without(tree, graph):
    one = graph.tensors[graph.outputs[0]]
    one.type, one.quantization = 16, None


def _custom(tree, graph):
    tree.operatorCodes[0].customCode, tree.operatorCodes[0].builtinCode = b"MyOp", 32


def _flex(tree, graph):
    tree.operatorCodes[0].customCode, tree.operatorCodes[0].builtinCode = b"FlexErf", 32


def _no_graph(tree, graph):
    tree.subgraphs = []


def _no_inputs(tree, graph):
    graph.inputs = []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_two_inputs, "only input.*2 inputs"),
        (_two_outputs, "output=NAME.*Boxes and masks"),
        (_a_map, "maps, boxes and sequences"),
        (_sequence, "a sequence or a list of features"),
        (_four_images, "a batch of 4"),
        (_four_channels, "has neither"),
        (_either_layout, "layout=NHWC or layout=NCHW"),
        (_int64, "float32, uint8 or int8 input"),
        (_channels_quantized, "one scale for all of its values.*one for each channel"),
        (_no_scale, "scale above 0"),
        (_uint16_without, "scale above 0|0 scales"),
        (_custom, "custom operators: MyOp"),
        (_flex, "Select TF ops.*FlexErf"),
        (_no_graph, "damaged"),
        (_no_inputs, "0 inputs"),
    ],
)
def test_what_is_no_classifier_of_one_image_is_named(foreign, tmp_path, change, said):
    path = changed(foreign / "int8.tflite", tmp_path / "odd.tflite", change)
    with pytest.raises(FreezenetError, match=said) as caught:
        reading(path)
    assert "odd.tflite" in str(caught.value)


def test_one_of_several_outputs_can_be_named(foreign, tmp_path):
    path = changed(foreign / "float32.tflite", tmp_path / "two.tflite", _two_outputs)
    name = Network.read(ModelFile.read(path)).outputs[0].name
    assert reading(path, f"{SPEC},output=0").output == reading(path, f"{SPEC},output={name}").output == 0
    with pytest.raises(ModelError, match="maps, boxes"):
        reading(path, f"{SPEC},output=1")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"PK\3\4", r"\.keras"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\x08\x07\x12\x07pytorch", "ONNX"),
        (b"nothing at all", "another format"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, head, said):
    (tmp_path / "a.tflite").write_bytes(head + bytes(100))
    with pytest.raises(ModelError, match=said):
        reading(tmp_path / "a.tflite")


def test_a_damaged_file_is_a_sentence(foreign, tmp_path):
    """At any place."""
    content, rng = (foreign / "int8.tflite").read_bytes(), np.random.default_rng(0)
    for number in range(150):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 1 + number % 20):
            damaged[at] = rng.integers(0, 256)
        (tmp_path / "a.tflite").write_bytes(damaged if number % 3 else damaged[: rng.integers(8, len(content))])
        try:
            reading(tmp_path / "a.tflite")
        except FreezenetError as error:
            assert "Got:" in str(error)


def test_damaged_metadata_are_said_and_the_rest_is_asked_for(foreign, tmp_path, with_metadata):
    path = with_metadata(foreign / "float32.tflite", tmp_path / "a.tflite", "127.5", "127.5", *LABELS)
    tree = read_tree(path.read_bytes())
    entry = next(one for one in tree.metadata if one.name == b"TFLITE_METADATA")
    tree.buffers[entry.buffer].data = np.frombuffer(b"\xff" * 64, np.uint8)
    path.write_bytes(write_tree(tree))
    assert any("damaged ones" in note for note in reading(path).said)
    with pytest.raises(SettingError, match="no metadata that say so"):
        reading(path, "resize=area", None)
