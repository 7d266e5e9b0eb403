"""The page's table is that of the result files."""

from __future__ import annotations

from pathlib import Path

from studies.clients.cell import Cell
from studies.clients.matrix import CLIENTS
from studies.clients.table import BEGIN, page_with_tables, table
from studies.tables.pages import END

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


def test_the_page_s_table_is_that_of_the_result_files():
    assert BEGIN in PAGE
    assert END in PAGE
    assert page_with_tables(PAGE, ROOT / "results") == PAGE
    assert all(client.summary in PAGE for client in CLIENTS.values())


def test_equal_reasons_share_a_number():
    cells = [Cell("a.tflite", 0.0), Cell("b.tflite", cannot="an | operator"), Cell("c.tflite", cannot="an | operator")]
    result = {
        "variants": ["a", "b", "c"],
        "clients": {
            "one": {"summary": "One", "cells": {name: cell.to_dict() for name, cell in zip("abc", cells, strict=True)}}
        },
    }
    assert table(result).splitlines() == [
        "| client | a | b | c |",
        "|---|---|---|---|",
        "| One | same | cannot (1) | cannot (1) |",
        "",
        "1. an \\| operator",
    ]
