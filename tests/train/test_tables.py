from __future__ import annotations

import io
import sys

import click

from freezenet.train.tables import print_table

HEADINGS, ROWS = ("file", "MB"), (["[int8]", "2.77"], ["float32", "12.93"])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_pipe_gets_columns_that_cut_can_take_apart(capsys):
    print_table(HEADINGS, ROWS)
    assert capsys.readouterr().out == "file\tMB\n[int8]\t2.77\nfloat32\t12.93\n"


def test_a_terminal_gets_aligned_columns(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    print_table(HEADINGS, iter(ROWS))
    head, rule, *rows = (line.rstrip() for line in click.unstyle(shown.getvalue()).splitlines())
    assert head.split() == ["file", "MB"]
    assert set(rule.strip()) == {"─"}
    assert [row.split() for row in rows] == [list(row) for row in ROWS]
    # Names begin and numbers end where the others do.
    assert {len(row) for row in rows} == {len(rows[0])}
    assert all(not row.startswith(" ") for row in rows)
