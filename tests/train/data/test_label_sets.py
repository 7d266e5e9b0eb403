"""Label sets as text, and by what images are stratified."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.label_sets import labels_of, strata, text_of

NAMES = st.text(st.characters(exclude_characters=";", exclude_categories=["Cs"]), min_size=1).map(str.strip)
LABELS = st.sets(NAMES.filter(lambda name: name not in ("", "none")), max_size=5)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("covid", ("covid",)),
        ("pneumonia;covid", ("covid", "pneumonia")),
        (" covid ; pneumonia;covid;", ("covid", "pneumonia")),
        ("none", ()),
        (" none ", ()),
        ("None", ("None",)),
    ],
)
def test_order_spaces_and_repeats_mean_nothing(text, labels):
    assert labels_of(text) == labels


@pytest.mark.parametrize("text", ["", ";", "  ", "none;covid", "covid; none"])
def test_what_could_be_a_mistake_is_refused(text):
    with pytest.raises(FreezenetError, match=r"a;b, or none alone, are required as a class\. Got: '"):
        labels_of(text)


@given(LABELS)
def test_a_set_has_one_text_and_comes_back_from_it(labels):
    assert labels_of(text_of(labels)) == tuple(sorted(labels))
    assert text_of(reversed(labels_of(text_of(labels)))) == text_of(labels)


def test_a_rare_set_counts_as_the_rarest_of_its_labels():
    classes = ["a"] * 6 + ["b"] * 3 + ["a;b"] * 4 + ["a;b;c"] + ["none"]
    found = strata(classes, [str(n) for n in range(len(classes))], 3)
    assert Counter(found.tolist()) == {"a": 6, "b": 3, "a;b": 4, "c": 1, "none": 1}
    assert found[13] == "c" and found[14] == "none"


def test_units_are_counted_and_not_images():
    """Three images of one patient are one patient's."""
    classes = ["a;b"] * 3 + ["a"] * 3 + ["b"] * 2
    found = strata(classes, ["p", "p", "p", "q", "r", "s", "t", "u"], 2)
    assert found.tolist() == ["b"] * 3 + ["a"] * 3 + ["b"] * 2


def test_classes_of_one_label_stay_as_they_are():
    assert strata(["a", "b", "a"], ["1", "2", "3"], 100).tolist() == ["a", "b", "a"]
