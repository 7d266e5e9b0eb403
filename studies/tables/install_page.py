"""What each way to install weighs: the table of `python -m studies.install` and of docs/install.md."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown
from studies.tables.pages import Page, each_result


def install_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.install.measure` as Markdown: the weights, then the commands of each route."""
    rows = []
    for name, one in result["routes"].items():
        heaviest = ", ".join(f"{package} {size:.0f}" for package, size in list(one["packages"].items())[:5])
        rows.append([name, one["summary"], f"{one['megabytes']:.0f}", heaviest, f"{one['seconds']:.0f}"])
    lines = markdown.table(["route", "what", "MB", "the heaviest parts, MB", "seconds"], rows)
    for name, one in result["routes"].items():
        lines += ["", f"**{name}**", "", "```sh", one["commands"], "```"]
        lines += ["", *(f"    {line}" for line in one["checked"])] if one["checked"] else []
    return "\n".join([*lines, ""])


def _section(result: dict[str, Any]) -> str:
    environment = result["environment"]
    machine = f"Python {environment['python']}, {environment['machine']}, {markdown.machine(result)}"
    return f"{machine}:\n\n{install_table(result)}"


PAGE = Page("docs/install.md", "install_page", lambda results: each_result(results, "install", _section))

if __name__ == "__main__":
    PAGE.command()()
