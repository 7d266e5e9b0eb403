"""MediaPipe opens the files as an app does and answers as the edge runtime does."""

from __future__ import annotations

import numpy as np
import pytest

from studies.clients.cell import Cell
from studies.clients.question import Question, model_files


@pytest.fixture(scope="module")
def asked(models, run):
    """Phantoms of the test side, resized as the spec says, and what the edge runtime answers to them."""
    pixels = np.stack([run.recipe.preprocess.pixels(path) for path, _ in run.paths("test")])
    return {name: Question.of_pixels(path, name, pixels) for name, path in model_files(models, app=True).items()}


@pytest.fixture(scope="module")
def given(asked, answers):
    return answers("mediapipe", list(asked.values()))


def test_float_and_int8_files_give_the_scores_of_the_edge_runtime(asked, given, float_variants, integer_variants):
    for name in [*float_variants, *integer_variants]:
        cell = Cell.judge(asked[name], given[name])
        assert cell.reason is None, (name, cell)
        assert cell.differs == (), (name, cell)
        assert cell.largest_difference <= 1e-3, (name, cell)


def test_the_pictures_are_of_more_than_one_class(asked):
    assert len(set(asked["float32"].expected.argmax(axis=1))) > 1


def test_the_categories_carry_the_labels(asked, given):
    for name, answer in given.items():
        assert "cannot" in answer or answer["labels"] == list(asked[name].card.labels), name


def test_golden_vectors(cells, float_variants, integer_variants):
    for name in [*float_variants, *integer_variants]:
        cell = cells("mediapipe")[name]
        assert cell.largest_difference <= 1e-3, (name, cell)


def test_what_it_cannot_open_is_said_in_a_sentence(cells):
    for name, cell in cells("mediapipe").items():
        assert cell.largest_difference is not None or len(cell.cannot) > 10, (name, cell)
