"""Which client opens which variant: the table of `python -m studies.clients` and of docs/clients.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studies.clients.cell import Cell
from studies.tables import markdown
from studies.tables.pages import Page, each_result
from studies.tables.phone_table import phone_table


def clients_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.clients.matrix.measure` as a Markdown table, the reasons numbered below."""
    variants = result["variants"]
    notes = markdown.Notes()

    def shown(cell: Cell) -> str:
        return f"{cell.text()} {notes.number(cell.reason)}" if cell.reason else cell.text()

    rows = [
        [one["summary"], *(shown(Cell.from_dict(one["cells"][variant])) for variant in variants)]
        for one in result["clients"].values()
    ]
    return "\n".join([*markdown.table(["client", *variants], rows), *notes.lines(), ""])


def _section(result: dict[str, Any]) -> str:
    named = markdown.packages(result, "tensorflow", "ai-edge-litert")
    return f"Recipe `{result['recipe']}`; {result['environment']['cpu']}; {named}:\n\n{clients_table(result)}"


def _phone_section(result: dict[str, Any]) -> str:
    what = f"{result['pictures']} pictures, {result['refused']} refused and {result['uncertain']} uncertain"
    return (
        f"The apps' own code, `{result['variant']}`, {what}; {result['environment']['cpu']}:\n\n{phone_table(result)}"
    )


def _part(results: Path) -> str:
    clients, phones = (
        each_result(results, name, section) for name, section in (("clients", _section), ("phone", _phone_section))
    )
    return "\n".join(filter(None, (clients, phones)))


PAGE = Page("docs/clients.md", "clients_page", _part)

if __name__ == "__main__":
    PAGE.command()()
