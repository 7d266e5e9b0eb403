"""The metadata read back by flatbuffers' generic tables, zipfile and TensorFlow's interpreter."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from flatbuffers import number_types
from flatbuffers.table import Table

from freezenet.convert.package.metadata import Description, described, with_files
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

TEXT = Description(name="a name", description="words, ünïcode", version="1.2", license="its licence")
SPEC = PreprocessSpec(size=(40, 32), mean=128.0, std=127.5)
FILES = {"labels.txt": b"one\ntwo", "card.json": b'{"a": 1}', "golden-0.png": bytes(range(256))}


def with_metadata(model: bytes, text: Description, spec: PreprocessSpec, files: dict, outputs=("scores",)) -> bytes:
    return with_files(described(model, text, spec, outputs), files)


@pytest.fixture(scope="module")
def plain() -> bytes:
    """A small model without metadata of ours."""
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input(batch_shape=(1, 40, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(image)
    scores = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, scores)).convert()


@pytest.fixture(scope="module")
def packed(plain) -> bytes:
    return with_metadata(plain, TEXT, SPEC, FILES)


class Node:
    """A flatbuffers table by slot numbers, without any schema."""

    def __init__(self, buffer: bytes, position: int):
        self.table = Table(buffer, position)

    @classmethod
    def root(cls, buffer: bytes) -> Node:
        return cls(buffer, struct.unpack_from("<I", buffer)[0])

    def _at(self, slot: int) -> int:
        return self.table.Offset(4 + 2 * slot)

    def has(self, slot: int) -> bool:
        return bool(self._at(slot))

    def text(self, slot: int) -> str:
        return self.table.String(self._at(slot) + self.table.Pos).decode()

    def number(self, slot: int, flags) -> int:
        return self.table.Get(flags, self._at(slot) + self.table.Pos)

    def node(self, slot: int) -> Node:
        return Node(self.table.Bytes, self.table.Indirect(self._at(slot) + self.table.Pos))

    def nodes(self, slot: int) -> list[Node]:
        offset = self._at(slot)
        start = self.table.Vector(offset)
        return [Node(self.table.Bytes, self.table.Indirect(start + 4 * i)) for i in range(self.table.VectorLen(offset))]

    def array(self, slot: int, flags) -> np.ndarray:
        return self.table.GetVectorAsNumpy(flags, self._at(slot))


def metadata_of(model: bytes) -> bytes:
    """The buffer that Model.metadata (slot 6 of schema.fbs; buffers are 4) names TFLITE_METADATA."""
    root = Node.root(model)
    entries = [one for one in root.nodes(6) if one.text(0) == "TFLITE_METADATA"]
    assert len(entries) == 1
    buffer = root.nodes(4)[entries[0].number(1, number_types.Uint32Flags)]
    return buffer.array(0, number_types.Uint8Flags).tobytes()


def test_identifiers(packed):
    assert packed[4:8] == b"TFL3"
    assert metadata_of(packed)[4:8] == b"M001"
    assert flatbuffers.util.BufferHasIdentifier(metadata_of(packed), 0, b"M001")


def test_model_texts(packed):
    model = Node.root(metadata_of(packed))
    assert [model.text(slot) for slot in (0, 1, 2, 5)] == ["a name", "words, ünïcode", "1.2", "its licence"]
    assert model.text(7) == "1.0.0"


def test_input_says_rgb_and_normalization(packed):
    (subgraph,) = Node.root(metadata_of(packed)).nodes(3)
    (image,) = subgraph.nodes(2)
    assert image.text(0) == "image"
    content = image.node(3)
    assert content.number(0, number_types.Uint8Flags) == 2  # ContentProperties.ImageProperties
    assert content.node(1).number(0, number_types.Int8Flags) == 1  # ColorSpaceType.RGB
    (unit,) = image.nodes(4)
    assert unit.number(0, number_types.Uint8Flags) == 1  # ProcessUnitOptions.NormalizationOptions
    assert unit.node(1).array(0, number_types.Float32Flags).tolist() == [128.0]
    assert unit.node(1).array(1, number_types.Float32Flags).tolist() == [127.5]
    stats = image.node(5)
    np.testing.assert_allclose(stats.array(0, number_types.Float32Flags), [127 / 127.5], rtol=1e-6)  # max
    np.testing.assert_allclose(stats.array(1, number_types.Float32Flags), [-128 / 127.5], rtol=1e-6)  # min


def test_output_names_the_labels_file(packed):
    (subgraph,) = Node.root(metadata_of(packed)).nodes(3)
    (scores,) = subgraph.nodes(3)
    assert scores.node(3).number(0, number_types.Uint8Flags) == 1  # ContentProperties.FeatureProperties
    (labels,) = scores.nodes(6)
    assert labels.text(0) == "labels.txt"
    assert labels.number(2, number_types.Int8Flags) == 2  # AssociatedFileType.TENSOR_AXIS_LABELS


def test_further_outputs_are_described_and_have_no_labels():
    import keras

    image = keras.Input(batch_shape=(1, 40, 32, 3))
    maps = keras.layers.Conv2D(4, 3)(image)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    network = keras.Model(image, [keras.layers.Dense(2, activation="softmax")(pooled), maps, pooled])
    content = tf.lite.TFLiteConverter.from_keras_model(network).convert()
    rewritten = with_metadata(content, TEXT, SPEC, FILES, ("scores", "cam", "features"))
    (subgraph,) = Node.root(metadata_of(rewritten)).nodes(3)
    outputs = subgraph.nodes(3)
    assert [one.text(0) for one in outputs] == ["scores", "cam", "features"]
    assert [one.text(1).split()[0] for one in outputs] == ["Probability", "Class", "Mean"]
    assert [one.has(6) for one in outputs] == [True, False, False]
    assert {one.node(3).number(0, number_types.Uint8Flags) for one in outputs} == {1}  # FeatureProperties


def test_files_come_back_from_any_zip_reader(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert {one.filename: archive.read(one) for one in archive.infolist()} == FILES
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_model_computes_the_same_bits(plain, packed):
    image = np.random.default_rng(0).normal(size=(1, 40, 32, 3)).astype(np.float32)
    found = []
    for content in (plain, packed):
        interpreter = tf.lite.Interpreter(model_content=content)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*found)
    assert np.ptp(found[0]) > 0


def test_signature_survives(plain, packed):
    lists = [tf.lite.Interpreter(model_content=content).get_signature_list() for content in (plain, packed)]
    assert lists[0] == lists[1] and lists[0]


def test_equal_arguments_give_equal_bytes(plain, packed):
    assert with_metadata(plain, TEXT, SPEC, FILES) == packed


def test_other_arguments_give_other_metadata(plain, packed):
    other = with_metadata(plain, TEXT, PreprocessSpec(size=(40, 32), mean=0.0, std=255.0), FILES)
    (subgraph,) = Node.root(metadata_of(other)).nodes(3)
    (unit,) = subgraph.nodes(2)[0].nodes(4)
    assert unit.node(1).array(0, number_types.Float32Flags).tolist() == [0.0]
    assert unit.node(1).array(1, number_types.Float32Flags).tolist() == [255.0]


def test_written_twice_replaces_the_first_entry(packed):
    again = with_metadata(packed, Description("b", "", "", ""), SPEC, {"labels.txt": b"x\ny"})
    assert Node.root(metadata_of(again)).text(0) == "b"
    with zipfile.ZipFile(io.BytesIO(again)) as archive:
        assert archive.namelist() == ["labels.txt"]


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_converted_files_carry_labels_card_and_normalization(models, run, variant):
    content = (models / f"{variant}.tflite").read_bytes()
    (subgraph,) = Node.root(metadata_of(content)).nodes(3)
    (unit,) = subgraph.nodes(2)[0].nodes(4)
    assert unit.node(1).array(0, number_types.Float32Flags).tolist() == [128.0]
    assert unit.node(1).array(1, number_types.Float32Flags).tolist() == [127.5]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().split("\n") == list(run.labels)
        assert json.loads(archive.read("card.json"))["variant"] == variant
