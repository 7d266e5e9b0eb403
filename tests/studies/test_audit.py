"""The study of planted letters, on few data sets."""

from __future__ import annotations

from studies.audit import measure


def test_planted_letters_are_found_and_clean_phantoms_not_flagged():
    found = measure(2)
    assert (found["planted_found"], found["clean_flagged"]) == (2, 0)
    assert [row["planted"] for row in found["rows"]] == [True, False] * 2
