"""The study of predictions, on phantoms of one kind that were given the names of two sources: nothing is lost at either."""

from __future__ import annotations

import json

import pytest

from studies.audit_outside import WAYS, measure
from studies.tables.audit_page import outside_section


@pytest.fixture(scope="module")
def found(few_phantoms, with_changed_rows, tmp_path_factory):
    copy = tmp_path_factory.mktemp("sources") / "data"
    data = with_changed_rows(few_phantoms, copy, lambda number, row: {**row, "source": ("east", "west")[number % 2]})
    network = copy / "transfer.csv"
    network.write_text("class,value,images,outside\nClear,east,30,0.5\nFocal,east,10,0.9\nClear,west,30,\n")
    return measure(data, None, "none", network, size=32)


def test_each_source_is_left_out_and_predicted(found):
    assert set(found["sources"]) == {"east", "west"}
    for one in found["sources"].values():
        assert sum(one["shares"].values()) == pytest.approx(1, abs=1e-5)
        assert abs(one["inside"] - one["right"]) < 0.35  # phantoms of one kind, so few that chance is large
        assert one["audit"]["low"] <= one["audit"]["likely"][0] <= one["audit"]["likely"][1] <= one["audit"]["high"]
    assert found["covered"] == 2 and set(found["close"]) == set(WAYS)
    json.dumps(found, allow_nan=False)


def test_the_network_counts_by_images(found):
    assert found["sources"]["east"]["network"] == pytest.approx((30 * 0.5 + 10 * 0.9) / 40)
    assert found["sources"]["west"]["network"] is None and found["with_network"] == 1


def test_the_table_holds_a_row_for_each_source(found):
    rows = [line for line in outside_section(found).splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 and rows[1].startswith("| east, ") and " 0.60 |" in rows[1]
