"""What a card says of the sources behind its figures: numbers for names, which stay with the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from freezenet.convert.package.card import audited, sources_of

ROWS = [
    *({"source": "St. Mary", "split": "validation"},) * 3,
    *({"source": "harbour", "split": "validation"},) * 2,
    *({"source": "St. Mary", "split": "test"},) * 4,
    *({"source": "harbour", "split": "train"},) * 6,
    {"source": "", "split": "test"},
]
BY_SOURCE = {"sick": {"": 0, "St. Mary": 9, "harbour": 0}, "well": {"": 1, "St. Mary": 2, "harbour": 8}}


def run(final: bool) -> SimpleNamespace:
    return SimpleNamespace(
        splits=ROWS,
        final=final,
        judged_split="train" if final else "validation",
        read_metrics=lambda: {"images_by_class_and_source": BY_SOURCE, "elsewhere": "Not shown."},
    )


@pytest.mark.parametrize(
    ("final", "validation", "test"),
    [
        (False, {"source 2": 3, "source 3": 2}, {"source 2": 4, "unknown": 1}),
        (True, {"source 3": 6}, {"source 3": 6}),
    ],
)
def test_sources_are_counted_and_not_named(final, validation, test):
    found = sources_of(run(final))  # type: ignore[arg-type]
    assert (found["validation"], found["test"]) == (validation, test)
    assert found["one_source_only"] == {"sick": "source 2"}
    assert found["elsewhere"] == "Not shown."
    assert not [name for name in ("St. Mary", "harbour") if name in str(found)]


@pytest.mark.parametrize("found", [{}, {"not_audited": "No patients in /home/x."}])
def test_without_an_audit_a_card_says_nothing_of_one(found):
    assert audited(SimpleNamespace(read_audit=lambda: found)) is None  # type: ignore[arg-type]


def test_of_an_audit_a_card_holds_what_names_nobody():
    whole = {"images": 9, "headline": "It can.", "flags": ["source"], "verdict": ["At St. Mary."], "notes": ["harbour"]}
    found = audited(SimpleNamespace(read_audit=lambda: whole))  # type: ignore[arg-type]
    assert found == {"images": 9, "verdict": "It can.", "flags": ["source"]}
