"""What is said about a file that is done."""

from __future__ import annotations

import os

import pytest

from freezenet.edge_runtime.watch.outcome import Outcome

RECORD = {
    "file": "DOE^JANE",
    "label": None,
    "abstained": True,
    "overlay": "DOE^JANE.cam.png",
    "input_sha256": "ab" * 32,
}


@pytest.mark.parametrize(
    ("rejected", "record", "state"),
    [(True, {"error": ""}, "rejected"), (False, RECORD, "abstained"), (False, {"abstained": False}, "answered")],
)
def test_the_state(rejected, record, state):
    assert Outcome("a", "ab" * 32, rejected, record).state == state


def test_a_name_is_said_only_when_asked():
    outcome = Outcome("DOE^JANE", "ab" * 32, False, RECORD)
    assert outcome.line() == "abababababab\tabstained"
    assert outcome.line(names=True) == "abababababab\tabstained\tDOE^JANE"
    assert outcome.to_dict() == {"state": "abstained", "label": None, "abstained": True, "input_sha256": "ab" * 32}
    assert outcome.to_dict(names=True) == {"state": "abstained", **RECORD}


def test_a_name_that_is_no_text_is_said_as_text():
    Outcome(os.fsdecode(b"odd\xff"), "ab", False, {}).line(names=True).encode()
