"""What is answered of photographed films: the table of `python -m studies.phone.film` and of docs/phone.md."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown
from studies.tables.pages import Page, each_result

_KINDS = ("same", "another", "uncertain", "not a chest X-ray")


def film_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.phone.film.measure` as a Markdown table."""
    rows = []
    for name, one in result["frames"].items():
        others = one["refused"]
        refused = f"{others.get('not a chest X-ray', 0)} of {sum(others.values())}"
        rows.append([name, *(str(one["answered"].get(kind, 0)) for kind in _KINDS), refused])
    columns = ("photograph", "same answer", "another", "uncertain", "refused", "refused of what is refused as a scan")
    return "\n".join([*markdown.table(columns, rows), ""])


def _section(result: dict[str, Any]) -> str:
    count = sum(next(iter(result["frames"].values()))["answered"].values())
    return f"{count} photographs of X-rays whose scan is answered, half of them with a white and half with a black surround:\n\n{film_table(result)}"


PAGE = Page("docs/phone.md", "phone_page", lambda results: each_result(results, "film", _section))

if __name__ == "__main__":
    PAGE.command()()
