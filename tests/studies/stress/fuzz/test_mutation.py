"""Inputs are reproducible and damaged, and what is changed from the inside still is a file of its format."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib

import numpy as np
import pytest

from studies.stress.fuzz import png
from studies.stress.fuzz.fields import fields
from studies.stress.fuzz.model import with_changed_card
from studies.stress.fuzz.mutation import mutated


def test_an_input_is_made_again_from_seed_and_number(corpus_files):
    for number in range(200):
        assert mutated(corpus_files, 3, number) == mutated(corpus_files, 3, number)


def test_seeds_and_numbers_give_other_inputs(corpus_files):
    made = {mutated(corpus_files, seed, number).data for seed in (0, 1) for number in range(300)}
    assert len(made) > 550


def test_all_formats_take_turns(corpus_files):
    kinds = sorted({name.partition("/")[0] for name in corpus_files})
    assert [mutated(corpus_files, 0, number).kind for number in range(len(kinds))] == kinds


def test_most_inputs_differ_from_the_whole_file(corpus_files):
    made = [mutated(corpus_files, 0, number) for number in range(400)]
    assert sum(one.data != corpus_files[one.name] for one in made) > 350


@pytest.mark.parametrize(
    "name", ["jpeg/gray", "png/gray8", "tiff/rgb", "tiff/bigtiff", "bmp/l", "webp/lossy", "tflite/card"]
)
def test_fields_lie_in_the_file(corpus_files, name):
    data = corpus_files[name]
    found = fields(data)
    assert len(found) >= 5
    assert all(field.at >= 0 and field.at + field.size <= len(data) for field in found)


@pytest.mark.parametrize("name", ["jpeg/gray", "png/gray8", "tiff/rgb", "bmp/l"])
def test_width_and_height_are_among_the_fields(corpus_files, name):
    data = corpus_files[name]
    values = [int.from_bytes(data[field.at : field.at + field.size], field.order) for field in fields(data)]
    assert 56 in values
    assert 72 in values


def test_fields_of_anything_are_found_without_failing(corpus_files):
    for number in range(1000):
        made = mutated(corpus_files, 5, number)
        assert all(field.at + field.size <= len(made.data) for field in fields(made.data))


def test_chunks_of_a_png_are_split_and_joined_to_the_same_bytes(corpus_files):
    for name, data in corpus_files.items():
        if name.startswith("png/"):
            assert png.joined(png.split(data)) == data


def test_a_written_png_has_the_checksums_of_the_standard():
    data = png.written(np.zeros((4, 4, 1), np.uint8))
    assert data[8:16] == struct.pack(">I4s", 13, b"IHDR")
    assert int.from_bytes(data[29:33], "big") == zlib.crc32(data[12:29])


def test_a_changed_card_lies_in_a_whole_archive(corpus_files):
    whole = corpus_files["tflite/card"]
    cards = []
    for seed in range(20):
        with zipfile.ZipFile(io.BytesIO(with_changed_card(whole, random.Random(seed)))) as archive:
            assert archive.testzip() is None
            cards.append(json.dumps(json.loads(archive.read("card.json"))))
    assert len(set(cards)) > 15
