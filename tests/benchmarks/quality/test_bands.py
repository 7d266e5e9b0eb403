"""Bands of ages and other numbers, counted by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from freezenet.benchmarks.quality.bands import UNKNOWN, banded, years

AGES = [str(age) for age in range(0, 100, 5)]


def test_ages_are_cut_by_years_and_other_numbers_into_quarters():
    assert banded("age", AGES)[:5] == ["under 18"] * 4 + ["18 to under 40"]
    assert Counter(banded("age", AGES)) == {"under 18": 4, "18 to under 40": 4, "40 to under 65": 5, "65 and more": 7}
    assert set(Counter(banded("dose", AGES)).values()) == {5}
    assert banded("device", ["1", "2", "1"]) == ["1", "2", "1"]


@pytest.mark.parametrize("column", ["age", "dose"])
def test_a_word_among_the_numbers_is_a_group_of_its_own_and_moves_no_other(column):
    assert banded(column, [*AGES, "on request", ""]) == [*banded(column, AGES), "on request", UNKNOWN]


def test_a_column_of_few_ages_is_cut_all_the_same():
    for name in ("age", "Age", "Patient Age", "patient_age"):
        assert banded(name, ["3", "17", "", "70"]) == ["under 18", "under 18", UNKNOWN, "65 and more"]


def test_ages_as_dicom_writes_them():
    """PS3.5, 6.2: nnnD, nnnW, nnnM, nnnY."""
    assert [years(cell) for cell in ("45", "045Y", "45 y", "018M", "36.5")] == [45, 45, 45, 1.5, 36.5]
    assert years("730D") == pytest.approx(2, abs=0.01) and years("104W") == pytest.approx(2, abs=0.01)
    assert [years(cell) for cell in ("unknown", "18-40", "-1", "Y", "inf", "")] == [None] * 6
    assert banded("age", ["240M", "040Y", "900D"]) == ["18 to under 40", "40 to under 65", "under 18"]
