"""tflite-support, by those who defined the metadata, reads what was written."""

from __future__ import annotations

import copy
import zipfile
from dataclasses import replace

import pytest

from studies.clients.question import questions
from studies.clients.support import differences


def test_it_reads_labels_normalization_and_associated_files(cells):
    for name, cell in cells("tflite-support").items():
        assert cell.cannot is None, (name, cell)
        assert cell.differs == (), (name, cell)


@pytest.fixture
def int8(models):
    return next(one for one in questions(models) if one.variant == "int8")


@pytest.fixture
def right(int8):
    """What MetadataDisplayer returns, written by hand from the published schema's names."""
    with zipfile.ZipFile(int8.model) as archive:
        files = {name: archive.read(name).hex() for name in archive.namelist()}
    image = {
        "content": {"content_properties": {"color_space": "RGB"}},
        "process_units": [{"options_type": "NormalizationOptions", "options": {"mean": [128.0], "std": [127.5]}}],
    }
    scores = {"associated_files": [{"name": "labels.txt", "type": "TENSOR_AXIS_LABELS"}]}
    graph = {"input_tensor_metadata": [image], "output_tensor_metadata": [scores]}
    return {"metadata": {"subgraph_metadata": [graph]}, "files": files}


def test_nothing_differs_where_all_is_right(int8, right):
    assert differences(int8, right) == []


def test_each_part_is_named_where_it_differs(int8, right):
    graph = right["metadata"]["subgraph_metadata"][0]
    wrong = copy.deepcopy(graph)
    wrong["input_tensor_metadata"][0]["process_units"][0]["options"]["mean"] = [127.5]
    wrong["input_tensor_metadata"][0]["content"]["content_properties"] = {}
    wrong["output_tensor_metadata"][0]["associated_files"] = []
    answer = {"metadata": {"subgraph_metadata": [wrong]}, "files": {**right["files"], "more.txt": ""}}
    assert differences(int8, answer) == ["image properties", "normalization", "labels", "associated files"]
    other = replace(int8, card=replace(int8.card, labels=int8.card.labels[::-1]))
    assert differences(other, right) == ["labels"]
