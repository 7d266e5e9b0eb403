"""Which engine gives the answers of `freezenet predict`: the table of `python -m studies.phone` and of docs/clients.md."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown


def phone_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.phone.matrix.measure` as a Markdown table, the reasons numbered below."""
    notes = markdown.Notes()
    rows = []
    for one in result["engines"].values():
        name = f"{one['summary']} ({one['version']})" if one["version"] else one["summary"]
        if one["missing"]:
            rows.append([name, f"not run {notes.number(one['missing'])}", "", "", "", ""])
            continue
        counts = [f"{one[key]} of {one['pictures']}" for key in ("answers", "scores", "pixels")]
        time = "" if one["milliseconds"] is None else f"{one['milliseconds']:.0f}"
        rows.append([name, *counts, f"{one['largest']:.1e}", time])
    columns = ("engine", "same answers", "equal scores", "equal pixels", "largest difference of a probability", "ms")
    return "\n".join([*markdown.table(columns, rows), *notes.lines(), ""])
