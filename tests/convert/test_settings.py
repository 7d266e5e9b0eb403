from __future__ import annotations

from dataclasses import dataclass

import pytest

from freezenet.convert.settings import Settings, setting
from freezenet.edge_runtime.errors import FreezenetError


@dataclass(frozen=True)
class Numbers(Settings):
    share: float = setting(0.5, 0, 1)
    count: int = setting(3, 1, 10)


def test_settings_are_read_as_numbers_of_their_kind():
    found = Numbers().changed(["share=1", "count=10"])
    assert (found.share, found.count) == (1, 10)
    assert Numbers().changed(["share=.25"]).share == 0.25
    assert Numbers().changed([]) == Numbers(0.5, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("share=1.01", r"Setting share must be a number from 0 to 1. Got: 1.01."),
        ("share=nan", r"Setting share must be a number from 0 to 1. Got: nan."),
        ("share=much", r"Setting share must be a number from 0 to 1. Got: 'much'."),
        ("share=true", r"Setting share must be a number from 0 to 1. Got: True."),
        ("count=2.0", r"Setting count must be a whole number from 1 to 10. Got: 2.0."),
        ("count=0", r"Setting count must be a whole number from 1 to 10. Got: 0."),
        ("shares=1", r"A setting of share, count is required. Got: 'shares'. Did you mean share?"),
        ("share", r"A setting key=value is required. Got: share."),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(FreezenetError) as caught:
        Numbers().changed([text])
    assert str(caught.value) == sentence


def test_a_value_beyond_its_limits_is_refused_in_code_too():
    with pytest.raises(FreezenetError, match="Setting count must be a whole number"):
        Numbers(count=11)
