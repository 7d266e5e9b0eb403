"""Tables on stdout: aligned columns for a person, tab-separated lines for a pipe or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table in the look that all verbs share.

    Args:
        headings: of the columns. The first column names the row and is set left, the others are set right.
        rows: one text per column.
    """
    if not sys.stdout.isatty():
        for row in (headings, *rows):
            print("\t".join(row))
        return
    from rich.console import Console

    Console(highlight=False, markup=False).print(ruled(headings, rows))


def ruled(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return the table as rich draws it, for those who print it themselves. Arguments as for `print_table`."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
