"""Captions by their pixels: nothing is cut off, at any width, of any number of classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.dicom_node.results.caption import LEAST_WIDTH, captioned, drawable, wrapped
from freezenet.edge_runtime.dicom_node.results.capture import lines

WIDTHS = [32, 64, 320, 500, 899, 900, 901, 1024, 3000]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("classes", [1, 4, 100])
def test_no_text_touches_the_border(width, classes, answer):
    shares = {f"A_class_with_a_long_name_{number}": number / 5050 for number in range(classes)}
    picture = np.zeros((64, width, 3), np.uint8)
    shown = captioned(picture, lines(answer | {"label": next(iter(shares)), "probabilities": shares}))
    below = shown[64:]
    assert below.any()
    for border in (below[:, :3], below[:, -3:], below[:1], below[-1:]):
        assert not border.any()


@pytest.mark.parametrize("width", WIDTHS)
def test_every_word_is_drawn(width, monkeypatch):
    """What OpenCV is asked to draw is, put together, the whole text, and each row fits by OpenCV's own measure."""
    drawn = []
    put = cv2.putText

    def watched(image, text, org, *others):
        drawn.append((text, org, others))
        return put(image, text, org, *others)

    monkeypatch.setattr("freezenet.edge_runtime.dicom_node.results.caption.cv2.putText", watched)
    texts = ["Pneumonia of a long name", "W" * 300, "COVID 0.12, Normal 0.75", "Research use only. Not a diagnosis."]
    shown = captioned(np.zeros((9, width, 3), np.uint8), texts)
    assert "".join(text for text, _, _ in drawn).replace(" ", "") == "".join(texts).replace(" ", "")
    for text, (left, _), (font, scale, _, thickness, *_) in drawn:
        assert left + cv2.getTextSize(text, font, scale, thickness)[0][0] < shown.shape[1]


def test_the_pixels_of_the_picture_stay(answer):
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    shown = captioned(picture, lines(answer))
    np.testing.assert_array_equal(shown[:50, :70], picture)
    assert shown.shape[1] == LEAST_WIDTH


def test_the_largest_probability_comes_first_and_the_notice_last(answer):
    assert lines(answer) == [
        "Normal",
        "Normal 0.75, COVID 0.12, Lung_Opacity 0.06, Viral_Pneumonia 0.06",
        "freezenet int8.tflite.",
        "Research use only. Not a diagnosis.",
    ]


def test_of_what_is_no_chest_x_ray_no_share_is_written(answer):
    said = lines(answer | {"label": None, "abstained": True, "reason": "not a chest X-ray", "probabilities": None})
    assert said[0] == "No answer: not a chest X-ray"
    assert not any("0." in line for line in said)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Lung_Opacity", "Lung_Opacity"),
        ("Pneumonie aiguë", "Pneumonie aigue"),
        ("肺炎", "<U+80BA><U+708E>"),
        ("a\u0e1b", "a<U+0E1B>"),
    ],
)
def test_what_old_opencv_cannot_draw_is_spelt_out(text, plain):
    assert drawable(text, scripts=False) == plain


@pytest.mark.parametrize(
    ("text", "drawn"),
    [("肺炎", "肺炎"), ("Пневмония", "Пневмония"), ("폐렴", "폐렴"), ("ปอด", "<U+0E1B><U+0E2D><U+0E14>")],
)
def test_scripts_that_the_fonts_hold_stay(text, drawn):
    assert drawable(text, scripts=True) == drawn


def test_rows_break_between_words_and_in_a_word_that_is_too_long():
    assert wrapped("one two three", lambda row: len(row) <= 7) == ["one two", "three"]
    assert wrapped("abcdefghij k", lambda row: len(row) <= 4) == ["abcd", "efgh", "ij k"]
    assert wrapped("ab", lambda row: False) == ["a", "b"]
    assert wrapped("", lambda row: True) == []
