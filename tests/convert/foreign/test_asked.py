from __future__ import annotations

import json

import pytest

from freezenet.convert.foreign.asked import Asked, read_labels
from freezenet.edge_runtime.errors import SettingError

EXPECTED = Asked(
    size=(224, 192), mean=(123.7, 116.3, 103.5), std=(58.4,), color="bgr", resize="antialias", crop=0.875,
    layout="NCHW", scores="logits", output="1",
)  # fmt: skip
KEYS = {
    "size": [224, 192], "mean": [123.7, 116.3, 103.5], "std": 58.4, "color": "bgr", "resize": "antialias", "crop": 0.875,
    "layout": "NCHW", "scores": "logits", "output": 1,
}  # fmt: skip


def test_a_list_a_toml_and_a_json_file_say_the_same(tmp_path):
    text = "size=224x192, mean=123.7/116.3/103.5,std=58.4,color=BGR,resize=antialias,crop=.875,layout=nchw,scores=logits,output=1"
    (tmp_path / "a.json").write_text(json.dumps(KEYS))
    (tmp_path / "a.toml").write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in KEYS.items()))
    assert Asked.read(text) == Asked.read(str(tmp_path / "a.json")) == Asked.read(str(tmp_path / "a.toml")) == EXPECTED


def test_one_side_means_a_square():
    assert Asked.read("size=96").size == (96, 96)
    assert Asked.from_dict({"size": 96}).size == (96, 96)


def test_labels_come_from_a_list_or_a_file(tmp_path):
    (tmp_path / "labels.txt").write_text("\ufeffCOVID\r\nLung opacity\r\n\r\n", encoding="utf-8")
    assert read_labels("COVID, Lung opacity") == read_labels(str(tmp_path / "labels.txt")) == ("COVID", "Lung opacity")
    assert Asked.read("color=rgb", "A,B").labels == ("A", "B")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("size=0", "HEIGHTxWIDTH"),
        ("size=224.5", "HEIGHTxWIDTH"),
        ("size=1x2x3", "HEIGHTxWIDTH"),
        ("mean=1/2", "One number or three"),
        ("mean=a", "One number or three"),
        ("colour=rgb", "Did you mean color"),
        ("color=hsv", "One of gray, rgb, bgr"),
        ("crop=1.5", "a share"),
        ("crop=none,crop=pad", "each key once"),
        ("rgb", "list of key=value"),
        ("mean=", "list of key=value"),
        ("missing.toml", "does not exist"),
        ("scores=softmax", "probabilities, logits"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_is(spec, said):
    with pytest.raises(SettingError, match=said):
        Asked.read(spec)


@pytest.mark.parametrize("value", [True, [1, True], {"a": 1}, None, [], "x", 1e400])
@pytest.mark.parametrize("key", ["size", "mean", "std", "crop", "output", "labels", "color"])
def test_other_types_in_a_file_are_refused_or_read(tmp_path, key, value):
    try:
        Asked.from_dict({key: value})
    except SettingError as error:
        assert "Got:" in str(error)


@pytest.mark.parametrize("text", ["[1, 2]", "{", "\x00", '"a"'])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SettingError, match="required"):
        Asked.read(str(tmp_path / "a.json"))


@pytest.mark.parametrize("name", ["labels", "a, b.txt"])
def test_a_file_of_labels_may_have_any_name(tmp_path, name):
    (tmp_path / name).write_text("A\nB\n")
    assert read_labels(str(tmp_path / name)) == ("A", "B")


def test_a_list_that_is_longer_than_a_name_is_a_list():
    names = tuple(f"class {number}" for number in range(3000))
    assert read_labels(",".join(names)) == names and read_labels("a\0b,c") == ("a\0b", "c")


def test_what_is_wrong_with_labels_in_a_file_is_said():
    with pytest.raises(SettingError, match=r"each once and none empty.*'A' more than once"):
        Asked.from_dict({"labels": ["A", "A"]})


@pytest.mark.parametrize("labels", ["A,A", "A,,B", ","])
def test_labels_stand_once_and_have_names(labels):
    with pytest.raises(SettingError, match="each once and none empty"):
        read_labels(labels)
