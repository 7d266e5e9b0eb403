"""What damaged files did: the table of `python -m studies.stress.fuzz` and of docs/robustness.md."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown
from studies.tables.pages import Page, each_result


def fuzz_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.stress.fuzz.run.fuzz` as Markdown: counts by format, costs, findings."""
    counted = ("answers", "sentences", "findings")
    rows = [[kind, *(str(counts[name]) for name in counted)] for kind, counts in result["formats"].items()]
    slowest, largest = result["slowest"], result["largest"]
    lines = [
        *markdown.table(["format", *counted], rows),
        "",
        f"{result['inputs']} inputs of seed {result['seed']}, made from {result['corpus']} undamaged files; "
        f"{len(result['sentences'])} different sentences; the slowest took {slowest['seconds']:.2f} s ({slowest['name']}), the "
        f"most memory was {largest['peak_bytes'] / 2**20:.0f} MiB ({largest['name']}).",
    ]
    for one in result["findings"]:
        inputs = ", ".join(str(found["number"]) for found in one["inputs"])
        lines.append(f"- {one['count']} x {' '.join(one['first'].split())} (inputs {inputs})")
    return "\n".join([*lines, ""])


def _section(result: dict[str, Any]) -> str:
    named = markdown.packages(result, "opencv-python-headless", "ai-edge-litert")
    return f"{result['environment']['cpu']}; {named}:\n\n{fuzz_table(result)}"


PAGE = Page("docs/robustness.md", "robustness_page", lambda results: each_result(results, "fuzz", _section))

if __name__ == "__main__":
    PAGE.command()()
