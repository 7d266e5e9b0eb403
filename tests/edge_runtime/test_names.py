from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.names import chosen_names, meant

KNOWN = {"left": 1, "right": 2}


def test_a_list_keeps_its_order():
    assert chosen_names(" right ,left,", KNOWN, "Sides") == ["right", "left"]
    assert chosen_names("all", KNOWN, "Sides") == ["left", "right"]


@pytest.mark.parametrize(("text", "came"), [("up,left,down", "up, down"), (",", "none"), ("all,left", "all")])
def test_what_is_not_known_is_named(text, came):
    with pytest.raises(FreezenetError) as caught:
        chosen_names(text, KNOWN, "Sides")
    assert str(caught.value) == f"Sides of left, right are required. Got: {came}."


def test_a_misspelt_name_in_a_list_is_recognized():
    with pytest.raises(FreezenetError, match=r"Got: lift\. Did you mean left\?$"):
        chosen_names("right,lift", KNOWN, "Sides")


def test_there_need_be_no_word_for_all():
    with pytest.raises(FreezenetError, match="Got: all"):
        chosen_names("all", KNOWN, "Sides", everything=None)


def test_what_a_misspelt_name_was_meant_to_be():
    assert meant("rihgt", KNOWN) == " Did you mean right?"
    assert meant("elsewhere", KNOWN) == ""
