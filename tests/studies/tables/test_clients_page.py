from __future__ import annotations

from studies.clients.cell import Cell
from studies.clients.matrix import CLIENTS
from studies.tables.clients_page import PAGE, clients_table


def test_the_page_names_every_client():
    assert all(client.summary in PAGE.text() for client in CLIENTS.values())


def test_equal_reasons_share_a_number():
    cells = [Cell("a.tflite", 0.0), Cell("b.tflite", cannot="an | operator"), Cell("c.tflite", cannot="an | operator")]
    result = {
        "variants": ["a", "b", "c"],
        "clients": {
            "one": {"summary": "One", "cells": {name: cell.to_dict() for name, cell in zip("abc", cells, strict=True)}}
        },
    }
    assert clients_table(result).splitlines() == [
        "| client | a | b | c |",
        "|---|---|---|---|",
        "| One | same | cannot (1) | cannot (1) |",
        "",
        "1. an \\| operator",
    ]
