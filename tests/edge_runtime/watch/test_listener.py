"""What is said about a file that is done, and to whom."""

from __future__ import annotations

import os

import pytest

from freezenet.edge_runtime.watch.listener import Listener, Outcome
from freezenet.edge_runtime.watch.service import line, line_json

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
    assert line(outcome, False) == "abababababab\tabstained"
    assert line(outcome, True) == "abababababab\tabstained\tDOE^JANE"
    assert line_json(outcome, False) == {
        "state": "abstained",
        "label": None,
        "abstained": True,
        "input_sha256": "ab" * 32,
    }
    assert line_json(outcome, True) == {"state": "abstained", **RECORD}


def test_a_name_that_is_no_text_is_said_as_text():
    line(Outcome(os.fsdecode(b"odd\xff"), "ab", False, {}), True).encode()


def test_who_listens_to_nothing_still_has_the_sentences_in_the_log(caplog):
    with caplog.at_level("INFO", logger="freezenet"):
        Listener().say("A trouble begins.")
        Listener().done(Outcome("DOE^JANE", "ab", False, {}))
        Listener().alive()
    assert caplog.messages == ["A trouble begins."]
